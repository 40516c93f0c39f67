"""XES is read as the standard means it, in constant memory, and hostile files do no harm."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import tracemalloc

import pytest

from journeymining.eventlog.reading import read_event_log, reading_report
from journeymining.eventlog.xes_reader import read_xes, xes_batches
from journeymining.exceptions import InputError

EVENT = '<event><string key="concept:name" value="{name}"/><date key="time:timestamp" value="{time}"/>{more}</event>'


def event(name: str = "a", time: str = "2026-01-01T10:00:00Z", more: str = "") -> str:
    return EVENT.format(name=name, time=time, more=more)


def trace(name: str | None, *events: str, more: str = "") -> str:
    title = "" if name is None else f'<string key="concept:name" value="{name}"/>'
    return f"<trace>{title}{more}{''.join(events)}</trace>"


def write(folder, *content: str, namespace: str = "", before: str = ""):
    path = folder / "log.xes"
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<log{namespace}>{"".join(content)}</log>', encoding="utf-8"
    )
    return path


@pytest.mark.parametrize(
    "namespace", ["", ' xmlns="http://www.xes-standard.org/"', ' xmlns="http://code.deckfour.org/xes"']
)
def test_events_carry_their_attributes_and_those_of_their_trace(tmp_path, namespace):
    more = '<int key="n" value="3"/><float key="f" value="2.5"/><boolean key="b" value="true"/><id key="i" value="x"/>'
    path = write(
        tmp_path,
        trace("1", event(more=more), event("b"), more='<string key="CANALE" value="Chat"/>'),
        namespace=namespace,
    )

    rows = read_xes(path)[0].to_pylist()

    assert rows[0] == {
        "source_order": 1,
        "concept:name": "a",
        "time:timestamp": "2026-01-01T10:00:00Z",
        "n": 3,
        "f": 2.5,
        "b": True,
        "i": "x",
        "case:concept:name": "1",
        "case:CANALE": "Chat",
    }
    assert rows[1] | {"n": None} == rows[1]
    assert rows[1]["case:CANALE"] == "Chat"


def test_the_place_in_the_trace_breaks_ties(tmp_path):
    path = write(tmp_path, trace("1", *[event(name) for name in "zaya"]))

    log = read_event_log(path)

    assert log["activity"].to_pylist() == list("zaya")
    assert log["source_order"].to_pylist() == [1, 2, 3, 4]


def test_nested_attributes_and_lists_are_kept(tmp_path):
    nested = '<string key="a" value="1"><int key="b" value="2"/></string>'
    values = '<list key="l"><values><string key="x" value="1"/><string key="x" value="2"/></values></list>'
    path = write(tmp_path, trace("1", event(more=nested + values)))

    row = read_xes(path)[0].to_pylist()[0]

    assert (row["a"], row["a/b"]) == ("1", 2)
    assert json.loads(row["l"]) == [{"x": "1"}, {"x": "2"}]


def test_globals_and_classifiers_fill_nothing_in(tmp_path):
    head = (
        '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>'
        '<global scope="event"><string key="channel" value="UNKNOWN"/>'
        '<date key="time:timestamp" value="1970-01-01T00:00:00Z"/></global>'
        '<classifier name="Activity" keys="concept:name"/><string key="source" value="s"/>'
    )
    path = write(tmp_path, head, trace("1", event(), '<event><string key="concept:name" value="b"/></event>'))

    log = read_event_log(path)

    assert "channel" not in read_xes(path)[0].column_names
    assert reading_report(log)["left_out"]["missing_timestamp"] == {"rows": 1, "examples": [2]}


def test_traces_without_name_or_events_and_events_without_trace_are_counted(tmp_path):
    path = write(tmp_path, trace(None, event()), trace("empty"), trace("1", event()), trace("1", event()), event())

    log = read_event_log(path)
    report = reading_report(log)

    assert set(log["journey_id"].to_pylist()) == {"trace 1", "1"}
    assert report["xes"] == {
        "traces": 4,
        "unnamed_traces": 1,
        "empty_traces": 1,
        "events_without_trace": 1,
        "repeated_trace_names": 1,
        "mixed_types": [],
    }
    assert report["left_out"]["event_without_trace"]["rows"] == 1
    assert report["rows_in"] == report["rows_out"] + 1


def test_values_of_mixed_types_stay_text_and_whole_numbers_join_floats(tmp_path):
    first = (
        '<int key="x" value="1"/><int key="y" value="1"/><int key="z" value="one"/><boolean key="w" value="perhaps"/>'
    )
    second = '<string key="x" value="b"/><float key="y" value="2.5"/>'
    path = write(tmp_path, trace("1", event(more=first), event(more=second)))

    table, facts = read_xes(path)

    assert table["x"].to_pylist() == ["1", "b"]
    assert table["y"].to_pylist() == [1.0, 2.5]
    assert table["z"].to_pylist() == ["one", None]
    assert facts["mixed_types"] == ["w", "x", "z"]


def test_dates_among_the_attributes_are_instants(tmp_path):
    path = write(tmp_path, trace("1", event(more='<date key="due" value="2026-01-01T10:00:00.123+02:00"/>')))

    due = read_event_log(path)["due"].to_pylist()

    assert due == [dt.datetime(2026, 1, 1, 8, 0, 0, 123000, tzinfo=dt.UTC)]


def test_compression_is_seen_in_the_content_not_in_the_name(tmp_path):
    path = write(tmp_path, trace("1", event()))
    packed = tmp_path / "packed.xes"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert read_xes(packed)[0] == read_xes(path)[0]


def test_a_log_without_traces_is_an_empty_log(tmp_path):
    assert read_event_log(write(tmp_path)).num_rows == 0


def test_batches_hold_whole_traces_and_together_everything(tmp_path):
    path = write(tmp_path, *[trace(str(n), event(), event()) for n in range(7)])

    batches = list(xes_batches(path, types={}, facts={}, events_per_batch=4))

    assert [batch.num_rows for batch in batches] == [4, 4, 4, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<log><trace>", "no well-formed XES"),
        (b"<html><log/></html>", "its root is <html>"),
        (b"<html/>", "its root is not <log>"),
        (b"\x1f\x8b\x08\x00broken", "damaged"),
        (b"", "no well-formed XES"),
    ],
)
def test_what_is_no_xes_is_refused(tmp_path, content, said):
    path = tmp_path / "log.xes"
    path.write_bytes(content)

    with pytest.raises(InputError, match=said):
        read_xes(path)


def test_entities_are_neither_expanded_nor_fetched(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE log [<!ENTITY l0 "lol">{laughs}]>'
    fetch = f'<!DOCTYPE log [<!ENTITY s SYSTEM "{secret.as_uri()}">]>'

    with pytest.raises(InputError):
        read_xes(write(tmp_path, trace("1", event("&l9;")), before=bomb))
    with pytest.raises(InputError):
        read_xes(write(tmp_path, trace("1", event(), more="<x>&s;</x>"), before=fetch))


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(traces: int) -> int:
        path = tmp_path / f"{traces}.xes"
        with path.open("w", encoding="utf-8") as file:
            file.write("<log>")
            for number in range(traces):
                file.write(trace(str(number), *[event(f"activity {place}") for place in range(5)]))
            file.write("</log>")
        tracemalloc.start()
        count = sum(batch.num_rows for batch in xes_batches(path, types={}, facts={}, events_per_batch=1000))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == traces * 5
        return most

    peak(100)

    assert peak(4_000) < 1.5 * peak(500)
