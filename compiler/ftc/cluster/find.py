"""One run and its pods, read by its name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from ftc.cluster.diagnose import diagnose
from ftc.cluster.gather import gather
from ftc.cluster.kinds import KINDS, kind_of
from ftc.cluster.server import FORBIDDEN, MISSING, ServerError
from ftc.cluster.snapshot import Object, Snapshot, labels, name_of

if TYPE_CHECKING:
    from ftc.cluster.kinds import Kind
    from ftc.cluster.server import Server


class UnknownRunError(Exception):
    """The namespace does not contain the run; the message says which runs it has."""


def find(server: Server, name: str) -> Snapshot:
    """The run of this name, or of the pod of this name, with its pods."""
    name = name.rpartition("/")[2]
    found = _workload(server, name) or _workload(server, _of_pod(server, name))
    if found is None:
        causes = diagnose(gather(server, name)).causes
        raise UnknownRunError(causes[0].text if causes else name)
    kind, workload = found
    return _with_pods(server, kind, workload)


def again(server: Server, run: Snapshot) -> Snapshot:
    """A run that was read before, as it is now."""
    kind = kind_of(run.workload or {})
    workload = _got(server, _path(server, kind, run.name)) if kind else None
    if kind is None or workload is None:
        raise UnknownRunError(f"the run {run.name} has been deleted")
    return _with_pods(server, kind, workload)


def _with_pods(server: Server, kind: Kind, workload: Object) -> Snapshot:
    name = name_of(workload)
    pods = server.pages(_place(server, "pods"), labelSelector=f"{kind.found_by}={name}")
    stated = {"apiVersion": kind.path.removeprefix("/apis/"), "kind": kind.kind}
    return Snapshot(server.namespace, name, datetime.now(UTC), (workload | stated, *pods))


def _workload(server: Server, name: str) -> tuple[Kind, Object] | None:
    """The workload of this name; the owner if one job runs for another."""
    refused: ServerError | None = None
    for kind in reversed(KINDS) if name else ():
        try:
            found = _got(server, _path(server, kind, name))
        except ServerError as error:
            # A server refuses before it says that it does not know a kind.
            if error.status != FORBIDDEN:
                raise
            refused = error
        else:
            if found is not None:
                return kind, found
    if refused is not None:
        raise refused
    return None


def _path(server: Server, kind: Kind, name: str) -> str:
    return f"{kind.path}/namespaces/{server.namespace}/{kind.plural}/{quote(name, safe='')}"


def _of_pod(server: Server, name: str) -> str:
    """The run of a pod; empty without such a pod."""
    pod = _got(server, f"{_place(server, 'pods')}/{quote(name, safe='')}")
    return next((labels(pod)[kind.found_by] for kind in KINDS if kind.found_by in labels(pod)), "")


def _place(server: Server, plural: str) -> str:
    return f"/api/v1/namespaces/{server.namespace}/{plural}"


def _got(server: Server, path: str) -> Object | None:
    try:
        found = server.get(path)
    except ServerError as error:
        if error.status != MISSING:
            raise
        return None
    return found if isinstance(found.get("metadata"), dict) else None
