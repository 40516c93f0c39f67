"""Intervals by resampling: figures of the whole log, as they would have come out with other customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

AT_ONCE = 4_000_000
"""How many weights are held at a time."""


@dataclass(frozen=True)
class Resamples:
    """Draws of customers with all their journeys; alignments are made once, only the weights of paths change.

    ``kinds`` has a row per kind of customer and a column per path: how many journeys of it such a customer has;
    ``customers`` is how many customers are of the kind.
    """

    kinds: sparse.csr_array
    customers: NDArray[np.int64]
    seed: int
    samples: int

    @classmethod
    def of(cls, path: ArrayLike, customer: ArrayLike, *, paths: int, seed: int, samples: int) -> Resamples:
        """Collect the customers of journeys, each given with its path.

        Examples
        --------
        >>> draws = Resamples.of([0, 0, 1, 1], ["ann", "ann", "bob", "eve"], paths=2, seed=0, samples=10)
        >>> draws.customers.tolist(), draws.kinds.toarray().tolist()
        ([2, 1], [[0, 1], [2, 0]])
        """
        _, owner = np.unique(np.asarray(customer), return_inverse=True)
        ones = np.ones(len(owner), dtype=np.int64)
        shape = (int(owner.max(initial=-1)) + 1, paths)
        journeys = sparse.csr_array((ones, (owner, np.asarray(path, dtype=np.int64))), shape=shape)
        journeys.sum_duplicates()
        # Customers with the same journeys are alike: drawing how many of each kind is drawing customers.
        found: dict[bytes, int] = {}
        kind = np.empty(shape[0], dtype=np.int64)
        for row in range(shape[0]):
            part = slice(journeys.indptr[row], journeys.indptr[row + 1])
            key = journeys.indices[part].tobytes() + b"/" + journeys.data[part].tobytes()
            kind[row] = found.setdefault(key, len(found))
        first = np.unique(kind, return_index=True)[1]
        number = np.bincount(kind)
        order = np.lexsort((np.arange(len(number)), -number))
        return cls(journeys[first[order]], number[order], seed, samples)

    def weights(self) -> Iterator[NDArray[np.float64]]:
        """Return how many journeys each path has in each draw, some draws (rows) at a time.

        A customer comes into a draw a Poisson number of times, 1 on average, so that the draws need not agree on how
        many customers they have (Chamandy et al., *Estimating uncertainty for massive data streams*, 2012).
        """
        generator = np.random.default_rng(self.seed)
        at_once = max(1, AT_ONCE // max(1, *self.kinds.shape))
        for begin in range(0, self.samples, at_once):
            size = (min(at_once, self.samples - begin), len(self.customers))
            drawn = generator.poisson(self.customers, size=size)
            yield np.asarray((self.kinds.T @ drawn.T).T, dtype=np.float64)

    def intervals(
        self, figures: Callable[[NDArray[np.float64]], NDArray[np.float64]], values: NDArray[np.float64]
    ) -> list[tuple[float, float]]:
        """Return the 95 % interval of each figure.

        Parameters
        ----------
        figures : from weights of paths, a row per draw, to the figures, a row per draw
        values : of the log itself

        Returns
        -------
        list of (low, high)
            The basic bootstrap, within 0 and 1 where the figure is: draws that see fewer paths than the log are as
            much off it as the log is off all customers. NaN where a figure is.

        References
        ----------
        A. C. Davison, D. V. Hinkley, *Bootstrap Methods and their Application*, 1997, section 2.4.
        """
        drawn = np.concatenate([figures(weights) for weights in self.weights()])
        found = []
        for value, column in zip(values.tolist(), drawn.T, strict=True):
            known = column[np.isfinite(column)]
            if not np.isfinite(value) or not len(known):
                found.append((np.nan, np.nan))
                continue
            low, high = (2 * value - one for one in np.quantile(known, [0.975, 0.025]).tolist())
            # What rounds differently must not leave the figure outside its interval; a share stays one.
            least, most = (0.0, 1.0) if 0 <= value <= 1 else (-np.inf, np.inf)
            found.append((max(least, min(low, value)), min(most, max(high, value))))
        return found
