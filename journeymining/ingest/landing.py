"""The records of a stream's files: landed as they came, and given on to be mapped while the next ones are read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from journeymining.ingest.raw import RawWriter
from journeymining.ingest.readers import Landed, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from journeymining.ingest.specs import Stream

Item = TypeVar("Item")

_END: Any = object()


class Landing:
    """Lands the records of a stream's files in a folder of raw records.

    Parameters
    ----------
    stream : Stream
        Says how the files are written.
    paths : mapping of str to Path
        What ``_file`` says of a record -> the file, in the order in which files are read.
    columns : list of str
        Names of the columns that a table with a header is expected to have, or some of them.
    folder : Path
        Where raw records go.
    tell : function
        Told how many records have come so far.
    """

    def __init__(
        self,
        stream: Stream,
        paths: Mapping[str, Path],
        *,
        columns: Sequence[str],
        folder: Path,
        tell: Callable[[int], None],
    ) -> None:
        self.paths, self.records, self.broken = paths, 0, 0
        self._stream, self._columns, self._folder, self._tell = stream, columns, folder, tell

    @property
    def counts(self) -> dict[str, int]:
        """What has been landed."""
        return {"records": self.records, "records_with_broken_text": self.broken}

    def tables(self) -> Iterator[pa.Table]:
        """Yield the records as they are landed; all are on disk when there are no more."""
        done: deque[pa.Table] = deque()
        with RawWriter(self._folder, done.append) as writer:
            for name, path in self.paths.items():
                landed = Landed()
                for batch in records(path, landed, stream=self._stream, name=name, columns=self._columns):
                    writer.write(batch)
                    while done:
                        yield done.popleft()
                self.broken += landed.replaced
            writer.finish()
        yield from done

    def told(self) -> Iterator[pa.Table]:
        """Yield the records as they are landed, and tell and count them."""
        for table in ahead(self.tables()):
            self.records += table.num_rows
            self._tell(self.records)
            yield table

    def land(self) -> None:
        """Land all records, for those who read them from the disk."""
        for _ in self.told():
            pass


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items while the one that follows is made in a thread of its own.

    Examples
    --------
    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            following = pool.submit(next, items, _END)
            while (item := following.result()) is not _END:
                following = pool.submit(next, items, _END)
                yield item
        finally:
            # Who stops early, or fails, leaves no file open.
            if close := getattr(items, "close", None):
                pool.submit(close)
