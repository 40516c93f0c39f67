"""Give a job another key of its pseudonyms."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from journeymining.exceptions import InputError, UsageError
from journeymining.identity.rotation import map_again
from journeymining.ingest.keys import KEY_VARIABLE
from journeymining.jobs.events import (
    PULLED,
    Builder,
    key_id,
    pull_counts,
    pull_digest,
    silent,
    store_of,
)
from journeymining.jobs.manifest import Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.jobs.events import Tell
    from journeymining.jobs.spec import Job


NEW_KEY_VARIABLE = "JOURNEYMINING_NEW_KEY"
"""Environment variable that holds the key that replaces the one of `KEY_VARIABLE`."""

SHORTEST_KEY = 16


def new_key_from_environment() -> bytes:
    """Return the new secret key from the environment variable ``JOURNEYMINING_NEW_KEY``.

    Raises
    ------
    UsageError
        If it is not set or has fewer than 16 bytes.
    """
    key = os.environ.get(NEW_KEY_VARIABLE, "").encode()
    if len(key) < SHORTEST_KEY:
        found = f"has {len(key)} bytes, at least {SHORTEST_KEY} are needed" if key else "is not set"
        raise UsageError(
            f"{NEW_KEY_VARIABLE} {found}: it is the key that replaces {KEY_VARIABLE}. Make one with: "
            "python3 -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return key


def rotate_key(
    job: Job, *, old_key: bytes, new_key: bytes, events: str | Path | None = None, tell: Tell = silent
) -> Path:
    """Replace all pseudonyms of a job by those of another key, from the landed raw records.

    Customers, journeys and the prepared log are removed: the next run makes them, under the new key and with new names.
    Earlier results under ``outputs/`` still have the old ones; make them again with ``--force``, or delete them.

    Parameters
    ----------
    job : Job
    old_key, new_key : bytes
        The old one shows that whoever asks may: it is held against the one that made the pseudonyms.
    events : path, default ``event_logs/<job>``
    tell : function
        Told what happens now.

    Returns
    -------
    Path
        The folder of events. Where the sources still are what they were when they were pulled, the next run does not
        read them.

    Raises
    ------
    UsageError
        When both keys are the same, the old one is not the job's, or the job does not pseudonymise.
    InputError
        When nothing was pulled yet, or raw records were deleted; nothing has been changed then.
    """
    store = store_of(job, events)
    if not job.config.identity.pseudonymise:
        raise UsageError(f"Job '{job.name}' writes identifiers in clear (identity: pseudonymise); it has no key.")
    if old_key == new_key:
        raise UsageError(
            "The new key is the old one. Make another: python3 -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if not store.path("identifiers.parquet").is_file():
        raise InputError(f"{store.folder}: nothing was pulled yet, so there are no pseudonyms to replace.")
    identity = store.path("identity.json")
    made_by = json.loads(identity.read_text(encoding="utf-8")).get("key_id") if identity.is_file() else None
    if made_by not in (None, key_id(old_key)):
        raise UsageError(f"{store.folder}: its pseudonyms were made with another key than the old one given.")
    counts_hold = _is_as_pulled(job, events, old_key)
    config = job.config
    quality = map_again(
        store.folder,
        config.sources,
        timezone=config.timezone,
        region=config.region,
        key=new_key,
        base=job.base,
        document=job.document,
        progress=lambda source: tell(f"Mapping source '{source}' with the new key"),
    )
    if counts_hold:
        store.note("pull", pull_digest(_builder(job, events, new_key)), pull_counts(quality))
    return store.folder


def _is_as_pulled(job: Job, events: str | Path | None, key: bytes) -> bool:
    """Say whether the sources are still what the events were made of."""
    try:
        digest = pull_digest(_builder(job, events, key))
    except InputError:
        # Sources that are gone need not be read for this; the next run will say that it misses them.
        return False
    return store_of(job, events).noted("pull", digest, PULLED) is not None


def _builder(job: Job, events: str | Path | None, key: bytes) -> Builder:
    return Builder(job=job, store=store_of(job, events), manifest=Manifest(job.name, job.title), key=key)
