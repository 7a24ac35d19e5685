"""The routes of the Hugging Face hub and of ModelScope that their clients use, from a directory and into it."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from e2e.hub_uploads import COMMIT, Uploads, blob_id, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "hub-token-7f3a"  # noqa: S105 - it must not be printed


class _Hub(Uploads):
    """Repository `owner/name` is the directory of that name, with one commit and one branch, main or master.

    Branches that its client makes are the directories `owner/name@branch`.
    """

    def do_GET(self) -> None:  # noqa: N802 - the name is http.server's
        address = urlsplit(self.path)
        path, query = unquote(address.path).strip("/").split("/"), parse_qs(address.query)
        if not self.knows_token():
            self._error(401, "GatedRepo")
        elif path[:3] == ["api", "v1", "models"] or path[:3] == ["api", "v1", "datasets"]:
            self._modelscope(path[3:], query)
        elif path[0] == "api":
            self._huggingface(path[1:])
        else:
            place = path[1:] if path[0] == "datasets" else path
            self._file(self.files.joinpath(*place[:2], *place[4:]))

    def do_HEAD(self) -> None:  # noqa: N802 - the name is http.server's
        self.do_GET()

    def knows_token(self) -> bool:
        return f"Bearer {TOKEN}" == self.headers["Authorization"] or TOKEN in (self.headers["Cookie"] or "")

    def tell(self, value: object, status: int = 200) -> None:
        self._json(value, 404 if value is None else status)

    def refuse(self, status: int, code: str) -> None:
        self._error(status, code)

    def _huggingface(self, path: list[str]) -> None:
        if path[0] not in ("models", "datasets"):
            self._error(404, "EntryNotFound")
            return
        repository, revision = self.files.joinpath(*path[1:3]), path[4] if len(path) > 4 else "main"
        branch = repository.with_name(f"{repository.name}@{revision}")
        if not repository.is_dir():
            self._error(404, "RepoNotFound")
        elif branch.is_dir():
            siblings = [_sibling(name, file) for name, file in _listing(branch)]
            self._json({"id": "/".join(path[1:3]), "sha": COMMIT, "tags": [], "siblings": siblings})
        elif revision not in ("main", COMMIT):
            self._error(404, "RevisionNotFound")
        elif path[3:4] == ["tree"]:
            below = repository.joinpath(*path[5:])
            files = sorted(file for file in below.rglob("*") if below.is_dir())
            self._json([entry_of(str(file.relative_to(repository)), file) for file in files])
        else:
            siblings = [_sibling(name, file) for name, file in _listing(repository)]
            self._json(
                {
                    "id": "/".join(path[1:3]),
                    "sha": COMMIT,
                    "private": self.is_private(repository),
                    "tags": [],
                    "siblings": siblings,
                }
            )

    def _modelscope(self, path: list[str], query: dict[str, list[str]]) -> None:
        repository = self.files.joinpath(*path[:2])
        if not repository.is_dir() or query.get("Revision", ["master"]) != ["master"]:
            self._json({"Code": 10010205001, "Success": False, "Message": "record not found"}, 404)
        elif "FilePath" in query:
            self._file(repository / query["FilePath"][0])
        else:
            entry = {"Type": "blob", "Revision": COMMIT, "IsLFS": False, "Mode": "33188"}
            files = [
                {**entry, "Name": file.name, "Path": name, "Size": file.stat().st_size, "Sha256": _sha256(file)}
                for name, file in _listing(repository)
            ]
            self._json({"Code": 200, "Success": True, "Data": {"Files": files}})

    def _file(self, file: Path) -> None:
        if file.is_file():
            self._answer(200, file.read_bytes(), {"ETag": f'"{_sha256(file)}"', "X-Repo-Commit": COMMIT})
        else:
            self._error(404, "EntryNotFound")

    def _json(self, value: object, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str) -> None:
        self._answer(status, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


def _listing(repository: Path) -> list[tuple[str, Path]]:
    return sorted((str(file.relative_to(repository)), file) for file in repository.rglob("*") if file.is_file())


def _sibling(name: str, file: Path) -> dict[str, object]:
    content = file.read_bytes()
    lfs = {"sha256": _sha256(file), "size": len(content), "pointerSize": 134}
    sibling = {"rfilename": name, "size": len(content), "blobId": blob_id(content)}
    return {**sibling, "lfs": lfs} if len(content) > 5000 else sibling


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def serve_hub(files: Path, certificate: Path | None = None) -> Iterator[str]:
    """Serve the repositories in a directory until the end of the block; yields the address.

    With a certificate, whose key is in the same directory, the server uses TLS.
    """
    handler = type("Hub", (_Hub,), {"files": files})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
