"""Every error that journeymining raises on purpose, grouped by who must act.

::

    JourneyMiningError
    ├── InputError (ValueError)        the data or a file is wrong: mend the input
    │   └── EmptyLogError              there is nothing to analyse
    ├── SpecError (ValueError)         a job, design or connector file is wrong: mend that line
    ├── UsageError (ValueError)        an argument or option is wrong: call differently
    ├── MissingDependencyError (ImportError)   an extra is not installed: install it
    └── GateFailed                     a threshold the caller set was not met (exit code 3)

A message says what is wrong, where, what was found and what would work, in one line, without personal data.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class JourneyMiningError(Exception):
    """Base of all errors that journeymining raises on purpose."""

    exit_code = 1


class InputError(JourneyMiningError, ValueError):
    """The data or a file is wrong: the input must be mended."""

    @classmethod
    def missing_column(cls, column: str, available: Iterable[str], *, where: str) -> InputError:
        """Say which column is missing, where, and which one may be meant."""
        names = list(available)
        return cls(f"{where}: column '{column}' is missing.{did_you_mean(column, names)} Found: {', '.join(names)}.")


class EmptyLogError(InputError):
    """There is nothing to analyse."""


class SpecError(JourneyMiningError, ValueError):
    """A job, design or connector file is wrong: its author must mend a line."""

    @classmethod
    def at(cls, message: str, *, path: str | Path, line: int | None = None, column: int | None = None) -> SpecError:
        """Put the place in front, in the form that editors jump to."""
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        return cls(f"{place}: {message}")


class UsageError(JourneyMiningError, ValueError):
    """An argument or option is wrong: the caller must call differently."""

    exit_code = 2


class MissingDependencyError(JourneyMiningError, ImportError):
    """An optional library is not installed."""

    @classmethod
    def extra(cls, library: str, extra: str) -> MissingDependencyError:
        """Name the command that installs what is missing."""
        return cls(f"'{library}' is not installed. Install it with: pip install 'journeymining[{extra}]'.")


class GateFailed(JourneyMiningError):
    """A threshold that the caller set was not met."""

    exit_code = 3


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty text.

    Examples
    --------
    >>> did_you_mean("zendesc", ["salesforce", "zendesk"])
    " Did you mean 'zendesk'?"
    """
    close = difflib.get_close_matches(found, list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
