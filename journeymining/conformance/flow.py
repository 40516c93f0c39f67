"""The flow of a designed journey, as an analyst writes it, and the Petri net it means.

``a > b`` first a, then b; ``a | b`` one of them; ``a?`` may be left out; ``a*`` any number of times, also none;
``a+`` at least once; ``{a, b}`` both, in any order; ``( )`` groups. A name with spaces or signs is put in quotes.
``|`` binds weakest, then ``>``, then the signs behind a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journeymining.conformance.petri import NetBuilder, PetriNet
from journeymining.exceptions import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_TOKEN = re.compile(
    r"\s*(?:\"(?P<double>[^\"]+)\"|'(?P<single>[^']+)'|(?P<name>[^\s>|?*+{}(),\"']+)|(?P<sign>.))", re.DOTALL
)
_SIGNS = set(">|?*+{}(),")


@dataclass(frozen=True)
class Step:
    """A touchpoint in a flow."""

    name: str


@dataclass(frozen=True)
class Block:
    """A part of a flow: ``kind`` is sequence, choice, any_order, optional, repeat or repeat_once."""

    kind: str
    parts: tuple[Flow, ...]


Flow = Step | Block


def without_option(flow: Flow, names: Collection[str]) -> Flow:
    """Return a flow in which these touchpoints may not be left out where they stand alone with a question mark.

    Examples
    --------
    >>> write_flow(without_option(parse_flow("a > b? > (c > d)?"), {"b", "c"}))
    'a > b > (c > d)?'
    """
    if isinstance(flow, Step):
        return flow
    if flow.kind == "optional" and isinstance(flow.parts[0], Step) and flow.parts[0].name in names:
        return flow.parts[0]
    return Block(flow.kind, tuple(without_option(part, names) for part in flow.parts))


def parse_flow(text: str) -> Flow:
    """Read a flow expression.

    Raises
    ------
    SpecError
        With the place in the text (from 1) where it stops making sense, and what was expected there.

    Examples
    --------
    >>> parse_flow("order > mail?")
    Block(kind='sequence', parts=(Step(name='order'), Block(kind='optional', parts=(Step(name='mail'),))))
    """
    parser = _Parser(text)
    flow = parser.choice()
    if parser.sign:
        raise parser.error("'>', '|' or the end")
    return flow


class _Parser:
    """Reads one flow by recursive descent; `sign` is the current token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, bool, int]] = []
        for match in _TOKEN.finditer(text.rstrip()):
            name = match["double"] or match["single"] or match["name"]
            self.tokens.append((name or match["sign"], name is not None, match.start(match.lastgroup or 0) + 1))
        self.at = 0

    @property
    def sign(self) -> str:
        """The current token where it is a sign (or stray character), a mark where it is a name, empty at the end."""
        if self.at == len(self.tokens):
            return ""
        token, is_name, _ = self.tokens[self.at]
        return "name" if is_name else token

    def error(self, expected: str) -> SpecError:
        found = f"'{self.tokens[self.at][0]}'" if self.at < len(self.tokens) else "the end"
        place = self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text) + 1
        before = self.tokens[self.at - 1][0] if self.at else "the start"
        return SpecError(f"flow, character {place}: expected {expected} after '{before}', found {found}.")

    def choice(self) -> Flow:
        return self._chain("|", "choice", lambda: self._chain(">", "sequence", self.item))

    def _chain(self, separator: str, kind: str, part: Callable[[], Flow]) -> Flow:
        parts: list[Flow] = [part()]
        while self.sign == separator:
            self.at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else Block(kind, tuple(parts))

    def item(self) -> Flow:
        flow = self.atom()
        while self.sign in {"?", "*", "+"}:
            kind = {"?": "optional", "*": "repeat", "+": "repeat_once"}[self.sign]
            self.at += 1
            flow = Block(kind, (flow,))
        return flow

    def atom(self) -> Flow:
        if self.sign == "name":
            name = self.tokens[self.at][0]
            self.at += 1
            return Step(name)
        if self.sign not in {"(", "{"}:
            raise self.error("a touchpoint, '(' or '{'")
        closing = ")" if self.sign == "(" else "}"
        self.at += 1
        flow = self.choice() if closing == ")" else self._chain(",", "any_order", self.choice)
        if self.sign != closing:
            raise self.error(f"'{closing}'")
        self.at += 1
        return flow


def steps(flow: Flow) -> list[str]:
    """Names of the touchpoints of a flow, in the order they are written, each once.

    Examples
    --------
    >>> steps(parse_flow("a > (b | c) > a"))
    ['a', 'b', 'c']
    """
    if isinstance(flow, Step):
        return [flow.name]
    return list(dict.fromkeys(name for part in flow.parts for name in steps(part)))


def write_flow(flow: Flow) -> str:
    """Write a flow so that `parse_flow` reads the same flow.

    Examples
    --------
    >>> write_flow(parse_flow("a>(b|c)*>{d,'e f'}"))
    "a > (b | c)* > {d, 'e f'}"
    """
    if isinstance(flow, Step):
        plain = re.fullmatch(r"[^\s>|?*+{}(),\"']+", flow.name)
        quote = '"' if "'" in flow.name else "'"
        return flow.name if plain else f"{quote}{flow.name}{quote}"
    if flow.kind == "any_order":
        return "{" + ", ".join(write_flow(part) for part in flow.parts) + "}"
    if flow.kind in {"choice", "sequence"}:
        weaker = {"choice", "sequence"} if flow.kind == "sequence" else {"choice"}
        separator = " | " if flow.kind == "choice" else " > "
        return separator.join(_grouped(part, weaker) for part in flow.parts)
    sign = {"optional": "?", "repeat": "*", "repeat_once": "+"}[flow.kind]
    return _grouped(flow.parts[0], {"choice", "sequence"}) + sign


def _grouped(flow: Flow, weaker: set[str]) -> str:
    text = write_flow(flow)
    return f"({text})" if isinstance(flow, Block) and flow.kind in weaker else text


def flow_net(flow: Flow, *, optional: frozenset[str] = frozenset()) -> PetriNet:
    """Turn a flow into a sound workflow net: one place to start in, one to end in.

    Parameters
    ----------
    flow : Flow
        See `parse_flow`.
    optional : names that may be left out wherever they stand
        Touchpoints with ``optional: true``; the same as a question mark behind each.

    Examples
    --------
    >>> net = flow_net(parse_flow("order > mail?"))
    >>> net.labels
    ('order', 'mail', None)
    """
    build = NetBuilder()
    start, end = build.place("start"), build.place("end")
    _add(build, flow, start, end, optional)
    return build.net(initial={start: 1}, finals=[{end: 1}])


def _silent(build: NetBuilder, sources: list[str], targets: list[str]) -> None:
    build.transition(f"silent_{'_'.join(sources)}_to_{'_'.join(targets)}", None, sources, targets)


def _add(build: NetBuilder, flow: Flow, start: str, end: str, optional: frozenset[str]) -> None:
    """Add the part of the net that leads from one place to another."""
    if isinstance(flow, Step):
        build.transition(flow.name, flow.name, [start], [end])
        if flow.name in optional:
            _silent(build, [start], [end])
    elif flow.kind == "sequence":
        places = [start, *(build.fresh() for _ in flow.parts[1:]), end]
        for part, before, after in zip(flow.parts, places, places[1:], strict=False):
            _add(build, part, before, after, optional)
    elif flow.kind == "choice":
        for part in flow.parts:
            _add(build, part, start, end, optional)
    elif flow.kind == "any_order":
        befores, afters = [build.fresh() for _ in flow.parts], [build.fresh() for _ in flow.parts]
        _silent(build, [start], befores)
        for part, before, after in zip(flow.parts, befores, afters, strict=True):
            _add(build, part, before, after, optional)
        _silent(build, afters, [end])
    elif flow.kind == "optional":
        _add(build, flow.parts[0], start, end, optional)
        _silent(build, [start], [end])
    else:
        # Own places, so that a loop cannot leak into a choice that starts or ends at the same place.
        before, after = build.fresh(), build.fresh()
        _silent(build, [start], [before])
        _add(build, flow.parts[0], before, after, optional)
        _silent(build, [after], [before])
        _silent(build, [after], [end])
        if flow.kind == "repeat":
            _silent(build, [start], [end])
