"""The report says what the tables say, and nothing that a table could smuggle in."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from journeymining.exceptions import InputError, UsageError
from journeymining.report.audit import write_report


class Reader(HTMLParser):
    """Collects text, elements and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def words(reader):
    return " ".join(" ".join(reader.text).split())


def test_every_key_figure_has_its_interval_and_what_it_covers(run_folder):
    text = words(read(write_report(run_folder)))

    # Wilson: 120 of 3230 switches, 122 of 900 journeys; the others as their tables say.
    assert "67.0% take the designed path [64.0, 69.9] · of 1,000 journeys in scope" in text
    assert "0.947 mean fitness of a journey [0.940, 0.953] · 1 is exactly as designed; of the whole log 0.931" in text
    assert "3.7% of channel switches are forced [3.1, 4.4] · 120 of 3,230 channel switches" in text
    assert "+25 Net Promoter Score [+16, +34] · 300 answers" in text
    assert "13.6% churn [11.5, 15.9] · 122 of 900 journeys whose outcome is known" in text


def test_the_page_says_what_was_left_out_and_why(run_folder):
    text = words(read(write_report(run_folder)))

    assert "Pull 7,500 bot, 500 no timestamp" in text
    assert "Cut 5,650 no touchpoint" in text
    assert "Of the journeys in scope, 40 are still open" in text


def test_whom_was_asked_in_vain_gave_no_answer_and_a_filter_without_effect_is_said(run_folder):
    file = run_folder / "quality.json"
    quality = json.loads(file.read_text(encoding="utf-8"))
    stream = {"unanswered": 30, "not_filtered_by": {"surveys": ["keep: channel"]}, "rejected": {"value: no number": 2}}
    quality["ingest"]["sources"]["nps"] = {
        "connector": "survey_csv", "records": 142, "events": 0, "identifiers": 140, "surveys": 140, "rejected": 2,
        "left_out": 0, "streams": {"answers": stream},
    }  # fmt: skip
    file.write_text(json.dumps(quality), encoding="utf-8")

    text = words(read(write_report(run_folder)))

    assert "nps survey_csv 142 0 140 110 30 2 0 2 value: no number, 'keep: channel' does not apply to answers" in text


def test_fields_that_came_went_or_are_in_no_record_are_shown_as_text(run_folder):
    file = run_folder / "quality.json"
    quality = json.loads(file.read_text(encoding="utf-8"))
    crm = quality["ingest"]["sources"]["crm"]
    crm["columns_changed"] = {
        "Case": [
            {"column": "<script>alert(1)</script>", "change": "new", "now": "VARCHAR"},
            {"column": "Origin", "change": "gone"},
            {"column": "Size", "change": "type", "before": "BIGINT", "now": "VARCHAR"},
        ]
    }
    crm["streams_emptied"] = {"Lead": 1200}
    crm["streams"]["Case"] |= {
        "field_values": {
            "<b>Mail</b>": {"with": 0, "without": 5000, "before": {"with": 4700, "without": 1}},
            "Reason": {"with": 118, "without": 42, "before": {"with": 118, "without": 2}},
            "Phone": {"with": 955, "without": 50, "last": {"with": 0, "without": 50}},
            "<i>Fax</i>": {"with": 0, "without": 5000},
        },
        "fields_changed": {"<b>Mail</b>": "gone", "Reason": "stopped", "Phone": "stopped"},
        "absent_fields": ["<b>Mail</b>", "<i>Fax</i>"],
    }
    file.write_text(json.dumps(quality), encoding="utf-8")

    reader = read(write_report(run_folder))
    text = words(reader)

    assert "<b>Mail</b> in none of 5,000 records in 4,700 of 4,701 records crm Case" in text
    assert "Reason in 118 of 160 records in 118 of 120 records crm Case" in text
    assert "Phone in none of 50 records that came last in 955 of 1,005 records of all crm Case" in text
    assert "<script>alert(1)</script> VARCHAR no column crm Case" in text
    assert "Origin no column a column crm Case" in text
    assert "Size VARCHAR BIGINT crm Case" in text
    assert "all fields 0 records 1,200 records crm Lead" in text
    assert "Fields that no record has 2 rows" in text
    assert "crm Case <i>Fax</i> 5,000" in text
    assert reader.tags.count("script") == 1  # our own


def test_the_page_says_what_rests_on_the_weakest_identifier(run_folder):
    text = words(read(write_report(run_folder)))

    assert "the same numbers if cookie linked nobody" in text
    assert "Customers 950 1,010 +60" in text
    assert "Journeys following the design (share) 67.0% 65.5% −1.5" in text


def test_the_page_says_how_customers_were_stitched(run_folder):
    text = words(read(write_report(run_folder)))

    assert "Of the customers of the source on the left" in text
    assert "app · 25% 20" in text
    assert "Links by rule and strength 1 row identifier rule strength links phone same value weak 812" in text
    assert "3-5 399" in text
    assert "6-20 1" in text
    assert "phone 5f1d 731 0 phone 77aa 44 41 yes" in text


def test_claimed_associations_are_said_with_all_their_numbers(run_folder):
    text = words(read(write_report(run_folder)))

    assert (
        "Deviation: late. 23.8% of 143 journeys have the outcome, against 11.7% of the others: a difference of +12.1 "
        "points [+5.1, +19.1]; on held-out journeys +10.9 [+1.1, +20.7]." in text
    )
    assert "Associations claimed: 2 ; not claimed: 2 ." in text


def test_what_to_mend_first_has_intervals_and_is_called_an_association(run_folder):
    text = words(read(write_report(run_folder)))

    assert "What to mend first By association: how many fewer journeys with this outcome" in text
    # 143 journeys times 12.1 points.
    assert "Modem delivered: late +17.3 [+7.3, +27.3] 143 journeys, difference +12.1 points [+5.1, +19.1]" in text
    assert "Grey: 1 whose interval holds none at all." in text
    assert "Download fix_list.csv" in text


def test_where_an_outcome_shows_is_said_with_intervals_and_what_decides_with_both_sides(run_folder):
    text = words(read(write_report(run_folder)))

    assert "Where on the way it shows, by association" in text
    assert "Complaint +7.4 [+5.1, +9.7] 61 journeys, the model says +8.0, 1 event to come" in text
    assert "Help page −0.4 [−1.2, +0.4] 130 journeys, the model says +1.0, 3 events to come" in text
    assert (
        "Complaint → refund refused: 99.0% of 96 journeys have the outcome [95.5, 99.8], 97.6% of 41 held out" in text
    )
    assert "Help page → complaint:" not in text
    assert "Download outcome_touchpoints.csv" in text
    assert "Download outcome_steps.csv" in text


def test_without_a_step_that_decides_the_page_says_so(run_folder):
    file = run_folder / "outcomes/churn/outcome_steps.csv"
    file.write_text(file.read_text().replace(",outcome,", ",,"))

    assert "No step decides" in words(read(write_report(run_folder)))


def test_conformance_over_time_shows_when_a_deviation_changed_and_how_sure_that_is(run_folder):
    text = words(read(write_report(run_folder)))

    assert "from 1 Mar 2026 60.0% [55.1, 64.7] 400 journeys" in text
    assert "Modem delivered: late since 10 Apr 2026 [7 Apr 2026, 13 Apr 2026] 8.0% before, 21.0% after" in text


def test_absent_tables_leave_their_chapter_out_and_the_page_says_so(run_folder):
    for path in run_folder.rglob("*"):
        if path.is_file() and path.name not in {"manifest.json", "touchpoints.csv", "directly_follows.csv"}:
            path.unlink()

    reader = read(write_report(run_folder))

    sections = [value for tag, name, value in reader.attributes if tag == "section" and name == "id"]
    assert sections == ["map", "quality", "reading"]
    assert "Designed against actual (needs deviations.csv)" in words(reader)
    assert "What paths go with (needs outcome_effects.csv)" in words(reader)


def test_a_manifest_alone_is_enough(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"job": "small"}))

    text = words(read(write_report(tmp_path)))

    assert "small" in text
    assert not (tmp_path / "journey_map.svg").exists()


def test_a_folder_without_manifest_is_no_run(tmp_path):
    with pytest.raises(InputError, match=r"no run \(manifest.json is missing\)"):
        write_report(tmp_path)


def test_a_missing_column_is_named_with_its_file(run_folder):
    (run_folder / "deviations.csv").write_text("type,touchpoint,journeys,shares\n")

    with pytest.raises(InputError, match=r"deviations.csv: column 'share' is missing. Did you mean 'shares'"):
        write_report(run_folder)


def test_an_unknown_language_is_refused(run_folder):
    with pytest.raises(UsageError, match=r"does not speak 'nl'\. Allowed: en"):
        write_report(run_folder, language="nl")


def test_names_from_the_log_are_shown_and_never_run(run_folder):
    evil = "<script>alert(1)</script>"
    for path in [*run_folder.rglob("*.csv"), *run_folder.rglob("*.json")]:
        text = path.read_text(encoding="utf-8")
        text = text.replace("helpdesk_call", evil).replace('"phone"', json.dumps(evil)).replace("phone", evil)
        path.write_text(text, encoding="utf-8")

    page = write_report(run_folder)

    reader = read(page)
    assert reader.tags.count("script") == 1  # our own
    assert evil in words(reader)
    assert evil not in page.read_text(encoding="utf-8")
    assert evil not in (run_folder / "journey_map.svg").read_text(encoding="utf-8")


def test_the_page_has_no_address_that_a_browser_would_load(run_folder):
    reader = read(write_report(run_folder))

    loading = [
        value for _, name, value in reader.attributes if name in {"src", "srcset", "href", "xlink:href", "action"}
    ]
    assert loading
    assert all(value.startswith(("#", "data:")) for value in loading)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", (run_folder / "report.html").read_text())


def test_outcome_pictures_say_association_and_never_because(run_folder):
    page = write_report(run_folder).read_text(encoding="utf-8")

    section = page[page.index('<section id="outcomes"') : page.index('<section id="experience"')]
    titles = re.findall(r'class="chart-title">(.*?)</figcaption>', section)
    assert len(titles) == 8
    assert all("ssociation" in title for title in titles)
    assert "because" not in section.lower()


def test_the_same_tables_give_the_same_page(run_folder):
    first = write_report(run_folder).read_bytes(), (run_folder / "journey_map.svg").read_bytes()

    second = write_report(run_folder).read_bytes(), (run_folder / "journey_map.svg").read_bytes()

    assert first == second
