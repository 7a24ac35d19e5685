"""A proxy for a real server that becomes slow, fails or lies, for some requests or from one on."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = b"<html><title>Sign in</title></html>"
_TRICKLE_SECONDS = 0.3


@dataclass
class Fault:
    """The fault of `times` requests from number `start` on (the first is 1); `before` is called before each."""

    kind: str = ""
    start: int = 1
    times: int = 1_000_000
    before: Callable[[int], None] = lambda _: None
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    hanging: threading.Event = field(default_factory=threading.Event)

    def of(self, request: str) -> str:
        """The fault for a request, or None if it is answered correctly."""
        with self.lock:
            self.seen.append(request)
            number = len(self.seen)
            self.before(number)
        return self.kind if self.start <= number < self.start + self.times else ""

    def has_seen(self, number: int) -> bool:
        """Whether this many requests have arrived."""
        return len(self.seen) >= number


class _Proxy(BaseHTTPRequestHandler):
    upstream: ClassVar[int]
    fault: ClassVar[Fault]

    def do_GET(self) -> None:
        kind = self.fault.of(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if kind.isdecimal():
            self._answer(int(kind), {"Content-Type": "application/json"}, b"{}")
        elif kind == "page":
            self._answer(200, {"Content-Type": "text/html", "ETag": '"e"'}, PAGE)
        elif kind == "redirects":
            self._answer(302, {"Location": f"http://{self.headers['Host']}{self.path}"}, b"")
        elif kind == "hangs":
            self._hang()
        elif kind == "reset":
            self._reset()
        else:
            self._forward(kind, body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _forward(self, kind: str, body: bytes) -> None:
        connection = HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if kind == "done-and-hangs":
            self._hang()
        if kind == "done-and-reset":
            self._reset()
            return
        changed = {"zeros": bytes(len(content))}.get(kind, content)
        dropped = ("transfer-encoding", "connection", "date", "server")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        self._answer(answer.status, headers, changed, kind)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, kind: str = "") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        if kind == "trickles":
            self._trickle(body)
        elif kind == "cut":
            self.wfile.write(body[:half])
        elif kind == "reset-half-way":
            self.wfile.write(body[:half])
            self.wfile.flush()
            self._reset()
        else:
            self.wfile.write(body)

    def _trickle(self, body: bytes) -> None:
        for position in range(len(body)):
            self.wfile.write(body[position : position + 1])
            self.wfile.flush()
            time.sleep(_TRICKLE_SECONDS)

    def _hang(self) -> None:
        self.fault.hanging.set()
        time.sleep(60)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def handle(self) -> None:
        # Most clients end here in the middle of an answer.
        try:
            super().handle()
        except (OSError, ValueError):
            return

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


@contextmanager
def faulty(upstream: int, fault: Fault) -> Iterator[str]:
    """Proxy a server on loopback until the end of the block; yields the address."""
    handler = type("Proxy", (_Proxy,), {"upstream": upstream, "fault": fault})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
