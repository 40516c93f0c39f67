"""What the pages say is so: examples run and print what they show, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from journeymining.cli import COMMANDS


@pytest.fixture(scope="module")
def blocks(checkout):
    text = (checkout / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def example(tmp_path, blocks):
    """Folder with the files of the five-minute example."""
    first = dict(reversed(blocks))
    (tmp_path / "design.yaml").write_text(first["yaml"])
    (tmp_path / "log.csv").write_text(first["csv"])
    (tmp_path / "example.py").write_text(first["python"])
    return tmp_path


def test_the_python_example_prints_what_it_shows(example, blocks):
    answer = subprocess.run([sys.executable, "example.py"], cwd=example, capture_output=True, text=True, check=True)

    assert answer.stdout == dict(reversed(blocks))["text"]


def test_the_command_of_the_example_says_the_same(example):
    arguments = ["conform", "log.csv", "--design", "design.yaml", "--format", "csv"]
    answer = subprocess.run(
        [sys.executable, "-m", "journeymining", *arguments], cwd=example, capture_output=True, text=True, check=True
    )

    found = [line.split(",")[:2] for line in answer.stdout.splitlines()[1:]]
    assert found == [["ad_hoc", "helpdesk_call"], ["late", "delivered"], ["wrong_channel", "order_placed"]]


def test_the_two_commands_are_targets_of_the_makefile(checkout, blocks):
    makefile = (checkout / "Makefile").read_text()
    commands = re.findall(r"^make (\w+)", "\n".join(text for kind, text in blocks if kind == "console"), flags=re.M)

    assert commands == ["demo", "test"]
    assert all(re.search(rf"^{name}:", makefile, flags=re.M) for name in commands)


def pages(checkout):
    found = [*checkout.glob("*.md"), *(checkout / "docs").rglob("*.md"), *(checkout / "connectors").rglob("*.md")]
    assert len(found) > 20
    return found


def test_links_between_pages_lead_somewhere(checkout):
    broken = [
        f"{page.relative_to(checkout)}: {target}"
        for page in pages(checkout)
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists()
    ]

    assert not broken


def test_pages_name_only_commands_that_exist(checkout):
    shown = "\n".join(
        block
        for page in pages(checkout)
        for block in re.findall(r"```(?:console|sh|bash)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    )
    named = set(re.findall(r"^(?:\$ )?(?:\.venv/bin/)?journeymining ([a-z]+)", shown, flags=re.MULTILINE))

    assert len(named) > 5
    assert named <= set(COMMANDS)
