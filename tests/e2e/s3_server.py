"""A real S3 server on loopback that rejects requests not signed with its key."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.git_server import free_port, virtual_environment, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@dataclass(frozen=True)
class S3Server:
    """The server, its only valid key, and the Python with Amazon's client."""

    url: str
    key: tuple[str, str]
    python: Path

    def put(self, bucket: str, directory: Path) -> None:
        """Create a bucket from the files of a directory."""
        self._objects("put", bucket, str(directory))

    def get(self, bucket: str, directory: Path, prefix: str = "") -> Path:
        """Copy the objects of a bucket below a prefix to files."""
        directory.mkdir()
        self._objects("get", bucket, str(directory), prefix)
        return directory

    def _objects(self, *words: str) -> None:
        _objects(self.python, self.key, words[0], self.url, *words[1:])


def _objects(python: Path, key: tuple[str, str], *words: str) -> str:
    """The client's answer; a wrong call fails the test."""
    variables = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    command = [str(python), str(HERE / "s3_objects.py"), *words]
    return subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def serve_s3(directory: Path) -> Iterator[S3Server]:
    """Serve an empty store until the end of the block."""
    venv = virtual_environment(HERE / "requirements-moto.txt", "moto")
    port = free_port()
    command = [str(venv / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    variables = {"PATH": os.environ["PATH"], "INITIAL_NO_AUTH_ACTION_COUNT": "3"}
    with (directory / "moto.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        try:
            wait_until_listening(port, server)
            url, python = f"http://127.0.0.1:{port}", venv / "bin" / "python"
            identity, secret = _objects(python, ("none", "none"), "user", url).split()
            yield S3Server(url, (identity, secret), python)
        finally:
            server.terminate()
            server.wait()
