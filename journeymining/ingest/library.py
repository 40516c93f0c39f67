"""Where connectors lie: those that are shipped, those of a user or a package, and any folder in place of a name."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from journeymining.exceptions import UsageError, did_you_mean

SPEC = "connector.yaml"
VARIABLE = "JOURNEYMINING_CONNECTORS"
"""Environment variable with folders of connectors of one's own, separated like those of PATH."""


def shipped_connectors() -> Path:
    """Return the folder of the shipped connectors: inside an installed package, beside it in a checkout."""
    installed = Path(str(files("journeymining"))) / "connectors"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "connectors"


def connector_places() -> dict[str, Path]:
    """Return the folder of every connector that goes by its name, in alphabetical order.

    Beside the shipped ones these are all in the folders that ``JOURNEYMINING_CONNECTORS`` names, and in packages that
    name themselves as entry points of ``journeymining.connectors``.

    Raises
    ------
    UsageError
        If a folder does not exist, or two connectors have one name.
    """
    own = [Path(place) for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]
    for folder in own:
        if not folder.is_dir():
            raise UsageError(f"{VARIABLE} names '{folder}', which is no folder.")
    places: dict[str, Path] = {}
    for folder in (shipped_connectors(), *own, *_of_packages(tuple(sys.path))):
        for spec in sorted(folder.glob(f"*/{SPEC}")):
            name = spec.parent.name
            if name in places and places[name].resolve() != spec.parent.resolve():
                raise UsageError(f"two connectors are called '{name}': {places[name]} and {spec.parent}. Rename one.")
            places[name] = spec.parent
    return dict(sorted(places.items()))


@lru_cache(maxsize=4)
def _of_packages(path: tuple[str, ...]) -> list[Path]:
    """Return the folders that packages name; looking through all that is installed takes a while."""
    del path
    return [Path(str(files(found.module))) for found in entry_points(group="journeymining.connectors")]


def connector_names() -> list[str]:
    """Return the names of the connectors that go by their names, in alphabetical order.

    Examples
    --------
    >>> "salesforce" in connector_names()
    True
    """
    return list(connector_places())


def connector_folder(name: str, *, base: str | Path = ".") -> Path:
    """Return the folder of a connector.

    Parameters
    ----------
    name : str
        Name of a connector, see `connector_places`, or path of a folder with a ``connector.yaml``.
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
    places = connector_places()
    if name in places:
        return places[name]
    own = Path(base) / name
    if (own / SPEC).is_file():
        return own
    hint = did_you_mean(name, places)
    known = ", ".join(places)
    raise UsageError(f"unknown connector '{name}'.{hint} There are: {known}. Or give a folder with a {SPEC}.")
