"""Requests to hubs and registries, which are not trusted: limits on time and size, and no token to another host."""

from __future__ import annotations

import json
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SHUT_RDWR
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from socket import socket
    from typing import IO

SECONDS = 30
_LARGEST = 16 << 20


class UnresolvedError(Exception):
    """A revision or a tag that cannot be resolved, and why."""


class Answer(NamedTuple):
    """The status, the headers and the body of an answer."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None if it is something else."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class _Redirects(HTTPRedirectHandler):
    """Follow redirects within the web; the token is for the first host only."""

    def redirect_request(  # noqa: PLR0913, PLR0917 - urllib's signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            return None
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request


class _Timed(HTTPConnection):
    """A connection that ends after SECONDS: a limit on each read lets a server send a byte now and then, forever."""

    def connect(self) -> None:
        super().connect()
        end = Timer(SECONDS, _ended, (self.sock,))
        end.daemon = True
        end.start()


class _TimedByTLS(_Timed, HTTPSConnection):
    """The same with TLS."""


def _ended(connection: socket) -> None:
    with suppress(OSError):  # it has ended
        connection.shutdown(SHUT_RDWR)


class _HTTP(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Timed, req)


class _HTTPS(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_TimedByTLS, req)


_OPENER = build_opener(_Redirects, _HTTP, _HTTPS)


def asked(url: str, headers: Mapping[str, str], method: str = "GET") -> Answer:
    """The answer of a server, whatever its status; raises UnresolvedError if none comes."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    began = monotonic()
    try:
        with _OPENER.open(Request(url, headers=dict(headers), method=method), timeout=SECONDS) as answer:  # noqa: S310 - the callers make http and https addresses only
            found = Answer(answer.status, answer.headers, _body(answer, host))
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, b"")
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or monotonic() - began >= SECONDS:
            raise UnresolvedError(f"{host} does not answer within {SECONDS} seconds") from error
        if isinstance(error, URLError):
            raise UnresolvedError(f"cannot reach {host}: {error.reason}") from error
        raise UnresolvedError(f"cannot read the answer of {host}: {error or type(error).__name__}") from error
    if monotonic() - began >= SECONDS:  # the answer was cut
        raise UnresolvedError(f"{host} does not answer within {SECONDS} seconds")
    return found


def _body(answer: IO[bytes], host: str) -> bytes:
    body = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise UnresolvedError(f"the answer of {host} is larger than {_LARGEST >> 20} MiB")
    return body
