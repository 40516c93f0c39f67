"""A second reading of the samples, in plain Python: what vendors and READMEs say must become of every record.

No expectation here comes from the code that maps records, nor from a connector file: ``expected.csv`` is held by two
computations that share no line. What the first one leaves out is counted here, too.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.library import SPEC, shipped_connectors
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector

UNREADABLE = "time: unreadable, without zone or outside 1990-2100"
BERLIN, AMSTERDAM = "Europe/Berlin", "Europe/Amsterdam"


class Reading:
    """What a reader finds: rows as in ``expected.csv``, and how many candidates it leaves out and why."""

    def __init__(self, folder):
        self.folder = folder / "sample"
        self.events, self.others, self.left_out, self.seen = [], [], Counter(), set()
        self.number = count()

    def event(self, stream, time, *, ids=(), order=(), **columns):
        instant, rule, granularity = time
        row = {"table": "event", "stream": stream, "timestamp": instant.isoformat(), "time_rule": rule}
        row |= {"granularity": granularity, "identifiers": joined(ids)} | columns
        # Whole seconds: what the source says of their order, then the line, decides.
        self.events.append(((instant, stream, order, next(self.number)), shown(row)))

    def other(self, table, **columns):
        self.others.append(shown({"table": table} | columns))

    def rejected(self, stream, file, line, reason):
        self.other("rejected", stream=stream, reason=reason, place=f"sample/{file}:{line}")

    def again(self, stream, key):
        """Say whether a record was there before, and count it."""
        repeated = (stream, key) in self.seen
        self.seen.add((stream, key))
        if repeated:
            self.left_out[stream, "duplicate"] += 1
        return repeated

    def text(self, file):
        return (self.folder / file).read_text(encoding="utf-8")

    def table(self, file, **dialect):
        """Return the rows of a table with a header, each with its line."""
        lines = self.text(file).splitlines()
        return enumerate(csv.DictReader(lines, **dialect), start=2)


def shown(row):
    return {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in row.items()
        if value or value == 0.0
    }


def joined(ids):
    return " ".join(sorted({f"{kind}:{value}" for kind, value in ids if value}))


def phone(text):
    """Return a German number with its country code; None for a caller who withheld it and for extensions."""
    digits = re.sub(r"[ /()-]", "", text or "")
    digits = re.sub(r"^00", "+", digits)
    digits = re.sub(r"^0", "+49", digits)
    return digits if re.fullmatch(r"\+\d{8,}", digits) else None


def email(text):
    address = (text or "").lower()
    return address if re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", address) and not address.startswith("noreply@") else None


def with_offset(text, granularity="s"):
    """Return the instant of an ISO text with an offset; None without one."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time.astimezone(UTC), "offset in the text", granularity) if time.tzinfo else None


def in_utc(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC), "declared UTC", "s"


def since_1970(text, per_second, unit):
    """Return the instant of a count, exactly; None outside 1990 to 2100."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(text) * 1_000_000 // per_second)
    return (instant, f"epoch {unit}", unit) if 1990 <= instant.year < 2100 else None


def on_the_wall(time, zone, epoch=None):
    """Return the instant of a wall clock: of an hour that is there twice the reading nearer to the epoch."""
    both = [time.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
    rule = f"local {zone}"
    if both[0] == both[1]:
        return both[0], rule, "s"
    if both[0].astimezone(ZoneInfo(zone)).replace(tzinfo=None) != time:
        return both[0], f"{rule}, in the gap", "s"
    if epoch is None:
        return both[0], f"{rule}, first of two", "s"
    return min(both, key=lambda one: abs(one.timestamp() - epoch)), f"{rule}, fold by epoch", "s"


def path_of(url):
    """Return the path of an URL: no host, no query, no session, no e-mail address."""
    path = re.split(r"[?#;]", re.sub(r"^[a-z]+://[^/]*", "", url))[0]
    return "/".join("(email)" if "@" in step else step for step in path.split("/")) or "/"


def read_salesforce(found):
    cases = {}
    for line, row in found.table("Case.csv"):
        ids = [("contact", row["ContactId"]), ("account", row["AccountId"])]
        cases[row["Id"]] = ids
        ids = [*ids, ("email", email(row["SuppliedEmail"])), ("phone", phone(row["SuppliedPhone"]))]
        for activity, text, who in (
            ("case_opened", row["CreatedDate"], "customer"),
            ("case_closed", row["ClosedDate"], "organisation"),
        ):
            time = with_offset(text)
            if time and not found.again("Case", (row["Id"], activity)):
                columns = {"activity": activity, "initiator": who, "channel": row["Origin"].lower()}
                found.event("Case", time, ids=ids, topic=row["Type"], **columns)
            elif not time and (text or activity == "case_opened"):
                found.rejected("Case", "Case.csv", line, UNREADABLE if text else "time: missing")
    for _, row in found.table("CaseHistory.csv"):
        # A changed reference writes a row with ids and one with names: an owner is one, a status is not.
        reference = row["Field"] not in {"Status", "Router_Model__c"}
        key = (row["CaseId"], row["Field"], row["CreatedDate"]) if reference else row["Id"]
        if not found.again("CaseHistory", key):
            field = {"ownerAssignment": "owner_assignment"}.get(row["Field"], row["Field"].lower().replace("__", "_"))
            columns = {"activity": f"case_{field}_changed", "resource": row["CreatedById"], "initiator": "organisation"}
            found.event("CaseHistory", with_offset(row["CreatedDate"]), ids=cases.get(row["CaseId"], []), **columns)
    for line, row in found.table("Task.csv"):
        kind = {"Call": "call", "Email": "email", "ListEmail": "email"}.get(row["TaskSubtype"], "other")
        text = row["CompletedDateTime"] or row["CreatedDate"]
        if not text:  # ActivityDate is there, but a day is no time
            found.rejected("Task", "Task.csv", line, "time: missing")
            continue
        found.event(
            "Task",
            with_offset(text),
            activity=f"task_{kind}",
            channel={"call": "phone", "email": "email"}.get(kind),
            topic=row["Subject"],
            resource=row["OwnerId"],
            initiator={"Inbound": "customer", "Outbound": "organisation", "Internal": "organisation"}.get(
                row["CallType"]
            ),
            duration=row["CallDurationInSeconds"] if row["CallDurationInSeconds"].isdigit() else None,
            ids=[("contact", row["WhoId"]), ("account", row["AccountId"])],
        )
    for _, row in found.table("Contact.csv"):
        ids = [("contact", row["Id"]), ("account", row["AccountId"]), ("email", email(row["Email"]))]
        found.other("record", identifiers=joined([*ids, *(("phone", phone(row[n])) for n in ("Phone", "MobilePhone"))]))
    read_salesforce_sales(found)


def read_salesforce_sales(found):
    for _, row in found.table("Lead.csv"):
        ids = [("contact", row["Id"]), ("contact", row["ConvertedContactId"]), ("account", row["ConvertedAccountId"])]
        ids += [("email", email(row["Email"])), ("phone", phone(row["Phone"])), ("phone", phone(row["MobilePhone"]))]
        found.other("record", identifiers=joined(ids))
    owners = {row["Id"]: row for _, row in found.table("Opportunity.csv")}
    for line, row in found.table("OpportunityHistory.csv"):
        ids = [("contact", owners[row["OpportunityId"]]["ContactId"])]
        ids += [("account", owners[row["OpportunityId"]]["AccountId"])]
        if time := with_offset(row["CreatedDate"]):
            columns = {"topic": row["StageName"], "resource": row["CreatedById"], "initiator": "organisation"}
            found.event("OpportunityHistory", time, ids=ids, activity="opportunity_changed", **columns)
        else:
            found.rejected("OpportunityHistory", "OpportunityHistory.csv", line, UNREADABLE)
    for _, row in found.table("CampaignMember.csv"):
        ids, topic = [("contact", row["ContactId"] or row["LeadId"])], row["CampaignId"]
        columns = {"activity": "campaign_joined", "initiator": "organisation"}
        found.event("CampaignMember", with_offset(row["CreatedDate"]), ids=ids, topic=topic, **columns)
        if row["FirstRespondedDate"]:
            day = datetime.strptime(row["FirstRespondedDate"], "%Y-%m-%d").replace(tzinfo=UTC), "declared UTC", "day"
            found.event(
                "CampaignMember", day, ids=ids, topic=topic, activity="campaign_responded", initiator="customer"
            )
    users = {row["Id"]: row for _, row in found.table("MessagingEndUser.csv")}
    for _, row in found.table("MessagingSession.csv"):
        user = users.get(row["MessagingEndUserId"], {"ContactId": "", "LeadId": "", "AccountId": ""})
        ids = [("contact", user["ContactId"] or user["LeadId"]), ("account", user["AccountId"])]
        channel = {"EmbeddedMessaging": "chat", "WhatsApp": "whatsapp"}[row["ChannelType"]]
        for part, name in (("Start", "started"), ("Accept", "accepted"), ("End", "ended")):
            if row[f"{part}Time"]:
                columns = {"activity": f"messaging_{name}", "channel": channel, "topic": row["AgentType"]}
                if part == "Accept":
                    columns |= {"resource": row["OwnerId"], "initiator": "organisation"}
                found.event("MessagingSession", with_offset(row[f"{part}Time"]), ids=ids, **columns)
    for line, row in found.table("LiveChatTranscript.csv"):
        ids = [("contact", row["ContactId"] or row["LeadId"]), ("account", row["AccountId"])]
        ended = {"status": {"Completed": "ok", "Missed": "failed"}.get(row["Status"]), "duration": row["ChatDuration"]}
        answered = {"initiator": "organisation", "resource": row["OwnerId"]}
        for part, name, columns in (
            ("Request", "requested", {"initiator": "customer"}),
            ("Start", "started", answered),
            ("End", "ended", ended),
        ):
            time = with_offset(row[f"{part}Time"])
            if time:
                found.event("LiveChatTranscript", time, ids=ids, activity=f"chat_{name}", channel="chat", **columns)
            elif row[f"{part}Time"]:
                found.rejected("LiveChatTranscript", "LiveChatTranscript.csv", line, UNREADABLE)


AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": ("computer", "Firefox", "Linux"),
    # Without "Version" and "Safari": a page shown inside an app.
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15": (
        "phone",
        "Mobile Safari UI/WKWebView",
        "iOS",
    ),
}


def read_access_log(found):
    quoted = r'"((?:\\.|[^"\\])*)"'
    shape = re.compile(rf"(?:\S+:\d+ )?[\d.]+ - (\S+) \[(.*?)\] {quoted} (\d+) \S+ {quoted} {quoted}(?: {quoted})?")
    for line, text in enumerate(found.text("access.log").splitlines(), start=1):
        match = shape.fullmatch(text)
        if not match:
            found.rejected("requests", "access.log", line, "record: not a line of this format")
            continue
        user, clock, request, status, _, agent, cookie = match.groups()
        if "bot" in agent.lower() or agent.startswith("curl/"):
            found.left_out["requests", "bot"] += 1
            continue
        parts = request.split(" ")
        try:
            time = datetime.strptime(clock, "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC), "offset in the text", "s"
        except ValueError:
            found.rejected("requests", "access.log", line, UNREADABLE)
            continue
        if len(parts) < 2:
            found.rejected("requests", "access.log", line, "topic: missing")
            continue
        pairs = dict(pair.partition("=")[::2] for pair in (cookie or "").split("; "))
        cookie = pairs.get("uid") if "=" in (cookie or "") else (cookie or "-").replace("-", "")
        columns = {"channel": "web", "topic": f"{parts[0]} {path_of(parts[1])}", "initiator": "customer"}
        columns |= {"activity": "page_view", "status": "failed" if status >= "400" else "ok"}
        device_class, browser, operating_system = AGENTS.get(agent, [None] * 3)
        columns |= {"device_class": device_class, "browser": browser, "operating_system": operating_system}
        found.event("requests", time, ids=[("email", email(user)), ("cookie", cookie)], **columns)


TOLD = ("device_class", "browser", "operating_system")
# The sample has three devices, told by what their browsers are in Matomo's device detector; Edge is on a tablet.
DETECTED = {
    "FF": ("computer", "Firefox", "Linux"),
    "MF": ("phone", "Mobile Safari", "iOS"),
    "PS": ("tablet", "Edge Mobile", "Android"),
}


def read_matomo(found):
    tables = {
        name: [*found.table(f"{name}.tsv", delimiter="\t", quoting=csv.QUOTE_NONE)]
        for name in ("log_action", "log_visit", "log_link_visit_action", "log_conversion")
    }
    actions = {row["idaction"]: row for _, row in tables["log_action"]}
    logins = {row["idvisit"]: row["user_id"].replace("NULL", "") for _, row in tables["log_visit"]}
    for login in logins.values():
        if login:
            found.other("record", identifiers=f"login:{login}")
    web = {"channel": "web", "initiator": "customer"}
    devices = {row["idvisit"]: DETECTED[row["config_browser_name"]] for _, row in tables["log_visit"]}
    for line, row in tables["log_link_visit_action"]:
        url, name = actions.get(row["idaction_url"]), actions.get(row["idaction_name"])
        ids = [("login", logins[row["idvisit"]]), ("cookie", row["idvisitor"].lower())]
        kinds = {"1": "page_view", "2": "outlink", "3": "download"}
        if row["idaction_event_category"] != "NULL":
            columns = {"activity": "event", "topic": actions[row["idaction_event_action"]]["name"]}
        elif url and url["type"] in kinds:
            # Pages are stored without scheme.
            address = url["name"] if "://" in url["name"] else f"https://{url['name']}"
            columns = {"activity": kinds[url["type"]], "topic": path_of(address)}
        elif name and name["type"] == "8":
            columns = {"activity": "search"}
        else:
            found.rejected("log_link_visit_action", "log_link_visit_action.tsv", line, "activity: missing")
            continue
        columns |= dict(zip(TOLD, devices[row["idvisit"]], strict=True))
        found.event("log_link_visit_action", in_utc(row["server_time"]), ids=ids, **web, **columns)
    for _, row in tables["log_conversion"]:
        columns = {"activity": {"0": "order", "-1": "cart"}.get(row["idgoal"], "goal"), "value": float(row["revenue"])}
        columns["topic"] = row["idgoal"] if columns["activity"] == "goal" else None
        ids = [("login", logins[row["idvisit"]]), ("cookie", row["idvisitor"].lower())]
        ids.append(("order", row["idorder"].replace("NULL", "")))
        columns |= dict(zip(TOLD, devices[row["idvisit"]], strict=True))
        found.event("log_conversion", in_utc(row["server_time"]), ids=ids, **web, **columns)


def told_by_google(device):
    browser = (device["web_info"] or {}).get("browser")
    return {
        ("desktop", "Macintosh", "Safari"): ("computer", "Safari", "Mac OS X"),
        ("tablet", "Android", "Chrome"): ("tablet", "Chrome", "Android"),
        ("mobile", "iOS", "Chrome"): ("phone", "Chrome Mobile iOS", "iOS"),
        # Apps have no browser, and their systems are written in capitals.
        ("mobile", "ANDROID", None): ("phone", None, "Android"),
        ("mobile", "IOS", None): ("phone", None, "iOS"),
    }[device["category"], device["operating_system"], browser]


def read_ga4(found):
    for line, text in enumerate(found.text("events.jsonl").splitlines(), start=1):
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            found.rejected("events", "events.jsonl", line, "record: not a JSON object")
            continue
        values = {one["key"]: next(iter(one["value"].values())) for one in row["event_params"]}
        time = since_1970(row["event_timestamp"], 1_000_000, "us")
        if not time:
            found.rejected("events", "events.jsonl", line, UNREADABLE)
            continue
        batch = tuple(int(row.get(name) or 0) for name in ("batch_page_id", "batch_ordering_id", "batch_event_index"))
        who = (row["stream_id"], row["user_pseudo_id"], row["event_name"], row["event_timestamp"])
        if found.again("events", (who, batch, json.dumps(sorted(values.items())))):
            continue
        page, screen = values.get("page_location"), values.get("firebase_screen", values.get("firebase_screen_class"))
        device, order = row["user_pseudo_id"], values.get("transaction_id")
        found.event(
            "events",
            time,
            order=batch,
            activity=row["event_name"],
            channel="web" if row["platform"] == "WEB" else "app",
            topic=path_of(page) if page else screen,
            initiator="customer",
            **dict(zip(TOLD, told_by_google(row["device"]), strict=True)),
            status=values.get("status") if values.get("status") in {"ok", "failed"} else None,
            value=float(values["value"]) if "value" in values else None,
            ids=[
                ("account", row["user_id"]),
                ("device", device if device and device.strip("0-") else None),
                ("order", order if order != "(not set)" else None),
            ],
        )


def read_asterisk_cdr(found):
    calls = {}
    for line, text in enumerate(found.text("Master.csv").splitlines(), start=1):
        row = next(csv.reader([text])) + [""] * 21
        call = row[19] or row[16]
        if call:
            calls.setdefault(call, []).append((int(row[20] or 0), line, row))
        else:
            found.rejected("calls", "Master.csv", line, "record: key: missing")
    for rows in calls.values():
        _, line, first = min(rows)
        epoch = re.search(r"(\d{10})\.\d+$", first[16])
        try:
            start = datetime.fromisoformat(first[9])
        except ValueError:
            found.rejected("calls", "Master.csv", line, UNREADABLE)
            continue
        outbound = first[3] in {"outbound", "originate", "from-internal"}
        found.event(
            "calls",
            on_the_wall(start, BERLIN, epoch=int(epoch[1])),
            activity=f"call_{'outbound' if outbound else 'inbound'}",
            channel="phone",
            topic=first[3],
            initiator="organisation" if outbound else "customer",
            status="ok" if any(row[14] == "ANSWERED" for _, _, row in rows) else "failed",
            duration=float(max(int(row[13]) for _, _, row in rows)),
            ids=[("phone", phone(first[2] if outbound else first[1]))],
        )


# Event -> activity, status, who began it, field of the duration and how many of its units are a second.
QUEUE = {
    "ENTERQUEUE": ("call_queued", None, "customer", None, 1),
    "CONNECT": ("call_answered", "ok", "organisation", None, 1),
    "COMPLETEAGENT": ("call_completed", "ok", "organisation", 6, 1),
    "COMPLETECALLER": ("call_completed", "ok", "customer", 6, 1),
    "ABANDON": ("call_abandoned", "failed", "customer", 7, 1),
    "EXITWITHTIMEOUT": ("call_timed_out", "failed", "system", 7, 1),
    "EXITEMPTY": ("call_queue_empty", "failed", "system", 7, 1),
    "EXITWITHKEY": ("call_left_queue", None, "customer", 8, 1),
    "RINGNOANSWER": ("call_not_taken", "failed", "organisation", 5, 1000),
    "RINGCANCELED": ("call_ring_cancelled", None, "system", 5, 1000),
    "BLINDTRANSFER": ("call_transferred", None, "organisation", 8, 1),
    "ATTENDEDTRANSFER": ("call_transferred", None, "organisation", -2, 1),
}


def read_asterisk_queue_log(found):
    rows = [line.split("|") for line in found.text("queue_log").splitlines()]
    callers = {row[1]: row[6] for row in rows if row[4:5] == ["ENTERQUEUE"]}
    for line, row in enumerate(rows, start=1):
        if row[4:5] == [] or row[4] not in QUEUE:
            found.left_out["queue_log", "no event"] += 1
            continue
        activity, status, initiator, place, per_second = QUEUE[row[4]]
        time = since_1970(row[0], 1, "s")
        if not time:
            found.rejected("queue_log", "queue_log", line, UNREADABLE)
            continue
        columns = {"activity": activity, "status": status, "initiator": initiator, "channel": "phone", "topic": row[2]}
        columns |= {"resource": None if row[3] == "NONE" else row[3]}
        columns |= {"duration": int(row[place]) / per_second if place else None}
        found.event("queue_log", time, ids=[("phone", phone(callers.get(row[1])))], **columns)


def read_survey_csv(found):
    def instant(text):
        time = datetime.fromisoformat(text) if text else None
        return time and (time.astimezone(UTC) if time.tzinfo else on_the_wall(time, BERLIN)[0]).isoformat()

    directions = {"higher_is_better", "lower_is_better"}
    for line, row in found.table("answers.csv"):
        metric, value, low, high = row["metric"].lower(), row["value"], row["scale_min"], row["scale_max"]
        direction = {"higher": "higher_is_better", "lower": "lower_is_better"}.get(row["direction"], row["direction"])
        reasons = [
            ("key: missing", not row["survey_id"]),
            ("metric: missing or unknown", not metric),
            ("direction: a text the connector does not know", direction and direction not in directions),
            ("value: no number", value and not value.isdigit()),
            ("scale: missing or no range", not low or not high),
            ("value: outside its scale", value.isdigit() and low and not int(low) <= int(value) <= int(high)),
            (UNREADABLE, any("." in row[name] for name in ("sent_at", "answered_at"))),
        ]
        reason = next((reason for reason, applies in reasons if applies), None)
        if reason:
            found.rejected("answers", "answers.csv", line, reason)
        elif not found.again("answers", row["survey_id"]):
            direction = direction or {"nps": "higher_is_better", "csat": "higher_is_better"}[metric]
            columns = {"metric": metric, "value": value, "scale_min": low, "scale_max": high, "direction": direction}
            times = {name: instant(row[name]) for name in ("sent_at", "answered_at")}
            ids = joined([("email", email(row["email"]))])
            found.other("survey", level=row["level"], identifiers=ids, **columns, **times)


def read_csv(found):
    for line, row in found.table("store_visits.csv", delimiter=";"):
        if not row["Soort"] or not row["Datum"]:
            missing = "time" if row["Soort"] else "activity"
            found.rejected("rows", "store_visits.csv", line, f"{missing}: missing")
            continue
        try:
            time = datetime.strptime(row["Datum"], "%d-%m-%Y %H:%M")
        except ValueError:
            found.rejected("rows", "store_visits.csv", line, UNREADABLE)
            continue
        mobile = re.sub(r"^06-?", "+316", row["Telefoon"])
        columns = {"activity": row["Soort"], "channel": "store", "resource": row["Verkoper"]}
        columns |= {"value": float(row["Bedrag"]) if re.fullmatch(r"\d+(\.\d+)?", row["Bedrag"]) else None}
        found.event(
            "rows", on_the_wall(time, AMSTERDAM), ids=[("email", email(row["E-mail"])), ("phone", mobile)], **columns
        )


def read_surveymonkey(found):
    details = json.loads(found.text("survey_details.json"))
    (choices,) = [
        question["answers"]["choices"]
        for page in details["pages"]
        for question in page["questions"]
        if question["id"] == "84829501"
    ]
    # Its weights are -100, 0 and 100; the text begins or ends with the number that people saw.
    numbers = {one["id"]: float(re.findall(r"\d+", one["text"])[0]) for one in choices if not one["is_na"]}
    newest = {}
    for line, text in enumerate(found.text("responses.jsonl").splitlines(), start=1):
        response = json.loads(text)
        if response["id"] not in newest or response["date_modified"] > newest[response["id"]][1]["date_modified"]:
            newest[response["id"]] = line, response
    for line, response in newest.values():
        chosen = [
            answer["choice_id"]
            for page in response["pages"]
            for question in page["questions"]
            for answer in question["answers"]
            if question["id"] == "84829501"
        ]
        seen = response["response_status"] == "completed" and response.get("collection_mode") != "survey_preview"
        if not seen or not chosen or chosen[0] not in numbers:
            continue
        time = with_offset(response["date_modified"])
        if not time:
            found.rejected("responses", "responses.jsonl", line, UNREADABLE)
            continue
        custom = response["custom_variables"]
        ids = [("email", email(response["email_address"])), ("account", custom.get("account"))]
        ids.append(("phone", phone(custom.get("phone"))))
        columns = {"value": numbers[chosen[0]], "scale_min": "0", "scale_max": "10", "answered_at": time[0].isoformat()}
        found.other("survey", metric="nps", direction="higher_is_better", identifiers=joined(ids), **columns)


READERS = {
    "salesforce": read_salesforce,
    "access_log": read_access_log,
    "matomo": read_matomo,
    "ga4": read_ga4,
    "asterisk_cdr": read_asterisk_cdr,
    "asterisk_queue_log": read_asterisk_queue_log,
    "survey_csv": read_survey_csv,
    "surveymonkey": read_surveymonkey,
    "csv": read_csv,
}


@pytest.fixture(params=READERS)
def found(request):
    reading = Reading(shipped_connectors() / request.param)
    READERS[request.param](reading)
    return reading


def test_a_second_reading_expects_the_same(found):
    with (found.folder.parent / "expected.csv").open(encoding="utf-8", newline="") as file:
        expected = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]

    events = [row for _, row in sorted(found.events, key=lambda one: one[0])]

    assert [row for row in expected if row["table"] == "event"] == events
    others = [row for row in expected if row["table"] != "event"]
    assert sorted(map(str, map(sorted, (row.items() for row in others)))) == sorted(
        map(str, map(sorted, (row.items() for row in found.others)))
    )


def ingested(folder, out, **changes):
    connector = read_connector(folder / SPEC)
    config = SourceConfig.model_validate({"connector": str(folder), **connector.sample.model_dump(), **changes})
    sources = {"sample": config}
    return ingest_sources(sources, timezone=None, region=None, key=None, out=out, base=folder, threads=1)


def test_a_second_reading_leaves_out_the_same(found, tmp_path):
    quality = ingested(found.folder.parent, tmp_path)

    left_out = Counter()
    for stream, counts in quality["sources"]["sample"]["streams"].items():
        left_out.update({(stream, reason): rows for reason, rows in counts["left_out"].items()})
        if counts.get("records_without_event"):
            left_out[stream, "no event"] = counts["records_without_event"]
    assert left_out == found.left_out


def test_visitors_who_are_not_logged_in_are_not_one_customer(tmp_path):
    ingested(shipped_connectors() / "access_log", tmp_path, identifiers={})

    links = pq.read_table(tmp_path / "identifiers.parquet").to_pylist()

    # Neither "-" nor Apache's empty name, nor what stands one place further where the virtual host comes first.
    users = {"cust1", "bert", "anna.ahorn@example.com", "gerd.hasel@example.org", "clara@example.org"}
    assert {link["value_hash"].removeprefix("login:") for link in links if link["kind"] == "login"} == users


def test_call_records_with_other_columns_become_no_wrong_calls(tmp_path):
    begin = '"","+493023125708","s","ivr","<+493023125708>","PJSIP/trunk","","Hangup","","2026-10-26 11:00:00","",'
    begin += '"2026-10-26 11:00:05",5,4,"ANSWERED","DOCUMENTATION"'
    (tmp_path / "Master.csv").write_text(
        f"{begin}\n"  # neither loguniqueid nor newcdrcolumns
        f'{begin},"acme-1793008800.102",""\n'  # both but newcdrcolumns
        f'{begin},"ivr=1","","acme-1793008800.103",92\n'  # all but loguniqueid
        '"hotline","+4930231257\n',  # copied while it was written
        encoding="utf-8",
    )

    quality = ingested(shipped_connectors() / "asterisk_cdr", tmp_path / "out", path=str(tmp_path / "Master.csv"))

    counts = quality["sources"]["sample"]["streams"]["calls"]
    assert (counts["records"], counts["events"], counts["records_without_event"]) == (4, 1, 1)
    assert sum(counts["rejected"].values()) == 2
