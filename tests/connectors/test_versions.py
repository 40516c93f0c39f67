"""A record that comes again counts in its newest version, wherever that stands in a file."""

from __future__ import annotations

import json
import shutil

import pytest

from journeymining.ingest.library import SPEC, connector_folder, connector_names
from journeymining.ingest.specs import read_connector
from journeymining.testing.connectors import sample_rows

OLD = {str: "1999-01-01T00:00:00Z", int: 1, float: 1.0}
"""What says that a version is older than all others, as the text or number that a sample has."""


VERSIONS = {
    ("amazon_connect", "contacts"): "LastUpdateTimestamp",
    ("dynamics365", "contacts"): "modified",
    ("dynamics365", "incidents"): "modified",
    ("dynamics365", "phonecalls"): "modified",
    ("dynamics365", "emails"): "modified",
    ("dynamics365", "tasks"): "modified",
    ("dynamics365", "appointments"): "modified",
    ("hubspot", "contacts"): "updatedAt",
    ("hubspot", "calls"): "updatedAt",
    ("hubspot", "emails"): "updatedAt",
    ("hubspot", "meetings"): "updatedAt",
    ("intercom", "contacts"): "updated_at",
    ("intercom", "ratings"): "at",
    ("posthog", "persons"): "version",
    ("servicenow", "incidents"): "updated",
    ("servicenow", "users"): "updated",
    ("shopify", "orders"): "updatedAt",
    ("woocommerce", "orders"): "modified",
    ("zendesk", "users"): "updated_at",
    ("zendesk", "tickets"): "generated_timestamp",
    ("zendesk", "satisfaction_ratings"): "updated_at",
    ("zendesk", "calls"): "updated_at",
    ("zendesk", "legs"): "updated_at",
}
"""Stream of JSON lines -> the field that tells which version of a record is the newest."""


def test_every_stream_of_versions_is_tried():
    found = {}
    for name in connector_names():
        for stream, spec in read_connector(connector_folder(name) / SPEC).streams.items():
            collapse = spec.collapse
            plain = spec.format.type == "json_lines" and not spec.unfold and len(spec.key) == 1
            if plain and collapse and collapse.last_by:
                found[name, stream] = ", ".join(collapse.last_by)

    assert found == VERSIONS


def older(record, spec, newest):
    """Return an older version of a record: nothing was known of it but what it is."""
    version: dict = {}
    for field in (*spec.key, newest):
        value, place, *steps = record, version, *str(spec.fields[field]).split(".")
        for step in steps[:-1]:
            value, place = value[step], place.setdefault(step, {})
        place[steps[-1]] = OLD[type(value[steps[-1]])] if field == newest else value[steps[-1]]
    return version


def is_whole(record, spec, newest):
    """Whether a record of a sample says what it is and how old."""
    for field in (*spec.key, newest):
        value = record
        for step in str(spec.fields[field]).split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value in (None, ""):
            return False
    return True


@pytest.mark.parametrize(("name", "stream"), list(VERSIONS))
def test_neither_an_older_version_before_the_newest_nor_one_behind_it_counts(name, stream, tmp_path):
    folder, newest = tmp_path / name, VERSIONS[name, stream]
    shutil.copytree(connector_folder(name), folder)
    connector = read_connector(folder / SPEC)
    spec, sample = connector.streams[stream], folder / str(connector.sample.path)
    files = [sample] if sample.is_file() else sorted(f for glob in spec.files for f in sample.glob(glob))
    expected = [{**row, "place": ""} for row in sample_rows(folder)]

    added = 0
    for file in files:
        lines = []
        # Of records that stand on one line, each gets its own.
        for line in file.read_text(encoding="utf-8").replace("}{", "}\n{").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict) and is_whole(record, spec, newest):
                version = json.dumps(older(record, spec, newest))
                lines += [version, line, version]
                added += 2
            else:
                lines.append(line)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    assert added
    assert [{**row, "place": ""} for row in sample_rows(folder)] == expected
