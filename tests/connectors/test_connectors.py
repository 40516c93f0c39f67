"""All shipped connectors: samples become what is expected, and a broken field never becomes a wrong event."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from journeymining.exceptions import InputError, SpecError
from journeymining.ingest import pull
from journeymining.ingest.library import SPEC, shipped_connectors
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.readers import _objects
from journeymining.ingest.sources import SourceConfig, adapt, find_files
from journeymining.ingest.specs import IdentifierValue, Value, read_connector
from journeymining.testing import check_connector
from journeymining.testing.connectors import COLUMNS, EXPECTED, _rows, expected_text, sample_rows

FOLDERS = sorted(path.parent for path in shipped_connectors().glob(f"*/{SPEC}"))
GARBAGE = "¿garbage?"

# What may be another text, or be there at all, because a field is missing or garbage. Everything else may only vanish.
BY_RULE = {
    ("access_log", "requests", "agent"): "a bot is known by its user agent only",
    ("asterisk_cdr", "calls", "linkedid"): "without it every leg is a call, by its uniqueid",
    ("asterisk_cdr", "calls", "sequence"): "without it the first row of the file begins the call",
    ("asterisk_cdr", "calls", "dcontext"): "any context that is not outbound is inbound",
    ("asterisk_cdr", "calls", "disposition"): "a call is answered if one of its legs is",
    ("asterisk_queue_log", "queue_log", "callid"): "rows of a garbage call share one caller",
    ("matomo", "log_link_visit_action", "idaction_event_category"): "an action with a category is an event",
    ("matomo", "log_link_visit_action", "idaction_url"): "what the URL does not say, the name may",
    ("matomo", "log_action", "type"): "what the type of the URL does not say, that of the name may",
    ("matomo", "log_action", "idaction"): "as above",
    ("matomo", "log_conversion", "idgoal"): "every goal but two is one of the user's own",
    ("matomo", "log_conversion", "idvisit"): "a garbage visit is another visit",
    ("matomo_live", "visits", "url"): "an action with any URL is a page view",
    ("matomo_live", "visits", "first"): "without it an hour that occurs twice is its first, which the time rule says",
    ("salesforce", "Task", "CompletedDateTime"): "a task that is not completed is dated by its creation",
    ("salesforce", "Task", "TaskSubtype"): "a task of another kind is a task",
    ("salesforce", "CampaignMember", "ContactId"): "a member that is no contact is a lead",
    ("salesforce", "MessagingEndUser", "ContactId"): "a user who is no contact is a lead",
    ("salesforce", "Case", "ClosedDate"): "a case without it is open",
    ("csv", "rows", "activity"): "a row says itself what happened",
    ("ga4", "events", "page_location"): "a screen stands in for a page",
    ("ga4", "events", "params"): "all parameters are in it",
    ("adobe_analytics", "hits", "purchaseid"): "a hit with a purchase is an order",
    ("adobe_analytics", "hits", "user_agent"): "a bot is known by its user agent only",
    ("amazon_connect", "contacts", "DisconnectReason"): "only a customer who left has abandoned",
    ("asterisk_cel", "cel", "linkedid"): "rows of a garbage call share one caller",
    ("cloudfront", "requests", "cs(User-Agent)"): "a bot is known by its user agent only",
    ("dynamics365", "emails", "sent"): "a mail without it is dated by its creation",
    ("freeswitch", "calls", "context"): "any context that is not public is outbound",
    ("freeswitch", "calls", "cc_queue"): "without a queue the context is the topic",
    ("freeswitch", "calls", "cc_cause"): "without a queue it counts whether the call was answered",
    ("genesys", "conversations", "conversation"): "a garbage conversation has one customer",
    ("genesys", "conversations", "direction"): "a contact without it has just started",
    ("hubspot", "stages", "id"): "a stage without a name is told by its id",
    ("hubspot", "calls", "direction"): "a call without it is just a call",
    ("hubspot", "emails", "direction"): "an e-mail without it is just an e-mail",
    ("iis_w3c", "requests", "cs(User-Agent)"): "a bot is known by its user agent only",
    ("intercom", "ratings", "id"): "two ratings of one conversation are known by it only",
    ("nginx_json", "requests", "ua"): "a bot is known by its user agent only",
    ("posthog", "events", "properties"): "the user agent is in it",
    ("segment", "calls", "messageId"): "any text identifies a message",
    ("segment", "calls", "timestamp"): "a call without it is dated by its arrival",
    ("segment", "calls", "agent"): "a bot is known by its user agent only",
    ("servicenow", "incidents", "contact_type"): "what no machine opened, a person did",
    ("snowplow", "events", "event"): "only structured events are told by their action",
    ("snowplow", "events", "event_id"): "two copies of one event are known by it only",
    ("snowplow", "events", "useragent"): "a bot is known by its user agent only",
    ("snowplow", "events", "derived_tstamp"): "an event without it is dated by its arrival",
    ("snowplow", "events", "event_name"): "without it the kind of event is told",
    ("surveymonkey", "responses", "modified"): "without it no version is the newest",
    ("twilio", "calls", "sid"): "two versions of one call are known by it only",
    ("zendesk", "tickets", "generated_timestamp"): "without it no version is the newest",
    ("zendesk", "ticket_events", "group"): "any text is another group",
    ("zendesk", "ticket_metric_events", "deleted"): "only what says so was taken back",
    ("zendesk", "calls", "updated_at"): "without it no version is the newest",
    ("zendesk", "legs", "updated_at"): "without it no version is the newest",
    ("zendesk", "chats", "update_timestamp"): "without it no version is the newest",
    ("zendesk", "chats", "id"): "two versions of one chat are known by it only",
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_sample_becomes_what_is_expected(folder):
    check_connector(folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_connector_is_data_only(folder):
    assert read_connector(folder / SPEC).connector == folder.name
    assert {path.name for path in folder.iterdir()} == {"README.md", SPEC, "expected.csv", "sample"}
    assert not [path for path in folder.rglob("*") if path.suffix in {".py", ".sql", ".sh"}]


def test_the_ten_minutes_of_the_readme_work(tmp_path, checkout):
    text = (checkout / "connectors/README.md").read_text(encoding="utf-8")
    sample = re.search(r"\n\n((?: {4}\S.*\n)*? {4}number,.*\n(?: {4}\S.*\n)+)", text).group(1)
    spec = re.search(r"```yaml\n(.*?)```", text, flags=re.DOTALL).group(1)
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample/tickets.csv").write_text(sample.replace("    ", ""), encoding="utf-8")
    (tmp_path / SPEC).write_text(re.sub(r"^ {3}", "", spec, flags=re.MULTILINE), encoding="utf-8")
    (tmp_path / "README.md").write_text("Tickets", encoding="utf-8")

    rows = sample_rows(tmp_path)
    (tmp_path / "expected.csv").write_text(expected_text(rows), encoding="utf-8")

    assert [(row["activity"], row["timestamp"], row["channel"]) for row in rows] == [
        ("ticket_opened", "2026-03-01T09:00:00+00:00", "web"),
        ("ticket_closed", "2026-03-02T08:30:00+00:00", "web"),
        ("ticket_opened", "2026-03-29T01:30:00+00:00", "phone"),
    ]
    check_connector(tmp_path)


def test_a_difference_is_shown_from_both_sides(tmp_path, checkout):
    shutil.copytree(checkout / "connectors/salesforce", tmp_path / "salesforce")
    expected = tmp_path / "salesforce/expected.csv"
    expected.write_text(expected.read_text(encoding="utf-8").replace("Welcome call", "Goodbye"), encoding="utf-8")

    with pytest.raises(AssertionError, match=r"2 rows differ(.|\n)*- .*Goodbye(.|\n)*\+ .*Welcome call"):
        check_connector(tmp_path / "salesforce")

    expected.unlink()
    with pytest.raises(InputError, match=r"expected.csv: no such file"):
        check_connector(tmp_path / "salesforce")


def source_of(connector, folder, **changes):
    """Return the source that a connector's sample is."""
    return SourceConfig.model_validate({"connector": str(folder), **connector.sample.model_dump(), **changes})


def format_of(connector, config, stream):
    return connector.streams[stream].format.model_copy(update=config.format)


class Mistake(NamedTuple):
    """A field of a stream that is broken in every record of a sample."""

    folder: Path
    stream: str
    field: str
    how: str
    """``mixed``: garbage and nothing by turns; ``missing``: not there at all; ``text: ...``: this text."""

    def __str__(self) -> str:
        return "-".join((self.folder.name, self.stream, self.field, *([] if " " in self.how else [self.how])))


@cache
def broken_fields(folder):
    connector, found = read_connector(folder / SPEC), []
    for name, stream in connector.streams.items():
        first, used = stream.names[0], set(named(stream.model_dump()))
        for field in stream.names:
            if field == first or field in used:
                found.append(Mistake(folder, name, field, "mixed"))
            # A column that is not there is null in every record: once per stream says that this holds.
            if field == first:
                found.append(Mistake(folder, name, field, "missing"))
    return found


def named(rule):
    """Yield every text of the rules of a stream: among them are the fields that they use."""
    if isinstance(rule, dict):
        for key, inner in rule.items():
            if key not in {"fields", "files", "map", "format"}:
                yield key
                yield from named(inner)
    elif isinstance(rule, list | tuple):
        for inner in rule:
            yield from named(inner)
    elif isinstance(rule, str):
        yield rule


def of_all(mistakes):
    """Return what parametrizes a test by the mistakes of all connectors."""
    found = [mistake for folder in FOLDERS for mistake in mistakes(folder)]
    return pytest.mark.parametrize("mistake", found, ids=map(str, found))


@pytest.mark.slow
@of_all(broken_fields)
def test_a_broken_field_is_counted_and_never_a_wrong_event(mistake):
    found = findings(mistake.folder)[mistake]
    if found is None:
        pytest.skip("the sample has no such field, or its format cannot lack one")

    assert found.error is None
    assert found.miscounted == []
    if (mistake.folder.name, mistake.stream, mistake.field) not in BY_RULE:
        right = findings(mistake.folder)[None].rows
        # Most rows are right ones, which is quick to see.
        unexplained = [row for row in found.rows if row not in right and not any(explains(row, one) for one in right)]
        assert unexplained == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_broken_records_change_nothing_about_others(folder):
    with (folder / EXPECTED).open(encoding="utf-8", newline="") as file:
        expected = [{name: row.get(name) or "" for name in COLUMNS} for row in csv.DictReader(file)]

    found = findings(folder)[None].rows

    assert sorted(map(str, found)) == sorted(str(row) for row in expected if row["table"] in {"event", "survey"})


WRONG_ZONE = {
    # A clock on a wall where an offset must be said; an offset where the text is declared local or UTC; another unit.
    ("iso", "text"): "2011-05-06T07:08:09",
    ("iso", "UTC"): "2011-05-06T07:08:09+05:30",
    ("iso", "source"): "2011-05-06T07:08:09+05:30",
    ("pattern", "UTC"): "2011-05-06T07:08:09+05:30",
    ("pattern", "source"): "2011-05-06T07:08:09+05:30",
    ("clf", "text"): "06/May/2011:07:08:09",
    ("epoch", "s"): "1304665689000",
    ("epoch", "ms"): "1304665689",
    ("epoch", "us"): "1304665689000",
}
MEANT = "2011-05-06T01:38:09+00:00"
"""What 07:08:09 with an offset of +05:30 is."""


def times_of(stream):
    """Return the fields that times of a stream are read from, each with a text in a wrong zone or unit."""
    survey = [stream.survey.sent_at, stream.survey.answered_at] if stream.survey else []
    rules = [stream.time, *(event.time for event in stream.events), *survey]
    return {
        rule.field[0]: WRONG_ZONE[rule.form, rule.unit if rule.form == "epoch" else rule.zone]
        for rule in rules
        if rule and not rule.join and rule.field[0] in stream.names
    }


@cache
def wrong_zones(folder):
    connector = read_connector(folder / SPEC)
    connector = adapt(connector, source_of(connector, folder), SpecError)
    # Times in Parquet have a type: they are no texts that could be wrong.
    return [
        Mistake(folder, name, field, f"text: {text}")
        for name, stream in connector.streams.items()
        if stream.format.type != "parquet"
        for field, text in times_of(stream).items()
    ]


def test_every_connector_has_a_time_in_a_wrong_zone():
    # The two whose dates and times stand in two fields have tests of their own, see test_traps_web.py.
    assert {folder.name for folder in FOLDERS if not wrong_zones(folder)} == {"iis_w3c", "cloudfront"}


@pytest.mark.slow
@of_all(wrong_zones)
def test_a_time_in_a_wrong_zone_is_rejected_or_the_right_moment(mistake):
    found = findings(mistake.folder)[mistake]
    assert found is not None
    assert found.error is None

    moments = {row[name] for row in found.rows for name in ("timestamp", "sent_at", "answered_at")}
    assert {moment for moment in moments if moment[:4] in {"2011", "1970"}} <= {MEANT}
    events = [row for row in found.rows if (row["table"], row["stream"]) == ("event", mistake.stream)]
    reasons = [reason for stream, reason, _ in found.rejected if stream == mistake.stream]
    assert MEANT in moments or any(reason.startswith("time: ") for reason in reasons) or not events


@dataclass
class Found:
    """What a sample with a mistake has become."""

    rows: list[dict[str, str]]
    """Its events and answers."""
    rejected: list[tuple[str, str, str]]
    """Stream, reason and text of its rejected records."""
    miscounted: list[str]
    """Streams whose counts do not add up."""
    error: Exception | None = None


@cache
def findings(folder):
    """Return mistake -> what became of the sample with it; None: of a sample without mistake, among all others.

    A run takes about as long for a hundred copies of a sample as for one, so most mistakes are made in one run, each in
    a copy of its own. A mistake that cannot be made in the sample has no finding.
    """
    connector = read_connector(folder / SPEC)
    config = source_of(connector, folder)
    files = find_files(connector, config, folder, InputError)[0]
    mistakes = [*broken_fields(folder), *wrong_zones(folder)]
    texts = {mistake: broken_texts(connector, config, files, mistake) for mistake in mistakes}
    made = {mistake: broken for mistake, broken in texts.items() if broken is not None}
    whole = {file: file.read_text(encoding="utf-8") for some in files.values() for file in some}
    together = {mistake: broken for mistake, broken in made.items() if can_be_copied(connector, config, mistake)}
    found = run_together(folder, {None: whole, **together})
    found |= {mistake: run_alone(folder, mistake, made[mistake]) for mistake in made if mistake not in together}
    return dict.fromkeys(mistakes) | found


def can_be_copied(connector, config, mistake):
    """Say whether records with a mistake may stand beside others: a field that is missing is to be nowhere in the file.

    What a pattern reads has no place for the mark of a copy.
    """
    return mistake.how != "missing" and format_of(connector, config, mistake.stream).pattern is None


def run_together(folder, texts):
    """Return what became of every copy of a sample; one by one where the run as a whole tells nothing of each."""
    if len(texts) == 1:
        ((mistake, broken),) = texts.items()
        return {mistake: run_alone(folder, mistake, broken)}
    connector = read_connector(folder / SPEC)
    marks = {mistake: f"copy-{place}" for place, mistake in enumerate(texts)}
    config = source_of(connector, folder)
    copies = {}
    for stream, files in find_files(connector, config, folder, InputError)[0].items():
        format_ = format_of(connector, config, stream)
        for file in files:
            given = [marked(text[file], format_, marks[one]) for one, text in texts.items() if file in text]
            copies[file] = one_file(given, format_)
    try:
        found = run(folder, copies, apart(connector))
    except Exception:  # noqa: BLE001  (whatever it is, one of the mistakes has made it, and its test shall say so)
        found = None
    if found is None or found.miscounted:
        half = list(texts)[: len(texts) // 2]
        parts = {one: texts[one] for one in half}, {one: text for one, text in texts.items() if one not in half}
        return run_together(folder, parts[0]) | run_together(folder, parts[1])
    copies = by_copy(found)
    return {mistake: copies[mark] for mistake, mark in marks.items()}


def run_alone(folder, mistake, texts):
    """Return what became of a sample with one mistake."""
    connector = read_connector(folder / SPEC)
    touched = touched_by(connector, mistake.stream) if mistake else connector.streams
    streams = {name: stream for name, stream in connector.streams.items() if name in touched}
    try:
        return run(folder, texts, connector.model_copy(update={"streams": streams}))
    except Exception as error:  # noqa: BLE001  (the test of the mistake judges it)
        return Found([], [], [], error)


def run(folder, texts, connector):
    """Run a connector on files of a sample with other texts, and on no others."""
    config = source_of(connector, folder, rejected_text=True)
    with tempfile.TemporaryDirectory() as work, pytest.MonkeyPatch.context() as patch:
        for file, text in texts.items():
            place = Path(work, "in", file.relative_to(folder))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        patch.setattr(pull, "read_connector", lambda path: connector)
        out, base = Path(work, "out"), Path(work, "in")
        quality = ingest_sources(
            {"sample": config}, timezone=None, region=None, key=None, out=out, base=base, threads=1
        )
        rows = [row for row in _rows(out) if row["table"] in {"event", "survey"}]
        rejected = [row for file in (out / "rejected").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    miscounted = []
    for name, counts in quality["sources"]["sample"]["streams"].items():
        kept = counts["events"] + counts["surveys"] + counts["linking_records"]
        if counts["candidates"] != kept + sum(counts["rejected"].values()) + sum(counts["left_out"].values()):
            miscounted.append(name)
    return Found(rows, [(row["stream"], row["reason"], row["record"]) for row in rejected], miscounted)


MARK = "which_copy"


def apart(connector):
    """Return a connector that keeps the copies of a sample apart: records of two of them are never the same thing."""
    return connector.model_copy(
        update={"streams": {name: stream_apart(stream) for name, stream in connector.streams.items()}}
    )


def stream_apart(stream):
    assert MARK not in stream.known
    fields = stream.fields | {MARK: MARK} if isinstance(stream.fields, dict) else (MARK, *stream.fields)
    changes: dict[str, Any] = {"fields": fields}
    if stream.key != "content":
        # A key that is missing stays missing.
        own = {f"{MARK} {name}": value_apart(Value(field=name)) for name in stream.key}
        changes |= {"key": tuple(own), "values": stream.values | own}
    changes["lookups"] = {
        name: one.model_copy(update={"match": one.match | {MARK: MARK}}) for name, one in stream.lookups.items()
    }
    changes["carry"] = {name: one.model_copy(update={"by": (*one.by, MARK)}) for name, one in stream.carry.items()}
    if stream.collapse:
        by = tuple(value for one in stream.collapse.by for value in value_apart(one))
        changes["collapse"] = stream.collapse.model_copy(update={"by": by})
    if stream.kinds:
        # So every row says which copy it is of.
        changes["identifiers"] = stream.identifiers | {MARK: (IdentifierValue(field=MARK, kind="device"),)}
    return stream.model_copy(update=changes)


def value_apart(value):
    """Return what a value is, with the copy behind it: nothing where it is nothing."""
    fields = [value.field] if value.join is not None else [(name,) for name in value.field]
    return tuple(
        value.model_copy(update={"field": (*names, MARK), "join": "/" if value.join is None else value.join})
        for names in fields
    )


def marked(text, format_, mark):
    """Return the text of a file whose records say which copy they are of, in front of everything else."""
    if format_.type == "csv":
        rows = list(csv.reader(io.StringIO(text), **dialect_of(format_)))
        marks = [MARK if format_.header and place == 0 else mark for place in range(len(rows))]
        return csv_text([[mark, *row] if row else row for mark, row in zip(marks, rows, strict=True)], format_)
    lines = []
    for _, line in _objects(enumerate(text.splitlines())):
        if format_.type == "w3c" and line.startswith("#"):
            line = line.replace("#Fields:", f"#Fields: {MARK}")
        elif format_.type == "json_lines":
            with_mark = re.sub(r"^\s*\{", f'{{"{MARK}": "{mark}", ', line)
            line = re.sub(r",\s*\}$", "}", with_mark)
        else:
            line = f"{mark}{format_.separator or format_.delimiter}{line}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def one_file(texts, format_):
    """Return texts below each other, with one header."""
    headed = format_.type == "csv" and format_.header
    return "".join(text.partition("\n")[2] if headed and place else text for place, text in enumerate(texts))


def by_copy(found):
    """Return mark -> what became of that copy, without its mark."""
    copies = defaultdict(lambda: Found([], [], []))
    for row in found.rows:
        ids = row["identifiers"].split(" ")
        mark = next(one for one in ids if one.startswith("device:copy-"))
        others = " ".join(one for one in ids if one != mark)
        copies[mark.removeprefix("device:")].rows.append(row | {"identifiers": others})
    for row in found.rejected:
        # A line that cannot be read may have lost its mark, too.
        for mark in set(re.findall(r"\bcopy-\d+\b", row[2] or "")):
            copies[mark].rejected.append(row)
    return copies


def broken(place, how):
    """Return garbage or nothing, by turns, or the text that is asked for."""
    if how.startswith("text: "):
        return how.removeprefix("text: ")
    return GARBAGE if how == "mixed" and place % 2 == 0 else ""


def explains(row, right):
    """Say whether a row is a right one, but for what is missing or shows the garbage that came in."""
    for name, value in row.items():
        if name == "identifiers":
            if any(one not in right[name].split(" ") and "garbage" not in one for one in value.split()):
                return False
        elif name not in {"granularity", "time_rule"} and value not in {"", right[name]} and "garbage" not in value:
            return False
    return True


def broken_texts(connector, config, files, mistake):
    """Return the texts of the files that a mistake may matter to; None if there is nothing to break."""
    _, name, field, how = mistake
    stream = connector.streams[name]
    if not files[name]:
        return None
    touched = touched_by(connector, name)
    texts = {file: file.read_text(encoding="utf-8") for one in touched for file in files[one]}
    for file in files[name]:
        text = texts[file]
        format_ = format_of(connector, config, name)
        if format_.type == "csv":
            changed = broken_csv(text, format_, stream, config.columns.get(field, field), how)
        elif format_.type == "json_lines":
            changed = broken_json(text, stream, config.columns.get(field, stream.fields[field]), how)
        elif format_.type == "w3c":
            changed = broken_w3c(text, format_.delimiter, field, how)
        elif format_.separator:
            place_ = stream.names.index(field)
            changed = broken_lines(text, format_.separator, place_, how)
        else:
            changed = broken_pattern(text, format_.pattern, field, how)
        if changed is None or changed == text:
            return None
        texts[file] = changed
    return texts


def touched_by(connector, name):
    """Return a stream, those it looks up and those that look it up: the others cannot change."""
    looked_up = {stream: {one.stream for one in spec.lookups.values()} for stream, spec in connector.streams.items()}
    touched = {name, *looked_up[name], *(stream for stream, others in looked_up.items() if name in others)}
    # What they look up themselves must be there.
    return touched.union(*(looked_up[stream] for stream in touched))


def broken_csv(text, format_, stream, column, how):
    rows = list(csv.reader(io.StringIO(text), **dialect_of(format_)))
    header = rows[0] if format_.header else list(stream.names)
    if column not in header or (how == "missing" and not format_.header):
        return None
    at = header.index(column)
    for place, row in enumerate(rows[1 if format_.header else 0 :]):
        row[at] = broken(place, how)
    if how == "missing":
        rows = [row[:at] + row[at + 1 :] for row in rows]
    return csv_text(rows, format_)


def csv_text(rows, format_):
    out = io.StringIO()
    csv.writer(out, **dialect_of(format_), lineterminator="\n").writerows(rows)
    return out.getvalue()


def dialect_of(format_):
    quoting = csv.QUOTE_MINIMAL if format_.quote else csv.QUOTE_NONE
    return {
        "delimiter": format_.delimiter,
        "quotechar": format_.quote,
        "quoting": quoting,
        "escapechar": format_.escape,
    }


def broken_json(text, stream, origin, how):
    lines = []
    for place, line in _objects(enumerate(text.splitlines())):
        garbage = broken(place, how)
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            lines.append(line)
            continue
        if isinstance(origin, str):
            steps = json_steps(stream, origin)
            if steps[-1] == "#":
                return None
            break_at(record, steps, garbage, how)
        else:
            break_member(record, origin, garbage)
        lines.append(json.dumps(record, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def json_steps(stream, path):
    first, _, rest = path.partition(".")
    if first in stream.unfold:
        return [*json_steps(stream, stream.unfold[first]), "*", *rest.split(".")]
    return path.split(".")


def break_at(node, steps, garbage, how):
    step, *rest = steps
    if step == "*" or (isinstance(node, list) and rest):
        chosen = node if step == "*" else node[int(step) : int(step) + 1]
        for member in chosen or []:
            break_at(member, rest, garbage, how)
    elif isinstance(node, dict) and rest:
        break_at(node.get(step), rest, garbage, how)
    elif isinstance(node, dict) and how == "missing":
        node.pop(step, None)
    elif isinstance(node, dict):
        node[step] = garbage or None


def break_member(record, origin, garbage):
    def name(member):
        found = member
        for step in origin.name.split("."):
            found = found[step]
        return found

    found = [member for member in record[origin.list] if name(member) == origin.key]
    record[origin.list] = [member for member in record[origin.list] if name(member) != origin.key]
    if garbage and found:
        for path in origin.value:
            break_at(found[0], path.split("."), garbage, "mixed")
        record[origin.list].append(found[0])


def broken_w3c(text, delimiter, field, how):
    lines, at = [], None
    for place, line in enumerate(text.splitlines()):
        parts = line.split(delimiter)
        if line.startswith("#Fields:"):
            names = line.removeprefix("#Fields:").split()
            at = names.index(field) if field in names else None
        elif not line.startswith("#") and at is not None and at < len(parts):
            parts[at] = broken(place, how) or "-"
        lines.append(delimiter.join(parts))
    return "\n".join(lines) + "\n"


def broken_lines(text, separator, place, how):
    lines = []
    for number, line in enumerate(text.splitlines()):
        parts = line.split(separator)
        if place < len(parts):
            parts[place] = broken(number, how)
            if how == "missing":
                parts = parts[:place]
        lines.append(separator.join(parts))
    return "\n".join(lines) + "\n"


def broken_pattern(text, pattern, field, how):
    if how == "missing":
        return None
    lines = []
    for place, line in enumerate(text.splitlines()):
        match = re.match(pattern, line)
        if match and match.group(field) is not None:
            start, end = match.span(field)
            lines.append(line[:start] + (broken(place, how).strip("¿?") or "-") + line[end:])
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
