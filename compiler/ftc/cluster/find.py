"""One run and its pods, read by its name, and the address of its result on the claim of its workspace."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from ftc.cluster.diagnose import diagnose, state_of
from ftc.cluster.gather import gather
from ftc.cluster.kinds import KINDS, kind_of
from ftc.cluster.ranks import main_container, ranks
from ftc.cluster.server import FORBIDDEN, MISSING, ServerError
from ftc.cluster.snapshot import Object, Snapshot, at, labels, name_of, rows, texts
from ftc.plan.files import MERGE, QUANTIZE, TRAIN
from ftc.plan.names import CARRIED
from ftc.plan.storage import WORKSPACE
from ftc.trainer.arguments import MERGED, OUTPUT, QUANTIZED

if TYPE_CHECKING:
    from ftc.cluster.kinds import Kind
    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object


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


_ADAPTER = re.compile(r"^finetuning_type: (lora|oft)$", re.MULTILINE)
_FIELD = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class NoResultError(Exception):
    """The run has no result on a claim; the message says why."""


def address(run: Snapshot) -> str:
    """The result as `pvc://CLAIM/PATH`. Raises NoResultError if the run has not completed, or has no whole model."""
    state = state_of(run)
    if state not in ("completed", "failed"):
        raise NoResultError("it has not finished, so its result is not complete")
    pod = next(iter(ranks(run)), None)
    if pod is None:
        raise NoResultError("its pods have been deleted: give the address, pvc://CLAIM/JOB/merged")
    name = main_container(pod)
    container = next((one for one in rows(pod, "spec", "containers") if one.get("name") == name), {})
    volumes = {str(one.get("name")): one for one in rows(pod, "spec", "volumes")}
    claim = at(volumes.get(WORKSPACE), "persistentVolumeClaim", "claimName")
    if not isinstance(claim, str):
        raise NoResultError("its workspace is not a claim that outlives the pod: publish the result instead")
    mount = next((one for one in rows(container, "volumeMounts") if one.get("name") == WORKSPACE), {})
    carried = texts(pod, "metadata", "annotations")
    last = QUANTIZED if f"{CARRIED}{QUANTIZE}" in carried else MERGED if f"{CARRIED}{MERGE}" in carried else OUTPUT
    if last == OUTPUT and _ADAPTER.search(carried.get(f"{CARRIED}{TRAIN}", "")):
        raise NoResultError(
            "its result is an adapter, which is not served alone: a run with method.merge makes a model"
        )
    job = _variable(pod, container, "JOB_NAME")
    if not job:
        raise NoResultError("it was not made by ftc: give the address, pvc://CLAIM/PATH")
    uri = "/".join(part for part in (f"pvc://{claim}", str(mount.get("subPath") or ""), job, last) if part)
    if state == "failed":
        raise NoResultError(f"it has failed, and `ftc why` says why; give the address if the result is complete: {uri}")
    return uri


def _variable(pod: Object, container: Object, name: str) -> str:
    """The value of a variable, in which others that come before it are expanded."""
    values: dict[str, str] = {}
    for one in rows(container, "env"):
        field = _FIELD.fullmatch(str(at(one, "valueFrom", "fieldRef", "fieldPath") or ""))
        value = str(one.get("value") or "")
        if field:
            value = (labels(pod) if field[1] == "labels" else texts(pod, "metadata", "annotations")).get(field[2], "")
        values[str(one.get("name"))] = re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], ""), value)
    return values.get(name, "")
