"""A picture from elsewhere comes in as shapes and text, and nothing else."""

from __future__ import annotations

import pytest

from journeymining.exceptions import InputError
from journeymining.report.process_picture import safe_picture


def picture(inside):
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{inside}</svg>'


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<image href="http://example.org/a.png"/>',
        '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml">x</body></foreignObject>',
        "<style>@import 'http://example.org/a.css';</style>",
        '<rect width="1" height="1" onload="alert(1)"/>',
        '<rect width="1" height="1" style="fill:url(http://example.org)"/>',
        '<rect width="1" height="1" fill="url(http://example.org#a)"/>',
        '<a href="javascript:alert(1)"><text>x</text></a>',
        '<use href="#x"/><animate attributeName="href" values="javascript:alert(1)"/>',
    ],
)
def test_what_runs_or_loads_is_left_behind(inside):
    shown = str(safe_picture(picture(inside), title="model")).replace('xmlns="http://www.w3.org/2000/svg"', "")

    assert not any(word in shown for word in ("script", "http", "onload", "url(", "alert", "href", "style"))


def test_shapes_and_text_stay_with_the_colours_of_the_page():
    shown = safe_picture(
        picture(
            '<g transform="translate(1 2)"><path d="M0 0" stroke="black" fill="#eef2fb"/>'
            '<text x="1">a &lt; b</text></g>'
        ),
        title="model",
    )

    assert '<path d="M0 0" fill="var(--design-soft)" stroke="var(--ink)"></path>' in shown
    assert "a &lt; b</text>" in shown
    assert 'transform="translate(1 2)"' in shown


def test_entities_are_not_expanded():
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + picture("<text>&b;</text>")

    assert "aaaa" not in safe_picture(bomb, title="model")


@pytest.mark.parametrize("text", ["", "<html/>", "no xml"])
def test_what_is_no_svg_is_refused(text):
    with pytest.raises(InputError, match=r"process_model\.svg: not SVG"):
        safe_picture(text, title="model")
