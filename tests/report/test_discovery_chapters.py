"""Phases, found personas and compared groups in the report: what is shown is what the tables say."""

from __future__ import annotations

import json
import random
import re

import pandas as pd
import pyarrow as pa
import pytest

from journeymining.discovery.comparison import compare_groups, write_comparison
from journeymining.discovery.results import discover, write
from journeymining.engines.prepared_log import prepare
from journeymining.report.audit import write_report
from journeymining.report.comparison import difference_map
from journeymining.report.language import read_language
from journeymining.report.run_files import read_run

PHASES = ["purchase", "use"]
KINDS = (["order", "app_login", "chat"], ["order", "store_visit", "leaflet"], ["order", "help_page", "call", "call"])
CHANNELS = {"app_login": "app", "chat": "chat", "store_visit": "store", "call": "phone", "help_page": "web"}


@pytest.fixture(scope="module")
def folder(event_log, tmp_path_factory):
    """Return the folder of a run over 300 journeys of three kinds, the third compared with the others."""
    rng = random.Random(5)
    events = []
    for number in range(300):
        path = [step for step in KINDS[number % 3] if step == "order" or rng.random() < 0.95]
        for place, activity in enumerate(path):
            events.append(
                {
                    "journey_id": f"j{number:03}",
                    "activity": activity,
                    "seconds": number * 1e5 + place * 3600 * (1 + rng.random()),
                    "channel": CHANNELS.get(activity, "web"),
                    "phase": "purchase" if activity == "order" else "use",
                    "status": "failed" if activity == "help_page" else "ok",
                }
            )
    flags = pa.table({"journey_id": [f"j{n:03}" for n in range(300)], "open": [n % 30 == 0 for n in range(300)]})
    place = tmp_path_factory.mktemp("run")
    with prepare(event_log(events), buckets=2, journeys=flags) as log:
        contacts = {"call": pd.Timedelta("1 day")}
        write(discover(log, phases=PHASES, personas=4, contacts=contacts, others=["inductive", "heuristics"]), place)
        groups = compare_groups(
            log, [f"j{n:03}" for n in range(2, 300, 3)], names=("<helped>", "others"), phases=PHASES
        )
        write_comparison(groups, place, "helped")
    steps = [{"name": "discover", "rows_in": 900, "rows_out": 9, "left_out": {}}]
    (place / "manifest.json").write_text(json.dumps({"job": "three kinds", "settings": {}, "steps": steps}))
    gaps = pd.DataFrame(
        [["15 days", 9, 2.0, 1, 1 / 9, 0, None, False], ["30 days", 6, 3.0, 2, 1 / 3, 1, None, True]],
        columns=["gap", "journeys", "median_events", "open", "share_open", "left_truncated", "reached_goal", "chosen"],
    )
    gaps.to_csv(place / "gap_sensitivity.csv", index=False)
    write_report(place)
    return place


def chapter(folder, key):
    page = (folder / "report.html").read_text()
    found = re.search(rf'<section id="{key}".*?</section>', page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", found[0]) if found else ""


def test_phases_show_who_reaches_them_and_who_drops_off(folder):
    text = chapter(folder, "phases")
    dropoff = pd.read_csv(folder / "phase_dropoff.csv").iloc[0]

    assert "<b>100.0%</b>" in text
    assert f"of {dropoff['journeys']} journeys; {dropoff['open']} still open" in text
    assert f"{100 * dropoff['drop_off']:.1f}% [" in text
    assert text.count("<polyline") == 2


def test_found_personas_are_named_with_their_stability(folder):
    text = chapter(folder, "personas")
    personas = pd.read_csv(folder / "found_personas.csv")

    assert len(personas) == 3
    for name in personas["name"]:
        assert f"Journeys {name.replace('_', ' ')}" in text
    assert "they are not the personas of a design" in text
    assert text.count("comes back</span>") == 3


def test_groups_compared_show_only_what_can_be_told_apart_in_colour(folder):
    text = chapter(folder, "comparison")
    table = pd.read_csv(folder / "comparisons" / "helped.csv", keep_default_na=False)
    certain = table[(table["analysis"] == "directly follows") & (table["verdict"] != "not distinguishable")]
    coloured = set(re.findall(r'class="move (first|second)" data-tip="([^"]*?):', text))

    assert "more often: &lt;helped&gt;" in text
    assert "<helped>" not in text
    assert ("first", "Order → Help page") in coloured
    assert ("second", "Order → App login") in coloured
    for row in certain.itertuples():
        if row.verdict in {"higher", "lower"}:
            assert f"{row.source} > {row.target}".replace("_", " ").capitalize().split(" > ")[0] in text


def test_the_difference_map_leans_where_the_table_does(folder):
    run = read_run(folder)
    content = difference_map(run, run.comparisons[0], ["a", "b"], read_language("en"))
    table = run.comparisons[0].table
    verdicts = table[table["analysis"] == "touchpoints"].set_index("item")["verdict"]
    told = {"first": "higher", "second": "lower"}

    assert {point.name for point in content.touchpoints} == set(verdicts.index)
    for point in content.touchpoints:
        assert (told.get(point.leans) or verdicts[point.name]) == verdicts[point.name]
        assert ("not told apart" in point.note) == (not point.leans)
    assert {point.leans for point in content.touchpoints} == {"", "first", "second"}
    assert not content.has_design


def test_channels_show_containment_ping_pong_and_repeat_contacts(folder):
    text = chapter(folder, "channels")

    assert "Journeys that stay in the channel they begin in" in text
    assert "Contacts that are followed by another one" in text
    assert "were chosen" in text


def test_other_gaps_and_other_miners_stand_beside_what_was_used(folder):
    quality, model = chapter(folder, "quality"), chapter(folder, "model")

    assert '<b>30 days</b> <span class="soft">chosen</span>' in quality
    assert "11.1%" in quality
    if model:  # where there is nothing to draw with, there is no chapter
        assert "heuristics" in model


def test_a_run_without_these_tables_says_what_they_need(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    page = write_report(tmp_path).read_text()

    for files in ("phase_progress.csv", "found_personas.json", "comparisons/*.csv"):
        assert f"needs {files}" in page


def test_a_log_without_channels_says_nothing_of_them(event_log, tmp_path):
    events = [{"journey_id": f"j{n}", "activity": a} for n in range(30) for a in ("order", "pay")]
    with prepare(event_log(events)) as log:
        write(discover(log), tmp_path)
        groups = compare_groups(log, [f"j{n}" for n in range(15)])
    (tmp_path / "manifest.json").write_text("{}")
    page = write_report(tmp_path).read_text()

    assert "take the most frequent path" in page
    assert "more than one channel" not in page
    assert "touchpoints in channels" not in set(groups.table["analysis"])
