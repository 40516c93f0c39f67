"""The examples in the documentation of functions run and show what they give."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "engines.partition",
    "engines.prepared_log",
    "discovery.channels",
    "discovery.directly_follows",
    "discovery.inductive",
    "discovery.journeys",
    "discovery.model_formats",
    "discovery.nets",
    "discovery.quantiles",
    "discovery.rework",
    "discovery.touchpoints",
    "discovery.variants",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(f"journeymining.{name}"))

    assert result.attempted > 0
    assert result.failed == 0
