"""Files in object stores: whatever fsspec knows, an object at a time, each version of an object once.

Credentials come from the environment or from wherever the library of the store finds them (for S3: variables, profiles,
roles); none stands in a job. An object is copied whole, landed like a file and forgotten. The state names every object
with its version: one that is new is added, one that is another takes the place of its records, in one step.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeymining.exceptions import InputError, MissingDependencyError
from journeymining.ingest.batches import CHECKPOINT, changed_columns, json_columns, read_state, tidy, write_state
from journeymining.ingest.pulling import Landed, TellingWriter, landing_nothing
from journeymining.ingest.raw import RawWriter
from journeymining.ingest.readers import FILE, land
from journeymining.ingest.sources import expected_columns, files_of_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Connector, Stream

logger = logging.getLogger(__name__)

FETCHED = ".fetched"
ATTEMPTS = 3
PAUSE = 1.0
"""Seconds before the second attempt; twice as long before every further one."""
_VERSION = ("ETag", "etag", "md5Hash", "generation", "content_md5", "LastModified", "last_modified", "mtime", "created")
"""What stores say of the version of an object, the surest first."""


class ObjectStore:
    """Lists the objects that a path names, and copies them.

    Parameters
    ----------
    path : str
        Such as ``s3://bucket/logs/*.gz``: an object, a pattern or a folder.
    shown : str
        The path as messages may show it.
    complain : function
        Makes an error of a message, naming the line of the job.
    """

    def __init__(self, path: str, shown: str, complain: Callable[[str], InputError]) -> None:
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]
        except ImportError:
            raise MissingDependencyError.extra("fsspec", "objects") from None
        protocol, _, rest = path.partition("://")
        if protocol in {"http", "https"}:
            raise complain("a server is no object store: name an API with 'url' instead of 'path'.")
        self._shown, self._complain = shown, complain
        # What stands before an @ may be a password.
        self._secret = rest.partition("/")[0].rpartition("@")[0]
        try:
            self._store, self._path = url_to_fs(path)
        except ImportError as error:
            raise MissingDependencyError(
                f"'{protocol}://' needs a library besides journeymining[objects]: {self._said(error)}."
            ) from None
        except ValueError:
            raise complain(
                f"no store is called '{protocol}://'. Common ones are s3://, gs://, abfs:// and sftp://."
            ) from None
        except Exception as error:  # noqa: BLE001 - some stores connect at once, and each fails in its own way
            raise complain(f"'{shown}' could not be read ({self._said(error)}).") from None

    def listed(self) -> tuple[dict[PurePosixPath, str], bool]:
        """Return the objects, in the order of their names, with their versions, and whether the job names them."""
        self._store.invalidate_cache()
        found = self._again(self._list)
        objects = {
            PurePosixPath(name): _version(info) for name, info in sorted(found.items()) if info["type"] == "file"
        }
        folder = not has_magic(self._path) and self._path.strip("/") not in {name.strip("/") for name in found}
        return objects, not folder

    def _list(self) -> dict[str, Any]:
        if has_magic(self._path):
            return dict(self._store.glob(self._path, detail=True))
        info = self._store.info(self._path)
        listed = self._store.ls(self._path, detail=True) if info["type"] == "directory" else [info]
        return {one["name"]: one for one in listed}

    def fetch(self, name: PurePosixPath, target: Path) -> str:
        """Copy an object and return the version that was copied: the same before and after."""

        def copy() -> str:
            self._store.invalidate_cache()
            before = self._store.info(str(name))
            self._store.get_file(str(name), str(target))
            self._store.invalidate_cache()
            after = self._store.info(str(name))
            if _version(before) != _version(after) or target.stat().st_size != after["size"]:
                raise OSError("it changed while it was read, or came in part")
            return _version(after)

        version: str = self._again(copy, str(name))
        return version

    def _again(self, do: Callable[[], Any], name: str | None = None) -> Any:
        """Do something that may fail on the way, some times; what is not there or not allowed fails at once."""
        place = f"object '{name}'" if name else f"'{self._shown}'"
        for attempt in range(ATTEMPTS):
            try:
                return do()
            except (FileNotFoundError, NotADirectoryError):
                raise self._complain(f"{place} does not exist.") from None
            except PermissionError as error:
                raise self._complain(
                    f"{place} may not be read ({self._said(error)}). Are the credentials in the environment right?"
                ) from None
            except Exception as error:  # noqa: BLE001 - every store has errors of its own library
                hint = " No credentials were found." if type(error).__name__ == "NoCredentialsError" else ""
                if attempt == ATTEMPTS - 1 or hint:
                    raise self._complain(f"{place} could not be read ({self._said(error)}).{hint}") from None
                logger.info("an object could not be read (%s): again", type(error).__name__)
                time.sleep(PAUSE * 2**attempt)
        raise AssertionError("unreachable")

    def _said(self, error: Exception) -> str:
        text = " ".join(str(error).split()).rstrip(".")
        for secret in filter(None, (self._secret, self._secret.partition(":")[2])):
            text = text.replace(secret, "***")
        return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__


def _version(info: Mapping[str, Any]) -> str:
    """Return what tells two versions of an object apart."""
    said = next((info[name] for name in _VERSION if info.get(name) is not None), "")
    # The same moment is a number in a listing and a datetime elsewhere.
    text = str(said.timestamp()) if hasattr(said, "timestamp") else str(said)
    return f"{info.get('size')}-{text}"


def pull_objects(
    connector: Connector,
    config: SourceConfig,
    folder: Path,
    complain: Callable[[str], InputError],
    *,
    full_refresh: bool = False,
    landed: Landed = landing_nothing,
) -> dict[str, Any]:
    """Land the objects of a source that are new or have changed, and return the state of its pulls.

    Parameters
    ----------
    connector : Connector
        As the job changes it.
    config : SourceConfig
        Its ``path`` names the objects.
    folder : Path
        ``raw/<source>``.
    complain : function
        Makes an error of a message, naming the line of the job.
    full_refresh : bool
        Land all objects again, and forget those that are gone.
    landed : function
        Told how many records of a stream have come.

    Returns
    -------
    dict
        Stream -> ``batches``, ``records``, ``broken`` (records with broken text), ``objects`` (name -> version, batch,
        records, broken), ``columns``, ``changes`` and ``settings``. Objects that are gone stay until a full refresh.

    Raises
    ------
    InputError
        If there are none (and none was landed before, or all are to be landed again), or one cannot be read; what was
        landed before counts.
    """
    store = ObjectStore(config.path, config.shown, complain)
    state = read_state(folder)
    tidy(folder, state)
    listed, named = store.listed()
    if not listed and (full_refresh or not state):
        kept = " What was pulled before stays." if state else ""
        raise complain(f"no object matches '{config.shown}'.{kept}")
    names = list(listed)
    # Where all are gone that were landed before, nothing is new.
    found = files_of_streams(connector, config, names, named=named, complain=complain)[0] if names else {}
    folder.mkdir(parents=True, exist_ok=True)
    for stream, objects in found.items():
        if objects or stream in state:
            versions = {name: listed[name] for name in objects}
            pull = _Pull(store, folder, state, stream, connector.streams[stream], config, full_refresh=full_refresh)
            pull.tell = landed
            pull.run(versions)
            logger.info("%s: %d objects", stream, len(state[stream]["objects"]))
    tidy(folder, state)
    return state


class _Pull:
    """One pull of the objects of one stream."""

    def __init__(
        self,
        store: ObjectStore,
        folder: Path,
        state: dict[str, Any],
        name: str,
        stream: Stream,
        config: SourceConfig,
        *,
        full_refresh: bool,
    ) -> None:
        self.store, self.folder, self.state, self.name, self.stream = store, folder, state, name, stream
        self.columns = expected_columns(stream, config)
        told = json.dumps([config.shown, stream.format.model_dump(mode="json"), self.columns], sort_keys=True)
        self.settings = hashlib.sha256(told.encode()).hexdigest()[:32]
        known = state.get(name)
        same = known is not None and known.get("settings") == self.settings and "objects" in known
        self.before: dict[str, Any] = known if known is not None and same and not full_refresh else {}
        # What takes the place of other records counts when it is whole; what is added counts as it comes.
        self.replaces = known is not None and not self.before
        self.objects: dict[str, dict[str, Any]] = dict(self.before.get("objects", {}))
        self.batches: list[str] = list(self.before.get("batches", []))
        self.landed: list[str] = []
        self.tell: Landed = landing_nothing
        self.told = 0

    def run(self, versions: Mapping[PurePosixPath, str]) -> None:
        """Land what is new, some objects at a time, and note each time what counts."""
        wanted = [name for name, version in versions.items() if self._version_of(name) != version]
        while wanted:
            wanted = self._land(wanted)
            if not self.replaces:
                self._note()
        self._note()

    def _version_of(self, name: PurePosixPath) -> str | None:
        version: str | None = self.objects.get(str(name), {}).get("version")
        return version

    def _land(self, wanted: Sequence[PurePosixPath]) -> list[PurePosixPath]:
        """Land objects into one batch until it is large; return those that are left."""
        batch = self._next_name()
        landed: dict[str, dict[str, Any]] = {}
        cut: InputError | None = None
        with TellingWriter(self.folder / self.name / batch, self.name, self.tell, self.told) as writer:
            for name in wanted:
                try:
                    copied, version = self._fetch(name)
                except InputError as error:
                    cut = error
                    break
                landed[str(name)] = {"version": version, "batch": batch, **self._land_file(copied, name, writer)}
                if writer.rows >= CHECKPOINT:
                    break
            rows = writer.rows
        self.told += rows
        self._replace({name for name in landed if name in self.objects})
        self.objects |= landed
        if rows:
            self.batches.append(batch)
            self.landed.append(batch)
        if cut:
            if not self.replaces:
                self._note()
            raise cut
        return list(wanted[len(landed) :])

    def _next_name(self) -> str:
        used = [*self.state.get(self.name, {}).get("batches", []), *self.batches]
        return f"{max((int(name) for name in used), default=0) + 1:06d}"

    def _fetch(self, name: PurePosixPath) -> tuple[Path, str]:
        place = self.folder / FETCHED
        place.mkdir(parents=True, exist_ok=True)
        # Under one name: that of an object may be too long for a file, or odd.
        return place / "object", self.store.fetch(name, place / "object")

    def _land_file(self, copied: Path, name: PurePosixPath, writer: RawWriter) -> dict[str, int]:
        try:
            landed = land(copied, writer, stream=self.stream, name=str(name), columns=self.columns)
        except InputError as error:
            raise InputError(str(error).replace(str(copied), str(name))) from None
        finally:
            shutil.rmtree(copied.parent, ignore_errors=True)
        return {"records": landed.records, "broken": landed.replaced}

    def _replace(self, changed: set[str]) -> None:
        """Write the batches anew that hold records of objects that have changed, without those."""
        for batch in sorted({self.objects[name]["batch"] for name in changed}):
            fresh = f"{int(self._next_name()) + 1:06d}"
            with RawWriter(self.folder / self.name / fresh) as writer:
                for records in self._others(batch, changed):
                    writer.write(records)
                kept = writer.rows
            place = self.batches.index(batch)
            self.batches[place : place + 1] = [fresh] if kept else []
            for one in self.objects.values():
                if one["batch"] == batch:
                    one["batch"] = fresh

    def _others(self, batch: str, changed: set[str]) -> Iterator[Any]:
        for file in sorted((self.folder / self.name / batch).glob("*.parquet")):
            for records in pq.ParquetFile(file).iter_batches():
                theirs = pc.is_in(records.column(FILE), value_set=_texts(changed))
                others = records.filter(pc.invert(theirs))
                if others.num_rows:
                    yield others

    def _note(self) -> None:
        files = [file for batch in self.landed for file in sorted((self.folder / self.name / batch).glob("*.parquet"))]
        before: dict[str, str] = self.before.get("columns", {})
        columns = self._columns(files) or before
        self.state[self.name] = {
            "settings": self.settings,
            "batches": self.batches,
            "records": sum(one["records"] for one in self.objects.values()),
            "broken": sum(one["broken"] for one in self.objects.values()),
            "cursor": None,
            "objects": self.objects,
            "columns": columns,
            "changes": changed_columns(before, columns) or self.before.get("changes", []),
        }
        write_state(self.folder, self.state)

    def _columns(self, files: list[Path]) -> dict[str, str]:
        if self.stream.format.type == "json_lines":
            return json_columns(files)
        names = [name for file in files for name in pq.read_schema(file).names]
        return {name: "text" for name in names if not name.startswith("_")}


def _texts(names: set[str]) -> Any:
    import pyarrow as pa

    return pa.array(sorted(names), pa.string())
