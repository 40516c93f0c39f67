"""Records from HTTP APIs that answer in JSON, page by page: by number, offset, link or token.

Requests that are throttled (429), fail on the server's side (5xx) or are cut are made again after growing pauses, or
after the one that ``Retry-After`` asks for. A pull that is cut for good goes on at the page it was at.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import pyarrow as pa

from journeymining.exceptions import InputError, MissingDependencyError
from journeymining.ingest.readers import TEXT
from journeymining.ingest.remote import CURSOR, Page, before, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from journeymining.ingest.remote import ClientCredentials, Cursor, HttpConfig

_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
LONGEST_PAUSE = 120
"""Seconds."""


class Api:
    """Pulls the streams of an HTTP API; see `journeymining.ingest.remote.Puller`.

    Parameters
    ----------
    url : str
        Address that the paths of the streams are added to.
    config : HttpConfig
        How the API gives its records.
    streams : list of str
        Streams of the connector.
    complain : function
        Makes an error of a message, naming the line of the job.
    """

    def __init__(self, url: str, config: HttpConfig, streams: list[str], complain: Callable[[str], InputError]) -> None:
        try:
            import urllib3
        except ImportError:
            raise MissingDependencyError.extra("urllib3", "http") from None
        self._urllib3 = urllib3
        self._url, self._config, self._complain = url, config, complain
        if not config.paths and len(streams) > 1:
            raise complain(f"say with 'http: paths' where the streams are: {', '.join(streams)}.")
        self._paths = dict(config.paths) or {streams[0]: ""}
        retries = urllib3.Retry(
            total=config.attempts - 1,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            backoff_factor=0.5,
            backoff_max=LONGEST_PAUSE,
            raise_on_status=False,
            redirect=3,
        )
        self._pool = urllib3.PoolManager(retries=retries, timeout=config.timeout)
        self._token: str | None = None

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that have a path."""
        return tuple(self._paths)

    def settings(self, stream: str) -> Any:
        """Return what decides which records a stream has."""
        kept = self._config.model_dump(include={"records", "parameters", "page", "since", "cursor"}, mode="json")
        return [urlsplit(self._url).hostname, urlsplit(self._url).path, self._paths[stream], kept]

    def cursor(self, stream: str) -> Cursor:
        """Return the cursor, the same for all streams."""
        del stream
        return self._config

    def columns(self, stream: str) -> dict[str, str]:
        """Return nothing: only the records tell."""
        del stream
        return {}

    def pages(self, stream: str, since: str | None, resume: str | None) -> Iterator[Page]:
        """Yield the pages of a stream; an empty page, or one without a next, is the last."""
        start = self._address(stream, since)
        where: str | None = _with(resume, self._config.parameters) if resume else start
        seen: set[str] = set()
        while where is not None:
            seen.add(where)
            answer, headers = self._get(where)
            records = self._records(answer, stream)
            after = self._next(where, answer, headers, len(records))
            if after in seen:
                if records:
                    raise self._complain(f"stream '{stream}': the pages go in a circle.")
                after = None
            # What the job sends along may be secret, and where we are is written down.
            yield self._page(records, after and _without(after, self._config.parameters))
            where = after

    def _address(self, stream: str, since: str | None) -> str:
        base = self._url.rstrip("/") + "/" + self._paths[stream].lstrip("/") if self._paths[stream] else self._url
        page = self._config.page
        extra = dict(self._config.parameters)
        if since is not None and self._config.since:
            extra[self._config.since] = before(since, self._config.overlap)
        if page.by in {"page", "offset"}:
            extra[self._parameter()] = str(self._first())
        return _with(base, extra)

    def _parameter(self) -> str:
        page = self._config.page
        defaults = {"page": "page", "offset": "offset", "cursor": "cursor"}
        return page.parameter or defaults[page.by]

    def _first(self) -> int:
        page = self._config.page
        return page.first if page.first is not None else int(page.by == "page")

    def _next(self, where: str, answer: Any, headers: Any, count: int) -> str | None:
        page = self._config.page
        if page.by == "none" or (page.by in {"page", "offset"} and not count):
            return None
        if page.by in {"page", "offset"}:
            at = int(dict(parse_qsl(urlsplit(where).query))[self._parameter()])
            return _with(where, {self._parameter(): str(at + (count if page.by == "offset" else 1))})
        found: Any = _at(answer, page.next) if page.next else None
        if page.by == "cursor":
            return _with(where, {self._parameter(): str(found)}) if found not in (None, "") else None
        if not page.next:
            match = _NEXT.search(headers.get("Link", ""))
            found = match[1] if match else None
        return self._same_host(urljoin(where, str(found))) if found else None

    def _same_host(self, link: str) -> str:
        # Our token must not be sent to whoever an answer names.
        if urlsplit(link)[:2] != urlsplit(self._url)[:2]:
            raise self._complain(f"the next page is on another server ({urlsplit(link).netloc}): not followed.")
        return link

    def _get(self, where: str) -> tuple[Any, Any]:
        errors = self._urllib3.exceptions
        try:
            response = self._request("GET", where, headers=self._headers())
            if response.status == 401 and self._config.auth.oauth2 and self._token:
                self._token = None
                response = self._request("GET", where, headers=self._headers())
        except errors.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise self._complain(f"the server could not be read ({type(reason).__name__}).") from None
        if response.status != 200:
            path = urlsplit(where).path
            hint = " Are the credentials right?" if response.status in {401, 403} else ""
            raise self._complain(f"the server answered {response.status} to {path}.{hint}")
        try:
            return json.loads(response.data), response.headers
        except ValueError:
            raise self._complain(f"the answer to {urlsplit(where).path} is no JSON.") from None

    def _request(self, method: str, url: str, **options: Any) -> Any:
        # It logs whole addresses, and what the job sends along in them may be secret.
        talkative = [logging.getLogger(f"urllib3.{name}") for name in ("connectionpool", "util.retry")]
        silent = [logger.disabled for logger in talkative]
        for logger in talkative:
            logger.disabled = True
        try:
            return self._pool.request(method, url, **options)
        finally:
            for logger, was in zip(talkative, silent, strict=True):
                logger.disabled = was

    def _headers(self) -> dict[str, str]:
        auth = self._config.auth
        headers = {"Accept": "application/json", "User-Agent": "journeymining"}
        headers |= {name: value.get_secret_value() for name, value in self._config.headers.items()}
        if auth.basic:
            headers |= self._urllib3.make_headers(basic_auth=f"{auth.basic[0]}:{auth.basic[1].get_secret_value()}")
        if auth.oauth2:
            self._token = self._token or self._fetch_token(auth.oauth2)
        token = auth.bearer.get_secret_value() if auth.bearer else self._token
        return headers | ({"Authorization": f"Bearer {token}"} if token else {})

    def _fetch_token(self, oauth: ClientCredentials) -> str:
        fields = {
            "grant_type": "client_credentials",
            "client_id": oauth.client_id.get_secret_value(),
            "client_secret": oauth.client_secret.get_secret_value(),
        }
        if oauth.scope:
            fields["scope"] = oauth.scope
        try:
            response = self._request("POST", oauth.token_url, fields=fields, encode_multipart=False)
            token = json.loads(response.data).get("access_token") if response.status == 200 else None
        except (self._urllib3.exceptions.HTTPError, ValueError, AttributeError):
            response, token = None, None
        if not isinstance(token, str):
            said = f"answered {response.status}" if response is not None else "could not be read"
            raise self._complain(f"no token from {urlsplit(oauth.token_url).netloc}: it {said}.")
        return token

    def _records(self, answer: Any, stream: str) -> list[Any]:
        place = self._config.records
        found = _at(answer, place) if place else answer
        if not isinstance(found, list):
            what = f"at '{place}'" if place else "as the answer; say with 'http: records' where it is"
            raise self._complain(f"stream '{stream}': no list of records {what}.")
        return found

    def _page(self, records: list[Any], after: str | None) -> Page:
        lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records]
        columns = {TEXT: pa.array(lines, pa.string())}
        largest = None
        if self._config.cursor:
            values = [_at(record, self._config.cursor) for record in records]
            cursors = [None if value is None else str(value) for value in values]
            columns[CURSOR] = pa.array(cursors, pa.string())
            largest = max((value for value in cursors if value is not None), key=rank, default=None)
        return Page(pa.record_batch(columns), largest, after)


def _at(node: Any, place: str) -> Any:
    """Return what is at a dotted place of a JSON value, None where nothing is."""
    for step in place.split("."):
        if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, dict):
            node = node.get(step)
        else:
            return None
    return node


def _without(url: str, names: Iterable[str]) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in set(names)]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _with(url: str, parameters: dict[str, str]) -> str:
    """Return a URL with parameters added or replaced."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **parameters}
    return urlunsplit(parts._replace(query=urlencode(query)))
