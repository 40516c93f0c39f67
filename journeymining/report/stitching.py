"""How customers were stitched: how much was joined, by what, how large they became, what rests on the weakest kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.paths import HEAT
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language


def stitching_section(identity: dict[str, Any], sensitivity: pd.DataFrame | None, language: Language) -> dict[str, Any]:
    """Return the parts of the section, each empty where a run has nothing of it.

    Parameters
    ----------
    identity : what ``quality.json`` says of stitching, see `journeymining.identity.stitch_report.stitch_report`
    sensitivity : ``stitch_sensitivity.csv``
    """
    return {
        "facts": _identity_facts(identity, language),
        "sources": _overlap(identity.get("sources") or [], language),
        "channels": _overlap(identity.get("channels") or [], language),
        "sensitivity": _sensitivity(sensitivity, language),
        "sizes": _sizes(identity, language),
        "kinds": _kinds(identity, language),
        "links": _links(identity, language),
        "suspicious": _suspicious(identity, language),
    }


def _sizes(identity: dict[str, Any], language: Language) -> Any:
    """Return how many customers have how many records and identifiers; a giant would be a mistake."""
    parts = {"records": identity.get("customer_sizes") or {}, "identifiers": identity.get("customer_identifiers") or {}}
    bands = list(dict.fromkeys(band for part in parts.values() for band in part))
    if not bands:
        return None
    order = [band for band in ("0", "1", "2", "3-5", "6-20", "21-100", "over 100", "largest") if band in bands]
    rows = [
        {
            "size": language.say("the largest has" if band == "largest" else band),
            **{name: part.get(band) for name, part in parts.items()},
        }
        for band in order
    ]
    columns = {
        "size": (language.say("how many"), "text"),
        "records": (language.say("customers with so many records"), "count"),
        "identifiers": (language.say("customers with so many identifiers"), "count"),
    }
    return show_table(pd.DataFrame(rows), columns, language, name="customer_sizes.csv")


def _links(identity: dict[str, Any], language: Language) -> Any:
    """Return the links of customers by kind of identifier, rule and strength."""
    links = identity.get("links") or []
    if not links:
        return None
    columns = {
        "kind": (language.say("identifier"), "text"), "rule": (language.say("rule"), "text"),
        "strength": (language.say("strength"), "text"), "links": (language.say("links"), "count"),
    }  # fmt: skip
    rows = [{**link, "rule": readable(str(link["rule"])).lower()} for link in links]
    return show_table(pd.DataFrame(rows), columns, language, name="links.csv")


def _suspicious(identity: dict[str, Any], language: Language) -> Any:
    """Return the values that may stand for nobody, by hash, with how common they are and whether they were left out."""
    left_out = {(one["kind"], one["value_hash"]) for one in identity.get("left_out") or []}
    rows = [
        {"kind": kind, **value, "left_out": language.say("yes") if (kind, value["value_hash"]) in left_out else ""}
        for kind, counted in (identity.get("cardinality") or {}).items()
        for value in counted.get("suspicious") or []
    ]
    if not rows:
        return None
    columns = {
        "kind": (language.say("identifier"), "text"), "value_hash": (language.say("hash"), "text"),
        "records": (language.say("records"), "count"), "accounts": (language.say("accounts"), "count"),
        "left_out": (language.say("left out"), "text"),
    }  # fmt: skip
    return show_table(pd.DataFrame(rows), columns, language, name="suspicious_values.csv")


def _identity_facts(identity: dict[str, Any], language: Language) -> list[tuple[str, str, str]]:
    """Return value, name and coverage of the figures that say how sure customers are."""
    customers, facts = identity.get("customers") or {}, []
    known, anonymous = identity.get("events_with_account") or {}, identity.get("events_of_anonymous") or {}
    if customers.get("all") is not None:
        facts.append((language.count(customers["all"]), language.say("customers stitched"),
                      language.say("from {n} records", n=language.count(identity.get("records")))))  # fmt: skip
    if known.get("share") is not None:
        facts.append((language.percent(known["share"]), language.say("of events belong to an account"),
                      language.say("{n} events", n=language.count(known.get("events")))))  # fmt: skip
    if anonymous.get("share") is not None:
        of = language.say(
            "{n} events of {customers} customers without a name", n=language.count(anonymous.get("events")),
            customers=language.count(customers.get("anonymous")),
        )  # fmt: skip
        facts.append((language.percent(anonymous["share"]), language.say("of events stay anonymous"), of))
    kinds = (identity.get("kinds") or {}).values()
    if kinds:
        found = identity.get("conflicts")
        conflicts = (
            sum(found.values()) if isinstance(found, dict) else sum(kind.get("conflicts") or 0 for kind in kinds)
        )
        shared = sum(int(kind.get("values_shared") or 0) for kind in kinds)
        facts.append((language.count(conflicts), language.say("conflicts between identifiers"),
                      language.say("{n} values shared by several customers, split by time",
                                   n=language.count(shared))))  # fmt: skip
    return facts


def _kinds(identity: dict[str, Any], language: Language) -> Any:
    rows = [{"kind": name, **kind} for name, kind in (identity.get("kinds") or {}).items()]
    if not rows:
        return None
    columns = {
        "kind": (language.say("identifier"), "text"), "values": (language.say("values"), "count"),
        "uses": (language.say("uses"), "count"), "values_shared": (language.say("shared"), "count"),
        "uses_joined_back": (language.say("joined back in time"), "count"),
        "uses_unresolved": (language.say("unresolved"), "count"), "uses_left_out": (language.say("left out"), "count"),
        "conflicts": (language.say("conflicts"), "count"),
    }  # fmt: skip
    return show_table(pd.DataFrame(rows), columns, language, name="identifiers.csv")


def _sensitivity(table: pd.DataFrame | None, language: Language) -> dict[str, Any] | None:
    """Return the headline numbers with all identifiers and without the weakest kind."""
    if table is None or table.empty:
        return None

    def write(measure: str, value: float, *, signed: bool = False) -> str:
        if measure.endswith(("(share)", "rate")):
            return language.points(value) if signed else language.percent(value)
        if pd.notna(value) and float(value).is_integer():
            return language.decimals(value, 0, signed=signed)
        return language.decimals(value, 3, signed=signed)

    return {
        "weakest": str(table["weakest"].iloc[0]),
        "rows": [
            (
                readable(row["measure"]),
                write(row["measure"], row["with_all"]),
                write(row["measure"], row["without_weakest"]),
                write(row["measure"], row["difference"], signed=True),
            )
            for row in records(table)
        ],
    }


def _overlap(pairs: list[dict[str, Any]], language: Language) -> dict[str, Any] | None:
    """Return the matrix of customers of one source who are also known in another."""
    shares = {(str(pair["first"]), str(pair["second"])): pair for pair in pairs if pair.get("share") is not None}
    if not shares:
        return None
    names = sorted({name for pair in shares for name in pair})
    cells = {
        pair: {
            "share": language.percent(one["share"], digits=0),
            "strength": round(HEAT * one["share"]),
            "customers": language.count(one.get("also_second")),
        }
        for pair, one in shares.items()
    }
    return {"names": names, "rows": [(here, [cells.get((here, there)) for there in names]) for here in names]}
