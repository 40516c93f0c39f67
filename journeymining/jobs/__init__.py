"""The whole job, from its file to the folder of a run.

Examples
--------
>>> from journeymining.jobs import read_job, run  # doctest: +SKIP
>>> run(read_job("journey.yaml"), force=True)  # doctest: +SKIP
PosixPath('outputs/broadband/report.html')
"""

from journeymining.jobs.run import pull, pull_summary, run
from journeymining.jobs.spec import Job, read_job

__all__ = ["Job", "pull", "pull_summary", "read_job", "run"]
