"""A fitted model on disk: a file that can be read without running what is in it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from journeymining.exceptions import InputError
from journeymining.outcomes.models import Fitted

if TYPE_CHECKING:
    from pathlib import Path

OURS = (
    "journeymining.outcomes.deviations.",
    "journeymining.outcomes.encoders.",
    "journeymining.outcomes.models.",
    "journeymining.outcomes.pattern_encoders.",
)
"""Types of this package that a model file may hold; everything else must be trusted by skops itself."""

CONTENT = ("name", "pipeline", "trained", "chosen", "sigmoid", "calibrated")


def write_model(model: Fitted, path: str | Path) -> None:
    """Write a fitted model as a skops file."""
    import skops.io

    skops.io.dump({name: getattr(model, name) for name in CONTENT}, path)


def read_model(path: str | Path) -> Fitted:
    """Read a model file; it may hold scikit-learn's types and ours, and is refused if it holds any other.

    Raises
    ------
    InputError
        If the file is no model of `write_model`, or holds types that are not known.
    """
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: this is no model file ({type(error).__name__}).") from error
    foreign = [name for name in unknown if not name.startswith(OURS)]
    if foreign:
        raise InputError(f"{path}: the model holds types that are not trusted: {', '.join(sorted(foreign)[:5])}.")
    content = skops.io.load(path, trusted=unknown)
    return Fitted(**{name: content[name] for name in CONTENT})
