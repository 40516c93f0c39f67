"""Reading the minutes of time texts gives what reading the texts gives."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from journeymining.ingest import mapping
from journeymining.ingest.clocks import with_instant
from journeymining.ingest.coded import queried
from journeymining.ingest.connection import connect
from journeymining.ingest.minutes import whole_minutes
from journeymining.ingest.specs import Time


def texts(form, seed):
    """Return usual and odd time texts, around a change of the clock and the limits of what is an instant."""
    drawn = random.Random(seed)
    days = ["2026-10-25", "2026-03-29", "1989-12-31", "2099-12-31", "2026-02-30", "1990-01-01"]
    months = {"10": "Oct", "03": "Mar", "12": "Dec", "02": "Feb", "01": "Jan"}
    found = [None, "", "nonsense", "é" * 20, "2026-03-01", "2026-03-01T10:00"]
    for _ in range(100):
        day, hour, minute = drawn.choice(days), drawn.choice([0, 1, 2, 3, 23, 24, 25]), drawn.choice([0, 30, 59, 60])
        fraction = drawn.choice(["", "", ".5", ",25", ".123", ".1234", ".123456789", "."])
        zone = drawn.choice(["", "Z", "z", "UTC", " Z", "+02", "+0200", "-05:30", "+15:00", "+1"])
        for second in ("00", "01", "59", "60", "7"):
            if form == "clf":
                year, month, date = day.split("-")
                clock = f"{hour:02d}:{minute:02d}:{second} {zone.strip() or '+0100'}"
                found.append(f"{date}/{months[month]}/{year}:{clock}")
            else:
                found.append(f"{day}{drawn.choice('T ')}{hour:02d}:{minute:02d}:{second}{fraction}{zone}")
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", ["iso", "clf"])
@pytest.mark.parametrize(("declared", "zone"), [("source", "Europe/Berlin"), ("source", None), ("UTC", None)])
@pytest.mark.parametrize("granularity", ["us", "s", "day"])
def test_what_is_read_of_minutes_is_what_is_read_of_texts(
    tmp_path, monkeypatch, seed, form, declared, zone, granularity
):
    given = texts(form, seed)
    time = Time.model_validate({"field": "at", "form": form, "zone": declared, "granularity": granularity})
    read = with_instant("SELECT * FROM given_rows", time, "_text", zone=zone, fold=None)
    bare = "coalesce(_t_bare AND _t_wall IS NOT NULL, false)"
    query = f"""SELECT timezone('UTC', _t_instant) AS timestamp, {bare} AS _undeclared,
        CASE WHEN _t_instant IS NOT NULL THEN _t_rule END AS time_rule,
        CASE WHEN _t_instant IS NOT NULL THEN _t_exact END AS granularity FROM ({read})"""
    table = pa.table({"_text": pa.array(given)})
    monkeypatch.setattr(mapping, "FEW", 0)

    with connect(tmp_path, "100MB", 1) as db:
        expected = queried(db, table, query)
        found = mapping._read(db, np.arange(len(given), dtype=np.int32), table, query, form)

    assert {name: column.array().to_pylist() for name, column in found.items()} == expected.to_pydict()
    assert len(whole_minutes(pa.array(given), form)[0]) < len(set(given))
