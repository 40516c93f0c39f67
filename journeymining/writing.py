"""Results are whole or absent: written under a temporary name beside their place, then moved."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from journeymining.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_folder(target: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Give an empty folder to write into, and move it to its place when the block ends well.

    Parameters
    ----------
    target : path
        Where the folder will be. Its parents are made.
    force : bool, default False
        Replace what is there. Without it a folder that holds anything is left alone and refused.

    Yields
    ------
    Path
        A temporary folder beside the target. When the block raises, it is removed and the target is as it was.

    Raises
    ------
    UsageError
        When the target exists, is not an empty folder, and ``force`` is not given.
    """
    place = Path(target)
    refuse_occupied(place, force=force)
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(place)
    work = place.parent / _temporary(place)
    work.mkdir()
    try:
        yield work
        old = place.parent / _temporary(place)
        if place.exists():
            place.rename(old)
        work.rename(place)
        _remove(old)
    finally:
        _remove(work)


@contextmanager
def whole_file(target: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary file name to write to, and move the file to its place when the block ends well.

    As `whole_folder`, for one file. The temporary name ends like the target, so that libraries which look at the
    ending write the right format.
    """
    place = Path(target)
    refuse_occupied(place, force=force)
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(place)
    work = place.parent / _temporary(place)
    try:
        yield work
        os.replace(work, place)  # noqa: PTH105 - replaces also on Windows, where Path.rename does not
    finally:
        _remove(work)


def refuse_occupied(place: Path, *, force: bool = False) -> None:
    """Refuse a place that holds something already, unless it may be replaced."""
    occupied = any(place.iterdir()) if place.is_dir() else place.exists()
    if occupied and not force:
        raise UsageError(f"{place} exists. Give another name, or --force to replace it.")


def _temporary(place: Path) -> str:
    return f".{os.getpid()}-{secrets.token_hex(4)}-{place.name}"


def _remove_leftovers(place: Path) -> None:
    """Remove what processes that were killed have left of the same target: it may be personal data."""
    name = re.compile(rf"\.(\d+)-[0-9a-f]{{8}}-{re.escape(place.name)}")
    for path in place.parent.iterdir():
        found = name.fullmatch(path.name)
        if found and not _runs(int(found[1])):
            _remove(path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
