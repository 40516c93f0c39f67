"""What a person does on a cluster, in a process of its own: ``python spark_driver.py MASTER EVENTS DESIGN FOLDER``."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

from journeymining.cli import main
from journeymining.conformance.conform import conform
from journeymining.conformance.design import read_design
from journeymining.discovery.results import discover
from journeymining.discovery.variants import variants
from journeymining.engines.engine import engine_of
from journeymining.engines.prepared_log import prepare


def answers(events: Path, design: Path, folder: Path, *, engine, options: list[str]) -> dict[str, object]:
    """Return what every analysis says, as text: on one machine and on a cluster it must be the same."""
    found: dict[str, object] = {}
    with prepare(events, folder / "first", buckets=4, engine=engine) as log:
        found["first"] = log.manifest
        found["discovery"] = {name: table.to_csv() for name, table in discover(log).tables.items()}
    with prepare(events, folder / "second", buckets=32, engine=engine) as log:
        found["second"] = log.manifest
        found["variants"] = variants(log).to_csv()
        conformance = conform(log, read_design(design))
        found["conformance"] = [conformance.variants.to_csv(), conformance.journeys.to_csv(), conformance.summary]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main(["discover", str(events), "--format", "csv", *options])
    found["command line"] = said.getvalue()
    return json.loads(json.dumps(found, default=str))


if __name__ == "__main__":
    master, events, design, folder = sys.argv[1:]
    options = ["--engine", "spark", "--spark-master", master]
    found = answers(
        Path(events),
        Path(design),
        Path(folder),
        engine=engine_of("spark", spark_master=master),
        options=options,
    )
    (Path(folder) / "answers.json").write_text(json.dumps(found), encoding="utf-8")
