"""Show the journeys that customers actually take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from journeymining.cli.open_journeys import OpenJourneys, open_journeys, open_option
from journeymining.cli.options import (
    emit,
    engine_options,
    force_option,
    format_option,
    log_argument,
    log_options,
    out_option,
    read_log,
    read_unless_written,
)
from journeymining.cli.preparing import memory_option, prepare_shown

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from journeymining.discovery.comparison import Comparison
    from journeymining.discovery.process_models import Miner
    from journeymining.discovery.results import Discovery
    from journeymining.eventlog.written import AnyLog


@click.command()
@log_argument
@log_options
@click.option(
    "--miner",
    type=click.Choice(["inductive", "heuristics", "split"]),
    default="inductive",
    show_default=True,
    help="How the process model is found.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="How infrequent a step may be, relative to the strongest, and still be left out of the model.",
)
@click.option(
    "--compare",
    nargs=2,
    metavar="FILTER FILTER",
    help="Two groups of journeys by filters, such as 'channel phone' 'not channel phone'; several joined by ' ; '.",
)
@click.option("--collapse", is_flag=True, help="The same activity in the same channel in a row is one event.")
@click.option(
    "--contact",
    "contacts",
    metavar="ACTIVITY",
    multiple=True,
    help="An activity that is a contact: how often another follows within the --window; may be repeated.",
)
@click.option("--window", default="7 days", show_default=True, help="Of repeat contacts.")
@click.option(
    "--personas",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Groups of journeys that are tried at most; 0 for none.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the personas.")
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="How many variants are shown.")
@click.option("--k", type=click.IntRange(min=2), help="For others' eyes: paths of fewer than K customers are grouped.")
@open_option
@engine_options
@memory_option
@format_option
@out_option
@force_option
def command(
    miner: Miner,
    noise: float,
    compare: tuple[str, str] | None,
    collapse: bool,
    contacts: tuple[str, ...],
    window: str,
    personas: int,
    seed: int,
    top: int,
    k: int | None,
    open_file: str | None,
    engine: str,
    spark_master: str | None,
    memory_limit: str | None,
    format: str,
    out: Path | None,
    force: bool,
    **log: Any,
) -> None:
    """Show the journeys that customers actually take.

    The most frequent paths on stdout, or with --compare what differs between two groups of journeys; with --out also
    all tables and the process models as files, for `journeymining report`.

    Example: journeymining discover permits.xes.gz --channel case:channel --out outputs/permits
    """
    import pandas as pd

    from journeymining.discovery.results import discover
    from journeymining.durations import parse_duration
    from journeymining.engines.engine import engine_of
    from journeymining.eventlog.written import WrittenLog
    from journeymining.jobs.comparing import compare_filters
    from journeymining.journeys.phases import parse_phases
    from journeymining.writing import refuse_occupied

    if out is not None:
        refuse_occupied(out, force=force)
    runs_on = engine_of(engine, spark_master=spark_master)
    table, shown = _read(log, k, whole=compare is not None)
    going_on = _open_journeys(log["log"], table, open_file, k)
    with prepare_shown(shown, journeys=going_on.marks, engine=runs_on, memory_limit=memory_limit) as prepared:
        digest = str(prepared.manifest["digest"])
        order = list(parse_phases(log["phases"])) or None
        discovery = discover(
            prepared,
            miner=miner,
            noise=noise,
            phases=order,
            others=("inductive", "heuristics", "split") if out is not None else (),
            collapse=collapse,
            contacts=dict.fromkeys(contacts, pd.Timedelta(parse_duration(window))),
            personas=personas,
            seed=seed,
        )
        compared = None
        if compare is not None:
            first, second = ([part.strip() for part in text.split(" ; ")] for text in compare)
            assert not isinstance(shown, WrittenLog)  # filters read its rows
            compared = compare_filters(prepared, shown, first, second, phases=order)
    if out is not None:
        settings = {
            "k": k,
            "miner": miner,
            "noise": noise,
            "prepared_log": digest,
            "collapse": collapse,
            "compare": compare,
        }
        read = _Read(table, shown, log, going_on.inputs())
        _write(out, discovery, compared, read, settings, engine=engine, seed=seed, force=force)
    _show(discovery, compared, format, top)
    click.echo(going_on.said, err=True)


def _read(log: dict[str, Any], k: int | None, *, whole: bool) -> tuple[AnyLog, AnyLog]:
    """Return the log, and what of it is shown; in its files where they hold an event log and nobody needs its rows."""
    from journeymining.eventlog.anonymity import k_anonymous

    if k is None and not whole:
        table = read_unless_written(**log)
        return table, table
    rows = read_log(**log)
    return rows, rows if k is None else k_anonymous(rows, k)


def _open_journeys(log: str, table: AnyLog, file: str | None, k: int | None) -> OpenJourneys:
    from journeymining.exceptions import UsageError

    if k is None:
        return open_journeys(log, table, file)
    if file is not None:
        raise UsageError("--k hides which journey is which: --open-journeys cannot say which of them go on.")
    return OpenJourneys(said="With --k no journey is known as open: all of them count as ended.")


class _Read(NamedTuple):
    """The log as it was read, what of it is shown, and the options it was read with."""

    table: AnyLog
    shown: AnyLog
    options: dict[str, Any]
    inputs: dict[str, Path]


def _write(
    out: Path,
    discovery: Discovery,
    compared: Comparison | None,
    read: _Read,
    settings: dict[str, Any],
    *,
    engine: str,
    seed: int,
    force: bool,
) -> None:
    """Write all tables, the process models and the account of what made them."""
    from journeymining.discovery.comparison import write_comparison
    from journeymining.discovery.results import describe_model, write
    from journeymining.eventlog.written import report_of
    from journeymining.jobs.account import write_account
    from journeymining.writing import whole_folder

    model = describe_model(discovery.model)
    with whole_folder(out, force=force) as folder:
        missing = write(discovery, folder)
        if compared is not None:
            write_comparison(compared, folder, "comparison")
        write_account(
            folder,
            "discover",
            read.table,
            read.options,
            engine=engine,
            settings={**settings, "process_model": model, "files_left_out": missing},
            seed=seed,
            counts={name: value for name, value in discovery.coverage.items() if isinstance(value, int)},
            quality={
                "coverage": discovery.coverage,
                "process_model": model,
                "anonymity": report_of(read.shown).get("anonymity"),
            },
            inputs=read.inputs,
        )


def _show(discovery: Discovery, compared: Comparison | None, format: str, top: int) -> None:
    """Put on stdout what differs between two groups, or else the summary and the most frequent paths."""
    if compared is not None:
        if format == "table":
            click.echo(compared.summary["sentence"])
        emit(_differences(compared.table, top), format)
        return
    if format == "table":
        emit(_summary(discovery))
        click.echo()
    emit(_top_variants(discovery, top), format)


def _differences(table: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return of every analysis the most certain differences."""
    shown = table[table["verdict"].isin(["higher", "lower"])].groupby("analysis", sort=False).head(top)
    columns = ["analysis", "item", "measure", "first", "second", "difference", "low", "high", "q", "verdict"]
    return shown[columns].reset_index(drop=True)


def _summary(discovery: Discovery) -> pd.DataFrame:
    import pandas as pd

    coverage, quality = discovery.coverage, discovery.model.quality
    names = {
        "events": "events",
        "journeys": "journeys",
        "customers": "customers",
        "variants": "variants",
        "activities": "activities",
        "events_ordered_by_event_id_only": "events whose order is a tie",
        "events_without_channel": "events without channel",
    }
    rows = [(text, f"{coverage[name]:,}") for name, text in names.items()]
    of = f"of {quality.journeys:,} of {quality.all_journeys:,} journeys"
    for text, value in (
        (f"model fitness {of}", quality.fitness),
        (f"model precision {of}", quality.precision),
        ("model simplicity", quality.simplicity),
    ):
        rows.append((text, quality.reason or "unknown" if value is None else f"{value:.3f}"))
    if discovery.personas is not None:
        rows.append(("found personas", discovery.personas.summary["sentence"]))
    return pd.DataFrame(rows, columns=["measure", "value"])


def _top_variants(discovery: Discovery, top: int) -> pd.DataFrame:
    """Return the most frequent variants, then one row for all others, so that the journeys add up."""
    import pandas as pd

    found, total = discovery.variants, discovery.coverage["journeys"]
    shown, others = found.head(top), found.iloc[top:]
    frame = pd.DataFrame(
        {
            "variant_id": shown["variant_id"],
            "journeys": shown["journeys"],
            "share": shown["journeys"] / total,
            "events": shown["events"],
            "median_duration": shown["median_duration"],
            "path": [" > ".join(path) for path in shown["path"]],
        }
    )
    if others.empty:
        return frame
    rest = {
        "variant_id": None,
        "journeys": others["journeys"].sum(),
        "share": others["journeys"].sum() / total,
        "events": others["events"].sum(),
        "median_duration": float("nan"),
        "path": f"({len(others):,} other variants)",
    }
    return pd.concat([frame, pd.DataFrame([rest])], ignore_index=True)
