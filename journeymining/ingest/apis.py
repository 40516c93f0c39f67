"""Records from HTTP APIs that answer in JSON, page by page: by number, offset, link or token.

Requests that are throttled (429), fail on the server's side (5xx) or are cut are made again after growing pauses, or
after the one that ``Retry-After`` asks for. A pull that is cut for good goes on at the page it was at.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from journeymining.exceptions import InputError, MissingDependencyError
from journeymining.ingest.paging import Paged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journeymining.ingest.remote import ClientCredentials, Cursor, HttpConfig, Page

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
        self._config, self._complain = config, complain
        if not config.paths and len(streams) > 1:
            raise complain(f"say with 'http: paths' where the streams are: {', '.join(streams)}.")
        self._paged = {stream: self._stream(url, stream) for stream in config.paths or streams}
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

    def _stream(self, url: str, stream: str) -> Paged:
        path = self._config.paths[stream].path if self._config.paths else ""
        return Paged(
            url, path, self._config.of(stream), lambda message: self._complain(f"stream '{stream}': {message}")
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
