"""A namespace for a test: on the small server, or on the cluster of KUBECONFIG if `make cluster` runs the tests."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftc.cluster.server import Server
from unit.cluster.api_server import serving
from unit.cluster.situations import Object, node, object_of
from unit.cluster.writable import SERVED, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

_OF_CLUSTER = ("Namespace", "PriorityClass")


class Place:
    """A namespace with objects; `left` are the jobs and Services in it."""

    def __init__(self, server: Server) -> None:
        self.server, self.namespace = server, server.namespace
        self.made: list[tuple[str, str]] = []

    def put(self, one: Object) -> None:
        """Create an object of the namespace or of the cluster."""
        metadata = {key: value for key, value in one["metadata"].items() if key in ("name", "labels")}
        content = {key: value for key, value in one.items() if key != "status"} | {"metadata": metadata}
        path = self._path(one)
        uid = self.server.create(path, content)["metadata"]["uid"]
        self.made.append((f"{path}/{metadata['name']}", uid))

    def left(self) -> list[str]:
        """The names of the jobs and Services of the namespace."""
        here = f"namespaces/{self.namespace}"
        paths = (f"/apis/batch/v1/{here}/jobs", f"/api/v1/{here}/services")
        return [one["metadata"]["name"] for path in paths for one in self.server.pages(path)]

    def clean(self) -> None:
        """Delete everything that was created, the namespace last."""
        for path, uid in reversed(self.made):
            self.server.delete(path, uid)

    def _path(self, one: Object) -> str:
        version, kind = one["apiVersion"], one["kind"]
        plural = next(plural for plural, known in SERVED[version].items() if known == kind)
        space = "" if kind in _OF_CLUSTER else f"/namespaces/{self.namespace}"
        return f"/{'api' if version == 'v1' else 'apis'}/{version}{space}/{plural}"


class OnSmallServer(Place):
    """The namespace `team` of the small server."""

    def __init__(self, server: Server, cluster: Cluster) -> None:
        super().__init__(server)
        self.cluster = cluster

    def put(self, one: Object) -> None:
        self.cluster.snapshot = type(self.cluster.snapshot)(
            "team", "", self.cluster.snapshot.now, (*self.cluster.objects, one)
        )

    def clean(self) -> None:
        """The server is gone after the test."""


@contextmanager
def place(folder: Path, monkeypatch: pytest.MonkeyPatch, *, real: bool, labels: Object) -> Iterator[Place]:
    """A new namespace with these labels."""
    if real:
        one = Place(Server(None, f"ftc-test-{secrets.token_hex(4)}"))
        try:
            one.put(object_of("Namespace", one.namespace, metadata={"labels": labels}))
            yield one
        finally:
            one.clean()
        return
    cluster = Cluster(object_of("Namespace", "team", metadata={"labels": labels}), node("a", None))
    with serving(cluster, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        yield OnSmallServer(Server(None, "team"), cluster)
