"""Checks that others can run on their own connector or engine."""
