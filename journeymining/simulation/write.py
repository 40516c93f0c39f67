"""The whole simulation: raw logs, job, design and truth, chunk of customers by chunk of customers."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

from numpy.random import SeedSequence, default_rng

from journeymining.exceptions import UsageError
from journeymining.simulation.app import write_app
from journeymining.simulation.behaviour import live
from journeymining.simulation.calls import merge_calls, open_calls, write_calls
from journeymining.simulation.company import CUSTOMERS_PER_CHUNK, MOST_CUSTOMERS, Company
from journeymining.simulation.people import people
from journeymining.simulation.runs import Runs
from journeymining.simulation.salesforce import open_salesforce, write_salesforce
from journeymining.simulation.survey import open_survey, write_survey
from journeymining.simulation.truth import Tally, open_truth, summary, write_truth
from journeymining.simulation.web import merge_web, write_web
from journeymining.writing import whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def simulate(
    directory: Path,
    *,
    customers: int,
    seed: int,
    company: Company | None = None,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write the raw logs of a made-up telecom in its vendors' formats, with what was planted beside them.

    Parameters
    ----------
    directory : Path
        Where ``job.yaml``, ``design.yaml``, ``raw/``, ``truth.json`` and ``truth/`` go. Written whole or not at all.
    customers : int
        How many customers, each with one order.
    seed : int
        The same seed, number and version give the same bytes.
    company : Company, optional
        Other rates and effects than the usual ones.
    force : bool, default False
        Replace a directory that holds anything.
    progress : callable, optional
        Is given the number of customers written since the last call.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    UsageError
        When there are fewer than one or too many customers, the seed is negative, or the directory is not empty.

    Notes
    -----
    Memory holds one chunk of customers, whatever their number. Logs in the order of time are merged from sorted runs
    on disk, so that about twice their size is needed while they are written.
    """
    if not 1 <= customers <= MOST_CUSTOMERS:
        raise UsageError(f"The number of customers must be from 1 to {MOST_CUSTOMERS}, found {customers}.")
    if seed < 0:
        raise UsageError(f"The seed must be 0 or more, found {seed}.")
    with whole_folder(directory, force=force) as folder:
        _write(folder, customers, seed, company or Company(), progress)
    return directory


def _write(folder: Path, customers: int, seed: int, company: Company, progress: Callable[[int], None] | None) -> None:
    raw, truth, tally = folder / "raw", folder / "truth", Tally()
    open_salesforce(raw / "salesforce")
    open_survey(raw / "survey" / "nps.csv")
    open_truth(truth)
    (raw / "ga4").mkdir()
    web, queue, legs = (Runs(folder / f"runs-{name}") for name in ("web", "queue", "legs"))
    open_calls(queue)
    for first in range(0, customers, CUSTOMERS_PER_CHUNK):
        size = min(CUSTOMERS_PER_CHUNK, customers - first)
        draws = [default_rng(child) for child in SeedSequence(seed, spawn_key=(first,)).spawn(7)]
        who = people(first, size, company.habits, draws[0])
        lives = live(size, company, draws[1])
        write_salesforce(raw / "salesforce", who, lives, company, draws[2], tally.lines)
        write_web(web, who, lives, company, draws[3], tally.lines)
        write_app(raw / "ga4", who, lives, company, draws[4], tally.lines)
        write_calls(queue, legs, who, lives, company, draws[5], tally.lines)
        write_survey(raw / "survey" / "nps.csv", who, lives, draws[6], tally.lines)
        write_truth(truth, who, lives)
        tally.add(who, lives)
        if progress:
            progress(size)
    merge_web(web, raw / "web", tally.lines)
    merge_calls(queue, legs, raw / "asterisk", tally.lines)
    for name in ("job.yaml", "design.yaml"):
        text = files("journeymining.simulation").joinpath(name).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    found = summary(company, tally, customers=customers, seed=seed)
    (folder / "truth.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8", newline="\n")
