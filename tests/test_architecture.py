"""What the design says of the code as a whole, read from the code itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from journeymining.cli import COMMANDS

# A folder may import those to its right, and itself; folders of one group do not import each other.
LAYERS = [
    {"cli"},
    {"testing"},
    {"jobs"},
    {"report"},
    {"outcomes", "experience", "conformance", "discovery", "simulation"},
    {"journeys"},
    {"identity"},
    {"ingest"},
    {"engines"},
    {"eventlog"},
    {"database", "documents", "durations", "proportions", "writing"},
    {"exceptions"},
]
LEVEL = {name: level for level, group in enumerate(LAYERS) for name in group}


def imports(checkout):
    """Yield (file, importing part, imported part, is it at the top) of every import within the package."""
    package = checkout / "journeymining"
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = set(tree.body)
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                yield path.relative_to(checkout), part, name, node in top


def test_imports_point_one_way(checkout):
    wrong = [
        f"{path}: {part} imports {name}"
        for path, part, name, _ in imports(checkout)
        if name.startswith("journeymining.")
        and part in LEVEL
        and (target := name.split(".")[1]) in LEVEL
        and target != part
        and LEVEL[target] <= LEVEL[part]
    ]

    assert not wrong


def test_pm4py_is_imported_in_two_files_only_and_never_at_import_time(checkout):
    found = {(str(path), top) for path, _, name, top in imports(checkout) if name.split(".")[0] == "pm4py"}

    assert found
    assert {path for path, _ in found} <= {
        "journeymining/discovery/process_models.py",
        "journeymining/eventlog/formats.py",
    }
    assert not any(top for _, top in found)


def test_pyspark_is_imported_only_where_spark_is_the_subject_and_never_at_import_time(checkout):
    found = {(str(path), top) for path, _, name, top in imports(checkout) if name.split(".")[0] == "pyspark"}

    assert found
    for path, _ in found:
        assert re.fullmatch(r"journeymining/(engines|identity)/\w*spark\w*\.py", path), path
    assert not any(top for _, top in found)


def test_no_folder_or_file_promises_nothing(checkout):
    names = {path.stem for path in (checkout / "journeymining").rglob("*")}

    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


def test_every_package_folder_is_installed(checkout):
    listed = set(re.findall(r"^ {4}(journeymining[\w.]*)$", (checkout / "setup.cfg").read_text(), flags=re.MULTILINE))
    folders = {
        ".".join(path.parent.relative_to(checkout).parts) for path in (checkout / "journeymining").rglob("__init__.py")
    }

    assert folders <= listed


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_commands_import_heavy_libraries_only_when_they_run(checkout, command):
    heavy = {"pandas", "pyarrow", "polars", "duckdb", "numba", "sklearn", "pm4py", "scipy", "numpy"}
    tops = {
        name.split(".")[0]
        for path, part, name, top in imports(checkout)
        if part == "cli" and path.stem == command and top
    }

    assert not tops & heavy


def test_duckdb_is_opened_only_where_its_progress_bar_is_turned_off(checkout):
    opened = [path for path in (checkout / "journeymining").rglob("*.py") if "duckdb.connect(" in path.read_text()]

    assert opened
    for path in opened:
        assert "enable_progress_bar = false" in path.read_text(), path


def test_an_account_of_a_command_does_not_load_every_analysis(checkout):
    code = "import sys, journeymining.jobs.account; print(*(one for one in sys.modules))"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=checkout)

    loaded = set(told.stdout.split())
    assert "journeymining.jobs.manifest" in loaded
    assert not {"journeymining.jobs.running", "journeymining.outcomes.results", "pandas"} & loaded
