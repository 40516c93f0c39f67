"""The limit of memory holds for stitching as a whole: what lies in memory anyway is taken off before queries start."""

from __future__ import annotations

import duckdb
import pytest

from journeymining.database import connect
from journeymining.exceptions import UsageError
from journeymining.identity import stitching
from journeymining.identity.memory import limit_queries
from journeymining.identity.stitching import stitch

from .conftest import event_table, identifier_table

RECORDS = [("crm", f"r{i}", 0, f"account:A{i} phone:P{i}") for i in range(100)]


def bytes_for_queries(identifiers, events, limit):
    with connect() as connection:
        connection.execute(f"CREATE VIEW identifiers AS FROM range({identifiers})")
        connection.execute(f"CREATE VIEW events AS FROM range({events})")
        limit_queries(connection, limit)
        number, unit = connection.execute("SELECT current_setting('memory_limit')").fetchone()[0].split()
        return float(number) * {"MiB": 2**20, "GiB": 2**30}[unit]


def test_queries_get_what_tables_leave():
    assert bytes_for_queries(0, 0, "1GB") == pytest.approx(1e9, rel=0.01)
    assert bytes_for_queries(3_000_000, 2_000_000, "1GB") == pytest.approx(0.6e9, rel=0.01)


def test_too_little_memory_is_refused_with_what_is_needed_before_anything_is_done(monkeypatch):
    monkeypatch.setattr(stitching, "cardinality", lambda *_: pytest.fail("stitching has begun"))

    with pytest.raises(UsageError, match=r"200 identifiers of 100 events needs 1 MB of memory, and the limit is 10KB"):
        stitch(identifier_table(RECORDS), event_table(RECORDS), memory_limit="10KB")


def test_queries_that_need_more_than_the_limit_end_with_our_own_error(monkeypatch):
    def too_much(*_):
        raise duckdb.OutOfMemoryException("could not allocate block")

    monkeypatch.setattr(stitching, "cardinality", too_much)

    with pytest.raises(UsageError, match="more memory than the limit of 1GB"):
        stitch(identifier_table(RECORDS), event_table(RECORDS), memory_limit="1GB")


def test_a_limit_changes_no_result():
    limited = stitch(identifier_table(RECORDS), event_table(RECORDS), memory_limit="200MB")
    free = stitch(identifier_table(RECORDS), event_table(RECORDS))

    assert limited.events.equals(free.events)
    assert limited.customers.equals(free.customers)
    assert limited.report == free.report
