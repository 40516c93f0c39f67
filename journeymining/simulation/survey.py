"""The answers to a survey, as most survey tools can export them: one row per invitation."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from journeymining.simulation.clocks import by_the_clock_of, iso_times

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from numpy.random import Generator

    from journeymining.simulation.behaviour import Lives
    from journeymining.simulation.people import People

COLUMNS = ["response_id", "email", "contact_id", "score", "sent_at", "answered_at"]


def open_survey(path: Path) -> None:
    """Write the file with nothing but its header."""
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(COLUMNS)


def write_survey(path: Path, who: People, lives: Lives, rng: Generator, counts: Counter[str]) -> None:
    """Append the invitations of one chunk; who did not answer has neither a score nor a time of answer.

    Most rows name the customer by e-mail address, three in ten by the contact id of the CRM.
    """
    customers, sent = lives.touches["survey_sent"]
    answered, when = lives.touches["survey_answered"]
    answers = dict(zip(answered.tolist(), iso_times(by_the_clock_of("survey", when)), strict=True))
    by_contact = (rng.random(who.size) < 0.3).tolist()
    rows = []
    for i, invited in zip(customers.tolist(), iso_times(by_the_clock_of("survey", sent)), strict=True):
        identity = ["", who.contact[i]] if by_contact[i] else [who.email[i], ""]
        answer = [str(lives.score[i]), invited, answers[i]] if i in answers else ["", invited, ""]
        rows.append([f"R_{who.first + i:08d}", *identity, *answer])
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    counts["raw/survey/nps.csv"] += len(rows)
    counts["survey answers"] += int(np.sum(lives.score >= 0))
