"""Databases: PostgreSQL, MariaDB and SQLite give what their files give, in constant memory, and tell no password."""

from __future__ import annotations

import csv
import gc
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress

import pyarrow.parquet as pq
import pymysql
import pytest
import sqlalchemy

from journeymining.documents import parse_yaml
from journeymining.exceptions import InputError, SpecError
from journeymining.ingest import databases
from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.pull import ingest_sources, pull_source
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector

NAME = f"journeymining_test_{os.getpid()}"

# The table that Asterisk's own migrations make for its call detail records.
CDR = """
CREATE TABLE cdr (accountcode VARCHAR(20), src VARCHAR(80), dst VARCHAR(80), dcontext VARCHAR(80), clid VARCHAR(80),
    channel VARCHAR(80), dstchannel VARCHAR(80), lastapp VARCHAR(80), lastdata VARCHAR(80), {start} {time} NULL,
    answer {time} NULL, {end} {time} NULL, duration INTEGER, billsec INTEGER, disposition VARCHAR(45),
    amaflags VARCHAR(45), userfield VARCHAR(256), uniqueid VARCHAR(150), linkedid VARCHAR(150), peeraccount VARCHAR(80),
    sequence INTEGER)"""
CDR_FIELDS = read_connector(connector_folder("asterisk_cdr") / SPEC).streams["calls"].names


def server(url):
    """Make a scratch database on a server, give its engine and its URL for a job, and remove it."""
    admin = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {NAME}"))
    place = sqlalchemy.make_url(url).set(database=NAME)
    engine = sqlalchemy.create_engine(place)
    try:
        yield engine, place.set(drivername=place.get_backend_name()).render_as_string(hide_password=False)
    finally:
        engine.dispose()
        with admin.connect() as connection:
            force = " WITH (FORCE)" if place.get_backend_name() == "postgresql" else ""
            connection.execute(sqlalchemy.text(f"DROP DATABASE {NAME}{force}"))
        admin.dispose()


@pytest.fixture(scope="module")
def postgres(postgres_server):
    yield from server(postgres_server)


@pytest.fixture(scope="module")
def mariadb(mariadb_server):
    yield from server(mariadb_server)


@pytest.fixture
def sqlite(tmp_path):
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'calls.db'}")
    yield engine, "sqlite:///calls.db"
    engine.dispose()


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def database(request):
    return request.getfixturevalue(request.param)


def run(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))


def ingest(base, name="source", out="out", **source):
    configs = {name: SourceConfig.model_validate(source)}
    return ingest_sources(
        configs, timezone="Europe/Berlin", region="DE", key=None, out=base / out, base=base, threads=1
    )


def rows(base, table="source_events", out="out", without=()):
    found = pq.read_table(base / out / f"{table}.parquet").drop_columns(list(without)).to_pylist()
    return sorted(found, key=lambda row: [str(value) for value in row.values()])


def test_a_table_gives_the_events_that_the_file_gives(tmp_path, checkout, database):
    engine, url = database
    sample = checkout / "connectors/asterisk_cdr/sample/Master.csv"
    with sample.open(encoding="utf-8", newline="") as file:
        calls = [row for row in csv.reader(file) if len(row) == len(CDR_FIELDS) and row[9].startswith("20")]
    (tmp_path / "Master.csv").write_text("".join(f"{','.join(quoted(row))}\n" for row in calls), encoding="utf-8")
    quote = engine.dialect.identifier_preparer.quote
    with suppress(sqlalchemy.exc.DatabaseError):
        run(engine, "DROP TABLE cdr")
    # Asterisk writes the wall clock; a TIMESTAMP of MariaDB is none.
    time = "DATETIME" if engine.dialect.name == "mysql" else "TIMESTAMP"
    run(engine, CDR.format(start=quote("start"), end=quote("end"), time=time))
    with engine.begin() as connection:
        names = ", ".join(map(quote, CDR_FIELDS))
        insert = sqlalchemy.text(f"INSERT INTO cdr ({names}) VALUES ({', '.join(f':{name}' for name in CDR_FIELDS)})")
        for row in reversed(calls):
            connection.execute(insert, {name: value or None for name, value in zip(CDR_FIELDS, row, strict=True)})

    ingest(tmp_path, connector="asterisk_cdr", path="Master.csv", out="file")
    ingest(tmp_path, connector="asterisk_cdr", url=url, tables={"calls": "cdr"}, out="table")

    assert len(rows(tmp_path, out="file")) > 3
    # A table has no lines: its records stand in the order of their content.
    assert rows(tmp_path, out="table", without=["source_order"]) == rows(tmp_path, out="file", without=["source_order"])
    assert rows(tmp_path, "identifiers", "table") == rows(tmp_path, "identifiers", "file")


def quoted(row):
    return ['"' + field.replace('"', '""') + '"' for field in row]


@pytest.mark.real_data
def test_matomos_log_tables_become_what_its_visitors_did(tmp_path, shared_data, mariadb):
    engine, url = mariadb
    load_matomo(engine, shared_data)

    quality = ingest(tmp_path, connector="matomo", url=url, tables=MATOMO)

    events = pq.read_table(tmp_path / "out/source_events.parquet").to_pylist()
    found = [(event["activity"], str(event["timestamp"]), event["topic"]) for event in events]
    assert found[0] == ("page_view", "2026-10-24 22:58:00+00:00", "/")
    assert found[-1] == ("order", "2026-10-24 23:03:00+00:00", None)
    assert len(found) == 12
    assert {row["kind"] for row in rows(tmp_path, "identifiers")} == {"login", "cookie", "order"}
    # Addresses and fingerprints are no identifiers of the connector: they never leave the database.
    raw = pq.read_table(next((tmp_path / "out/raw/source/log_visit/000001").iterdir()))
    assert {"idvisit", "user_id"} <= set(raw.column_names)
    assert not {"location_ip", "config_id"} & set(raw.column_names)
    assert quality["sources"]["source"]["columns_changed"] == {}


MATOMO = {
    "log_action": {"table": "matomo_log_action", "cursor": "idaction"},
    "log_visit": {"table": "matomo_log_visit", "cursor": "visit_last_action_time", "overlap": "1 hour"},
    "log_link_visit_action": {"table": "matomo_log_link_visit_action", "cursor": "idlink_va", "overlap": "100"},
    "log_conversion": "matomo_log_conversion",
}


def load_matomo(engine, shared_data):
    dump = (shared_data / "real_systems/matomo/matomo_dump.sql").read_text(encoding="latin-1")
    several = {"client_flag": pymysql.constants.CLIENT.MULTI_STATEMENTS}
    given = engine.url.translate_connect_args(username="user")
    with pymysql.connect(**given, **several) as connection, connection.cursor() as cursor:
        cursor.execute(dump)
        while cursor.nextset():
            pass
        connection.commit()


@pytest.mark.real_data
def test_the_tables_of_an_odoo_become_what_their_export_does(tmp_path, shared_data, postgres):
    engine, url = postgres
    names = (
        "crm_lead",
        "mail_activity_type",
        "mail_message",
        "mail_message_subtype",
        "mail_tracking_value",
        "res_partner",
    )
    for name in names:
        load_odoo(engine, shared_data / "real_systems/odoo", name)
    export = [str(shared_data / f"real_systems/odoo/{name}.csv") for name in names]
    (tmp_path / "export").mkdir()
    for file in export:
        shutil.copy(file, tmp_path / "export")

    ingest(tmp_path, connector="odoo", path="export", out="file")
    tables = {name: name for name in names} | {"mail_message": {"table": "mail_message", "cursor": "id"}}
    ingest(tmp_path, connector="odoo", url=url, tables=tables, out="table")

    with (tmp_path / "export/mail_message.csv").open(encoding="utf-8", newline="") as text:
        assert len(rows(tmp_path, out="file")) == sum(row["model"] == "crm.lead" for row in csv.DictReader(text))
    assert rows(tmp_path, out="table", without=["source_order"]) == rows(tmp_path, out="file", without=["source_order"])
    assert rows(tmp_path, "identifiers", "table") == rows(tmp_path, "identifiers", "file")


ODOO = {
    "integer": "integer", "many2one": "integer", "boolean": "boolean", "datetime": "timestamp without time zone",
    "date": "date", "float": "double precision", "monetary": "numeric",
}  # fmt: skip


def guess(column):
    """Return the kind of a column of a model that the list does not have."""
    if column == "message_id":  # of the e-mail
        return "char"
    if column == "id" or column.endswith(("_id", "_uid")):
        return "integer"
    return "datetime" if column in {"date", "create_date", "write_date"} else "char"


def load_odoo(engine, folder, name):
    """Fill a table with the columns and types that Odoo's own list of fields gives it."""
    with (folder / "ir_model_fields.csv").open(encoding="utf-8", newline="") as text:
        model = name.replace("_", ".")
        kinds = {row["name"]: row["ttype"] for row in csv.DictReader(text) if row["model"].replace("_", ".") == model}
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as text:
        table = list(csv.DictReader(text))
    columns = ", ".join(f'"{column}" {ODOO.get(kinds.get(column, guess(column)), "varchar")}' for column in table[0])
    run(engine, f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} ({columns}, PRIMARY KEY (id))")
    marks = ", ".join(f":{column}" for column in table[0])
    with engine.begin() as connection:
        for row in table:
            values = {column: value or None for column, value in row.items()}
            connection.execute(sqlalchemy.text(f"INSERT INTO {name} VALUES ({marks})"), values)


@pytest.mark.slow
@pytest.mark.real_data
def test_a_million_rows_of_matomo_in_constant_memory(tmp_path, shared_data, mariadb):
    engine, url = mariadb
    load_matomo(engine, shared_data)
    tables = {"log_action": "matomo_log_action", "log_link_visit_action": MATOMO["log_link_visit_action"]}
    few, _ = peak_of_a_pull(tmp_path / "few", connector="matomo", url=url, tables=tables)
    run(
        engine,
        "INSERT INTO matomo_log_link_visit_action (idlink_va, idsite, idvisitor, idvisit, server_time, idaction_url, "
        "idaction_name) SELECT 1000 + seq, 1, UNHEX(SUBSTR(MD5(seq DIV 10), 1, 16)), 1000 + seq DIV 10, "
        "'2026-01-01' + INTERVAL seq SECOND, 2, 1 FROM seq_1_to_1000000",
    )

    peak, records = peak_of_a_pull(tmp_path, connector="matomo", url=url, tables=tables)
    quality = ingest(tmp_path, connector="matomo", url=url, tables=tables, out="peak")

    assert records["log_link_visit_action"] == 1_000_012
    assert peak - few < CONSTANT
    # One search of the sample goes by a name that no longer is one.
    assert quality["events"] == 1_000_011


@pytest.mark.slow
def test_a_million_rows_of_postgresql_in_constant_memory(tmp_path, postgres):
    engine, url = postgres
    run(
        engine,
        "CREATE TABLE visits AS SELECT i AS id, TIMESTAMPTZ '2026-01-01 00:00:00Z' + i * INTERVAL '1 second' AS time, "
        "'visit' AS activity, 'c' || (i / 5) AS cookie, repeat('x', 100) AS topic FROM generate_series(1, 1000000) i",
    )

    few, _ = peak_of_a_pull(tmp_path / "few", connector="csv", url=url, query="SELECT * FROM visits LIMIT 10")
    peak, records = peak_of_a_pull(
        tmp_path, connector="csv", url=url, tables={"rows": {"table": "visits", "cursor": "id"}}
    )

    assert records == {"rows": 1_000_000}
    assert peak - few < CONSTANT


CONSTANT = 140
"""MB that a million rows may take more than a few do: the batches under way take 60 to 100, all rows 200 or 310."""

PEAK = r"""
import json, re, sys
from pathlib import Path
from journeymining.ingest.pull import pull_source
from journeymining.ingest.sources import SourceConfig
state = pull_source("source", SourceConfig.model_validate(json.loads(sys.argv[1])), raw_dir=sys.argv[2])
records = {name: known["records"] for name, known in state.items()}
# Not ru_maxrss: that counts the process that was forked as well.
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps([int(peak) / 1024, records]))
"""


def peak_of_a_pull(base, **source):
    """Return the peak memory of a process that pulls, in MB, and how many records it pulled."""
    import json

    answer = subprocess.run(
        [sys.executable, "-c", PEAK, json.dumps(source), str(base / "peak/raw")], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_values_come_as_the_database_writes_them(tmp_path, postgres):
    engine, url = postgres
    run(
        engine,
        "DROP TABLE IF EXISTS kinds",
        "CREATE TABLE kinds AS SELECT TIMESTAMPTZ '2026-10-25 02:30:00.5+02' AS time, NUMERIC '12.50' AS value, "
        "TRUE AS activity, BYTEA '\\xab01' AS cookie, JSON '{\"a\": 1}' AS topic, "
        "TIMESTAMP 'infinity' AS resource, NULL AS status",
    )

    pull_source("s", config(connector="csv", url=url, tables={"rows": "kinds"}), raw_dir=tmp_path / "raw")

    (row,) = pq.read_table(tmp_path / "raw/s/rows/000001/00000.parquet").to_pylist()
    assert {name: value for name, value in row.items() if not name.startswith("_")} == {
        "time": "2026-10-25 00:30:00.5+00",
        "value": "12.50",
        "activity": "true",
        "cookie": "AB01",
        "topic": '{"a": 1}',
        "resource": "infinity",
        "status": None,
    }


def config(**source):
    return SourceConfig.model_validate(source)


def test_a_password_is_in_no_message(tmp_path, postgres, mariadb, caplog):
    caplog.set_level("DEBUG")
    document = parse_yaml("sources:\n  s:\n    connector: csv\n    url: hidden\n", path="job.yaml")
    for _, url in (postgres, mariadb):
        parsed = sqlalchemy.make_url(url).set(username="nobody", password="geheim")
        for broken in (parsed, parsed.set(port=1), parsed.set(database="none")):
            text = broken.render_as_string(hide_password=False)
            try:
                pull_source("s", config(connector="csv", url=text), raw_dir=tmp_path, document=document)
            except InputError as error:
                assert str(error).startswith("job.yaml:4:5: source 's': ")
                assert "geheim" not in str(error)
                assert "\n" not in str(error)
            assert "geheim" not in repr(config(connector="csv", url=text))
            assert "geheim" not in config(connector="csv", url=text).shown
    assert "geheim" not in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]


@pytest.fixture
def shop(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, time TEXT, activity TEXT, email TEXT)")
        connection.execute("INSERT INTO visits VALUES (1, '2026-03-01T10:00:00Z', 'visit', 'a@example.org')")
    connection.close()
    return {"connector": "csv", "url": "sqlite:///shop.db"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"url": "sqlite:///nothing.db"}, InputError, "there is no database 'nothing.db'"),
        ({"url": "nosuch://host/db"}, InputError, "'url' is none of a database that can be read"),
        ({"url": "postgresql://me:gehe@im@host/db"}, InputError, "write @ as %40"),
        ({"url": "postgresql://me:gehe@i:m@host/db"}, InputError, "write @ as %40"),
        ({"url": "postgresql:/host/db"}, InputError, "is written like postgresql://"),
        (
            {"tables": {"rows": "visist"}},
            InputError,
            "there is no table or view 'visist' for stream 'rows'.* Did you mean 'visits'. There are: visits",
        ),
        ({"tables": {"row": "visits"}}, SpecError, "has no stream 'row'. Did you mean 'rows'"),
        ({"tables": {"rows": {"cursor": "id"}}}, SpecError, "needs either 'table' or 'query'"),
        (
            {"tables": {"rows": {"table": "visits", "cursor": "number"}}},
            InputError,
            "no column 'number' for its cursor",
        ),
        ({"query": "SELECT 1 AS x"}, InputError, "none of the columns"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path, shop, change, error, message):
    with pytest.raises(error, match=message):
        pull_source("s", config(**{**shop, **change}), raw_dir=tmp_path / "raw", base=tmp_path)

    assert not list((tmp_path / "raw").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"connector": "csv"}, "either 'path' .* or 'url'"),
        ({"connector": "csv", "path": "a", "url": "sqlite:///b"}, "either 'path' .* or 'url'"),
        ({"connector": "csv", "path": "a", "query": "SELECT 1"}, "'query' does not go with path"),
        ({"connector": "csv", "url": "https://a", "tables": {"rows": "b"}}, "'tables' does not go with this url"),
        ({"connector": "csv", "url": "sqlite:///b", "http": {}}, "'http' does not go with this url"),
        ({"connector": "csv", "url": "sqlite:///b", "tables": {"rows": {"overlap": "an hour"}}}, "an hour"),
    ],
)
def test_a_source_says_where_its_records_are_once(source, message):
    with pytest.raises(ValueError, match=message):
        SourceConfig.model_validate(source)


def test_a_missing_file_is_said_once(tmp_path):
    with pytest.raises(InputError) as caught:
        pull_source("s", config(connector="csv", url="sqlite:///no.db"), raw_dir=tmp_path / "raw", base=tmp_path)

    assert (
        str(caught.value) == "source 's': there is no database 'no.db': no such file, seen from the folder of the job."
    )


def test_a_table_that_is_gone_is_named_with_those_there_are(tmp_path, database):
    engine, url = database
    fresh(engine, "tickets", "(time VARCHAR(40), activity VARCHAR(40))", [("2026-03-01T10:00:00Z", "opened")])
    source = config(connector="csv", url=url, tables={"rows": "tickets"})
    pull_source("s", source, raw_dir=tmp_path / "raw", base=tmp_path)
    run(engine, "DROP TABLE IF EXISTS tickets_2026", "ALTER TABLE tickets RENAME TO tickets_2026")

    with pytest.raises(InputError, match=r"no table or view 'tickets' for stream 'rows'.* There are: .*tickets_2026"):
        pull_source("s", source, raw_dir=tmp_path / "raw", base=tmp_path)

    run(engine, "DROP TABLE tickets_2026")


def fresh(engine, table, columns, rows):
    """Make a table and fill it."""
    run(engine, f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} {columns}")
    add(engine, table, rows)


def add(engine, table, rows):
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        for row in rows:
            marks = ", ".join(f":v{place}" for place in range(len(row)))
            values = {f"v{place}": value for place, value in enumerate(row)}
            connection.execute(sqlalchemy.text(f"INSERT INTO {table} VALUES ({marks})"), values)


def told(base):
    """Return what happened, and when."""
    events = sorted(rows(base), key=lambda row: row["timestamp"])
    return [(row["topic"], row["timestamp"].strftime("%m-%d %H:%M:%S")) for row in events]


def state_of(base):
    return json.loads((base / "out/raw/source/state.json").read_text(encoding="utf-8"))["streams"]["rows"]


@pytest.mark.parametrize(
    "where",
    [
        {"tables": {"rows": "moments"}},
        {"tables": {"rows": "moments_seen"}},
        {"query": "SELECT topic, activity, COALESCE(time, time) AS time FROM moments"},
    ],
)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # As instants both are 02:30 in Berlin, before and after the clock goes back.
        ("TIMESTAMP", [("a", "10-25 00:30:00"), ("b", "10-25 01:30:00")]),
        # As wall clocks of Berlin they are two hours before.
        ("DATETIME", [("a", "10-24 22:30:00"), ("b", "10-24 23:30:00")]),
    ],
)
def test_an_instant_of_mariadb_is_one_and_a_local_time_stays_one(tmp_path, mariadb, where, kind, expected):
    engine, url = mariadb
    fresh(
        engine,
        "moments",
        f"(topic VARCHAR(9), activity VARCHAR(9), time {kind} NULL)",
        [("a", "seen", "2026-10-25 00:30:00"), ("b", "seen", "2026-10-25 01:30:00"), ("c", "seen", None)],
    )
    run(engine, "CREATE OR REPLACE VIEW moments_seen AS SELECT * FROM moments")

    quality = ingest(tmp_path, connector="csv", url=url, **where)

    assert told(tmp_path) == expected
    assert quality["sources"]["source"]["streams"]["rows"]["rejected"] == {"time: missing": 1}


def test_what_a_query_computes_of_instants_is_a_utc_clock(tmp_path, mariadb):
    engine, url = mariadb
    fresh(engine, "moments", "(time TIMESTAMP NULL)", [("2026-03-01 10:00:00",)])
    computed = "time + INTERVAL 1 HOUR"
    query = "SELECT 'bare' AS topic, 'seen' AS activity, {} AS time FROM moments UNION SELECT 'told', 'seen', {}"

    ingest(
        tmp_path, connector="csv", url=url, query=query.format(computed, f"CONCAT({computed}, '+00:00') FROM moments")
    )

    assert told(tmp_path) == [("bare", "03-01 10:00:00"), ("told", "03-01 11:00:00")]


def test_an_instant_that_mariadb_has_no_date_for_stays_as_it_is(tmp_path, mariadb):
    engine, url = mariadb
    fresh(engine, "moments", "(activity VARCHAR(9), time TIMESTAMP(3) NULL)", [("one", "2026-03-01 10:00:00.25")])
    run(engine, "SET sql_mode = ''", "INSERT INTO moments VALUES ('none', '0000-00-00 00:00:00')")

    pull_source("s", config(connector="csv", url=url, tables={"rows": "moments"}), raw_dir=tmp_path / "raw")

    found = pq.read_table(tmp_path / "raw/s/rows").to_pylist()
    texts = {row["activity"]: row["time"] for row in found}
    assert texts == {"one": "2026-03-01 10:00:00.250+00:00", "none": "0000-00-00 00:00:00.000"}


@pytest.mark.parametrize("before", [False, True])
def test_an_instant_as_cursor_goes_on_where_it_was(tmp_path, mariadb, before, monkeypatch):
    engine, url = mariadb
    times = [f"2026-03-01 {hour:02d}:00:00" for hour in range(10, 14)]
    fresh(engine, "moments", "(topic VARCHAR(9), activity VARCHAR(9), time TIMESTAMP(6) NULL)", [])
    add(engine, "moments", [(f"{place}", "seen", time) for place, time in enumerate(times)])
    source = {
        "connector": "csv",
        "url": url,
        "tables": {"rows": {"table": "moments", "cursor": "time", "overlap": "1 hour"}},
    }
    look = databases.Database._look
    with monkeypatch.context() as patch:
        if before:  # as it was while instants came without an offset
            patch.setattr(databases.Database, "_look", lambda *given: look(*given)._replace(instants=frozenset()))
        ingest(tmp_path, **source)
    expected = [(f"{place}", f"03-01 {hour}:00:00") for place, hour in enumerate(range(10, 14))]
    assert (told(tmp_path) == expected) is not before

    # One more, and one that is late.
    add(engine, "moments", [("4", "seen", "2026-03-01 14:00:00.5"), ("late", "seen", "2026-03-01 12:30:00")])
    quality = ingest(tmp_path, **source)

    assert told(tmp_path) == [*expected[:3], ("late", "03-01 12:30:00"), expected[3], ("4", "03-01 14:00:00")]
    assert state_of(tmp_path)["cursor"] == "2026-03-01 14:00:00.500000"
    # From 12:00 on; what was pulled without an offset is pulled anew, all of it.
    counts = quality["sources"]["source"]["streams"]["rows"]
    assert (counts["records"], counts["read_again"]) == (6, 0 if before else 2)
    untouched = state_of(tmp_path)
    ingest(tmp_path, **source)
    assert state_of(tmp_path) == untouched


def test_a_state_of_before_goes_on_where_no_instant_was_pulled(tmp_path, mariadb, monkeypatch):
    engine, url = mariadb
    columns = "(topic VARCHAR(9), activity VARCHAR(9), time DATETIME, changed TIMESTAMP NULL)"
    fresh(engine, "moments", columns, [("a", "seen", "2026-03-01 10:00:00", "2026-03-01 09:00:00")])
    source = {"connector": "csv", "url": url, "tables": {"rows": {"table": "moments", "cursor": "changed"}}}
    look = databases.Database._look
    with monkeypatch.context() as patch:
        patch.setattr(databases.Database, "_look", lambda *given: look(*given)._replace(instants=frozenset()))
        ingest(tmp_path, **source)

    add(engine, "moments", [("b", "seen", "2026-03-02 10:00:00", "2026-03-02 09:00:00")])
    ingest(tmp_path, **source)

    assert state_of(tmp_path)["batches"] == ["000001", "000002"]
    assert told(tmp_path) == [("a", "03-01 09:00:00"), ("b", "03-02 09:00:00")]


@pytest.mark.parametrize("columns", [{"id": "topic"}, {}])
def test_rows_whose_cursor_is_empty_are_pulled_whenever_they_come(tmp_path, database, columns, caplog):
    engine, url = database
    names = "(topic VARCHAR(9), activity VARCHAR(9), time VARCHAR(40), changed INTEGER)"
    row = {name: (name, "seen", f"2026-03-0{place}T10:00:00Z") for place, name in enumerate("abcdef", 1)}
    fresh(engine, "moments", names, [(*row["a"], 1), (*row["b"], None)])
    source = {"connector": "csv", "url": url, "columns": columns}
    source["tables"] = {"rows": {"table": "moments", "cursor": "changed"}}
    ingest(tmp_path, **source)
    assert [topic for topic, _ in told(tmp_path)] == ["a", "b"]
    assert "stream 'rows': rows with nothing in 'changed', the cursor: 1" in caplog.text

    # Late ones without cursor, two of them equal; one with.
    add(engine, "moments", [(*row["c"], None), (*row["d"], 2), (*row["e"], None), (*row["e"], None)])
    counts = ingest(tmp_path, **source)["sources"]["source"]["streams"]["rows"]
    assert [topic for topic, _ in told(tmp_path)] == ["a", "b", "c", "d", "e", "e"]
    # Again came the last value of the cursor and the row without.
    assert (counts["records"], counts["read_again"]) == (6, 2)

    # One gets its value, another loses it.
    run(
        engine,
        "UPDATE moments SET changed = 3 WHERE topic = 'c'",
        "UPDATE moments SET changed = NULL WHERE topic = 'a'",
    )
    for _ in range(2):
        ingest(tmp_path, **source)
        assert [topic for topic, _ in told(tmp_path)] == ["a", "b", "c", "d", "e", "e"]
    before = {path: path.read_bytes() for path in (tmp_path / "out/raw").rglob("*") if path.is_file()}
    ingest(tmp_path, **source)
    assert {path: path.read_bytes() for path in (tmp_path / "out/raw").rglob("*") if path.is_file()} == before


HISTORY = """
connector: history
title: Tickets, a row for each change
streams:
  changes:
    files: ["changes*.csv"]
    format: {type: csv}
    fields: [number, status, at]
    key: [number]
    events:
      - activity: {field: status}
        time: {field: at}
"""


def test_versions_without_cursor_are_the_same_ones_in_one_pull_and_in_several(tmp_path, database):
    engine, url = database
    (tmp_path / "history").mkdir()
    (tmp_path / "history/connector.yaml").write_text(HISTORY, encoding="utf-8")
    versions = [(1, "old", None), (1, "new", 1), (2, "new", 2), (2, "old", None), (1, "newer", 3), (3, "new", 4)]
    fresh(engine, "changes", "(number INTEGER, status VARCHAR(9), at VARCHAR(40), changed INTEGER)", [])
    source = {"connector": "./history", "url": url}
    source["tables"] = {"changes": {"table": "changes", "cursor": "changed"}}
    for number, status, changed in versions:
        add(engine, "changes", [(number, status, "2026-03-01T10:00:00Z", changed)])
        ingest(tmp_path, **source)
        ingest(tmp_path, **source, out="whole")
        shutil.rmtree(tmp_path / "whole/raw")

    assert len(rows(tmp_path)) == 3
    assert rows(tmp_path) == rows(tmp_path, out="whole")


@pytest.mark.parametrize("where", [{"table": "moments"}, {"query": "SELECT *, number + 0 AS id FROM moments"}])
def test_numbers_of_sqlite_are_numbers_whatever_their_column_says(tmp_path, sqlite, where):
    engine, url = sqlite
    fresh(engine, "moments", "(number, topic, activity, time)", [(9, "a", "seen", "2026-03-01T10:00:00Z")])
    source = {"connector": "csv", "url": url}
    source["tables"] = {"rows": {**where, "cursor": "id" if "query" in where else "number"}}
    ingest(tmp_path, **source)
    add(engine, "moments", [(10, "b", "seen", "2026-03-02T10:00:00Z")])

    ingest(tmp_path, **source)

    assert [topic for topic, _ in told(tmp_path)] == ["a", "b"]


def test_numbers_that_are_texts_are_no_cursor(tmp_path, database):
    engine, url = database
    fresh(engine, "moments", "(number VARCHAR(8), activity VARCHAR(9), time VARCHAR(40))", [])
    add(engine, "moments", [("9", "seen", "2026-03-01T10:00:00Z"), ("10", "seen", "2026-03-02T10:00:00Z")])
    source = {"connector": "csv", "url": url, "tables": {"rows": {"table": "moments", "cursor": "number"}}}

    with pytest.raises(InputError, match=r"column 'number' of stream 'rows' holds numbers as texts"):
        ingest(tmp_path, **source)

    # Cast, the next pull finds 10 after 9; days of one length are in order as texts.
    run(engine, "DELETE FROM moments WHERE number = '10'")
    number = "CAST(number AS DECIMAL)"
    source["tables"] = {
        "rows": {"query": f"SELECT activity, time, {number} AS number FROM moments", "cursor": "number"}
    }
    ingest(tmp_path, **source)
    add(engine, "moments", [("10", "seen", "2026-03-02T10:00:00Z")])
    ingest(tmp_path, **source)
    assert len(rows(tmp_path)) == 2
    run(engine, "UPDATE moments SET number = '20260301'")
    ingest(tmp_path, connector="csv", url=url, tables={"rows": {"table": "moments", "cursor": "number"}}, out="days")
    assert len(rows(tmp_path, out="days")) == 2


SECRET = "anna@example.org"
REFUSING = {
    "postgres": (
        "SELECT CAST(email AS INTEGER) AS activity, 'x' AS time FROM people",
        "InvalidTextRepresentation, SQLSTATE 22P02",
    ),
    # Words of an error that is made of a row, as a check in a view may do.
    "mariadb": ("SELECT refuse(email) AS activity, 'x' AS time FROM people", "OperationalError, SQLSTATE 45000"),
    "sqlite": (
        "SELECT json_extract('{}', email) AS activity, 'x' AS time FROM people",
        "OperationalError, SQLITE_ERROR",
    ),
}


def test_what_an_error_quotes_of_a_row_is_in_no_message(tmp_path, database, caplog, capfd):
    engine, url = database
    caplog.set_level("DEBUG")
    fresh(engine, "people", "(email VARCHAR(40))", [(SECRET,)])
    name = {"postgresql": "postgres", "mysql": "mariadb"}.get(engine.dialect.name, "sqlite")
    if name == "mariadb":
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP FUNCTION IF EXISTS refuse")
            connection.exec_driver_sql(
                "CREATE FUNCTION refuse(email VARCHAR(40)) RETURNS INTEGER BEGIN "
                "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = email; RETURN 1; END"
            )
    query, code = REFUSING[name]
    with pytest.raises(sqlalchemy.exc.DBAPIError, match=SECRET), engine.connect() as connection:
        connection.exec_driver_sql(query).fetchall()

    with pytest.raises(InputError) as caught:
        pull_source("s", config(connector="csv", url=url, query=query), raw_dir=tmp_path / "raw", base=tmp_path)

    assert str(caught.value) == (
        f"source 's': the query of stream 'rows' could not be read ({code}). "
        "What the database says of it may quote a record: read it in a client of your own."
    )
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT emial FROM people", ['column "emial" does not exist', "Unknown column 'emial'", "column: emial"]),
        ("SELECT email FORM people x", ['at or near "people"', "to use near 'people x", 'near "people": syntax']),
        ("SELECT email FROM no", ['relation "no" does not exist', "no' doesn't exist", "no such table: no"]),
        ("SELECT 1; SELECT 2", ['error at or near ";"', "syntax to use near '; ", 'near ";": syntax error']),
    ],
)
def test_what_is_wrong_with_a_query_is_told_in_the_words_of_the_database(tmp_path, database, query, words):
    engine, url = database
    fresh(engine, "people", "(email VARCHAR(40))", [(SECRET,)])

    with pytest.raises(InputError) as caught:
        pull_source("s", config(connector="csv", url=url, query=query), raw_dir=tmp_path / "raw", base=tmp_path)

    assert str(caught.value).startswith("source 's': the query of stream 'rows' could not be read (")
    assert words[["postgresql", "mysql", "sqlite"].index(engine.dialect.name)] in str(caught.value)


ONE = "SELECT 'x' AS activity, '2026-03-01T10:00:00Z' AS time, {} AS topic"


@pytest.mark.parametrize(
    ("query", "topic"),
    [
        (ONE.format("'a = :none'"), "a = :none"),
        (ONE.format("'100% :s %s %(x)s'"), "100% :s %s %(x)s"),
        (ONE.format("'a'") + ";", "a"),
        (ONE.format("'a'") + " ; ;\n", "a"),
        (ONE.format("'a'") + " -- all; of it", "a"),
        (ONE.format("'a'") + "; -- all; of 'it'", "a"),
        (ONE.format("'a'") + " /* all; */ ; /* of; it */", "a"),
        (ONE.format("';'"), ";"),
        (ONE.format("'it''s; -- no'"), "it's; -- no"),
        (ONE.format("'it''s; -- no'") + ";", "it's; -- no"),
    ],
)
def test_a_query_is_what_a_client_of_the_database_takes(tmp_path, database, query, topic):
    _, url = database
    (tmp_path / "calls.db").touch()

    ingest(tmp_path, connector="csv", url=url, query=query)

    assert told(tmp_path) == [(topic, "03-01 10:00:00")]


def test_a_query_may_cast_and_quote_as_postgresql_does(tmp_path, postgres):
    _, url = postgres
    query = ONE.format("(E'it\\'s; -- '::text || $a$ ';-- $a$ || 'C:\\')") + "; -- done"

    ingest(tmp_path, connector="csv", url=url, query=query)

    assert told(tmp_path) == [("it's; --  ';-- C:\\", "03-01 10:00:00")]


def test_a_query_may_quote_and_comment_as_mariadb_does(tmp_path, mariadb):
    _, url = mariadb
    query = ONE.format("concat('it\\'s; -- ', \"\\\";\", 5--1)") + "; # done;"

    ingest(tmp_path, connector="csv", url=url, query=query)

    assert told(tmp_path) == [("it's; -- \";6", "03-01 10:00:00")]


def test_a_pull_that_is_cut_leaves_no_noise(tmp_path, mariadb, capfd, monkeypatch):
    engine, url = mariadb
    fresh(engine, "moments", "(number INTEGER, activity VARCHAR(9), time VARCHAR(40))", [])
    run(engine, "INSERT INTO moments SELECT seq, 'seen', '2026-03-01T10:00:00Z' FROM seq_1_to_300000")
    source = config(connector="csv", url=url, tables={"rows": "moments"})
    kill = (
        "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    )
    batch, calls = databases.pa.record_batch, iter(range(100))

    def cut(*given, **named):
        if next(calls) == 2:
            with engine.connect() as connection:
                for statement in connection.execute(sqlalchemy.text(kill)).scalars().all():
                    with suppress(sqlalchemy.exc.DatabaseError):
                        connection.exec_driver_sql(statement)
        return batch(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(databases.pa, "record_batch", cut)
        with pytest.raises(InputError, match=r"table 'moments' of stream 'rows' could not be read \(OperationalError"):
            pull_source("s", source, raw_dir=tmp_path / "raw")
    gc.collect()

    assert capfd.readouterr().err == ""
    assert pull_source("s", source, raw_dir=tmp_path / "raw")["rows"]["records"] == 300_000


def test_a_query_stands_in_for_a_table(tmp_path, shop):
    query = "SELECT id, time, upper(activity) AS activity, email FROM visits"

    quality = ingest(tmp_path, **{**shop, "query": query, "cursor": "id"})

    assert quality["events"] == 1
    assert [row["activity"] for row in rows(tmp_path)] == ["VISIT"]
    assert quality["sources"]["source"]["pulled"]["rows"]["cursor"] == "1"


def test_a_server_that_goes_away_costs_nothing(tmp_path, postgres, monkeypatch):
    engine, url = postgres
    run(
        engine,
        "DROP TABLE IF EXISTS gone",
        "CREATE TABLE gone AS SELECT i AS id, '2026-01-01T00:00:00Z' AS time, 'visit' AS activity "
        "FROM generate_series(1, 50000) AS i",
    )
    source = config(connector="csv", url=url, tables={"rows": {"table": "gone", "cursor": "id"}})
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> {me}"
    batch = databases.pa.record_batch
    calls = iter(range(100))

    def cut(*given, **named):
        if next(calls) == 2:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text(kill.format(me="pg_backend_pid()")))
        return batch(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(databases.pa, "record_batch", cut)
        with pytest.raises(
            InputError, match=r"table 'gone' of stream 'rows' could not be read \(AdminShutdown, SQLSTATE"
        ):
            pull_source("s", source, raw_dir=tmp_path / "raw")

    assert pull_source("s", source, raw_dir=tmp_path / "raw")["rows"]["records"] == 50_000


ORDERS = """
connector: orders
title: Orders with their parcels in a JSON column
streams:
  parcels:
    files: ["orders*.json*"]
    format: {type: json_lines}
    unfold: {parcel: parcels.list}
    fields: {order: id, mail: buyer.mail, place: "parcel.#", sent: parcel.sent, by: parcel.carrier.name}
    key: [order, place]
    identifiers: {email: {field: mail}, order: {field: order}}
    events:
      - activity: order_shipped
        present: sent
        time: {field: sent}
        topic: {field: by}
"""
PARCELS = {
    7: [("2026-03-01T10:00:00Z", 'Ahorn "Express"'), ("2026-03-02T10:00:00Z", "Birke\\Söhne")],
    8: [],
    9: [("2026-03-03T10:00:00Z", "Ahorn")],
}


def orders_in(engine, kind, broken=None):
    """Make a table of orders whose parcels and buyer are JSON; return what its parcels are."""
    rows = []
    for order, parcels in PARCELS.items():
        held = {"list": [{"sent": sent, "carrier": {"name": name}} for sent, name in parcels]}
        rows.append({"id": order, "parcels": json.dumps(held), "buyer": json.dumps({"mail": f"b{order}@example.org"})})
    # Nothing at all, and in databases that check nothing also no JSON, and JSON that would say more than it may.
    rows.append({"id": 10, "parcels": None, "buyer": None})
    rows += [{"id": 11 + place, "parcels": text, "buyer": None} for place, text in enumerate(broken or [])]
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("DROP TABLE IF EXISTS orders"))
        connection.execute(
            sqlalchemy.text(f"CREATE TABLE orders (id INTEGER, parcels {kind}, buyer {kind}, secret TEXT)")
        )
        cast = "::jsonb" if engine.dialect.name == "postgresql" else ""
        insert = f"INSERT INTO orders VALUES (:id, (:parcels){cast}, (:buyer){cast}, 'not read')"
        connection.execute(sqlalchemy.text(insert), rows)
    return sorted((sent, name, f"email:b{order}@example.org") for order, some in PARCELS.items() for sent, name in some)


@pytest.mark.parametrize(
    ("database", "kind"), [("postgres", "JSONB"), ("mariadb", "JSON"), ("sqlite", "TEXT")], indirect=["database"]
)
def test_lists_in_json_columns_are_unfolded(tmp_path, database, kind):
    engine, url = database
    broken = ['{"list": [', '{"list": []}, "id": "7"'] if kind == "TEXT" else []
    expected = orders_in(engine, kind, broken)
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/connector.yaml").write_text(ORDERS, encoding="utf-8")

    tables = {"parcels": {"table": "orders", "cursor": "id"}}
    quality = ingest(tmp_path, connector="./orders", url=url, tables=tables)

    events = rows(tmp_path)
    links = rows(tmp_path, "identifiers")
    mails = {link["event_id"]: link["value_hash"] for link in links if link["kind"] == "email"}
    told = [
        (event["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ"), event["topic"], mails[event["event_id"]])
        for event in events
    ]
    assert sorted(told) == expected
    counts = quality["sources"]["source"]["streams"]["parcels"]
    assert counts["records_without_event"] == 2  # no parcel yet, and nothing at all
    assert counts["rejected"] == ({"record: no JSON in column 'parcels'": 2} if broken else {})
    raw = pq.read_table(tmp_path / "out/raw/source/parcels").to_pylist()
    assert not any("not read" in str(row) for row in raw)

    # The next pull brings what is new, and the last order again.
    run(engine, "UPDATE orders SET id = 12 WHERE id = 10")
    again = ingest(tmp_path, connector="./orders", url=url, tables=tables)
    assert again["events"] == len(expected)


def test_a_list_that_no_column_has_is_said(tmp_path, sqlite):
    engine, url = sqlite
    run(engine, "CREATE TABLE orders (id INTEGER, buyer TEXT, packages TEXT)")
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/connector.yaml").write_text(ORDERS, encoding="utf-8")

    with pytest.raises(
        InputError, match=r"unfolds JSON in a column 'parcels', which is not there.* id, buyer, packages"
    ):
        ingest(tmp_path, connector="./orders", url=url, tables={"parcels": "orders"})
    quality = ingest(tmp_path, connector="./orders", url=url, query="SELECT id, buyer, packages AS parcels FROM orders")
    assert quality["events"] == 0
