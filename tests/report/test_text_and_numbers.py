"""Texts fit what is measured for them, and numbers read as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeymining.report.charts import scale_of
from journeymining.report.language import read_language
from journeymining.report.palette import CHANNELS, channel_colours
from journeymining.report.svg import tag
from journeymining.report.text_metrics import text_width, wrap

ENGLISH = read_language("en")


@given(st.text(max_size=60), st.integers(1, 3))
def test_no_line_of_a_wrapped_text_is_wider_than_its_room(text, lines):
    wrapped = wrap(text, 90, 12, bold=True, most_lines=lines)

    assert 1 <= len(wrapped) <= lines
    assert all(text_width(line, 12, bold=True) <= 90 for line in wrapped)


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_a_scale_holds_all_values_and_zero_between_its_first_and_last_tick(values):
    scale = scale_of(values)

    slack = 1e-6 * (scale.high - scale.low)
    assert all(scale.low - slack <= value <= scale.high + slack for value in [*values, 0.0])
    assert 2 <= len(scale.ticks) <= 12


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (ENGLISH.count(1234567), "1,234,567"),
        (ENGLISH.count(None), "–"),
        (ENGLISH.percent(0.59875), "59.9%"),
        (ENGLISH.percent(0.0), "0.0%"),
        (ENGLISH.percent(0.00025), "<0.1%"),
        (ENGLISH.percent(0.99975), ">99.9%"),
        (ENGLISH.percent(1.0), "100.0%"),
        (ENGLISH.percent(float("nan")), "–"),
        (ENGLISH.points(-0.0301), "−3.0"),
        (ENGLISH.points(-0.0001), "0.0"),
        (ENGLISH.interval(0.1, 0.2), "[10.0, 20.0]"),
        (ENGLISH.interval(None, 0.2), ""),
        (ENGLISH.duration(86400 * 3.25), "3.2 days"),
        (ENGLISH.duration(5400), "1.5 hours"),
        (ENGLISH.duration(40), "40 s"),
        (ENGLISH.many(1, "{n} journey", "{n} journeys"), "1 journey"),
    ],
)
def test_numbers_are_written_alike_everywhere(shown, expected):
    assert shown == expected


def test_channels_never_share_a_colour_while_there_are_colours():
    names = ["web", "kiosk", "phone", "drone", "app"]

    assert len(set(channel_colours(names).values())) == len(names)
    many = channel_colours(str(n) for n in range(40))
    assert set(many.values()) == {f"var(--channel-{place})" for place in range(len(CHANNELS))}


def test_what_stands_in_a_picture_is_escaped():
    assert tag("text", "<script>", title='"><b>') == '<text title="&#34;&gt;&lt;b&gt;">&lt;script&gt;</text>'
