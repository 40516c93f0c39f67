"""The picture of who follows the design: per persona and per segment, from the tables of a check."""

from __future__ import annotations

import json

import pytest

from journeymining.report.audit import write_report
from journeymining.report.groups import groups
from journeymining.report.language import read_language
from journeymining.report.run_files import read_run

SEGMENTS = """segment,period,journeys,following,share,share_low,share_high,fitness
<b>big</b>,2026-01-01,10,4,0.4,0.1,0.7,0.8
<b>big</b>,2026-02-01,30,26,0.87,0.7,0.95,0.9
,2026-01-01,5,5,1.0,0.57,1.0,1.0
"""
DEVIATIONS = """segment,period,type,touchpoint,journeys,of,share,share_low,share_high
<b>big</b>,2026-01-01,missing,mail,4,10,0.4,0.1,0.7
<b>big</b>,2026-01-01,ad_hoc,call,5,10,0.5,0.2,0.8
<b>big</b>,2026-02-01,missing,mail,4,30,0.13,0.1,0.3
"""
PERSONAS = """persona,journeys,following,share,share_low,share_high,fitness,deviating
mover,20,5,0.25,0.11,0.47,0.7,15
everyone else,25,25,1.0,0.87,1.0,1.0,0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"job": "x", "version": "1"}))
    (tmp_path / "deviations.csv").write_text("type,touchpoint,expected,observed,journeys,share,share_low,share_high\n")
    for name, text in (("segments", SEGMENTS), ("segment_deviations", DEVIATIONS), ("personas", PERSONAS)):
        (tmp_path / f"conformance_{name}.csv").write_text(text)
    return tmp_path


def test_groups_are_shown_with_the_most_journeys_first(folder):
    personas, segments = groups(read_run(folder), read_language("en"))

    rows = [(row["label"], row["value"], row["covers"]) for row in personas["chart"]["rows"]]
    assert rows == [("Everyone else", "100.0%", "25 journeys"), ("Mover", "25.0%", "20 journeys")]
    # 30 of 40 in both months; mail was missing in 8, a call came in 5.
    first, unknown = segments["chart"]["rows"]
    assert (first["value"], first["interval"]) == ("75.0%", "[59.8, 85.8]")
    assert first["covers"] == "40 journeys; most often: Mail: missing (8)"
    assert (unknown["label"], unknown["covers"]) == ("unknown", "5 journeys")


def test_a_segment_is_text_and_not_markup(folder):
    page = write_report(folder).read_text(encoding="utf-8")

    assert "Who follows the design" in page
    assert "&lt;b&gt;big&lt;/b&gt;" in page
    assert "<b>big" not in page


def test_without_a_flow_nobody_follows_it(folder):
    lines = [line.rpartition(",")[0] + "," for line in SEGMENTS.splitlines()[1:]]
    (folder / "conformance_segments.csv").write_text("\n".join([SEGMENTS.splitlines()[0], *lines]) + "\n")
    (folder / "conformance_personas.csv").unlink()

    assert groups(read_run(folder), read_language("en")) == []
