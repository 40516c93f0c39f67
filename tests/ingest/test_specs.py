"""Connector files: what is wrong is said with file, line, column and what may be meant."""

from __future__ import annotations

import pytest

from journeymining.exceptions import SpecError, UsageError
from journeymining.ingest.library import connector_folder, connector_names, shipped_connectors
from journeymining.ingest.specs import read_connector

GOOD = """\
connector: tickets
title: Tickets
streams:
  tickets:
    format: {type: csv}
    fields: [id, mail, opened, via]
    key: [id]
    identifiers:
      email: {field: mail}
    channel: {field: via, map: {form: web, 1: phone}}
    events:
      - activity: ticket_opened
        time: {field: opened, zone: UTC}
"""


def read(tmp_path, text):
    (tmp_path / "connector.yaml").write_text(text, encoding="utf-8")
    return read_connector(tmp_path / "connector.yaml")


def test_a_good_connector_is_read(tmp_path):
    connector = read(tmp_path, GOOD)

    stream = connector.streams["tickets"]
    assert stream.events[0].activity[0].constant == "ticket_opened"
    assert stream.channel[0].map == {"form": "web", "1": "phone"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    key: [id]", "    keys: [id]", "connector.yaml:7:5: unknown key 'keys'. Did you mean 'key'?"),
        (
            "{field: mail}",
            "{field: male}",
            "connector.yaml:9:15: stream 'tickets' has no field 'male'. Did you mean 'mail'?",
        ),
        ("{field: mail}", "{feld: mail}", "connector.yaml:9:15: unknown key 'feld'. Did you mean 'field'?"),
        ("key: [id]", "key: [idd]", "connector.yaml:7:5: stream 'tickets' has no field 'idd'. Did you mean 'id'?"),
        ("{field: opened, zone: UTC}", "{field: opened, zone: GMT}", "connector.yaml:13:31: 'zone': input should be"),
        ("email: {field", "mail: {field", "identifier 'mail' needs 'kind'"),
        ("{field: via, map", "{field: via, convert: lowr, map", "unknown conversion 'lowr'. Did you mean 'lower'?"),
        (
            "{form: web, 1: phone}",
            "{form: web}, when: {vai: x}",
            "stream 'tickets' has no field 'vai'. Did you mean 'via'?",
        ),
        ("activity: ticket_opened", "activity: {}", "a value needs either 'field' or 'constant'"),
        ("{type: csv}", "{type: lines}", "'type: lines' needs either 'pattern' or 'separator'"),
        ("{field: opened, zone: UTC}", "{field: opened, form: pattern}", "'form: pattern' and 'pattern' go together"),
        ("title: Tickets\n", "", "connector.yaml:1:1: key 'title' is missing."),
        ("fields: [id,", "fields: [id", "connector.yaml:"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, message):
    assert old in GOOD

    with pytest.raises(SpecError) as caught:
        read(tmp_path, GOOD.replace(old, new))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lookups_name_streams_and_fields_that_exist(tmp_path):
    lookup = "    lookups: {o: {stream: %s, match: {id: id}, take: {x: %s}}}\n    key: [id]"

    with pytest.raises(SpecError, match=r"there is no stream 'tikets'. Did you mean 'tickets'"):
        read(tmp_path, GOOD.replace("    key: [id]", lookup % ("tikets", "via")))
    with pytest.raises(SpecError, match="stream 'tickets' has no field 'vi'"):
        read(tmp_path, GOOD.replace("    key: [id]", lookup % ("tickets", "vi")))


def test_connectors_are_found_by_name_and_by_folder(tmp_path):
    read(tmp_path, GOOD)

    assert connector_folder("salesforce") == shipped_connectors() / "salesforce"
    assert connector_folder(str(tmp_path)) == tmp_path
    assert connector_folder(tmp_path.name, base=tmp_path.parent) == tmp_path
    assert {"salesforce", "access_log", "ga4", "matomo", "csv", "survey_csv"} <= set(connector_names())


def test_an_unknown_connector_is_answered_with_the_closest(tmp_path):
    with pytest.raises(UsageError, match=r"unknown connector 'salesfroce'. Did you mean 'salesforce'"):
        connector_folder("salesfroce", base=tmp_path)


def connector_of_ours(folder, name):
    (folder / name).mkdir(parents=True)
    (folder / name / "connector.yaml").write_text(GOOD, encoding="utf-8")
    return folder


def test_folders_of_ones_own_are_beside_the_shipped_ones(tmp_path, monkeypatch):
    first = connector_of_ours(tmp_path / "ours", "tickets")
    second = connector_of_ours(tmp_path / "others", "letters")
    monkeypatch.setenv("JOURNEYMINING_CONNECTORS", f"{first}:{second}")

    assert connector_folder("tickets") == first / "tickets"
    assert connector_folder("letters") == second / "letters"
    assert {"tickets", "letters", "salesforce"} <= set(connector_names())
    with pytest.raises(UsageError, match=r"unknown connector 'ticket'\. Did you mean 'tickets'"):
        connector_folder("ticket")

    connector_of_ours(second, "salesforce")
    with pytest.raises(UsageError, match="two connectors are called 'salesforce'"):
        connector_folder("salesforce")
    monkeypatch.setenv("JOURNEYMINING_CONNECTORS", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"JOURNEYMINING_CONNECTORS names '.*none', which is no folder"):
        connector_folder("salesforce")


def test_a_package_brings_connectors_along(tmp_path, monkeypatch):
    connector_of_ours(tmp_path / "acme_connectors", "acme_crm")
    (tmp_path / "acme_connectors/__init__.py").touch()
    told = tmp_path / "acme_connectors-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-connectors\nVersion: 1.0\n", encoding="utf-8")
    (told / "entry_points.txt").write_text("[journeymining.connectors]\nacme = acme_connectors\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    assert connector_folder("acme_crm") == tmp_path / "acme_connectors/acme_crm"
