"""OCEL 2.0 as JSON, XML and SQLite, through pm4py; the only place of this package that imports it."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa

from journeymining.exceptions import InputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS = {".json": "json", ".jsonocel": "json", ".xml": "xml", ".xmlocel": "xml"}


def read_ocel(path: Path, *, object_type: str | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Read an object-centric log as a table with one row per event and object of one type.

    Parameters
    ----------
    path : Path
        OCEL 2.0 as JSON, XML or SQLite, told apart by the ending of the name.
    object_type : str, optional
        Type of object whose events make a journey; needed if the log has several.

    Returns
    -------
    Table, one row per event of an object
        XES names for journey, activity and time, ``ocel:eid``, the attributes of events, and those of the object as
        ``case:<name>``. An event of several such objects occurs once per object.
    dict
        ``object_type``, ``object_types``, ``events``, ``events_of_no_such_object`` and ``events_repeated``.

    Raises
    ------
    InputError
        The file is no OCEL 2.0.
    UsageError
        The type of object is unknown, or not given where there are several.
    """
    with _quiet_pm4py() as pm4py:
        try:
            log = getattr(pm4py, f"read_ocel2_{_kind(path)}")(str(path))
        # pm4py raises whatever its parser happens to raise, down to bare Exceptions.
        except Exception as error:
            raise InputError(f"{path}: this is no OCEL 2.0 ({type(error).__name__} while reading).") from error
        types = sorted(str(name) for name in log.objects["ocel:type"].unique())
        chosen = _choose(types, object_type, path)
        flat = pm4py.ocel_flattening(log, chosen)
    # OCEL 2.0 times are UTC; depending on what else is installed, pm4py's readers leave the zone away.
    flat["time:timestamp"] = pd.to_datetime(flat["time:timestamp"], utc=True)
    flat = flat.drop(columns=[name for name in ("case:ocel:type",) if name in flat.columns])
    # A column of the events that came out empty carries nothing; the format has no way to declare it.
    flat = flat.dropna(axis="columns", how="all")
    linked = flat["ocel:eid"].nunique()
    facts = {
        "object_type": chosen,
        "object_types": types,
        "events": len(log.events),
        "events_of_no_such_object": len(log.events) - int(linked),
        "events_repeated": len(flat) - int(linked),
    }
    return _to_arrow(flat), facts


def write_ocel(log: pa.Table, path: Path) -> None:
    """Write an event log as OCEL 2.0, with journeys and customers as objects.

    Parameters
    ----------
    log : Table, one row per event
        An event log. An event id that occurs in several journeys becomes one event of several objects.
    path : Path
        Its ending says which of JSON, XML and SQLite to write.

    Raises
    ------
    InputError
        One event id stands for different events.
    """
    frame = pl.DataFrame(pl.from_arrow(log))
    events = frame.unique("event_id", keep="first", maintain_order=True)
    distinct = frame.select(pl.struct("event_id", "activity", "timestamp").n_unique()).item()
    if distinct != events.height:
        raise InputError("An event id stands for different events, which OCEL does not allow. Make the ids unique.")
    customers = pl.col("customer_id")
    if set(frame["customer_id"]) & set(frame["journey_id"]):
        # Ids of objects are unique over all types.
        customers = pl.lit("customer:") + customers
    links = [
        _links(frame, pl.col("journey_id"), "journey"),
        _links(frame, customers, "customer"),
    ]
    relations = pl.concat(links).unique(maintain_order=True)
    objects = relations.select("ocel:oid", "ocel:type").unique(maintain_order=True)
    attributes = events.drop("journey_id").rename(
        {"event_id": "ocel:eid", "activity": "ocel:activity", "timestamp": "ocel:timestamp"}
    )
    if _kind(path) == "sqlite":
        attributes = attributes.rename(_apart(attributes.columns))
    times = [name for name, kind in attributes.schema.items() if kind.is_temporal() and name != "ocel:timestamp"]
    attributes = attributes.with_columns(pl.col(times).dt.to_string("iso:strict"))
    with _quiet_pm4py() as pm4py:
        from pm4py.objects.ocel.obj import OCEL

        ocel = OCEL(
            events=_to_pandas(
                attributes.select(name for name in attributes.columns if attributes[name].null_count() < events.height)
            ),
            objects=_to_pandas(objects),
            relations=_to_pandas(relations),
        )
        getattr(pm4py, f"write_ocel2_{_kind(path)}")(ocel, str(path))


def _links(frame: pl.DataFrame, oid: pl.Expr, object_type: str) -> pl.DataFrame:
    return frame.select(
        pl.col("event_id").alias("ocel:eid"),
        pl.col("activity").alias("ocel:activity"),
        pl.col("timestamp").alias("ocel:timestamp"),
        oid.alias("ocel:oid"),
        pl.lit(object_type).alias("ocel:type"),
        pl.lit(object_type).alias("ocel:qualifier"),
    )


def _to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Convert to columns of plain objects: pm4py cuts the fractions of seconds off columns of times."""
    columns = {}
    for name in frame.columns:
        values = frame[name].to_list()
        if name == "ocel:timestamp":
            values = [pd.Timestamp(value) for value in values]
        columns[name] = pd.Series(values, dtype="object")
    return pd.DataFrame(columns)


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    arrays = []
    for name in frame.columns:
        try:
            arrays.append(pa.array(frame[name], from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            arrays.append(pa.array([None if value is None or value != value else str(value) for value in frame[name]]))
    return pa.table(arrays, names=[str(name) for name in frame.columns])


def _kind(path: Path) -> str:
    return _KINDS.get(path.suffix.lower(), "sqlite")


def _apart(names: list[str]) -> dict[str, str]:
    """Rename columns that SQLite, which does not see case, would take for one; the first keeps its name."""
    seen: set[str] = set()
    renamed = {}
    for name in names:
        if name.lower() in seen:
            renamed[name] = f"attribute:{name}"
        seen.add(name.lower())
    return renamed


def _choose(types: list[str], wanted: str | None, path: Path) -> str:
    if wanted is None and "journey" in types:
        return "journey"
    if wanted is None and len(types) == 1:
        return types[0]
    if wanted in types:
        return str(wanted)
    named = "Several types of object could be the journey" if wanted is None else f"Unknown object type '{wanted}'"
    hint = did_you_mean(wanted, types) if wanted else " Choose one with --object-type."
    raise UsageError(f"{path}: {named}.{hint} Found: {', '.join(types)}.")


@contextlib.contextmanager
def _quiet_pm4py() -> Iterator[Any]:
    """Import pm4py without its banner, and run it without its progress bars and warnings."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        import pm4py

        yield pm4py
