"""Records from HTTP APIs that answer in JSON, page by page: by number, offset, link or token.

Requests that are throttled (429), fail on the server's side (5xx), take too long (408) or are cut are made again after
growing pauses, or after the one that ``Retry-After`` asks for. A pull that is cut for good goes on at the page it was
at.
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from journeymining.exceptions import InputError, MissingDependencyError
from journeymining.ingest.paging import Paged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journeymining.ingest.remote import ClientCredentials, Cursor, HttpConfig, Page

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 120
"""Seconds."""

LONG_WAIT, LONGEST_WAIT = 30, 900
"""Seconds that a server may ask for: from when on it is said, and beyond which the pull ends instead."""

AGAIN = frozenset({408, 429, *range(500, 600)})
"""Statuses after which a request is made again."""

READINGS = 3
"""How often an answer is asked for that is no JSON: one that was cut where nothing tells, or a page of a proxy."""

_SECONDS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*")


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
        self._config, self._complain = config, complain
        if not config.paths and len(streams) > 1:
            raise complain(f"say with 'http: paths' where the streams are: {', '.join(streams)}.")
        self._paged = {stream: self._stream(url, stream) for stream in config.paths or streams}
        if urlsplit(url).username is not None:
            raise complain("user and password in a url are not sent: say 'http: {auth: {basic: [user, password]}}'.")
        self._pool = urllib3.PoolManager(retries=self._retries(), timeout=config.timeout)
        self._token: str | None = None

    def _stream(self, url: str, stream: str) -> Paged:
        path = self._config.paths[stream].path if self._config.paths else ""
        return Paged(
            url, path, self._config.of(stream), lambda message: self._complain(f"stream '{stream}': {message}")
        )

    def _retries(self) -> Any:
        """Return what decides when a request is made again."""
        retry, invalid = self._urllib3.Retry, self._urllib3.exceptions.InvalidHeader
        complain = self._complain

        class Patient(retry):  # type: ignore[misc,valid-type]
            def parse_retry_after(self, retry_after: str) -> float:
                # Some servers say parts of a second, some a word: then the pauses are ours.
                try:
                    told = _SECONDS.fullmatch(retry_after)
                    seconds = float(told[1]) if told else float(super().parse_retry_after(retry_after))
                except invalid:
                    return 0
                if seconds > LONGEST_WAIT:
                    raise complain(
                        f"the server asks to wait for {seconds:.0f} seconds (Retry-After). Pull again after that: it "
                        "goes on where it was."
                    )
                logger.log(
                    logging.WARNING if seconds >= LONG_WAIT else logging.INFO,
                    "the server asks to wait for %.0f seconds",
                    seconds,
                )
                return seconds

        return Patient(
            total=self._config.attempts - 1,
            status_forcelist=AGAIN,
            allowed_methods=None,
            backoff_factor=0.5,
            backoff_max=LONGEST_PAUSE,
            raise_on_status=False,
            redirect=3,
            # Another host need not know what this one is told.
            remove_headers_on_redirect={*retry.DEFAULT_REMOVE_HEADERS_ON_REDIRECT, *self._config.headers},
        )

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that have a path."""
        return tuple(self._paged)

    def settings(self, stream: str) -> Any:
        """Return what decides which records a stream has."""
        return self._paged[stream].settings

    def cursor(self, stream: str) -> Cursor:
        """Return the cursor of a stream."""
        return self._paged[stream].config

    def columns(self, stream: str) -> dict[str, str]:
        """Return nothing: only the records tell."""
        del stream
        return {}

    def pages(self, stream: str, since: str | None, resume: str | None) -> Iterator[Page]:
        """Yield the pages of a stream; an empty page, or one without a next, is the last."""
        paged = self._paged[stream]
        where: str | None = paged.again(resume) if resume else paged.start(since)
        seen: set[str] = set()
        while where is not None:
            seen.add(where)
            answer, headers = self._get(*paged.request(where), form=paged.config.form)
            records = paged.records(answer, where)
            after = paged.next(where, answer, headers, len(records))
            if after in seen:
                if records:
                    raise self._complain(f"stream '{stream}': the pages go in a circle.")
                after = None
            yield paged.page(records, after)
            where = after

    def _get(self, method: str, where: str, body: Any, *, form: bool) -> tuple[Any, Any]:
        for reading in range(READINGS):
            response = self._ask(method, where, body, form=form)
            with suppress(ValueError):
                return json.loads(response.data), response.headers
            if reading + 1 < READINGS:
                time.sleep(0.5 * 2**reading)
        raise self._complain(f"the answer to {urlsplit(where).path} is no JSON.")

    def _ask(self, method: str, where: str, body: Any, *, form: bool) -> Any:
        errors = self._urllib3.exceptions
        sent: dict[str, Any] = {} if body is None else {"json": body}
        if body is not None and form:
            sent = {"fields": {name: str(value) for name, value in body.items()}, "encode_multipart": False}
        try:
            response = self._request(method, where, headers=self._headers(), **sent)
            if response.status == 401 and self._config.auth.oauth2 and self._token:
                self._token = None
                response = self._request(method, where, headers=self._headers(), **sent)
        except errors.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise self._complain(f"the server could not be read ({type(reason).__name__}).") from None
        if response.status != 200:
            path = urlsplit(where).path
            hint = " Are the credentials right?" if response.status in {401, 403} else ""
            raise self._complain(f"the server answered {response.status} to {path}.{hint}")
        return response

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
