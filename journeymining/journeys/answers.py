"""Which journey a survey answer is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining.exceptions import EmptyLogError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def answers_on_journeys(
    surveys: pd.DataFrame,
    journey_id: NDArray[Any],
    customer_id: NDArray[Any],
    since: NDArray[np.int64],
    *,
    metric: str,
    usable: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Return which journey every answer of a metric is about.

    Parameters
    ----------
    surveys : DataFrame, one row per answer
    journey_id, customer_id, since : arrays, one entry per journey
        ``since`` is the moment (microseconds UTC) from which an answer may be about the journey.
    usable : array of bool, optional
        Journeys that may get an answer.

    Returns
    -------
    DataFrame, one row per answer that finds its journey
        ``row`` (of the journey), ``asked`` (microseconds UTC: sent, else answered), ``value``.
    """
    for column in ("metric", "value"):
        if column not in surveys:
            raise InputError.missing_column(column, surveys.columns, where="The surveys")
    answers = surveys[(surveys["metric"] == metric) & surveys["value"].notna()].reset_index(drop=True)
    if answers.empty:
        found = ", ".join(sorted(map(str, surveys["metric"].dropna().unique()))) or "none"
        raise EmptyLogError(f"No answers of metric '{metric}'. Metrics found: {found}.")
    times = [answers[column] for column in ("sent_at", "answered_at") if column in answers]
    if not times:
        raise InputError.missing_column("sent_at", answers.columns, where="The surveys")
    when = pd.to_datetime(times[0], utc=True)
    if len(times) > 1:
        when = when.fillna(pd.to_datetime(times[1], utc=True))
    answers["asked"] = when.to_numpy(dtype="datetime64[us]").astype("int64")
    answers = answers[when.notna()]
    rows = pd.Series(np.arange(len(journey_id)), index=journey_id)
    named = answers.get("journey_id", pd.Series(pd.NA, index=answers.index, dtype="str"))
    direct = answers.assign(row=named.map(rows))
    frames = [direct[direct["row"].notna()]]
    if "customer_id" in answers:
        table = pd.DataFrame({"customer_id": customer_id, "since": since, "row": np.arange(len(journey_id))})
        table = table if usable is None else table[usable]
        table["customer_id"] = table["customer_id"].astype("str")
        loose = answers[named.isna()].assign(customer_id=lambda a: a["customer_id"].astype("str"))
        nearest = pd.merge_asof(
            loose.sort_values("asked", kind="stable"),
            table.sort_values(["since", "row"], kind="stable"),
            left_on="asked",
            right_on="since",
            by="customer_id",
        )
        frames.append(nearest[nearest["row"].notna()])
    linked = pd.concat([frame[["row", "asked", "value"]] for frame in frames], ignore_index=True)
    linked["row"] = linked["row"].astype("int64")
    return linked if usable is None else linked[usable[linked["row"].to_numpy()]].reset_index(drop=True)
