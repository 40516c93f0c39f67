"""What sets a found persona apart from the others, and the name that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = (
    "persona", "activity", "journeys", "share", "share_elsewhere", "difference", "lift", "times", "times_elsewhere",
)  # fmt: skip

TELLING = 0.2
"""Difference of shares from which on a touchpoint can name a persona."""


def persona_touchpoints(
    names: list[str], counts: NDArray[np.int32], persona: NDArray[np.int64], weights: NDArray[np.float64]
) -> pd.DataFrame:
    """Say of every persona and touchpoint how many of its journeys meet it, and how many of all others do.

    Parameters
    ----------
    names : list of str
        The touchpoints.
    counts : array, a row per variant, a column per touchpoint
        How often the variant has it.
    persona, weights : arrays, one entry per variant
        Its persona, from 1, and its journeys.

    Returns
    -------
    DataFrame, one row per persona and touchpoint
        ``persona``, ``activity``, ``journeys`` (of the persona that have it), ``share`` (of its journeys),
        ``share_elsewhere``, ``difference``, ``lift`` (their ratio; missing where nobody else has it), ``times`` and
        ``times_elsewhere`` (mean per journey); by persona, the largest difference first, ties by name. Personas were
        made from these touchpoints, so the differences describe and prove nothing.
    """
    has = counts > 0
    parts = []
    for number in range(1, int(persona.max()) + 1):
        inside = persona == number
        mine, others = weights[inside], weights[~inside]
        share, elsewhere = _mean(has[inside], mine), _mean(has[~inside], others)
        parts.append(
            pd.DataFrame(
                {
                    "persona": number,
                    "activity": names,
                    "journeys": (mine @ has[inside]).round().astype("int64"),
                    "share": share,
                    "share_elsewhere": elsewhere,
                    "difference": share - elsewhere,
                    "lift": np.divide(share, elsewhere, out=np.full(len(names), np.nan), where=elsewhere > 0),
                    "times": _mean(counts[inside], mine),
                    "times_elsewhere": _mean(counts[~inside], others),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    size = -table["difference"].abs().round(12)
    order = table.assign(size=size).sort_values(["persona", "size", "activity"], kind="stable").index
    return table.loc[order, list(COLUMNS)].reset_index(drop=True)


def with_names(personas: pd.DataFrame, touchpoints: pd.DataFrame) -> pd.DataFrame:
    """Name the stable personas after what sets them apart; insert ``name`` as the second column.

    The name says up to two touchpoints whose shares differ most, by 20 points at least: with what others have less
    often, without what they have more often. Where the same name would come twice it gets further touchpoints, and in
    the end the number of the persona.
    """
    telling: dict[int, list[tuple[str, str]]] = {int(number): [] for number in personas["persona"]}
    for number, activity, difference in touchpoints[["persona", "activity", "difference"]].itertuples(index=False):
        if abs(difference) >= TELLING:
            telling[number].append(("with" if difference > 0 else "without", str(activity)))
    stable = [int(n) for n, stands in zip(personas["persona"], personas["stands"], strict=True) if stands == "stable"]
    length = dict.fromkeys(stable, 2)
    names = {number: _join(telling[number][:2]) for number in stable}
    for _ in range(max((len(told) for told in telling.values()), default=0)):
        shared = [n for n in stable if list(names.values()).count(names[n]) > 1 and length[n] < len(telling[n])]
        for number in shared:
            length[number] += 1
        names |= {number: _join(telling[number][: length[number]]) for number in shared}
    twice = [n for n in stable if list(names.values()).count(names[n]) > 1]
    names |= {number: f"{names[number]} ({number})" for number in twice}
    table = personas.copy()
    found = [names.get(int(number)) for number in personas["persona"]]
    table.insert(1, "name", pd.Series(found, index=table.index, dtype="str"))
    return table


def _mean(values: NDArray[np.bool_] | NDArray[np.int32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    found: NDArray[np.float64] = weights @ values / total if total else np.zeros(values.shape[1])
    return found


def _join(told: list[tuple[str, str]]) -> str:
    """Write what is told: first what the journeys have, then what they lack."""
    parts = [
        f"{word} {' and '.join(name for kind, name in told if kind == word)}"
        for word in ("with", "without")
        if any(kind == word for kind, _ in told)
    ]
    return ", ".join(parts) or "like the others"
