"""What customers said, on the journeys they said it about: NPS by deviation and by variant, and who answered."""

from __future__ import annotations

import numpy as np
import pandas as pd

from journeymining.experience.nps import nps_table, recommend_answers
from journeymining.journeys.answers import answers_on_journeys
from journeymining.proportions import wilson

LEAST_ANSWERS = 20
"""A variant with fewer answers has no NPS of its own: its interval would span most of the scale."""


def experience_tables(
    surveys: pd.DataFrame,
    journeys: pd.DataFrame,
    deviations: pd.DataFrame | None = None,
    *,
    metric: str = "nps",
    least: int = LEAST_ANSWERS,
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """Return the tables of experience of a run.

    An answer is about the journey it names, else about the last journey of its customer that ended before it was asked;
    where there is a design, the last one in its scope.

    Parameters
    ----------
    surveys : DataFrame, one row per survey sent
        ``metric``, ``value`` (null: not answered), ``sent_at``, ``answered_at``, ``customer_id``; optionally
        ``journey_id``, ``scale_min``, ``scale_max``.
    journeys : DataFrame, one row per journey
        ``journey_id``, ``customer_id``, ``variant_id``, ``end``.
    deviations : DataFrame, one row per journey, optional
        ``journey_id``, ``in_scope`` and a count per type of deviation, see `journeymining.conformance.conform`.
    metric : str
        The recommend item, 0 to 10.
    least : int
        Variants with fewer answers are not listed.

    Returns
    -------
    tables : dict of DataFrame
        ``nps``: see `journeymining.experience.nps.nps_table`, segments by deviation where there is a design: ``all``,
        ``as designed`` and one per type. A journey with two deviations is in two segments.
        ``nps_by_variant``: the same by variant. ``response``: per segment how many were asked and answered, with the
        share and its interval (Wilson, 95 %): an NPS speaks for those who answered.
    left_out : dict
        Rows that are in no NPS, by reason.

    Examples
    --------
    >>> sent = pd.to_datetime(["2026-01-05", "2026-01-06"], utc=True)
    >>> answers = pd.DataFrame({"metric": "nps", "value": [9.0, 3.0], "sent_at": sent, "customer_id": ["a", "b"]})
    >>> ends = pd.to_datetime(["2026-01-01", "2026-01-01"], utc=True)
    >>> ended = pd.DataFrame({"journey_id": ["1", "2"], "customer_id": ["a", "b"], "variant_id": "v", "end": ends})
    >>> experience_tables(answers, ended)[0]["nps"][["segment", "n", "nps"]].values.tolist()
    [['all', 2, 0.0]]
    """
    asked = surveys[surveys["metric"] == metric].reset_index(drop=True)
    answers = recommend_answers(asked, metric=metric)
    tables = {"nps": nps_table(asked, metric=metric)}
    left_out = {"not answered": int(asked["value"].isna().sum()), "other metrics": len(surveys) - len(asked)}
    if answers.empty:
        return tables, left_out
    if deviations is not None:
        inside = deviations.loc[deviations["in_scope"].astype(bool), "journey_id"]
        journeys = journeys[journeys["journey_id"].isin(inside)].reset_index(drop=True)
    placed = _placed(asked, journeys, metric)
    left_out["answers about no journey"] = len(answers) - int(placed["value"].notna().sum())
    tables["nps_by_variant"] = _by_variant(placed, metric, least)
    tables["response"] = _response(placed.assign(segment="about a journey"), asked)
    if deviations is not None:
        segments = _segments(placed, deviations)
        told = [nps_table(part.assign(metric=metric), metric=metric).assign(segment=name) for name, part in segments]
        tables["nps"] = pd.concat([tables["nps"], *told], ignore_index=True)
        parts = pd.concat([part.assign(segment=name) for name, part in segments], ignore_index=True)
        tables["response"] = _response(parts, asked)
    return tables, left_out


def _placed(asked: pd.DataFrame, journeys: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return every survey that is about a journey, answered or not, with the journey."""
    # Where an unanswered survey belongs decides who was asked; its value stays missing.
    marked = asked.assign(number=np.arange(len(asked), dtype=np.float64))
    known = journeys.assign(since=journeys["end"].to_numpy(dtype="datetime64[us]").astype("int64"))
    found = answers_on_journeys(
        marked.assign(value=marked["number"]),
        known["journey_id"].to_numpy(),
        known["customer_id"].to_numpy(),
        known["since"].to_numpy(),
        metric=metric,
    )
    of_survey = asked.loc[found["value"].astype("int64"), ["customer_id", "value"]].reset_index(drop=True)
    of_journey = known.loc[found["row"].to_numpy(), ["journey_id", "variant_id"]].reset_index(drop=True)
    return pd.concat([of_survey, of_journey], axis=1)


def _by_variant(placed: pd.DataFrame, metric: str, least: int) -> pd.DataFrame:
    answered = placed[placed["value"].notna()]
    often = answered["variant_id"].value_counts()
    listed = answered[answered["variant_id"].isin(often[often >= least].index)]
    table = nps_table(listed.assign(metric=metric), by="variant_id", metric=metric)
    return table[table["segment"] != "all"].rename(columns={"segment": "variant_id"}).reset_index(drop=True)


def _segments(placed: pd.DataFrame, deviations: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return journeys as designed, and journeys with each type of deviation, most answers first."""
    types = [name for name in deviations.columns if deviations[name].dtype.kind in "iu"]
    inside = deviations.loc[deviations["in_scope"].astype(bool), ["journey_id", *types]]
    joined = placed.merge(inside, on="journey_id", how="inner")
    parts = [
        (name.replace("_", " "), joined[joined[name] > 0]) for name in types if not name.startswith(("promise", "rule"))
    ]
    parts = sorted((part for part in parts if len(part[1])), key=lambda part: (-len(part[1]), part[0]))
    return [("as designed", joined[(joined[types] == 0).all(axis=1)]), *parts]


def _response(parts: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    everybody = asked.assign(segment="all")
    table = (
        pd.concat([everybody[["segment", "value"]], parts[["segment", "value"]]])
        .groupby("segment", sort=False)["value"]
        .agg(asked="size", answered="count")
        .reset_index()
    )
    table["share"] = table["answered"] / table["asked"]
    table["low"], table["high"] = wilson(table["answered"].to_numpy(), table["asked"].to_numpy())
    return table
