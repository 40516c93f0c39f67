"""Designed against actual: the design language, alignments, deviations, promises and log figures."""
