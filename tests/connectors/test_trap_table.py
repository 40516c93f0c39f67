"""The table of traps: what it names is there, and the READMEs say what no record shows."""

from __future__ import annotations

import re

import pytest

from journeymining.ingest.library import SPEC, connector_folder, shipped_connectors

SAID = {
    "salesforce": ["tracked fields, for 18 months", "`queryAll`", "Legacy Chat ended in February 2026"],
    "hubspot": ["its index lags, and it ends at 10 000", "`archived=true`"],
    "dynamics365": ["kept for seven days", "no `$filter`, `$orderby`, `$expand`, `$top`", "odata.include-annotations"],
    "zendesk": ["one request per ticket", "ten requests a minute", "`agent_timeline`, which is not read, microseconds"],
    "odoo": ["barred by rights", "`active in (true, false)`"],
    "suitecrm": ["`audited => true`", "email_addr_bean_rel"],
    "ga4": ["the last three days again", "Never mix `events_intraday_`"],
    "matomo": ["`HEX` is needed", "Bots were left out by Matomo", "gone from `log_action`"],
    "adobe_analytics": ["late hits in a later file"],
    "segment": ["may lean to the time they arrived"],
    "posthog": ["`manifest.json`: leave it away"],
    "access_log": ["writes a request when it ends, Apache gives the time it began"],
    "cloudfront": ["Logging is best effort"],
    "asterisk_queue_log": ["`log_membername_as_agent=yes`"],
    "asterisk_cel": ["may be a PIN or a card number"],
    "freeswitch": ["One record per leg comes with `legs` `b` or `ab`"],
    "genesys": ["`/jobs/availability` how far the data reach"],
    "twilio": ["The filters cut by day only"],
    "intercom": ["the parts come only with GET"],
    "shopify": ["orders older than 60 days need `read_all_orders`"],
    "woocommerce": ["was cancelled is only in its notes"],
    "qualtrics": ["times in the zone of the person who exports"],
    "surveymonkey": ["how many requests a day a plan allows"],
}


@pytest.fixture(scope="module")
def sections(checkout):
    """Return the lines of the table, by heading."""
    text = (checkout / "docs/reference/connector-traps.md").read_text(encoding="utf-8")
    headed = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {name.strip(): rows for name, _, rows in (part.partition("\n") for part in headed)}


def test_every_shipped_connector_has_its_traps(sections):
    shipped = {path.parent.name for path in shipped_connectors().glob(f"*/{SPEC}")}

    assert set(sections) == shipped | {"All sources"}


def test_every_trap_has_a_test_and_every_test_exists(sections, checkout):
    files = [path for folder in ("connectors", "ingest") for path in (checkout / "tests" / folder).glob("test_*.py")]
    tests = {name for path in files for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)}

    for name, rows in sections.items():
        traps = [row for row in rows.splitlines() if row.startswith("| ")][1:]
        assert traps, name
        for row in traps:
            named = re.findall(r"`(test_\w+)`", row)
            assert named, row
            assert set(named) <= tests, row


def test_every_test_of_a_trap_stands_in_the_table(sections, checkout):
    shown = "".join(sections.values())
    files = list((checkout / "tests/connectors").glob("test_traps_*.py"))
    tests = [name for path in files for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)]

    assert [name for name in tests if f"`{name}`" not in shown] == []


@pytest.mark.parametrize("connector", SAID)
def test_what_no_record_shows_is_said_in_the_readme(connector, sections):
    text = " ".join((connector_folder(connector) / "README.md").read_text(encoding="utf-8").split())

    assert [said for said in SAID[connector] if said not in text] == []
    assert "`test_what_no_record_shows_is_said_in_the_readme`" in sections[connector]


def test_a_trap_that_the_table_leaves_to_a_readme_stands_there(sections):
    mark = "`test_what_no_record_shows_is_said_in_the_readme`"

    assert {name for name, rows in sections.items() if mark in rows} == set(SAID)
