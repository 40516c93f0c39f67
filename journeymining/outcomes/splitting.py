"""Train and test: by time, with every customer on one side only."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    StratifiedGroupKFold,
)

from journeymining.exceptions import EmptyLogError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.landmarks import LinkedOutcome

logger = logging.getLogger(__name__)

GROUPED = (GroupKFold, StratifiedGroupKFold, GroupShuffleSplit, LeaveOneGroupOut, LeavePGroupsOut)


@dataclass(frozen=True, eq=False)
class Split:
    """Which journeys the models learn from and which they are judged on: positions, and what was left out of both."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    kind: str
    cut: int | None
    embargo: int
    same_customer: int

    def describe(self) -> dict[str, Any]:
        """Return the split as it is printed in a model card."""
        return {
            "kind": self.kind,
            "train": len(self.train),
            "test": len(self.test),
            "cut": None if self.cut is None else datetime.fromtimestamp(self.cut / 1e6, tz=UTC).isoformat(),
            "left_out_embargo": self.embargo,
            "left_out_same_customer": self.same_customer,
        }


def temporal_split(
    landmark: NDArray[np.int64], known_at: NDArray[np.int64], customers: NDArray[Any], *, test_share: float = 0.3
) -> Split:
    """Test on the latest journeys; train on those whose outcome was known before the first of them.

    Parameters
    ----------
    landmark, known_at : arrays of int, one entry per journey
        When the journey is judged and when its outcome is certain, microseconds UTC. The time between is the embargo.
    customers : array
        Customers of the test side do not train.
    test_share : float
        Share of journeys on the test side; journeys at the same moment stay together.

    Returns
    -------
    Split
    """
    ordered = np.sort(landmark, kind="stable")
    cut = int(ordered[min(len(ordered) - 1, int(np.ceil((1 - test_share) * len(ordered))))])
    in_test = landmark >= cut
    before = ~in_test
    known = before & (known_at < cut)
    apart = ~np.isin(pd.factorize(customers)[0], np.unique(pd.factorize(customers)[0][in_test]))
    split = Split(
        train=np.flatnonzero(known & apart),
        test=np.flatnonzero(in_test),
        kind="temporal",
        cut=cut,
        embargo=int((before & ~known).sum()),
        same_customer=int((known & ~apart).sum()),
    )
    check_disjoint(split.train, split.test, customers)
    return split


def customer_split(customers: NDArray[Any], *, test_share: float = 0.3, seed: int = 0) -> Split:
    """Test on a random share of the customers, with all their journeys."""
    codes, names = pd.factorize(customers, sort=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    in_test = np.isin(codes, shuffled[: max(1, round(test_share * len(names)))])
    split = Split(np.flatnonzero(~in_test), np.flatnonzero(in_test), "customers", None, 0, 0)
    check_disjoint(split.train, split.test, customers)
    return split


def split_outcome(linked: LinkedOutcome, *, test_share: float = 0.3, seed: int = 0, least: int = 20) -> Split:
    """Split by time; where the embargo leaves too few journeys to learn from, by customers, and say so.

    Too few means fewer than ``least`` journeys of either outcome on a side, or a training side less than a third of
    what it is without an embargo.

    Raises
    ------
    EmptyLogError
        If even the split by customers leaves a side with one outcome only.
    """
    customers = linked.journeys.customer_id
    split = temporal_split(linked.landmark, linked.known_at, customers, test_share=test_share)
    enough = 3 * len(split.train) >= (1 - test_share) * len(linked.label)
    if enough and min(_least(linked.label, split.train), _least(linked.label, split.test)) >= least:
        return split
    logger.info("Outcome %s: a split by time leaves too few journeys; split by customers instead.", linked.name)
    split = customer_split(customers, test_share=test_share, seed=seed)
    if min(_least(linked.label, split.train), _least(linked.label, split.test)) == 0:
        raise EmptyLogError(
            f"Outcome '{linked.name}': {linked.counts['positives']} of {linked.counts['labelled']} journeys have it; "
            "both outcomes are needed on both sides of the split."
        )
    return split


def check_disjoint(train: NDArray[np.int64], test: NDArray[np.int64], customers: NDArray[Any]) -> None:
    """Raise UsageError if a journey or a customer is on both sides."""
    if len(np.intersect1d(train, test)):
        raise UsageError(f"{len(np.intersect1d(train, test))} journeys are on both sides of the split.")
    codes = pd.factorize(customers)[0]
    both = len(np.intersect1d(codes[train], codes[test]))
    if both:
        raise UsageError(
            f"{both} customers are on both sides of the split: the model would be judged on customers it knows. "
            "Use temporal_split, customer_split or a grouped splitter of scikit-learn."
        )


def require_grouped(splitter: object) -> None:
    """Raise UsageError unless a cross-validation splitter keeps the journeys of a customer together.

    Examples
    --------
    >>> require_grouped(GroupKFold(5))
    """
    if not isinstance(splitter, GROUPED):
        raise UsageError(
            f"{type(splitter).__name__} may put journeys of one customer on both sides. "
            "Use GroupKFold or StratifiedGroupKFold, with groups = customer_id."
        )


def _least(label: NDArray[np.int8], rows: NDArray[np.int64]) -> int:
    positives = int(label[rows].sum())
    return min(positives, len(rows) - positives)
