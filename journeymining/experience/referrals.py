"""Who recommends: referrals by what the customer had answered before."""

from __future__ import annotations

import pandas as pd

from journeymining.exceptions import InputError
from journeymining.experience.nps import PASSIVE, PROMOTER, recommend_answers
from journeymining.proportions import wilson

GROUPS = ("promoter", "passive", "detractor")


def referrals_by_mark(referrals: pd.DataFrame, surveys: pd.DataFrame, *, metric: str = "nps") -> pd.DataFrame:
    """Return how many referrals came from promoters, passives and detractors.

    A referral counts for the last mark its customer gave before it; what was said afterwards tells nothing. That most
    referrals come from promoters says little by itself: compare with how many customers are promoters.

    Parameters
    ----------
    referrals : DataFrame, one row per referral
        ``customer_id`` and ``time``.
    surveys : DataFrame, one row per answer
        ``metric``, ``value`` (0 to 10), ``customer_id`` and ``answered_at`` or, where that is missing, ``sent_at``.
    metric : str
        Which answers count.

    Returns
    -------
    DataFrame, one row per group
        ``group`` (promoter, passive, detractor), ``referrals``, ``share`` of those whose customer had answered, with
        its Wilson interval ``low``, ``high`` (95 %; NaN without any), and ``unknown``: referrals of customers who had
        not answered, the same number in every row. Several referrals of one customer count as several.

    Examples
    --------
    >>> days = pd.to_datetime(["2026-01-05", "2026-01-06"], utc=True)
    >>> said = pd.DataFrame({"metric": "nps", "value": [9, 3], "customer_id": ["a", "b"], "answered_at": days})
    >>> told = pd.DataFrame({"customer_id": ["a", "a", "b"], "time": pd.to_datetime("2026-02-01", utc=True)})
    >>> referrals_by_mark(told, said)[["group", "referrals", "unknown"]].values.tolist()
    [['promoter', 2, 0], ['passive', 0, 0], ['detractor', 1, 0]]
    """
    for column in ("customer_id", "time"):
        if column not in referrals:
            raise InputError.missing_column(column, referrals.columns, where="The referrals")
    answers = recommend_answers(surveys, metric=metric)
    moments = [answers[name] for name in ("answered_at", "sent_at") if name in answers]
    if not moments:
        raise InputError.missing_column("answered_at", surveys.columns, where="The surveys")
    moment = moments[0] if len(moments) == 1 else moments[0].fillna(moments[1])
    marks = answers.assign(said=moment).dropna(subset=["said", "customer_id"]).sort_values("said", kind="stable")
    made = referrals.dropna(subset=["time", "customer_id"]).sort_values("time", kind="stable")
    marks, made = (frame.assign(customer_id=frame["customer_id"].astype(str)) for frame in (marks, made))
    joined = pd.merge_asof(
        made[["customer_id", "time"]].assign(time=made["time"].astype("datetime64[us, UTC]")),
        marks[["customer_id", "said", "value"]].assign(said=marks["said"].astype("datetime64[us, UTC]")),
        left_on="time", right_on="said", by="customer_id", allow_exact_matches=False,
    )  # fmt: skip
    known = joined["value"].dropna()
    counts = [int((known >= PROMOTER).sum()), int(known.between(PASSIVE, PROMOTER, inclusive="left").sum())]
    counts.append(len(known) - sum(counts))
    table = pd.DataFrame({"group": GROUPS, "referrals": counts})
    table["share"] = table["referrals"] / len(known) if len(known) else float("nan")
    table["low"], table["high"] = wilson(table["referrals"], len(known))
    return table.assign(unknown=len(referrals) - len(known))
