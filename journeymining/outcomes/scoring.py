"""Chances for journeys whose outcome nobody knows yet: whom to call first, how sure that is, and what speaks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from journeymining.exceptions import EmptyLogError, InputError
from journeymining.outcomes.config import OutcomeConfig
from journeymining.outcomes.dependence import contributions
from journeymining.outcomes.deviations import with_deviations
from journeymining.outcomes.drift import compare_with_training, drift_sentence
from journeymining.outcomes.labels import judge, scope_of
from journeymining.outcomes.landmarks import REASONS, at_landmark, leave_out, length
from journeymining.outcomes.model_file import read_model
from journeymining.outcomes.modelling import bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.models import Fitted

MODEL, CARD = "model.skops", "model_card.json"

LEAST_FOR_DRIFT = 30
"""Journeys below which a difference to the training side could not be told from chance."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Journeys with their chances, and whether the model may be used on them."""

    table: pd.DataFrame
    drift: pd.DataFrame
    drifted: bool
    sentence: str
    counts: dict[str, int]


def read_scorer(path: str | Path) -> tuple[Fitted, dict[str, Any]]:
    """Read a model and the card beside it; the path is the file ``model.skops`` or its folder.

    Raises
    ------
    InputError
        If one of the two is missing or cannot be read, or the card says nothing of the question.
    """
    file = Path(path) / MODEL if Path(path).is_dir() else Path(path)
    card_file = file.parent / CARD
    for one in (file, card_file):
        if not one.is_file():
            raise InputError(f"{one}: there is no such file; a model has {MODEL} and {CARD} in one folder.")
    try:
        card = json.loads(card_file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{card_file}: this is no model card ({type(error).__name__}).") from error
    if not isinstance(card, dict) or not {"outcome", "question", "reference", "calibration"} <= card.keys():
        raise InputError(f"{card_file}: the card lacks what scoring needs; fit the model again with this version.")
    return read_model(file), card


def score(
    model: Fitted, card: dict[str, Any], journeys: JourneyFrame, *, deviations: pd.DataFrame | None = None
) -> Scores:
    """Apply a model to the journeys whose outcome is not known yet.

    These are the journeys that reached the landmark of the model's question, whose time to have the outcome is not
    over, and whose customer has not had it. Their paths are cut and masked as those of the training side were. A model
    of a label column scores every journey as it stands.

    Parameters
    ----------
    model, card
        See `read_scorer`.
    journeys : JourneyFrame
    deviations : DataFrame, one row per journey, optional
        As `journeymining.outcomes.results.outcomes` takes it; needed if the model was fitted with a design.

    Returns
    -------
    Scores
        ``table``: ``journey_id``, ``customer_id``, ``probability``, ``low`` and ``high`` (95 %: what came of held-out
        journeys with such a chance), ``because`` (see `journeymining.outcomes.dependence.contributions`), ``until``
        (when the outcome would be certain; missing if there is no horizon); the highest chance first, ties by journey.
        ``drift``: see `journeymining.outcomes.drift.compare_with_training`; empty for fewer than 30 journeys.
        ``counts``: every journey of the log, scored or by reason.

    Raises
    ------
    EmptyLogError
        If no journey is waiting for its outcome.
    InputError
        If the model is about journeys of a design and there are no deviations.
    """
    if deviations is None and card.get("by_design"):
        raise InputError("The model is about journeys in scope of a design: the design is needed to score with it.")
    in_scope = None
    if deviations is not None:
        journeys, in_scope = with_deviations(journeys, deviations)
    waiting, until, counts = _waiting(card, journeys, in_scope)
    if not len(waiting):
        left_out = {text: count for text, count in counts.items() if count and text not in ("journeys", "scored")}
        why = ", ".join(f"{count} {text}" for text, count in left_out.items())
        raise EmptyLogError(f"Outcome '{card['outcome']}': no journey is waiting for it. Left out: {why}.")
    chance = model.chance(waiting)
    interval = bounds(card["calibration"], chance)
    usual = {one["feature"]: one["mean"] for one in card["reference"]["features"]}
    order = np.lexsort((waiting.journey_id.astype(str), -chance))
    table = pd.DataFrame(
        {
            "journey_id": waiting.journey_id,
            "customer_id": waiting.customer_id,
            "probability": chance,
            "low": interval[:, 0],
            "high": interval[:, 1],
            "because": contributions(model, usual, waiting),
            "until": pd.to_datetime(until, unit="us", utc=True) if until is not None else pd.NaT,
        }
    ).iloc[order]
    drift = compare_with_training(model, card["reference"], waiting)
    drifted, sentence = drift_sentence(drift, len(waiting))
    if len(waiting) < LEAST_FOR_DRIFT:
        drifted, drift = False, drift.iloc[:0]
        sentence = f"{len(waiting)} journeys are too few to tell whether they look like those the model learnt from."
    return Scores(table.reset_index(drop=True), drift, drifted, sentence, counts)


def _waiting(
    card: dict[str, Any], journeys: JourneyFrame, in_scope: NDArray[np.bool_] | None
) -> tuple[JourneyFrame, NDArray[np.int64] | None, dict[str, int]]:
    """Return the journeys up to their landmark that wait for the outcome, until when, and the count of all others."""
    question = card["question"]
    if "label_column" in question:
        return journeys, None, {"journeys": len(journeys), "scored": len(journeys)}
    try:
        config = OutcomeConfig(**question)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"The model's question is not one of this version ({why}): fit the model again.") from None
    if config.survey is None and config.table is None:
        found = judge(card["outcome"], config, journeys, in_scope=in_scope)
        paths, reason, until = found.paths, found.reason.copy(), found.known_at
        came = ~found.label if config.silence else found.label
        open_ones = (reason == "censored") & ~came
        leave_out(reason, reason == "", "known")
        reason[(reason == "censored") & came] = "known"
    else:
        # Answers and tables are not at hand: whoever may still have the outcome is scored.
        in_scope = scope_of(config, journeys, in_scope)
        paths, landmark, reason = at_landmark(journeys, config.landmark, config.window, config.mask, in_scope)
        until = landmark + length(config.gap) + length(config.horizon)
        leave_out(reason, until <= int(journeys.time.max()), "known")
        open_ones = reason == ""
    counts = {"journeys": len(journeys), "scored": int(open_ones.sum())}
    counts["journeys whose outcome is known"] = int((reason == "known").sum())
    for key, text in REASONS.items():
        if key not in ("censored", "no_answer"):
            counts[text] = int((reason == key).sum())
    return paths[open_ones], until[open_ones], counts
