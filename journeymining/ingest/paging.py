"""How an HTTP API splits the records of one stream into pages: where they begin, what is on one, where the next is.

An address is a URL whose query says how far we are, also where that goes into the body of a POST: so an address is all
that a pull needs to go on.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import pyarrow as pa

from journeymining.ingest.readers import TEXT
from journeymining.ingest.remote import CURSOR, Page, before, rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from journeymining.exceptions import InputError
    from journeymining.ingest.remote import HttpConfig

_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
WHOLE = "."
"""Place of the records of an answer that is one record itself."""


class Paged:
    """The pages of one stream, as addresses and answers; who asks for them is `journeymining.ingest.apis.Api`.

    Parameters
    ----------
    url : str
        Address that the path of the stream is added to.
    path : str
        The path.
    config : HttpConfig
        How the API gives the records of this stream.
    complain : function
        Makes an error of a message, naming the stream.
    """

    def __init__(self, url: str, path: str, config: HttpConfig, complain: Callable[[str], InputError]) -> None:
        self.url, self.path, self.config, self._complain = url, path, config, complain
        self._parameter = config.page.parameter or config.page.by
        self._first = config.page.first if config.page.first is not None else int(config.page.by == "page")
        # The path goes after that of the URL, not after its query.
        place, _, query = path.partition("?")
        parts = urlsplit(url)
        whole = f"{parts.path.rstrip('/')}/{place.lstrip('/')}" if place else parts.path
        self._base = urlunsplit(parts._replace(path=whole, query="&".join(filter(None, (parts.query, query)))))
        self._sent = {**_query(self._base), **config.parameters}

    @property
    def settings(self) -> list[Any]:
        """What decides which records there are, without secrets."""
        names = {"body", "form", "records", "parameters", "page", "since", "cursor"}
        told = self.config.model_dump(include=names, mode="json")
        return [urlsplit(self.url).hostname, urlsplit(self.url).path, self.path, told]

    def start(self, since: str | None) -> str:
        """Return the address of the first page, of records from a value of the cursor on."""
        extra = dict(self.config.parameters)
        if since is not None and self.config.since:
            extra[self.config.since] = before(since, self.config.overlap)
        if self.config.page.by in {"page", "offset"}:
            extra[self._parameter] = str(self._first)
        return with_query(self._base, extra)

    def kept(self, address: str) -> str:
        """Return an address as it may be written down: what the job sends along may be secret."""
        query = _query(address)
        return with_query(address, {name: "" for name, value in self._sent.items() if query.get(name) == value})

    def again(self, kept: str) -> str:
        """Return the address that `kept` was made of."""
        query = _query(kept)
        return with_query(kept, {name: value for name, value in self._sent.items() if query.get(name) == ""})

    def request(self, address: str) -> tuple[str, str, Any]:
        """Return method, URL and body (None: there is none) of the request for a page."""
        if self.config.body is None:
            return "GET", address, None
        body = copy.deepcopy(self.config.body)
        query = _query(address)
        for place in (self._parameter, self.config.since):
            if place and place in query:
                value = query.pop(place)
                counted = self.config.page.by in {"page", "offset"} and place == self._parameter
                _put(body, place, int(value) if counted else value)
        return "POST", urlunsplit(urlsplit(address)._replace(query=urlencode(query))), body

    def records(self, answer: Any, address: str) -> list[Any]:
        """Return the records of an answer."""
        place = self.config.records
        if place == WHOLE and isinstance(answer, dict):
            return [answer]
        found = at(answer, place) if place else answer
        if found is None and isinstance(answer, dict) and self._counted(address) not in {None, self._first}:
            # After the last record of a count, some leave the list away.
            return []
        if not isinstance(found, list):
            what = f"at '{place}'" if place else "as the answer; say with 'http: records' where it is"
            raise self._complain(f"no list of records {what}.")
        return found

    def _counted(self, address: str) -> int | None:
        return int(_query(address)[self._parameter]) if self.config.page.by in {"page", "offset"} else None

    def next(self, address: str, answer: Any, headers: Any, count: int) -> str | None:
        """Return the address of the page after this one, which has so many records; None after the last."""
        page = self.config.page
        if page.by == "none" or (page.more and not at(answer, page.more)) or (page.last and at(answer, page.last)):
            return None
        if page.size is not None and count < page.size:
            return None
        counted = self._counted(address)
        if counted is not None:
            step = count if page.by == "offset" else 1
            return with_query(address, {self._parameter: str(counted + step)}) if count else None
        found: Any = at(answer, page.next) if page.next else None
        if page.by == "cursor":
            return with_query(address, {self._parameter: str(found)}) if found not in (None, "") else None
        if not page.next:
            match = _NEXT.search(headers.get("Link", ""))
            found = match[1] if match else None
        return self._same_host(urljoin(address, str(found))) if found else None

    def _same_host(self, link: str) -> str:
        # Our token must not be sent to whoever an answer names.
        if urlsplit(link)[:2] != urlsplit(self.url)[:2]:
            other = f"{urlsplit(link).scheme}://{urlsplit(link).netloc.rpartition('@')[2]}"
            raise self._complain(f"the next page is on another server ({other}): not followed.")
        return link

    def page(self, records: list[Any], after: str | None) -> Page:
        """Return records as a page of JSON lines, with what the cursor says of them."""
        lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records]
        columns = {TEXT: pa.array(lines, pa.string())}
        largest = None
        if self.config.cursor:
            values = [at(record, self.config.cursor) for record in records]
            cursors = [None if value is None else str(value) for value in values]
            columns[CURSOR] = pa.array(cursors, pa.string())
            largest = max((value for value in cursors if value is not None), key=rank, default=None)
        return Page(pa.record_batch(columns), largest, after and self.kept(after))


def at(node: Any, place: str) -> Any:
    """Return what is at a dotted place of a JSON value, None where nothing is; a name with dots is found first.

    Places in a list count from 0, or from its end: -1 is the last.

    Examples
    --------
    >>> at({"paging": [{"next": 7}]}, "paging.0.next"), at({"@odata.nextLink": "x"}, "@odata.nextLink"), at({}, "a.b")
    (7, 'x', None)
    >>> at({"items": [{"token": "a"}, {"token": "b"}]}, "items.-1.token"), at({"items": []}, "items.-1.token")
    ('b', None)
    """
    if isinstance(node, dict) and place in node:
        return node[place]
    step, _, rest = place.partition(".")
    if isinstance(node, list) and step.removeprefix("-").isdecimal() and -len(node) <= int(step) < len(node):
        inner = node[int(step)]
    elif isinstance(node, dict):
        inner = node.get(step)
    else:
        return None
    return at(inner, rest) if rest else inner


def _put(node: Any, place: str, value: Any) -> None:
    """Set what is at a dotted place of a JSON value; objects that are not there are made."""
    step, _, rest = place.partition(".")
    key: Any = int(step) if isinstance(node, list) and step.isdecimal() else step
    if not rest:
        node[key] = value
    else:
        if isinstance(node, dict):
            node.setdefault(key, {})
        _put(node[key], rest, value)


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_query(url: str, parameters: dict[str, str]) -> str:
    """Return a URL with parameters added or replaced.

    Examples
    --------
    >>> with_query("https://example.org/a?page=1&q=x", {"page": "2"})
    'https://example.org/a?page=2&q=x'
    >>> with_query("https://example.org/a?field=b&field=c", {"page": "2"})
    'https://example.org/a?field=b&field=c&page=2'
    """
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in given]
    # A name may stand there several times, but for those that are replaced.
    pairs = [
        (name, parameters.get(name, value))
        for place, (name, value) in enumerate(given)
        if name not in parameters or name not in names[:place]
    ]
    pairs += [(name, value) for name, value in parameters.items() if name not in names]
    return urlunsplit(parts._replace(query=urlencode(pairs)))
