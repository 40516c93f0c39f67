"""Files in the order of time, written by customers: sorted runs on disk, merged at the end, in constant memory."""

from __future__ import annotations

import heapq
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_KEY_DIGITS = 16  # microseconds since 1970, until the year 2286


class Runs:
    """Lines with a time, kept as sorted runs in a folder of their own until they are merged.

    Parameters
    ----------
    directory : Path
        An empty folder for the runs; `merged` empties it again.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._paths: list[Path] = []
        directory.mkdir(parents=True)

    def add(self, times: NDArray[np.int64], lines: Sequence[str]) -> None:
        """Write one run. Lines are sorted by time, then by their text."""
        path = self._directory / f"{len(self._paths):06d}"
        keyed = sorted(f"{time:0{_KEY_DIGITS}d}{line}\n" for time, line in zip(times.tolist(), lines, strict=True))
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(keyed)
        self._paths.append(path)

    def merged(self) -> Iterator[tuple[int, str]]:
        """Yield every line (with its end of line) and its time, in order of time, then remove the runs."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open(encoding="utf-8", newline="\n")) for path in self._paths]
            for keyed in heapq.merge(*files):
                yield int(keyed[:_KEY_DIGITS]), keyed[_KEY_DIGITS:]
        for path in self._paths:
            path.unlink()
        self._directory.rmdir()
