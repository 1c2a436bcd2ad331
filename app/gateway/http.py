"""Signed HTTP to Core: the client's signature, with time-outs and with every status kept.

The client's own connection object is process-wide, waits for ever and turns every failure into ``False``; only its
models and its signature are used here (decision 0004).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from cytomine.cytomine import CytomineAuth
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from app import spans
from app.errors import PlatformTimeout, PlatformUnavailable, ServiceError
from app.gateway.wire import ONLY_AS_IT_IS, check_status, no_cookies, read_bounded
from app.settings import PlatformSettings
from app.usecases.ports import ApiKeys, BearerToken, Credentials

_CONNECTIONS = 64
_PIECE_BYTES = 2**16


class NotThere(ServiceError):
    """Core answered 404; the caller knows what it had asked for and raises the error of that kind."""

    what = "deleted"

    def __init__(self, detail: str, core_says: str = "", **facts: object) -> None:
        super().__init__(detail, **facts)
        self.core_says = core_says


class NotAsRead(ServiceError):
    """Core answered 412: what was to be overwritten is not what was read any more."""

    what = "edited"


class BearerAuth(AuthBase):
    """Hands a user's own token on to Core.

    Parameters
    ----------
    token : str
        As the user sent it.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["authorization"] = f"Bearer {self._token}"
        return request


class CoreHttp:
    """One account at one Core. Safe to share between threads: nothing changes after construction.

    Parameters
    ----------
    settings : PlatformSettings
        Host, keys of the service account, time-outs, and how long an answer may be.
    """

    def __init__(self, settings: PlatformSettings) -> None:
        self._host = settings.host
        self._timeout_s = (settings.connect_timeout_s, settings.read_timeout_s)
        self._answer_timeout_s, self._most_bytes = settings.answer_timeout_s, settings.max_answer_bytes
        self._auth = self._signing(ApiKeys(settings.public_key, settings.private_key.get_secret_value()))
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc or a proxy of the environment must not touch signed calls
        self._session.cookies.set_policy(no_cookies())
        adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def acting_as(self, credentials: Credentials) -> CoreHttp:
        """Give the same Core, over the same connections, for the user of a bearer token or of keys."""
        other = copy(self)
        if isinstance(credentials, BearerToken):
            other._auth = BearerAuth(credentials.text)
        else:
            other._auth = self._signing(credentials)
        return other

    def _signing(self, keys: ApiKeys) -> AuthBase:
        url = urlsplit(self._host)
        auth: AuthBase = CytomineAuth(keys.public, keys.private, f"{url.scheme}://{url.netloc}", "")
        return auth

    def get(self, uri: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read a JSON object from ``/api/<uri>``; raises `NotThere` and the leaves of `PlatformError`."""
        return self._call("GET", uri, query=query)

    def put(self, uri: str, body: str, *, if_match: str | None = None) -> dict[str, Any]:
        """Write a JSON text to ``/api/<uri>``; raises as `get`, and `NotAsRead`.

        Parameters
        ----------
        if_match : str, optional
            Core's ``updated`` of what is overwritten.
        """
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        return self._call("PUT", uri, body=body, headers=headers)

    def post(self, uri: str, body: str) -> dict[str, Any]:
        """Add what a JSON text says to ``/api/<uri>``; raises as `get`."""
        return self._call("POST", uri, body=body)

    def delete(self, uri: str) -> dict[str, Any]:
        """Delete ``/api/<uri>``; raises as `get`."""
        return self._call("DELETE", uri)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _call(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        def ask() -> requests.Response:
            return self._session.request(
                method,
                f"{self._host}/api/{uri}",
                params=query,
                data=None if body is None else body.encode(),
                headers={**_headers(method), **(headers or {})},
                auth=self._auth,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
            )

        until = time.monotonic() + self._answer_timeout_s
        try:
            try:
                answer = ask()
            except requests.ConnectionError as error:
                if method != "GET" or not any(isinstance(each, ConnectionResetError) for each in _chain(error)):
                    raise
                answer = ask()  # Core closed a kept connection just when it was to be used again
            with answer:
                content = read_bounded(_pieces(answer), "Core", most_bytes=self._most_bytes, until=until)
        except (requests.Timeout, ReadTimeoutError) as error:
            raise PlatformTimeout(f"Core did not answer {method} {uri} in time.") from error
        except (requests.RequestException, HTTPError) as error:
            why = type(list(_chain(error))[-1]).__name__  # its text has addresses of objects
            raise PlatformUnavailable(f"Core could not be reached for {method} {uri}: {why}.") from error
        return _read(f"{method} {uri}", answer.status_code, _text(answer, content))


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """Give what comes as it comes; the library's own iteration waits until a piece is full."""
    return iter(lambda: answer.raw.read1(_PIECE_BYTES, decode_content=True), b"")


def _headers(method: str) -> dict[str, str]:
    """Give the headers that the client sets; the date takes part in the signature."""
    headers = {
        "accept": "application/json, */*",
        "date": format_datetime(datetime.now(UTC)),
        "X-Requested-With": "XMLHTTPRequest",
        **ONLY_AS_IT_IS,
        **spans.traceparent(),
    }
    if method != "GET":
        headers["content-type"] = "application/json"
    return headers


def _text(answer: requests.Response, content: bytes) -> str:
    """Decode an answer; its own label counts, where it makes sense."""
    try:
        return content.decode(answer.encoding or "utf-8", errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def _read(asked: str, status: int, text: str) -> dict[str, Any]:
    """Turn an answer into its JSON object, or its status into an error."""
    facts: dict[str, Any] = {"core_status": status}
    said = _message(text) if status != 200 else ""
    if status == 404:
        raise NotThere(f"Core does not know {asked}{said}.", said.removeprefix(": "), **facts)
    if status == 412:
        raise NotAsRead(f"Core now has something else ({asked}).", **facts)
    check_status(status, "Core", asked, said, **facts)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlatformUnavailable(f"Core answered {asked} with something that is not JSON.", **facts) from error
    if not isinstance(body, dict):
        raise PlatformUnavailable(f"Core answered {asked} with something that is not a JSON object.", **facts)
    return body


def _message(text: str) -> str:
    """Find Core's own words; ``errors`` is an object or a string, or the body is an HTML page, whatever its label."""
    try:
        errors = json.loads(text).get("errors", "")
    except (ValueError, RecursionError, AttributeError):
        return ""
    words = errors.get("message", "") if isinstance(errors, dict) else errors
    return f": {str(words).strip().rstrip('.')}" if words else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Go through an error and what led to it, the innermost last."""
    while error is not None:
        yield error
        error = error.__context__
