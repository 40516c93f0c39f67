"""Logs that carry their label in a column: how early it can be told, prefix by prefix."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.exceptions import EmptyLogError, InputError
from journeymining.outcomes.audit import audit
from journeymining.outcomes.card import model_card
from journeymining.outcomes.effects import effects
from journeymining.outcomes.landmarks import Judged, LinkedOutcome, linked_outcome
from journeymining.outcomes.modelling import fit_and_judge
from journeymining.outcomes.moments import moments_of_truth
from journeymining.outcomes.prefixes import longest_prefix, prefixes
from journeymining.outcomes.results import OutcomeResult
from journeymining.outcomes.shap_values import require_shap
from journeymining.outcomes.splitting import Split, check_disjoint

if TYPE_CHECKING:
    from journeymining.outcomes.journey_frame import JourneyFrame


def link_labels(journeys: JourneyFrame, column: str, positive: str, *, name: str | None = None) -> LinkedOutcome:
    """Take the label of every journey from a column of the log, and the column out of what models see.

    Parameters
    ----------
    journeys : JourneyFrame
        With the column among its texts.
    column : str
        Holds one value per journey.
    positive : str
        The value that counts as the outcome.

    Raises
    ------
    InputError
        If a journey has two labels, or none has the positive one.
    """
    if column not in journeys.coded:
        raise InputError.missing_column(column, journeys.coded, where="The log")
    labels, row = journeys.coded[column], journeys.row
    changes = (labels.codes[1:] != labels.codes[:-1]) & (row[1:] == row[:-1])
    if changes.any():
        raise InputError(f"Column '{column}' changes within {len(np.unique(row[1:][changes]))} journeys: no label.")
    if positive not in labels.levels:
        raise InputError(f"Column '{column}' never is '{positive}'. It is: {', '.join(labels.levels[:8])}.")
    first = labels.codes[journeys.offsets[:-1]]
    others = {key: values for key, values in journeys.coded.items() if key != column}
    judged = Judged(
        name or column,
        replace(journeys, coded=others),
        first == labels.levels.index(positive),
        np.where(first < 0, "censored", "").astype(object),
        journeys.start,
        journeys.end,
        [],
        f"{name or column} = '{positive}' in the column '{column}' of the log.",
    )
    return linked_outcome(judged)


def strict_split(linked: LinkedOutcome, *, train_share: float = 0.8) -> tuple[Split, LinkedOutcome]:
    """Train on the journeys that began first, and only on what they had shown when the first test journey began.

    Returns
    -------
    split : Split
        ``embargo`` counts the training journeys that had shown nothing yet. Customers of the test side do not train.
    linked : LinkedOutcome
        With the later events of training journeys removed.

    References
    ----------
    I. Teinemaa, M. Dumas, M. La Rosa, F. M. Maggi, *ACM TKDD* 13(2), 2019, article 17, section 5.
    """
    journeys = linked.journeys
    order = np.lexsort((journeys.journey_id.astype(str), journeys.start))
    count = int(train_share * len(order))
    train, test = np.sort(order[:count]), np.sort(order[count:])
    cut = int(journeys.start[order[count]])
    in_train = np.zeros(len(journeys), dtype=bool)
    in_train[train] = True
    shown = journeys.keep_events(~in_train[journeys.row] | (journeys.time < cut))
    seen = shown.lengths[train] > 0
    apart = ~np.isin(journeys.customer_id[train].astype(str), journeys.customer_id[test].astype(str))
    split = Split(train[seen & apart], test, "strict", cut, int((~seen).sum()), int((seen & ~apart).sum()))
    check_disjoint(split.train, split.test, journeys.customer_id)
    return split, replace(linked, journeys=shown)


def analyse_labelled(
    linked: LinkedOutcome,
    *,
    train_share: float = 0.8,
    question: dict[str, Any] | None = None,
    explain: bool = False,
    seed: int = 0,
    repeats: int = 1000,
) -> OutcomeResult:
    """Say how early the label of a journey can be told, and which patterns go with it.

    Models see every beginning of every journey and are judged on journeys that began later; effects compare whole
    journeys. Nothing is masked: whether a log was cut before its label shows is up to whoever made it, so the audit
    only warns.

    Returns
    -------
    OutcomeResult
        As `journeymining.outcomes.results.analyse` gives, with ``prefixes`` in the card: the longest length, and how
        many beginnings trained and tested.
    """
    split, shown = strict_split(linked, train_share=train_share)
    longest = longest_prefix(linked)
    train, y = prefixes(shown.journeys[split.train], shown.label[split.train], longest=longest)
    test, truth = prefixes(shown.journeys[split.test], shown.label[split.test], longest=longest)
    for side, labels in (("training", y), ("test", truth)):
        if len(np.unique(labels)) < 2:
            raise EmptyLogError(f"All journeys on the {side} side have the same label: nothing can be learnt.")
    if explain:
        require_shap()
    suspects = audit(linked)
    modelled = fit_and_judge(linked.name, train, y, test, truth, explain=explain, seed=seed, repeats=repeats)
    card = model_card(shown, split, modelled, suspects, question=question or {}, seed=seed)
    card["prefixes"] = {"longest": longest, "train": len(y), "test": len(truth)}
    moments = moments_of_truth(shown, split, seed=seed)
    return OutcomeResult(effects(linked, split, seed=seed), card, linked, modelled.models, modelled.shap, moments)
