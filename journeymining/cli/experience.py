"""Summarise survey answers: NPS, satisfaction, effort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from journeymining.cli.options import emit, force_option, format_option

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("surveys", metavar="SURVEYS", type=click.Path())
@click.option(
    "--metric",
    type=click.Choice(["nps", "csat", "ces"]),
    default="nps",
    show_default=True,
    help="Recommendation (0 to 10), satisfaction (1 to 10) or effort (needs a column 'direction').",
)
@click.option("--by", metavar="COLUMN", help="One row per value of this column as well.")
@click.option("--delimiter", metavar="CHARACTER", help="Between the fields of a CSV; found by itself if omitted.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="File for the table as CSV.")
@format_option
@force_option
def command(
    surveys: str, metric: str, by: str | None, delimiter: str | None, out: Path | None, format: str, force: bool
) -> None:
    """Summarise survey answers, one row per answer, with intervals.

    SURVEYS is CSV or Parquet with the columns metric and value; optionally customer_id, scale_min, scale_max,
    direction (higher_is_better or lower_is_better) and any column to split by.

    Example: journeymining experience answers.csv --metric nps --by channel
    """
    from journeymining.experience.effort import effort_table
    from journeymining.experience.nps import nps_table
    from journeymining.experience.satisfaction import satisfaction_table
    from journeymining.writing import refuse_occupied, whole_file

    if out is not None:
        refuse_occupied(out, force=force)
    answers = _read(Path(surveys), delimiter)
    if metric == "nps":
        table = nps_table(answers, by=by)
    else:
        table = satisfaction_table(answers, by=by) if metric == "csat" else effort_table(answers, by=by)
    emit(table, format)
    if out is not None:
        with whole_file(out, force=force) as file:
            table.to_csv(file, index=False, lineterminator="\n")


def _read(path: Path, delimiter: str | None) -> pd.DataFrame:
    import csv

    import pandas as pd

    from journeymining.exceptions import InputError

    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return pd.read_csv(path, sep=delimiter, engine="python", dtype={"customer_id": "str", "survey_id": "str"})
    except (csv.Error, OSError, ValueError) as error:  # the errors of pandas and Arrow are among them
        raise InputError(
            f"{path}: not a table of answers ({type(error).__name__}). CSV or Parquet is needed."
        ) from None
