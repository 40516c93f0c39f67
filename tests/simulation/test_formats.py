"""Every raw file has the form its vendor gives it, and holds as many rows as truth.json says."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from crawleruseragents import is_crawler

from journeymining.simulation.company import CLOCK_OFFSETS, HOTLINE
from journeymining.simulation.salesforce import COLUMNS

BERLIN = ZoneInfo("Europe/Berlin")
QUEUE_EVENTS = {"QUEUESTART", "ENTERQUEUE", "RINGNOANSWER", "CONNECT", "COMPLETECALLER", "COMPLETEAGENT", "ABANDON"}


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["Contact", "Case", "Task"])
def test_salesforce_files_hold_the_rows_that_the_truth_counts(company, truth, name):
    rows = read(company / f"raw/salesforce/{name}.csv")
    ids = Counter(row["Id"] for row in rows)

    assert list(rows[0]) == COLUMNS[name]
    assert len(rows) == truth["lines"][f"raw/salesforce/{name}.csv"]
    assert sum(ids.values()) - len(ids) == truth["lines"][f"duplicates raw/salesforce/{name}.csv"]
    assert {len(identity) for identity in ids} == {18}
    # What is repeated is repeated whole.
    assert len({tuple(row.values()) for row in rows}) == len(ids)


def test_salesforce_ids_end_in_the_check_that_salesforce_computes(company):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    for name in COLUMNS:
        for row in read(company / f"raw/salesforce/{name}.csv")[:50]:
            identity = row["Id"]
            blocks = (identity[start : start + 5] for start in (0, 5, 10))
            check = (letters[sum(char.isupper() << place for place, char in enumerate(block))] for block in blocks)

            assert identity[15:] == "".join(check)


def test_salesforce_knows_every_customer_and_refers_only_to_them(company, truth):
    contacts = {row["Id"]: row["AccountId"] for row in read(company / "raw/salesforce/Contact.csv")}
    tasks = read(company / "raw/salesforce/Task.csv")
    cases = read(company / "raw/salesforce/Case.csv")

    assert len(contacts) == truth["customers"]
    assert all(contacts[row["WhoId"]] == row["AccountId"] for row in tasks)
    assert all(contacts[row["ContactId"]] == row["AccountId"] for row in cases)
    assert {row["TaskSubtype"] for row in tasks} == {"Call", "Email", "Task"}


def test_telephone_numbers_are_possible_spelt_in_many_ways_and_never_the_companys(company, known):
    spelt = [row["Phone"] for row in read(company / "raw/salesforce/Contact.csv")]
    numbers = [phonenumbers.parse(text, "DE") for text in spelt]

    assert all(phonenumbers.is_valid_number(number) for number in numbers)
    forms = {f"+{number.country_code}{number.national_number}" for number in numbers}
    assert forms == {value for kind, value in known if kind == "phone"}
    assert f"+49{HOTLINE}" not in forms
    assert {text[:2] for text in spelt} == {"+4", "00", "03", "04", "06", "02", "08"}


def test_names_of_hosts_and_people_cannot_belong_to_anybody(known, access_lines):
    assert all(re.search(r"@example\.(com|org)$", value) for kind, value in known if kind == "email")
    assert all(line["host"].startswith("203.0.113.") for line in access_lines)


def test_access_log_lines_parse_and_are_counted(access_lines, truth):
    lines = truth["lines"]

    assert all(access_lines)
    assert len(access_lines) == lines["raw/web/access.log"] + lines["raw/web/access.log.1.gz"]
    assert min(lines["raw/web/access.log"], lines["raw/web/access.log.1.gz"]) > 0
    assert sum(is_crawler(line["agent"]) for line in access_lines) == lines["web lines of bots"]
    assert 0.03 < lines["web lines of bots"] / len(access_lines) < 0.05


def test_access_log_is_in_the_order_of_time_across_the_rotation_and_tells_the_right_offset(access_lines):
    times = [datetime.strptime(line["time"], "%d/%b/%Y:%H:%M:%S %z") for line in access_lines]

    assert times == sorted(times)
    assert {str(time.utcoffset()) for time in times} == {"1:00:00", "2:00:00"}
    assert all(time.utcoffset() == time.astimezone(BERLIN).utcoffset() for time in times)


def test_visitors_log_in_on_the_cookie_they_came_with_or_stay_unknown(access_lines, known, truth):
    users = defaultdict(set)
    for line in access_lines:
        if line["cookie"] != "-":
            users[line["cookie"].removeprefix("uid=")].add(line["user"])

    both = [cookie for cookie, seen in users.items() if "-" in seen and len(seen) == 2]
    never = [cookie for cookie, seen in users.items() if seen == {"-"}]

    assert len(both) > truth["customers"] / 2
    assert len(never) > truth["customers"] / 10
    for cookie, seen in users.items():
        for user in seen - {"-"}:
            assert known["cookie", cookie] == known["email", user]


def test_query_strings_hold_secrets_that_a_connector_must_drop(access_lines):
    assert any("token=secret-" in (line["query"] or "") for line in access_lines)


def test_app_events_parse_and_lie_in_the_file_of_their_local_day(app_rows, truth):
    for path, row in app_rows:
        moment = datetime.fromtimestamp(int(row["event_timestamp"]) / 1e6, BERLIN)

        assert path.name == f"events_{row['event_date']}.jsonl"
        assert row["event_date"] == moment.strftime("%Y%m%d")
        assert {parameter["key"] for parameter in row["event_params"]} == {"ga_session_id", "firebase_screen", "status"}
        assert (row["user_id"] is None) == (row["event_name"] == "session_start")
    texts = Counter(json.dumps(row) for _, row in app_rows)

    assert len(app_rows) == truth["lines"]["raw/ga4"]
    assert sum(texts.values()) - len(texts) == truth["lines"]["duplicates raw/ga4"] > 0


def test_devices_and_accounts_of_the_app_are_those_of_one_customer(app_rows, known):
    for _, row in app_rows:
        if row["user_id"]:
            assert known["device", row["user_pseudo_id"]] == known["account", row["user_id"]]


def test_queue_log_is_in_the_order_of_time_and_of_what_can_happen_to_a_call(queue_lines, truth):
    times = [int(line[0]) for line in queue_lines]
    calls = defaultdict(list)
    for line in queue_lines[1:]:
        calls[line[1]].append(line[4])

    assert len(queue_lines) == truth["lines"]["raw/asterisk/queue_log"]
    assert times == sorted(times)
    assert {line[4] for line in queue_lines} == QUEUE_EVENTS
    for steps in calls.values():
        assert re.fullmatch("ENTERQUEUE (RINGNOANSWER )?(CONNECT COMPLETE(CALLER|AGENT)|ABANDON)", " ".join(steps)), (
            steps
        )


def test_calls_are_as_many_as_the_truth_says(queue_lines, legs, truth):
    lines = truth["lines"]
    steps = Counter(line[4] for line in queue_lines)
    callers = [line[6] for line in queue_lines if line[4] == "ENTERQUEUE"]
    outbound = {leg[19]: leg[14] for leg in legs if leg[3] == "outbound" and leg[7] == "Dial"}

    assert steps["ABANDON"] == lines["calls adhoc_call_abandoned"] + lines["calls forced_switch_abandoned"]
    answered = ("adhoc_call", "forced_switch", "outage_call", "withheld")
    assert steps["CONNECT"] == sum(lines[f"calls {name}"] for name in answered)
    assert callers.count("anonymous") == lines["calls withheld"] > 0
    assert Counter(outbound.values()) == {
        "ANSWERED": lines["calls welcome_call"],
        "NO ANSWER": lines["calls welcome_call_unanswered"],
    }


def test_master_csv_has_the_columns_of_asterisk_and_every_call_of_the_queues(legs, queue_lines, truth):
    assert len(legs) == truth["lines"]["raw/asterisk/Master.csv"]
    assert {len(leg) for leg in legs} == {21}
    assert {leg[19] for leg in legs if leg[3] == "ivr"} == {line[1] for line in queue_lines[1:]}
    assert len({leg[20] for leg in legs}) == len(legs)
    several = Counter(leg[19] for leg in legs)
    assert set(several.values()) == {1, 2, 3}
    assert {leg[1] for leg in legs if leg[3] == "outbound"} == {f"+49{HOTLINE}"}


@pytest.mark.real_data
def test_master_csv_looks_like_what_a_real_exchange_writes(legs, shared_data):
    path = shared_data / "real_systems/asterisk/out/cdr-csv/Master.csv"
    with path.open(encoding="utf-8", newline="") as file:
        real = list(csv.reader(file))
    queued = [leg for leg in real if leg[3] == "ivr" and leg[7] == "Queue"]
    ours = [leg for leg in legs if leg[3] == "ivr" and leg[7] == "Queue"]

    assert {len(leg) for leg in real} == {len(leg) for leg in legs}
    for theirs, made_up in zip(queued[:5], ours, strict=False):
        # Which fields are empty, and which are numbers, is the form of a row.
        shape = [re.sub(r"\d+", "9", made_up[place]) for place in (0, 2, 3, 7, 9, 11, 15, 17, 18)]
        assert shape == [re.sub(r"\d+", "9", theirs[place]) for place in (0, 2, 3, 7, 9, 11, 15, 17, 18)]
        assert made_up[16] == made_up[19]
        assert theirs[16] == theirs[19]


def test_local_call_times_cross_the_end_of_summer_time(legs):
    night = [leg for leg in legs if leg[9].startswith("2025-10-26 02:")]
    folds = set()
    for leg in night:
        local = datetime.fromisoformat(leg[9]).replace(tzinfo=BERLIN)
        epoch = int(leg[16].split("-")[1].split(".")[0])
        possible = [local.replace(fold=fold).timestamp() for fold in (0, 1)]
        folds.add(min((0, 1), key=lambda fold: abs(possible[fold] - epoch)))

    assert folds == {0, 1}


def test_durations_of_calls_are_those_of_the_clock_except_across_the_change(legs):
    for leg in legs:
        start, end = datetime.fromisoformat(leg[9]), datetime.fromisoformat(leg[11])
        gap = (end - start).total_seconds() - int(leg[12])

        assert gap == 0 or (gap == -3600 and leg[9].startswith("2025-10-26 02"))


def test_systems_disagree_about_the_time_by_the_recorded_offsets(observed, journeys, truth):
    assert truth["clock_offsets_seconds"] == CLOCK_OFFSETS
    gaps = defaultdict(set)
    for customer, row in journeys.items():
        for time, activity, channel in observed.get(customer, []):
            said = {"order_placed": row["order_time"], "modem_active": row["active_time"]}.get(activity)
            if said:
                gaps[channel].add(round((time - datetime.fromisoformat(said)) / timedelta(seconds=1)))

    assert gaps["web"] == {CLOCK_OFFSETS["web"]}
    assert gaps["phone"] == {CLOCK_OFFSETS["salesforce"]}
    assert gaps["app"] <= {CLOCK_OFFSETS["ga4"], CLOCK_OFFSETS["ga4"] + 1}


def test_survey_rows_say_who_was_asked_and_what_was_answered(company, truth, known, journeys):
    rows = read(company / "raw/survey/nps.csv")
    answered = [row for row in rows if row["answered_at"]]

    assert len(rows) == truth["lines"]["raw/survey/nps.csv"]
    assert len(answered) == truth["lines"]["survey answers"]
    for row in rows:
        customer = known["email", row["email"]] if row["email"] else known["contact", row["contact_id"]]

        assert row["score"] == (journeys[customer[0]]["nps"] if row["answered_at"] else "")
        assert (row["email"] == "") != (row["contact_id"] == "")
        assert not row["answered_at"] or row["sent_at"] < row["answered_at"]
        assert row["score"] == "" or 0 <= int(row["score"]) <= 10
