"""Draft a design from what customers do: the flow that the most frequent journeys share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import polars as pl

from journeymining.conformance.flow import Block, Flow, Step, write_flow
from journeymining.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from journeymining.conformance.design import Design
    from journeymining.engines.prepared_log import Bucket, PreparedLog


@dataclass(frozen=True)
class Draft:
    """A drafted design: its ``text`` in the design language, and how many journeys its flow was drawn from."""

    text: str
    flow: Flow
    covered: int
    journeys: int
    variants: int


def drafted_flow(paths: Sequence[Sequence[str]]) -> Flow:
    """Return a flow that every one of these paths follows.

    Activities that come in both orders, or more than once, form a group; the groups have one order. In a group,
    activities that come at most once are in any order, others repeat. What some path does without is optional;
    neighbours that never come together are a choice.

    Examples
    --------
    >>> write_flow(drafted_flow([["a", "b", "c", "d"], ["a", "c", "b", "d"], ["a", "e", "d"]]))
    'a > ({b, c} | e) > d'
    """
    order: nx.DiGraph[str] = nx.DiGraph()
    for path in paths:
        order.add_nodes_from(path)
        for place, name in enumerate(path):
            order.add_edges_from((name, later) for later in set(path[place + 1 :]))
    groups = nx.condensation(order)
    members = {number: sorted(groups.nodes[number]["members"]) for number in groups}
    ranked = list(nx.lexicographical_topological_sort(groups, key=lambda number: members[number][0]))
    present = {
        number: {place for place, path in enumerate(paths) if set(path) & set(members[number])} for number in ranked
    }
    parts: list[Flow] = []
    at = 0
    while at < len(ranked):
        # Neighbours that no path has both of are ways to choose from.
        ways, seen = [ranked[at]], set(present[ranked[at]])
        while at + len(ways) < len(ranked) and not seen & present[ranked[at + len(ways)]]:
            ways.append(ranked[at + len(ways)])
            seen |= present[ways[-1]]
        flows = [
            _group(members[way], [path for place, path in enumerate(paths) if place in present[way]]) for way in ways
        ]
        flow = flows[0] if len(flows) == 1 else Block("choice", tuple(flows))
        parts.append(flow if len(seen) == len(paths) else Block("optional", (flow,)))
        at += len(ways)
    return parts[0] if len(parts) == 1 else Block("sequence", tuple(parts))


def _group(names: list[str], paths: list[Sequence[str]]) -> Flow:
    """Return the flow of activities that have no one order among themselves; every path has one of them."""
    once = all(path.count(name) <= 1 for path in map(list, paths) for name in names)
    if not once:
        steps: tuple[Flow, ...] = tuple(Step(name) for name in names)
        return Block("repeat_once", (steps[0] if len(steps) == 1 else Block("choice", steps),))
    everywhere = {name for name in names if all(name in path for path in paths)}
    parts = tuple(Step(name) if name in everywhere else Block("optional", (Step(name),)) for name in names)
    return parts[0] if len(parts) == 1 else Block("any_order", parts)


def draft_design(log: PreparedLog, *, coverage: float = 0.8, name: str = "draft") -> Draft:
    """Draft a design from the most frequent paths of a log.

    Parameters
    ----------
    log : PreparedLog
    coverage : float, more than 0, at most 1
        The share of journeys whose paths the flow must allow; the rarest paths are left out.
    name : str

    Returns
    -------
    Draft
        Channels are those a touchpoint was seen in, phases those of the log. A person must read and correct it: it
        says what happens, not what should.
    """
    if not 0 < coverage <= 1:
        raise UsageError(f"coverage is {coverage:g}; a share of more than 0 and at most 1 is needed.")

    def kernel(bucket: Bucket) -> tuple[pl.DataFrame, pl.DataFrame]:
        paths = bucket.events.group_by("journey", maintain_order=True).agg("activity")
        seen = bucket.events.group_by("activity", "channel", "phase").len()
        return paths.group_by("activity").agg(pl.len().alias("journeys")), seen

    def merge(parts: list[tuple[pl.DataFrame, pl.DataFrame]]) -> tuple[pl.DataFrame, pl.DataFrame]:
        paths = pl.concat([one[0] for one in parts]).group_by("activity").agg(pl.col("journeys").sum())
        seen = pl.concat([one[1] for one in parts]).group_by("activity", "channel", "phase").agg(pl.col("len").sum())
        return paths, seen

    paths, seen = log.run(kernel, merge, columns=["journey", "activity", "channel", "phase"])
    counted = sorted(
        zip(paths["activity"].to_list(), paths["journeys"].to_list(), strict=True), key=lambda p: (-p[1], p[0])
    )
    total, covered, chosen = sum(count for _, count in counted), 0, []
    for path, count in counted:
        if covered >= coverage * total:
            break
        chosen.append([log.activities[code] for code in path])
        covered += count
    flow = drafted_flow(chosen)
    text = _text(name, flow, seen, log, sorted({one for path in chosen for one in path}), covered, total)
    return Draft(text, flow, covered, total, len(chosen))


def _text(
    name: str, flow: Flow, seen: pl.DataFrame, log: PreparedLog, names: list[str], covered: int, total: int
) -> str:
    """Write a design in the design language."""
    phases: dict[str, None] = {}
    lines = []
    for activity in names:
        rows = seen.filter(pl.col("activity") == log.activities.index(activity)).sort(
            "len", "channel", descending=[True, False]
        )
        channels = list(dict.fromkeys(log.channels[code] for code in rows["channel"].to_list() if code >= 0))
        phase = next((log.phases[code] for code in rows["phase"].to_list() if code >= 0), None)
        parts = [f"phase: {_yaml(phase)}"] if phase else []
        parts += [f"channel: [{', '.join(_yaml(channel) for channel in channels)}]"] if channels else []
        if phase:
            phases[phase] = None
        lines.append(f"  {_yaml(activity)}: {{{', '.join(parts)}}}")
    head = [
        f"# Drafted from what customers do: the flow allows the paths of {covered} of {total} journeys.",
        "# It says what happens, not what should: read it, correct it, then hold journeys against it.",
        f"journey: {_yaml(name)}",
        "version: 1",
    ]
    if phases:
        head.append(f"phases: [{', '.join(_yaml(phase) for phase in phases)}]")
    return "\n".join([*head, "touchpoints:", *lines, f"flow: {_yaml(write_flow(flow))}"]) + "\n"


def design_on_model(design: Design, model: Path, process: str | None, folder: Path) -> str:
    """Write a design that points to the diagram it was read from, with its touchpoints to fill in."""
    import os

    place = os.path.relpath(model, folder) + (f"#{process}" if process else "")
    lines = []
    for name, one in design.touchpoints.items():
        parts = [f"channel: [{', '.join(_yaml(channel) for channel in one.channels)}]"] if one.channels else []
        parts += [f"from: {_yaml(one.sender)}"] if one.sender else []
        lines.append(f"  {_yaml(name)}: {{{', '.join(parts)}}}")
    head = [f"journey: {_yaml(design.name)}", "version: 1", f"model: {_yaml(place)}", "touchpoints:"]
    return "\n".join([*head, *lines]) + "\n"


def _yaml(text: str) -> str:
    """Write a text so that YAML reads it as this text, whatever is in it."""
    import json
    import re

    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ -]*", text) and text == text.strip()
    reserved = text.lower() in {"yes", "no", "on", "off", "true", "false", "null", "y", "n", "none"}
    return text if plain and not reserved else json.dumps(text, ensure_ascii=False)
