"""What tests of traps share: records written by hand, mapped by a shipped connector."""

from __future__ import annotations

import csv
import io
import json
from itertools import count

import pytest

from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.testing.connectors import _rows


class Mapped:
    """What became of records: events, records that only link, answers and rejected rows, and the counts by stream."""

    def __init__(self, rows, streams, out):
        self.rows, self.streams, self.out = rows, streams, out

    def events(self, *columns):
        """Return the events, in the order of their times: a tuple of columns each, or one column's text."""
        return self._told("event", columns)

    def answers(self, *columns):
        return self._told("survey", columns)

    def rejected(self):
        """Return stream and reason of every rejected row."""
        return self._told("rejected", ("stream", "reason"))

    def links(self):
        """Return the identifiers of every record that only links them."""
        return self._told("record", ("identifiers",))

    def _told(self, table, columns):
        rows = [tuple(row[name] for name in columns) for row in self.rows if row["table"] == table]
        return [row[0] for row in rows] if len(columns) == 1 else rows

    def counted(self, name):
        """Return the rows that were left out, by reason, of a stream."""
        return self.streams[name]["left_out"]


def table(records, delimiter):
    """Write records as a table with a header."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.DictWriter(out, names, restval="", delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


@pytest.fixture
def mapped(tmp_path):
    """Return a function from a connector and files (name -> text or records) to what becomes of them."""
    number = count()

    def read(connector, files, **config):
        base = tmp_path / str(next(number))
        (base / "data").mkdir(parents=True)
        for name, content in files.items():
            text = content
            if not isinstance(content, str):
                delimiter = "\t" if name.endswith(".tsv") else ","
                lines = "".join(json.dumps(record) + "\n" for record in content)
                text = lines if "json" in name else table(content, delimiter)
            (base / "data" / name).write_text(text, encoding="utf-8")
        source = SourceConfig.model_validate({"connector": connector, "path": "data", "region": "DE", **config})
        quality = ingest_sources(
            {"s": source}, timezone=None, region=None, key=None, out=base / "out", base=base, threads=1
        )
        return Mapped(_rows(base / "out"), quality["sources"]["s"]["streams"], base / "out")

    return read
