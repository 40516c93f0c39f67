"""The whole job, from its file to the folder of a run.

Examples
--------
>>> from journeymining.jobs import read_job, run  # doctest: +SKIP
>>> run(read_job("journey.yaml"), force=True)  # doctest: +SKIP
PosixPath('outputs/broadband/report.html')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journeymining.jobs.running import pull, pull_summary, run
    from journeymining.jobs.spec import Job, read_job

__all__ = ["Job", "pull", "pull_summary", "read_job", "run"]

_PLACES = {"Job": "spec", "read_job": "spec", "pull": "running", "pull_summary": "running", "run": "running"}


def __getattr__(name: str) -> Any:
    # A command that only writes an account of itself need not load every analysis, which takes two seconds.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
