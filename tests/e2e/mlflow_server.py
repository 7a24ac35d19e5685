"""A real MLflow tracking server on loopback that asks for a user and a password."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from e2e.git_server import free_port, virtual_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUIREMENTS = Path(__file__).with_name("requirements-mlflow.txt")
USER, PASSWORD = "admin", "a password of the tests"
_AUTH = """[mlflow]
default_permission = READ
database_uri = sqlite:///{root}/users.db
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


class MlflowServer(NamedTuple):
    """A server and its records."""

    uri: str

    def ask(self, path: str, **question: object) -> Any:
        """An answer of MLflow's REST API: POST with a question, GET without."""
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        data = json.dumps(question).encode() if question else None
        request = urllib.request.Request(f"{self.uri}/api/2.0/mlflow/{path}", data, headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def runs(self, experiment: str) -> list[Any]:
        """The runs of an experiment."""
        found = self.ask(f"experiments/get-by-name?experiment_name={experiment}")["experiment"]["experiment_id"]
        runs: list[Any] = self.ask("runs/search", experiment_ids=[found]).get("runs", [])
        return runs


@contextmanager
def serve_mlflow(root: Path) -> Iterator[MlflowServer]:
    """Serve until the end of the block."""
    root.mkdir(parents=True)
    users = root / "users.ini"
    users.write_text(_AUTH.format(root=root, user=USER, password=PASSWORD), encoding="utf-8")
    mlflow = virtual_environment(_REQUIREMENTS, "mlflow") / "bin/mlflow"
    uri = f"http://127.0.0.1:{free_port()}"
    place = ["--host", "127.0.0.1", "--port", uri.rpartition(":")[2], "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{root}/runs.db", "--artifacts-destination", str(root / "artifacts")]
    variables = {
        **os.environ,
        "PATH": f"{mlflow.parent}:{os.environ['PATH']}",
        "PYTHONPATH": "",
        "MLFLOW_AUTH_CONFIG_PATH": str(users),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests",
    }
    command = [str(mlflow), "server", "--app-name", "basic-auth", *place, *store]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, env=variables, cwd=root, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_healthy(uri, server, root / "log")
        yield MlflowServer(uri)
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def _wait_until_healthy(uri: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):  # noqa: S310 - loopback
                return
        except urllib.error.HTTPError:
            return  # it asks for a password
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(log.read_text(encoding="utf-8", errors="replace"))
