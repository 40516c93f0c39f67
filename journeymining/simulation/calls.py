"""The telephone exchange: Asterisk's queue_log for the queues, Master.csv (CDR) for every leg of every call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from journeymining.simulation.clocks import SECOND, by_the_clock_of, micros, wall_clock_times
from journeymining.simulation.company import HOTLINE, OBSERVED_FROM, OBSERVED_UNTIL
from journeymining.simulation.people import spell

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from journeymining.simulation.behaviour import Lives
    from journeymining.simulation.company import Company
    from journeymining.simulation.people import People
    from journeymining.simulation.runs import Runs

AGENTS = ("Anna", "Bert", "Clara", "Dora", "Emil", "Fritz", "Gerda", "Hans")
ANSWERED = ("adhoc_call", "forced_switch", "outage_call")
ABANDONED = ("adhoc_call_abandoned", "forced_switch_abandoned")
SYSTEM = "telco"
_SEQUENCES_PER_CUSTOMER = 40


class Exchange:
    """The records of the exchange for one chunk: lines of both logs with the time at which they are written."""

    def __init__(self, first: int) -> None:
        self.sequence = first * _SEQUENCES_PER_CUSTOMER
        self.queue: list[tuple[int, str]] = []
        self.legs: list[
            tuple[int, int, int, str, str]
        ] = []  # start, answer (-1: never), end, before and after the times

    def next_id(self) -> int:
        """Return the next number of a channel."""
        self.sequence += 1
        return self.sequence

    def leg(self, start: int, answer: int, end: int, before: str, uniqueid: str, field: str) -> None:
        """Record one row of Master.csv; times are microseconds by the clock of the exchange."""
        status = "ANSWERED" if answer >= 0 else "NO ANSWER"
        duration = end // SECOND - start // SECOND
        talk = end // SECOND - answer // SECOND if answer >= 0 else 0
        after = f'{duration},{talk},"{status}","DOCUMENTATION","{uniqueid}","{field}","","{uniqueid}",{self.next_id()}'
        self.legs.append((start, answer, end, before, after))


def open_calls(queue: Runs) -> None:
    """Begin the queue log as Asterisk does when it starts."""
    start = micros(OBSERVED_FROM)
    queue.add(np.array([start]), [f"{start // SECOND}|NONE|NONE|NONE|QUEUESTART|"])


def write_calls(
    queue: Runs, legs: Runs, who: People, lives: Lives, company: Company, rng: Generator, counts: Counter[str]
) -> None:
    """Add the calls of one chunk to the runs of both logs."""
    exchange = Exchange(who.first)
    for name in (*ANSWERED, *ABANDONED):
        customers, when = lives.touches[name]
        numbers = [who.phone[i] for i in customers.tolist()]
        styles = rng.integers(3, size=len(numbers)).tolist()
        callers = [spell(number, style) for number, style in zip(numbers, styles, strict=True)]
        _inbound(exchange, when, callers, rng, answered=name in ANSWERED)
        counts[f"calls {name}"] += len(callers)
    withheld = int(rng.binomial(who.size, company.habits.withheld_callers))
    when = rng.integers(micros(OBSERVED_FROM), micros(OBSERVED_UNTIL), size=withheld)
    _inbound(exchange, when, ["anonymous"] * withheld, rng, answered=True)
    counts["calls withheld"] += withheld
    for name, reached in (("welcome_call", True), ("welcome_call_unanswered", False)):
        customers, when = lives.touches[name]
        _outbound(exchange, when, [who.phone[i] for i in customers.tolist()], rng, answered=reached)
        counts[f"calls {name}"] += len(customers)
    queue.add(np.array([time for time, _ in exchange.queue], dtype=np.int64), [line for _, line in exchange.queue])
    if exchange.legs:
        _add_legs(legs, exchange)


def merge_calls(queue: Runs, legs: Runs, folder: Path, counts: Counter[str]) -> None:
    """Write queue_log and Master.csv, each in the order in which the exchange wrote its lines."""
    folder.mkdir(parents=True)
    for name, runs in (("queue_log", queue), ("Master.csv", legs)):
        with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
            for _, line in runs.merged():
                file.write(line)
                counts[f"raw/asterisk/{name}"] += 1


def _inbound(
    exchange: Exchange, when: NDArray[np.int64], callers: list[str], rng: Generator, *, answered: bool
) -> None:
    size = len(callers)
    entered = (by_the_clock_of("asterisk", when) // SECOND).tolist()
    draws = [rng.integers(low, high, size).tolist() for low, high in ((5, 120), (30, 900), (0, len(AGENTS)))]
    refuses, agent_ends = (rng.random(size) < 0.1).tolist(), (rng.random(size) < 0.3).tolist()
    for i, (enter, hold, talk, chosen) in enumerate(zip(entered, *draws, strict=True)):
        channel = exchange.next_id()
        call, agent = f"{SYSTEM}-{enter - 1}.{channel}", AGENTS[chosen]
        events = [(0, "NONE", f"ENTERQUEUE||{callers[i]}|1")]
        clid = f'"hotline","{callers[i]}","s","ivr",""""" <{callers[i]}>","PJSIP/trunk-{channel:08x}"'
        start, connect = (enter - 1) * SECOND, (enter + hold) * SECOND
        if refuses[i]:
            other = AGENTS[chosen - 1]
            events.append((hold - 1, other, "RINGNOANSWER|5000"))
            leg = f'{clid},"PJSIP/{other.lower()}-{exchange.next_id():08x}","Queue","support,ct,,,120"'
            exchange.leg(start, -1, connect - SECOND, leg, call, "ivr=1")
        leg = f'{clid},"PJSIP/{agent.lower()}-{exchange.next_id():08x}","Queue","support,ct,,,120"'
        if answered:
            events.append((hold, agent, f"CONNECT|{hold}|{SYSTEM}-{enter + hold - 2}.{exchange.next_id()}|2"))
            ends = "COMPLETEAGENT" if agent_ends[i] else "COMPLETECALLER"
            events.append((hold + talk, agent, f"{ends}|{hold}|{talk}|1"))
            done = connect + talk * SECOND
            exchange.leg(start, start, done, leg, call, "ivr=1")
            exchange.leg(done, done, done, f'{clid},"","Hangup",""', call, "ivr=1")
        else:
            events.append((hold, "NONE", f"ABANDON|1|1|{hold}"))
            exchange.leg(start, -1, connect, leg, call, "ivr=1")
        for step, (after, member, text) in enumerate(events):
            # The steps of one call keep their order also within one second.
            line = f"{enter + after}|{call}|support|{member}|{text}"
            exchange.queue.append(((enter + after) * SECOND + step, line))


def _outbound(
    exchange: Exchange, when: NDArray[np.int64], customers: list[str], rng: Generator, *, answered: bool
) -> None:
    size = len(customers)
    started = (by_the_clock_of("asterisk", when) // SECOND * SECOND).tolist()
    draws = [rng.integers(low, high, size).tolist() for low, high in ((4, 30), (60, 600), (0, len(AGENTS)))]
    for number, start, ringing, talk, chosen in zip(customers, started, *draws, strict=True):
        channel = exchange.next_id()
        call, agent, called = f"{SYSTEM}-{start // SECOND}.{channel}", AGENTS[chosen], spell(number, 2)
        company = spell(HOTLINE, 0)
        dial = (
            f'"outbound","{company}","{called}","outbound","""{agent}"" <{company}>",'
            f'"PJSIP/{agent.lower()}-{channel:08x}"'
        )
        leg = f'{dial},"PJSIP/trunk-{exchange.next_id():08x}","Dial","PJSIP/{called}@trunk,30"'
        reached = start + ringing * SECOND
        if answered:
            done = reached + talk * SECOND
            exchange.leg(start, reached, done, leg, call, "welcome")
            exchange.leg(done, done, done, f'{dial},"","Hangup",""', call, "welcome")
        else:
            exchange.leg(start, -1, reached, leg, call, "welcome")


def _add_legs(legs: Runs, exchange: Exchange) -> None:
    starts, answers, ends = np.array([leg[:3] for leg in exchange.legs], dtype=np.int64).T
    begun, over = wall_clock_times(starts), wall_clock_times(ends)
    # A call that nobody answered has an empty field, without quotes.
    reached = [
        f'"{text}"' if time >= 0 else ""
        for time, text in zip(answers.tolist(), wall_clock_times(np.where(answers < 0, starts, answers)), strict=True)
    ]
    lines = [
        f'{before},"{start}",{answer},"{end}",{after}'
        for (*_, before, after), start, answer, end in zip(exchange.legs, begun, reached, over, strict=True)
    ]
    legs.add(ends, lines)
