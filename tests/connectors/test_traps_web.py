"""Traps of web and app analytics and of access logs. All records are made up, all addresses from ranges kept free."""

from __future__ import annotations

import pytest

from journeymining.ingest.library import connector_folder
from journeymining.ingest.specs import read_connector

UTC = "2026-03-01T10:00:00+00:00"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


# GA4


def parameter(key, **value):
    return {"key": key, "value": value}


def hit(**changes):
    row = {"event_date": "20260228", "event_timestamp": "1772359200000000", "event_name": "page_view"}
    row |= {"user_pseudo_id": "1.1", "stream_id": "5", "platform": "WEB"}
    row |= {"event_params": [parameter("ga_session_id", int_value="9"), parameter("page_location", string_value="/a")]}
    return row | changes


def test_ga4_counts_microseconds_in_utc_whatever_the_day_of_the_property(mapped):
    found = mapped("ga4", {"events.jsonl": [hit()]}, timezone="America/Los_Angeles")

    assert found.events("timestamp", "granularity") == [(UTC, "us")]


def test_ga4_copies_differ_in_the_order_of_their_parameters_and_sessions_tell_events_apart(mapped):
    turned = hit(event_params=hit()["event_params"][::-1])
    other = hit(event_params=[parameter("ga_session_id", int_value="10"), hit()["event_params"][1]])
    # Days are read again for 72 hours, so a copy is mostly in another file.
    found = mapped("ga4", {"20260301.jsonl": [hit()], "again.jsonl": [turned, other]})

    assert len(found.events("activity")) == 2
    assert found.counted("events") == {"duplicate": 1}


def test_ga4_events_of_one_batch_share_a_time_and_are_ordered_by_their_places(mapped):
    places = [("2", "1", "1"), ("1", "2", "1"), ("1", "1", "10"), ("1", "1", "9")]
    batch = [
        hit(event_name="".join(place), batch_page_id=place[0], batch_ordering_id=place[1], batch_event_index=place[2])
        for place in places
    ]

    assert mapped("ga4", {"events.jsonl": batch}).events("activity") == ["119", "1110", "121", "211"]


def test_ga4_without_consent_events_belong_to_nobody(mapped):
    silent = [hit(user_pseudo_id=None), hit(user_pseudo_id=None, event_timestamp="1772359201000000")]
    found = mapped("ga4", {"events.jsonl": silent})

    assert found.events("identifiers") == ["", ""]


def test_ga4_a_copy_within_the_day_and_the_finished_day_are_one_event(mapped):
    found = mapped("ga4", {"events_intraday_20260301.jsonl": [hit()], "events_20260301.jsonl": [hit()]})

    assert len(found.events("activity")) == 1


# Snowplow


def enriched(**fields):
    names = read_connector(connector_folder("snowplow") / "connector.yaml").streams["events"].names
    known = {"platform": "web", "event": "page_view", "event_name": "page_view", "event_id": "e1"}
    known |= {"collector_tstamp": "2026-03-01 10:05:00.000", "derived_tstamp": "2026-03-01 10:00:00.000"}
    known |= {"domain_userid": "d1", "useragent": BROWSER, "page_url": "https://example.org/a?token=s"} | fields
    return "\t".join(known.get(name, "") for name in names) + "\n"


def snowplow(mapped, *lines):
    return mapped("snowplow", {"enriched.tsv": "".join(lines)}, timezone="Europe/Berlin")


def test_snowplow_the_derived_time_counts_and_is_utc(mapped):
    late = enriched(event_id="e2", derived_tstamp="")
    found = snowplow(mapped, enriched(), late)

    assert found.events("timestamp", "time_rule") == [
        (UTC, "declared UTC"),
        ("2026-03-01T10:05:00+00:00", "declared UTC"),
    ]


def test_snowplow_of_copies_the_one_that_was_collected_first_counts(mapped):
    copies = [
        enriched(collector_tstamp=f"2026-03-01 10:0{minute}:00.000", derived_tstamp=f"2026-03-01 10:0{minute}:00.000")
        for minute in (6, 4, 5)
    ]
    found = snowplow(mapped, *copies)

    assert found.events("timestamp") == ["2026-03-01T10:04:00+00:00"]


def test_snowplow_an_empty_text_is_nothing_and_contexts_may_hold_anything(mapped):
    contexts = '{"schema":"iglu:com.example/x","data":[{"quote":"\\"","email":"anna@example.org"}]}'
    found = snowplow(mapped, enriched(user_id="", contexts=contexts))

    assert found.events("identifiers", "topic") == [("cookie:d1", "/a")]
    assert "anna" not in str(found.rows)


def test_snowplow_a_session_a_fingerprint_and_a_referring_user_are_nobody(mapped):
    line = enriched(
        domain_sessionid="0b6d1b3c", user_fingerprint="3145", refr_domain_userid="other", user_ipaddress="192.0.2.7"
    )
    found = snowplow(mapped, line)

    assert found.events("identifiers") == ["cookie:d1"]


def test_snowplow_robots_are_left_out(mapped):
    assert snowplow(mapped, enriched(), enriched(event_id="e2", useragent=ROBOT)).counted("events") == {"bot": 1}


def test_snowplow_a_row_with_130_columns_is_rejected(mapped):
    whole = enriched(event_id="e2", page_url="https://example.org/whole")
    found = snowplow(mapped, enriched().replace("\t", "", 1), whole)

    assert found.events("topic") == ["/whole"]
    assert len(found.rejected()) == 1


# Matomo


def matomo(actions, visits=(), names=(), conversions=()):
    files = {
        "log_link_visit_action.tsv": actions,
        "log_visit.tsv": visits,
        "log_action.tsv": names,
        "log_conversion.tsv": conversions,
    }
    return {name: list(rows) for name, rows in files.items() if rows}


def action(place, url="1", **changes):
    row = {"idlink_va": place, "idsite": "1", "idvisitor": "A1", "idvisit": "5", "server_time": "2026-03-29 02:30:00"}
    return row | {"idaction_url": url, "idaction_name": "NULL"} | changes


def name(place, text, kind="1"):
    return {"idaction": place, "name": text, "type": kind, "url_prefix": "2"}


def test_matomo_times_without_zone_are_utc(mapped):
    found = mapped("matomo", matomo([action("1")], names=[name("1", "example.org/a?x=1")]), timezone="Europe/Berlin")

    assert found.events("timestamp", "time_rule") == [("2026-03-29T02:30:00+00:00", "declared UTC")]


def test_matomo_an_url_without_scheme_is_its_path(mapped):
    names = [name("1", "example.org/a/b?token=1#top"), name("2", "example.org")]
    found = mapped("matomo", matomo([action("1"), action("2", "2")], names=names))

    assert found.events("topic") == ["/a/b", "/"]


def test_matomo_kinds_of_actions_are_told_by_their_numbers(mapped):
    names = [
        name("1", "example.org/a"),
        name("2", "other.example/x", "2"),
        name("3", "example.org/f.pdf", "3"),
        name("8", "what people search", "8"),
        name("10", "video", "10"),
        name("11", "play", "11"),
        name("13", "banner", "13"),
    ]
    event = {"idaction_event_category": "10", "idaction_event_action": "11"}
    rows = [
        action("1", "1"),
        action("2", "2"),
        action("3", "3"),
        action("4", "NULL", idaction_name="8"),
        action("5", "1", **event),
        action("6", "13"),
    ]
    found = mapped("matomo", matomo(rows, names=names))

    assert found.events("activity", "topic") == [
        ("page_view", "/a"),
        ("outlink", "/x"),
        ("download", "/f.pdf"),
        ("search", ""),
        ("event", "play"),
    ]
    # A piece of content that was shown is nothing that anybody did.
    assert len(found.rejected()) == 1
    assert "what people search" not in str(found.rows)


def test_matomo_a_log_in_rewrites_the_visitor_of_the_visit_but_not_of_the_rows_before(mapped):
    rows = [action("1"), action("2", idvisitor="B2", server_time="2026-03-29 02:31:00")]
    visit = {"idvisit": "5", "idsite": "1", "idvisitor": "B2", "user_id": "cust-1"}
    found = mapped(
        "matomo", matomo(rows, [visit | {"visit_first_action_time": "2026-03-29 02:30:00"}], [name("1", "a.org/")])
    )

    assert found.events("identifiers") == ["cookie:a1 login:cust-1", "cookie:b2 login:cust-1"]
    assert found.links() == ["login:cust-1"]


def test_matomo_goal_zero_is_an_order_and_minus_one_a_cart(mapped):
    rows = [
        {
            "idvisit": "5",
            "idsite": "1",
            "idvisitor": "A1",
            "server_time": "2026-03-29 02:30:00",
            "idgoal": goal,
            "buster": "0",
        }
        for goal in ("0", "-1", "3")
    ]
    found = mapped("matomo", matomo([], conversions=rows))

    assert sorted(found.events("activity", "topic")) == [("cart", ""), ("goal", "3"), ("order", "")]


def test_matomo_no_fingerprint_and_no_address_is_anybody(mapped):
    rows = [action("1", config_id="F00D", location_ip="C0000207", idvisitor="NULL")]
    found = mapped("matomo", matomo(rows, names=[name("1", "example.org/a")]))

    assert found.events("identifiers") == [""]


def live(first, *actions):
    details = [
        {"type": "action", "url": f"https://example.org/{place}", "pageId": str(place), "timestamp": stamp}
        | {"serverTimePretty": pretty}
        for place, (stamp, pretty) in enumerate(actions)
    ]
    row = {"idVisit": "1", "visitorId": "a1", "userId": None, "firstActionTimestamp": first, "serverDate": "2026-10-24"}
    return {"visits.jsonl": [row | {"actionDetails": details}]}


def test_matomo_live_timestamps_of_actions_are_the_clock_of_the_wall_and_are_not_read(mapped):
    # Berlin in winter: 10:00 UTC is 11:00 there, and `timestamp` says 11:00 UTC.
    visit = live(1772359200, (1772362800, "Mar 1, 2026 11:00:00"), (1772362860, "Mar 1, 2026 11:01:00"))
    found = mapped("matomo_live", visit, timezone="Europe/Berlin")

    assert found.events("timestamp") == [UTC, "2026-03-01T10:01:00+00:00"]


def test_matomo_live_actions_keep_their_order_across_the_end_of_summer_time(mapped):
    # 00:59:30 and 01:00:30 UTC: the clock says 02:59:30 and, an hour back, 02:00:30.
    visit = live(1792889970, (1792897170, "Oct 25, 2026 02:59:30"), (1792893630, "Oct 25, 2026 02:00:30"))
    found = mapped("matomo_live", visit, timezone="Europe/Berlin")

    assert found.events("topic", "timestamp") == [
        ("/0", "2026-10-25T00:59:30+00:00"),
        ("/1", "2026-10-25T01:00:30+00:00"),
    ]


# Adobe Analytics


def adobe(**changes):
    row = {"hitid_high": "9007199254740993", "hitid_low": "1", "exclude_hit": "0", "hit_source": "1"}
    row |= {"duplicate_purchase": "0", "hit_time_gmt": "1772359200", "date_time": "2026-03-01 02:00:00"}
    row |= {"post_visid_high": "3145967801234567891", "post_visid_low": "2", "post_page_event": "0"}
    return row | {"post_page_url": "https://example.org/a?e=1", "user_agent": BROWSER, "visit_page_num": "1"} | changes


def test_adobe_the_epoch_counts_and_not_the_clock_of_the_report_suite(mapped):
    found = mapped("adobe_analytics", {"hit_data.tsv": [adobe()]}, timezone="America/Los_Angeles")

    assert found.events("timestamp", "time_rule") == [(UTC, "epoch s")]


def test_adobe_excluded_hits_and_those_of_no_visitor_are_no_events(mapped):
    hits = [adobe(hitid_low=source, hit_source=source) for source in ("1", "5", "7", "8", "9")]
    found = mapped("adobe_analytics", {"hit_data.tsv": [*hits, adobe(hitid_low="x", exclude_hit="1")]})

    assert len(found.events("activity")) == 1
    assert found.streams["hits"]["records_without_event"] == 5


def test_adobe_ids_of_64_bits_are_texts(mapped):
    # As doubles both were 9007199254740992.
    hits = [adobe(), adobe(hitid_high="9007199254740992", post_visid_high="3145967801234567892")]
    found = mapped("adobe_analytics", {"hit_data.tsv": hits})

    assert sorted(found.events("identifiers")) == ["cookie:3145967801234567891-2", "cookie:3145967801234567892-2"]


def test_adobe_a_hit_that_comes_late_in_another_file_counts_once(mapped):
    found = mapped("adobe_analytics", {"a-hit_data.tsv": [adobe()], "b-hit_data.tsv": [adobe()]})

    assert len(found.events("activity")) == 1


def test_adobe_half_a_visitor_is_nobody(mapped):
    found = mapped("adobe_analytics", {"hit_data.tsv": [adobe(post_visid_low="")]})

    assert found.events("identifiers") == [""]


def test_adobe_event_one_is_a_purchase_unless_it_came_before(mapped):
    hits = [
        adobe(purchaseid="O1", post_event_list="1,200=9.50"),
        adobe(hitid_low="2", purchaseid="O1", post_event_list="200,1", duplicate_purchase="1"),
        # A number without a purchase, events that only begin with a 1, and a purchase without a number.
        adobe(hitid_low="3", purchaseid="O2", post_event_list="12,210"),
        adobe(hitid_low="4", post_event_list="200,1"),
    ]
    found = mapped("adobe_analytics", {"hit_data.tsv": hits})

    orders = [ids for activity, ids in found.events("activity", "identifiers") if activity == "order_placed"]
    visitor = "cookie:3145967801234567891-2"
    assert sorted(orders) == [visitor, f"{visitor} order:O1"]
    assert found.events("activity").count("page_viewed") == 4


def test_adobe_tabs_and_line_ends_behind_a_backslash_are_part_of_a_field(mapped):
    names = list(adobe(post_pagename=""))
    values = adobe(post_pagename="Offers\\\tof\\\nMarch\\\\", post_page_url="")
    text = "\t".join(names) + "\n" + "\t".join(values[name] for name in names) + "\n"
    found = mapped("adobe_analytics", {"hit_data.tsv": text})

    assert found.rejected() == []
    assert found.events("topic") == ["Offers\tof\nMarch\\"]


# Segment


def message(**changes):
    row = {"messageId": "m1", "type": "track", "event": "Order Completed", "anonymousId": "a1"}
    row |= {"originalTimestamp": "2026-03-01T13:00:00Z", "sentAt": "2026-03-01T13:00:02Z"}
    return row | {"receivedAt": "2026-03-01T10:00:02Z", "timestamp": "2026-03-01T10:00:00Z"} | changes


def test_segment_the_time_that_was_put_right_counts(mapped):
    found = mapped("segment", {"events.jsonl": [message(), message(messageId="m2", timestamp=None)]})

    assert found.events("timestamp") == [UTC, "2026-03-01T10:00:02+00:00"]


def test_segment_a_message_that_comes_twice_counts_once(mapped):
    found = mapped("segment", {"a.jsonl": [message()], "b.jsonl": [message(receivedAt="2026-03-02T00:00:00Z")]})

    assert len(found.events("activity")) == 1
    assert found.counted("calls") == {"duplicate": 1}


def test_segment_a_clock_far_ahead_is_rejected_and_one_a_little_ahead_kept(mapped):
    times = ["2126-03-01T10:00:00Z", "2026-03-02T10:00:00Z"]
    rows = [message(messageId=time, timestamp=time) for time in times]
    found = mapped("segment", {"events.jsonl": rows})

    assert found.events("timestamp") == ["2026-03-02T10:00:00+00:00"]
    assert len(found.rejected()) == 1


def test_segment_a_group_is_not_one_customer_and_an_alias_joins_two_cookies(mapped):
    rows = [
        message(type="group", event=None, groupId="acme"),
        message(messageId="m2", type="alias", event=None, previousId="a0", userId="u1", anonymousId=None),
    ]
    found = mapped("segment", {"events.jsonl": rows})

    assert sorted(found.events("identifiers")) == ["cookie:a0 login:u1", "cookie:a1"]


# PostHog


def posthog(**changes):
    row = {"uuid": "u1", "event": "$pageview", "timestamp": "2026-03-01 10:00:00.123456", "distinct_id": "d1"}
    return (
        row
        | {"person_id": "p-old", "properties": {"$current_url": "https://example.org/a?b=c", "$lib": "web"}}
        | changes
    )


def test_posthog_times_are_utc_to_the_microsecond(mapped):
    found = mapped("posthog", {"events.jsonl": [posthog()]}, timezone="Europe/Berlin")

    assert found.events("timestamp", "granularity") == [("2026-03-01T10:00:00.123456+00:00", "us")]


def test_posthog_properties_are_an_object_or_its_text(mapped):
    text = '{"$current_url": "https://example.org/a", "$lib": "web"}'
    found = mapped("posthog", {"events.jsonl": [posthog(), posthog(uuid="u2", properties=text)]})

    assert found.events("topic", "channel") == [("/a", "web"), ("/a", "web")]


def test_posthog_after_a_merge_the_highest_version_says_whose_an_id_is(mapped):
    person = {"distinct_id": "d1", "person_id": "p-old", "person_distinct_id_version": 9, "is_deleted": False}
    persons = [person | {"person_id": "p-new", "person_distinct_id_version": 10}, person]
    gone = person | {"distinct_id": "d2", "is_deleted": True}
    found = mapped("posthog", {"events.jsonl": [posthog()], "persons.jsonl": [*persons, gone]})

    # The person of the event itself is the one of its arrival.
    assert found.events("identifiers") == ["device:d1"]
    assert found.links() == ["contact:p-new device:d1", "device:d2"]


# Access logs


def request(line="GET /a?token=s HTTP/1.1", time="01/Mar/2026:11:00:00 +0100", agent=BROWSER, cookie="v1", status=200):
    return f'192.0.2.7 - - [{time}] "{line}" {status} 5 "-" "{agent}" "{cookie}"\n'


def test_access_log_times_have_their_offset(mapped):
    found = mapped("access_log", {"access.log": request()}, timezone="America/Los_Angeles")

    assert found.events("timestamp", "granularity") == [(UTC, "s")]


def test_access_log_of_one_second_the_line_decides(mapped):
    lines = "".join(request(f"GET /{place} HTTP/1.1") for place in (3, 1, 2))

    assert mapped("access_log", {"access.log": lines}).events("topic") == ["GET /3", "GET /1", "GET /2"]


def test_access_log_garbage_is_rejected_and_escaped_quotes_are_part_of_a_field(mapped):
    lines = [
        request("\\x16\\x03\\x01", status=400),
        request(agent="Mozilla/5.0 \\x22quoted\\x22 Firefox/128.0"),
        request(agent='Mozilla/5.0 \\"quoted\\" Firefox/128.0'),
        "no line of this format\n",
    ]
    found = mapped("access_log", {"access.log": "".join(lines)})

    assert found.events("topic") == ["GET /a", "GET /a"]
    assert [reason for _, reason in found.rejected()] == ["topic: missing", "record: not a line of this format"]


def test_access_log_an_address_is_no_person(mapped):
    found = mapped("access_log", {"access.log": request(cookie="-")})

    assert found.events("identifiers") == [""]


def nginx(**changes):
    row = {"msec": 1772359200.123, "method": "GET", "uri": "/a?token=s", "status": 200, "ua": BROWSER, "vid": "v1"}
    return row | {"rt": 0.25, "user": "", "ip": "192.0.2.7", "ts": "2026-03-01T11:00:00+01:00"} | changes


def test_nginx_json_is_exact_to_the_millisecond_at_the_end_of_the_request(mapped):
    found = mapped("nginx_json", {"access.json.log": [nginx()]})

    assert found.events("timestamp", "granularity", "duration") == [("2026-03-01T10:00:00.123000+00:00", "ms", "0.25")]


def test_nginx_json_garbage_is_rejected_and_an_address_no_person(mapped):
    found = mapped("nginx_json", {"access.json.log": [nginx(method="", uri=""), nginx(vid="")]})

    assert found.events("identifiers") == [""]
    assert found.rejected() == [("requests", "topic: missing")]


def iis(fields, *lines):
    return f"#Version: 1.0\n#Fields: {fields}\n" + "".join(f"{line}\n" for line in lines)


IIS = "date time cs-method cs-uri-stem cs(User-Agent) sc-status time-taken"


def test_iis_times_are_utc_and_durations_milliseconds(mapped):
    text = iis(IIS, "2026-03-29 02:30:00 GET /a Mozilla/5.0+(X11;+Linux)+Firefox/128.0 200 250")
    found = mapped("iis_w3c", {"u_ex.log": text}, timezone="Europe/Berlin")

    assert found.events("timestamp", "duration") == [("2026-03-29T02:30:00+00:00", "0.25")]


def test_iis_fields_may_change_within_a_file(mapped):
    text = iis(IIS, "2026-03-01 10:00:00 GET /a Firefox/128.0 200 250") + iis(
        "time date sc-status cs-method cs-uri-stem", "11:00:00 2026-03-01 404 GET /b", "11:00:00 2026-03-01 404"
    )
    found = mapped("iis_w3c", {"u_ex.log": text})

    assert found.events("timestamp", "topic", "status") == [
        (UTC, "GET /a", "ok"),
        ("2026-03-01T11:00:00+00:00", "GET /b", "failed"),
    ]
    assert found.rejected() == [("requests", "record: number of fields")]


def test_iis_spaces_of_a_user_agent_are_written_as_plus(mapped):
    text = iis(IIS, f"2026-03-01 10:00:00 GET /a {ROBOT.replace(' ', '+')} 200 250")

    assert mapped("iis_w3c", {"u_ex.log": text}).counted("requests") == {"bot": 1}


CLOUD = "date\ttime\tcs-method\tcs-uri-stem\tsc-status\tcs(User-Agent)\tcs(Cookie)\ttime-taken\tx-edge-request-id"


def cloud(agent="Firefox/128.0", number="r1", cookie="-"):
    return f"2026-03-29\t02:30:00\tGET\t/a\t200\t{agent}\t{cookie}\t0.250\t{number}\n"


def test_cloudfront_times_are_utc_and_durations_seconds(mapped):
    found = mapped("cloudfront", {"E.txt": f"#Fields: {CLOUD}\n{cloud()}"}, timezone="Europe/Berlin")

    assert found.events("timestamp", "duration") == [("2026-03-29T02:30:00+00:00", "0.25")]


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0%20(compatible;%20Googlebot/2.1)", "Mozilla/5.0%2520(compatible;%2520Googlebot/2.1)"]
)
def test_cloudfront_user_agents_and_cookies_are_encoded_once_or_twice(mapped, agent):
    text = f"#Fields: {CLOUD}\n{cloud(agent)}{cloud(number='r2', cookie='lang=de;%2520uid=V1')}"
    found = mapped("cloudfront", {"E.txt": text})

    assert found.counted("requests") == {"bot": 1}
    assert found.events("identifiers") == ["cookie:V1"]


def test_cloudfront_lines_come_late_and_twice_and_count_once(mapped):
    text = f"#Fields: {CLOUD}\n{cloud()}"
    found = mapped("cloudfront", {"E.2026-03-01-10.txt": text, "E.2026-03-01-12.txt": text + cloud(number="r2")})

    assert len(found.events("activity")) == 2
    assert found.counted("requests") == {"duplicate": 1}
