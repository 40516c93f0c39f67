"""The demo's planted truths, recovered by the whole job from the raw logs alone."""

from __future__ import annotations

import json
from itertools import combinations

import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

from journeymining.cli.demo import MADE_UP_KEY
from journeymining.ingest.keys import normalise, pseudonym


@pytest.fixture(scope="module")
def truth(demo):
    return json.loads((demo / "event_logs/demo/truth.json").read_text())


@pytest.fixture(scope="module")
def results(demo):
    return demo / "outputs/demo"


@pytest.fixture(scope="module")
def identities(demo):
    """What is true and what was found: identifier -> its true customers, and the rows of the table of customers."""
    true = {}
    for row in pd.read_csv(demo / "event_logs/demo/truth/identifiers.csv", dtype=str).itertuples():
        value = pseudonym(row.kind, normalise(row.kind, row.value, "DE"), MADE_UP_KEY)
        true.setdefault(value, set()).add(row.customer)
    found = pq.read_table(demo / "event_logs/demo/events/customers.parquet").to_pandas()
    return true, found[found["value_hash"].isin(true)]


def test_at_least_95_percent_of_true_links_are_found(demo, identities):
    """A link: an identifier that occurs in the logs belongs to a customer, who is known by the account."""
    true, found = identities
    logged = set(pq.read_table(demo / "event_logs/demo/events/identifiers.parquet")["value_hash"].unique().to_pylist())
    accounts = found[found["kind"] == "account"]
    name = {next(iter(true[row.value_hash])): row.customer_id for row in accounts.itertuples()}
    links = {(value, name[customer]) for value, customers in true.items() if value in logged for customer in customers}

    right = links & set(zip(found["value_hash"], found["customer_id"], strict=True))

    # Cookies that were cleared before any log-in are among those not found: nothing in the logs says whose they were.
    assert len(links) > 20_000
    assert len(right) / len(links) >= 0.95


def test_at_most_1_percent_of_merges_is_false(identities):
    """Of all pairs of identifiers that were given to one customer, those that truly belong to nobody in common."""
    true, found = identities
    merged = [
        (one, other)
        for _, values in found.groupby("customer_id")["value_hash"]
        for one, other in combinations(sorted(set(values)), 2)
    ]

    false = [pair for pair in merged if not true[pair[0]] & true[pair[1]]]

    assert len(merged) > 50_000
    assert len(false) / len(merged) <= 0.01


def test_events_of_an_account_are_given_to_its_customer(demo):
    """The share of orders whose customer is the one that the account's own records name."""
    events = pq.read_table(demo / "event_logs/demo/events/events.parquet").to_pandas()
    journeys = pd.read_csv(demo / "event_logs/demo/truth/journeys.csv", dtype={"customer": str})
    customers = pq.read_table(demo / "event_logs/demo/events/customers.parquet").to_pandas()
    account = {row.value_hash: row.customer_id for row in customers[customers["kind"] == "account"].itertuples()}
    ordered = events[events["activity"] == "order_placed"].groupby("customer_id").size()

    of_truth = [account[pseudonym("account", value, MADE_UP_KEY)] for value in journeys["account_id"]]

    assert len(set(of_truth)) == len(journeys)
    assert (ordered.reindex(of_truth).fillna(0) == 1).mean() >= 0.99


def planted():
    deviations = ["missing_confirmation", "wrong_order", "wrong_channel", "late", "repeated_delivery"]
    return [*deviations, "selfservice_failed", "helpdesk_call", "help_page"]


@pytest.mark.parametrize("name", planted())
def test_a_planted_deviation_is_found_with_its_rate_within_the_interval(name, truth, results):
    deviation = truth["deviations"][name]
    found = pd.read_csv(results / "deviations.csv")
    # "modem_shipped before confirmation" may be told of either of the two.
    touchpoints = set(deviation["touchpoint"].split(" before "))
    row = found[(found["type"] == deviation["type"]) & found["touchpoint"].isin(touchpoints)].iloc[0]
    realised = deviation["all_orders"]["count"] / deviation["all_orders"]["of"]

    assert row["share_low"] <= realised <= row["share_high"]
    assert abs(row["journeys"] - deviation["all_orders"]["count"]) <= 0.02 * deviation["all_orders"]["count"] + 2


def test_no_deviation_is_found_that_was_not_planted(truth, results):
    found = pd.read_csv(results / "deviations.csv")
    known = {
        (one["type"], part) for one in truth["deviations"].values() for part in one["touchpoint"].split(" before ")
    }
    # A failed touchpoint that the design does not have is ad hoc as well.
    known |= {("ad_hoc", touchpoint) for kind, touchpoint in known if kind == "failing"}
    known |= {("failing", touchpoint) for kind, touchpoint in known if touchpoint == "call_abandoned"}
    unplanted = found[[pair not in known for pair in zip(found["type"], found["touchpoint"], strict=True)]]

    assert unplanted["share"].sum() < 0.005


def test_forced_switches_are_told_from_chosen_ones(truth, results):
    switches = pd.read_csv(results / "channel_switches.csv")
    row = switches[(switches["from_channel"] == "app") & (switches["to_channel"] == "phone")].iloc[0]

    assert row["forced"] == pytest.approx(truth["forced_switches"]["all_orders"]["count"], rel=0.05)


@pytest.mark.parametrize(("planted", "pattern"), [("late", "late"), ("forced_switch", "forced switch")])
def test_a_planted_effect_on_churn_lies_in_its_interval_and_is_claimed(planted, pattern, truth, results):
    effects = pd.read_csv(results / "outcomes/churn/outcome_effects.csv")
    row = effects[effects["pattern"] == pattern].iloc[0]
    effect = truth["effects"]["churn"][planted]["nominal_risk_difference"]

    assert row["difference_low"] <= effect <= row["difference_high"]
    assert row["holdout_low"] <= effect <= row["holdout_high"]
    assert row["verdict"].startswith("claimed")


def test_a_planted_null_effect_is_not_claimed(results):
    for outcome in ("churn", "nps"):
        effects = pd.read_csv(results / f"outcomes/{outcome}/outcome_effects.csv")
        row = effects[effects["pattern"] == "track_parcel"].iloc[0]

        assert row["difference_low"] <= 0 <= row["difference_high"]
        assert not row["verdict"].startswith("claimed")


def test_the_planted_effect_on_nps_is_found(truth, results):
    nps = pd.read_csv(results / "experience/nps.csv").set_index("segment")
    answers = truth["effects"]["nps"]["late"]["answers"]

    assert nps.loc["all", "n"] == answers["with"] + answers["without"]
    assert nps.loc["late", "n"] == pytest.approx(answers["with"], abs=3)
    assert nps.loc["late", "high"] < nps.loc["as designed", "low"]


def test_the_rate_of_churn_is_the_true_one_of_those_observed_long_enough(truth, results):
    card = json.loads((results / "outcomes/churn/model_card.json").read_text())
    of, churned = truth["churn"]["followed_up"], truth["churn"]["churned"]

    assert card["labelled"] == pytest.approx(of, rel=0.01)
    assert card["positives"] == pytest.approx(churned, rel=0.05)
    low, high = stats.binomtest(card["positives"], card["labelled"]).proportion_ci()
    assert low <= churned / of <= high


def test_every_step_accounts_for_its_rows(results):
    manifest = json.loads((results / "manifest.json").read_text())
    counted = {step["name"]: step for step in manifest["steps"]}

    for name in ("pull", "stitch", "cut", "prepare"):
        step = counted[name]
        assert step["rows_in"] == step["rows_out"] + sum(step["left_out"].values()), name
    assert counted["pull"]["left_out"]["bot"] > 0
    assert counted["pull"]["left_out"]["duplicate"] > 0


def test_bots_and_duplicates_are_counted_as_they_were_planted(truth, results):
    manifest = json.loads((results / "manifest.json").read_text())
    left_out = manifest["steps"][0]["left_out"]

    assert left_out["bot"] == truth["lines"]["web lines of bots"]


@pytest.mark.parametrize("outcome", ["churn", "nps"])
def test_models_are_tested_on_later_journeys_of_other_customers_beside_baselines(outcome, results):
    card = json.loads((results / f"outcomes/{outcome}/model_card.json").read_text())

    assert card["split"]["kind"] == "temporal"
    assert card["split"]["train_dates"][1] < card["split"]["test_dates"][0]
    assert len(card["models"]) >= 4
    assert "journey length" in card["headline"]
