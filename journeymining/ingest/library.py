"""Where connectors lie: those that are shipped, and a user's own folder wherever a shipped name works."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from journeymining.exceptions import UsageError, did_you_mean

SPEC = "connector.yaml"


def shipped_connectors() -> Path:
    """Return the folder of the shipped connectors: inside an installed package, beside it in a checkout."""
    installed = Path(str(files("journeymining"))) / "connectors"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "connectors"


def connector_names() -> list[str]:
    """Return the names of the shipped connectors, in alphabetical order.

    Examples
    --------
    >>> "salesforce" in connector_names()
    True
    """
    return sorted(path.parent.name for path in shipped_connectors().glob(f"*/{SPEC}"))


def connector_folder(name: str, *, base: str | Path = ".") -> Path:
    """Return the folder of a connector.

    Parameters
    ----------
    name : str
        Name of a shipped connector, or path of a folder with a ``connector.yaml`` (relative to ``base``).
    base : path, default the working directory
        What relative paths are relative to.

    Raises
    ------
    UsageError
        If there is no such connector; the message says which one may be meant.

    Examples
    --------
    >>> connector_folder("matomo").name
    'matomo'
    """
    names = connector_names()
    if name in names:
        return shipped_connectors() / name
    own = Path(base) / name
    if (own / SPEC).is_file():
        return own
    hint = did_you_mean(name, names)
    raise UsageError(f"unknown connector '{name}'.{hint} Shipped: {', '.join(names)}. Or give a folder with a {SPEC}.")
