"""The routes of the Hugging Face hub to which its client posts: for a commit, and for information on paths."""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def entry_of(name: str, file: Path) -> dict[str, object]:
    """The hub's description of a file or a directory."""
    if file.is_dir():
        return {"type": "directory", "path": name, "size": 0, "oid": COMMIT}
    return {"type": "file", "path": name, "size": file.stat().st_size, "oid": COMMIT}


def blob_id(content: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()  # noqa: S324 - git's


class Uploads(BaseHTTPRequestHandler):
    """Weights go by LFS to an address without a token, like the hub's store; other files are in the commit.

    A commit to a branch other than main goes to the directory `name@branch`; the file `name.commits` next to it has a
    line for each. It speaks no Xet.
    """

    files: Path

    def do_POST(self) -> None:
        path = self.path.split("?")[0].strip("/").split("/")
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if not self.knows_token():
            self.refuse(401, "GatedRepo")
        elif path == ["api", "repos", "create"]:
            asked = json.loads(body)
            place = self.files / (asked["organization"] or "me") / asked["name"]
            if (asked.get("private") or asked.get("visibility") == "private") and not place.exists():
                self._private(place).touch()
            self._make(place)
        elif path[:2] == ["api", "models"] and path[4] == "branch":
            self._make(self.files / path[2] / f"{path[3]}@{path[5]}")
        elif path[:2] == ["api", "models"] and path[4] == "preupload":
            self._modes(self._branch(path), json.loads(body))
        elif path[:2] == ["api", "models"] and path[4] == "commit":
            self._commit(self._branch(path), body)
        elif path[4:5] == ["paths-info"]:
            self._paths(self.files.joinpath(*path[2:4]), parse_qs(body.decode())["paths"])
        elif path[-1] == "batch":
            self._batch(json.loads(body))
        else:
            self.tell({} if path == ["api", "validate-yaml"] else None)

    def do_PUT(self) -> None:
        body, oid = self.rfile.read(int(self.headers["Content-Length"])), self.path.rpartition("/")[2]
        if hashlib.sha256(body).hexdigest() == oid:
            self._object(oid).write_bytes(body)
            self.tell({})
        else:
            self.refuse(400, "BadObject")

    def knows_token(self) -> bool:
        """Whether the request has the token."""
        raise NotImplementedError

    def tell(self, value: object, status: int = 200) -> None:
        """Answer with JSON, or with 404 if there is no value."""
        raise NotImplementedError

    def refuse(self, status: int, code: str) -> None:
        """Answer with an error of the hub."""
        raise NotImplementedError

    def is_private(self, repository: Path) -> bool:
        """Whether a repository was made so; one that was there before is public."""
        return self._private(repository).exists()

    def _private(self, repository: Path) -> Path:
        made = self.files.parent / "private"
        made.mkdir(exist_ok=True)
        return made / f"{repository.parent.name}--{repository.name}"

    def _object(self, oid: str) -> Path:
        store = self.files.parent / "lfs"
        store.mkdir(exist_ok=True)
        return store / oid

    def _paths(self, repository: Path, names: list[str]) -> None:
        found = [(name, repository / name) for name in names if (repository / name).exists()]
        self.tell([entry_of(name, file) for name, file in found])

    def _make(self, place: Path) -> None:
        made = not place.exists()
        place.mkdir(parents=True, exist_ok=True)
        self.tell({"url": f"http://{self.headers['Host']}/{place.parent.name}/{place.name}"}, 200 if made else 409)

    def _branch(self, path: list[str]) -> Path:
        return self.files / path[2] / (path[3] if path[5] == "main" else f"{path[3]}@{path[5]}")

    def _modes(self, repository: Path, asked: Any) -> None:
        def mode(name: str) -> dict[str, object]:
            lfs, file = name.endswith(".safetensors"), repository / name
            content = file.read_bytes() if file.is_file() else None
            digest = None if content is None else hashlib.sha256(content).hexdigest() if lfs else blob_id(content)
            return {
                "path": name,
                "uploadMode": "lfs" if lfs else "regular",
                "shouldIgnore": name in ignored,
                "oid": digest,
            }

        rules = repository / ".gitignore"
        ignored = rules.read_text(encoding="utf-8").splitlines() if rules.is_file() else []

        self.tell({"files": [mode(wanted["path"]) for wanted in asked["files"]]})

    def _batch(self, asked: Any) -> None:
        def entry(wanted: Any) -> Any:
            upload = {"href": f"http://{self.headers['Host']}/lfs/{wanted['oid']}"}
            return {**wanted, **({} if self._object(wanted["oid"]).exists() else {"actions": {"upload": upload}})}

        self.tell({"transfer": "basic", "objects": [entry(wanted) for wanted in asked["objects"]]})

    def _commit(self, repository: Path, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        if not all(self._object(line["value"]["oid"]).exists() for line in lines if line["key"] == "lfsFile"):
            self.refuse(400, "LfsObjectMissing")
            return
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                with (repository.parent / f"{repository.name}.commits").open("a") as commits:
                    commits.write(f"{value['summary']}\n")
                continue
            file = repository / value["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            content = base64.b64decode(value["content"]) if line["key"] == "file" else None
            file.write_bytes(self._object(value["oid"]).read_bytes() if content is None else content)
        address = f"http://{self.headers['Host']}/{repository.parent.name}/{repository.name.partition('@')[0]}/commit/{COMMIT}"
        self.tell({"commitUrl": address, "commitOid": COMMIT})
