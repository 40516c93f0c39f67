"""Checks that others can run on their own connector or engine."""

from journeymining.testing.connectors import check_connector

__all__ = ["check_connector"]
