"""A small HTTP server that answers as an API server does: lists, pages, tables of errors and logs."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftc.cluster.snapshot import Snapshot

KINDS = {
    ("batch.volcano.sh", "jobs"): "Job",
    ("batch", "jobs"): "Job",
    ("scheduling.volcano.sh", "podgroups"): "PodGroup",
    ("scheduling.volcano.sh", "queues"): "Queue",
    ("jobset.x-k8s.io", "jobsets"): "JobSet",
    ("trainer.kubeflow.org", "trainjobs"): "TrainJob",
    ("storage.k8s.io", "storageclasses"): "StorageClass",
    ("", "pods"): "Pod",
    ("", "events"): "Event",
    ("", "nodes"): "Node",
    ("", "persistentvolumeclaims"): "PersistentVolumeClaim",
    ("", "configmaps"): "ConfigMap",
}


class Answers:
    """The objects of the server, and the faults that it has; `asked` is the log of its requests."""

    def __init__(self, snapshot: Snapshot, *, page: int = 500) -> None:
        self.snapshot, self.page = snapshot, page
        self.faults: dict[str, list[tuple[int, str]]] = {}
        self.asked: list[str] = []
        self.version = "1"
        self.retry_after = "0"
        self.accept = ""

    def change(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        """The status and the body for a request that writes; this server is only read."""
        return 405, json.dumps({"kind": "Status", "message": f"{method} {path}: {body}", "code": 405}).encode()

    def answer(self, path: str) -> tuple[int, bytes]:
        """The status and the body for a path with its query."""
        parts = urlsplit(path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        self.asked.append(path)
        *_, plural = parts.path.split("/")
        for status, message in [fault for fault in [self._fault(plural)] if fault]:
            return status, json.dumps({"kind": "Status", "message": message, "code": status}).encode()
        if parts.path == "/apis":
            return 200, json.dumps(
                {"groups": [{"name": name} for name in sorted({group for group, _ in KINDS})]}
            ).encode()
        if plural == "log":
            pod = parts.path.split("/")[-2]
            return 200, self.snapshot.logs.get(f"{pod}.{query['container']}", "").encode()
        group = parts.path.split("/")[2] if parts.path.startswith("/apis/") else ""
        kind = KINDS.get((group, parts.path.split("/")[-2]))
        if kind is not None and (group, plural) not in KINDS:
            return self._named(group, kind, plural)
        if (group, plural) not in KINDS:
            return 404, b"404 page not found"
        return 200, json.dumps(self._listed(group, KINDS[group, plural], query)).encode()

    def _fault(self, plural: str) -> tuple[int, str] | None:
        left = self.faults.get(plural, [])
        return left.pop(0) if left else None

    def _named(self, group: str, kind: str, name: str) -> tuple[int, bytes]:
        found = next((one for one in self.snapshot.of(kind, group) if one["metadata"]["name"] == name), None)
        missing = {"kind": "Status", "code": 404, "message": f'{kind} "{name}" not found'}
        return (200 if found else 404), json.dumps(found or missing).encode()

    def pieces(self, path: str) -> Iterator[bytes] | None:  # noqa: ARG002 - a stream overrides it
        """The pieces of an answer that is streamed; one that raises ConnectionError breaks the connection."""
        return None

    def _listed(self, group: str, kind: str, query: dict[str, str]) -> Any:
        found = self.snapshot.of(kind, group)
        rows = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in found]
        start = int(query.get("continue", "0"))
        metadata = {"continue": str(start + self.page)} if start + self.page < len(rows) else {}
        metadata |= {"resourceVersion": self.version}
        version = found[0]["apiVersion"] if found else "v1"
        items = rows[start : start + self.page]
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items}


@contextmanager
def serving(answers: Answers, folder: Path) -> Iterator[Path]:
    """A kubeconfig for a server that gives these answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answers.accept = self.headers["Accept"]
            pieces = answers.pieces(self.path)
            if pieces is not None:
                self._stream(pieces)
                return
            self._send(*answers.answer(self.path))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(*answers.change(self.command, self.path, body))

        do_DELETE = do_POST  # noqa: N815 - the name that http.server looks for

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Retry-After", answers.retry_after)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, pieces: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    file = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    context = {"name": "team", "context": {"cluster": "c", "user": "u", "namespace": "team"}}
    user = {"name": "u", "user": {"token": "secret-of-the-user"}}
    file.write_text(
        json.dumps({"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "team"})
    )
    try:
        yield file
    finally:
        server.shutdown()
        server.server_close()
