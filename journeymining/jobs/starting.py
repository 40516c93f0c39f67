"""A first job and a first designed journey, from the answers to five questions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from journeymining.durations import parse_duration
from journeymining.exceptions import UsageError
from journeymining.writing import refuse_occupied, whole_file

QUESTIONS = {
    "scope": "Which journey, from what to what? (broadband order: order_placed > modem_active)",
    "customers": "Which groups of customers do you tell apart? (starter, mover; empty for none)",
    "promises": "What do you promise them? (order_placed > confirmation: 1 hour; empty for nothing)",
    "touchpoints": "Which touchpoints lie between, in order, and where? (confirmation@email, welcome_call@phone?)",
    "peak": "At which of them do you want to peak, and how do you want to end? (welcome_call, modem_active)",
}
"""The five steps from an intention to a design: scope, customers, promises, touchpoints, peaks."""

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Answers:
    """What was answered, taken apart."""

    journey: str
    start: str
    end: str
    customers: list[str] = field(default_factory=list)
    promises: list[tuple[str, str, str]] = field(default_factory=list)
    touchpoints: list[tuple[str, str | None, bool]] = field(default_factory=list)
    peak: list[str] = field(default_factory=list)


def read_answers(
    scope: str, *, customers: str = "", promises: str = "", touchpoints: str = "", peak: str = ""
) -> Answers:
    """Take the five answers apart.

    Parameters
    ----------
    scope : str
        ``name: first > last``; the name may be left out.
    customers : str
        Groups, between commas.
    promises : str
        ``from > to: duration``, between semicolons.
    touchpoints : str
        ``name``, ``name@channel``, ``name@channel?`` (may be left out), in their order, between commas.
    peak : str
        Names of touchpoints, between commas.

    Raises
    ------
    UsageError
        When an answer cannot be read; the message shows one that could.

    Examples
    --------
    >>> answers = read_answers("order: placed > active", touchpoints="mail@email, call@phone?", peak="call")
    >>> answers.journey, answers.start, answers.end, answers.touchpoints
    ('order', 'placed', 'active', [('mail', 'email', False), ('call', 'phone', True)])
    """
    name, _, rest = scope.rpartition(":")
    ends = [_name(part, "scope") for part in rest.split(">")]
    if len(ends) != 2:
        raise UsageError(
            f"Scope: two activities are needed, as in 'order: order_placed > modem_active'; found {scope!r}."
        )
    points = [_touchpoint(part) for part in _listed(touchpoints, ",") if part]
    known = [ends[0], *(point[0] for point in points), ends[1]]
    if doubled := sorted({one for one in known if known.count(one) > 1}):
        raise UsageError(
            f"Touchpoints: '{doubled[0]}' is named twice. Name each once; the scope names the first and last."
        )
    kept = [_promise(part, known) for part in _listed(promises, ";")]
    peaks = [_name(part, "peak") for part in _listed(peak, ",")]
    for one in peaks:
        if one not in known:
            raise UsageError(f"Peak: '{one}' is no touchpoint. Touchpoints: {', '.join(known)}.")
    journey = re.sub(r"[^A-Za-z0-9_-]+", "-", name.strip()).strip("-") or "journey"
    return Answers(journey, ends[0], ends[1], _listed(customers, ","), kept, points, peaks)


def start_job(directory: str | Path, answers: Answers, *, force: bool = False) -> list[Path]:
    """Write ``journey.yaml``, ``design.yaml`` and the folders ``raw/``, ``event_logs/`` and ``outputs/``.

    Returns
    -------
    list of Path
        The two files. The job reads ``raw/events.csv`` (time, activity, channel, email), a file to put your own in
        place of, until its sources are yours.

    Raises
    ------
    UsageError
        When one of the files exists and ``force`` is not given.
    """
    folder = Path(directory)
    files = [(folder / "journey.yaml", _job(answers)), (folder / "design.yaml", _design(answers))]
    for path, _ in files:
        refuse_occupied(path, force=force)
    for name in ("raw", "event_logs", "outputs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path, text in files:
        with whole_file(path, force=force) as work:
            work.write_text(text, encoding="utf-8")
    return [path for path, _ in files]


def _listed(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _name(text: str, question: str) -> str:
    name = text.strip()
    if not _NAME.fullmatch(name):
        raise UsageError(f"{question.capitalize()}: {name!r} is no name of an activity. Write it like order_placed.")
    return name


def _touchpoint(text: str) -> tuple[str, str | None, bool]:
    optional = text.endswith("?")
    name, _, channel = text.removesuffix("?").partition("@")
    return _name(name, "touchpoints"), _name(channel, "touchpoints") if channel else None, optional


def _promise(text: str, known: list[str]) -> tuple[str, str, str]:
    path, _, within = text.rpartition(":")
    ends = [_name(part, "promises") for part in path.split(">")] if path else []
    if len(ends) != 2:
        raise UsageError(f"Promises: {text!r} cannot be read. Write 'order_placed > confirmation: 1 hour'.")
    for one in ends:
        if one not in known:
            raise UsageError(f"Promises: '{one}' is no touchpoint. Touchpoints: {', '.join(known)}.")
    parse_duration(within)
    return ends[0], ends[1], within.strip()


def _job(answers: Answers) -> str:
    return f"""\
# What to read, and how. Every key: docs/reference/job-file.md. Run it with: journeymining run journey.yaml
job: {answers.journey}
timezone: UTC                    # of times without an offset; say yours, such as Europe/Amsterdam

sources:                         # shipped connectors: journeymining connectors list
  events:
    connector: csv               # any CSV with one event per row: time, activity, channel, email
    path: raw/events.csv

identity: {{keys: [account, email, phone, cookie]}}

journeys: {{by: customer, cut: {{gap: 30 days, end: [{answers.end}]}}}}

design: design.yaml

# Which paths go with what customers did afterwards: event, landmark, window, gap and horizon have no right default.
# outcomes:
#   churn: {{event: contract_cancelled, landmark: journey_end, window: journey, gap: 0 days, horizon: 180 days}}

report: {{title: "{answers.journey.replace("-", " ").replace("_", " ").capitalize()}"}}
"""


def _design(answers: Answers) -> str:
    points = [(answers.start, None, False), *answers.touchpoints, (answers.end, None, False)]
    lines = [f"  {name}: {{{_traits(name, channel, optional, answers)}}}" for name, channel, optional in points]
    flow = " > ".join(f"{name}?" if optional else name for name, _, optional in points)
    promises = [f"  - {{from: {one}, to: {other}, within: {within}}}" for one, other, within in answers.promises]
    parts = [
        "# The journey as you mean it to be. The language: docs/reference/design-language.md",
        f"journey: {answers.journey}",
        "version: 1",
        f"scope: {{start: {answers.start}, end: [{answers.end}]}}",
        *([f"personas: [{', '.join(answers.customers)}]"] if answers.customers else []),
        "",
        "touchpoints:",
        *lines,
        "",
        "# a > b: then; a?: may be left out; a*: any number of times; a | b: one of them; {a, b}: both, in any order.",
        f"flow: {flow}",
        *(["", "promises:", *promises] if promises else []),
    ]
    return "\n".join(parts) + "\n"


def _traits(name: str, channel: str | None, optional: bool, answers: Answers) -> str:
    traits = [f"channel: [{channel}]"] if channel else []
    traits += ["optional: true"] if optional else []
    traits += ["moment_of_truth: true"] if name in answers.peak else []
    return ", ".join(traits)
