"""The address of a run's result on the claim of its workspace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.cluster.diagnose import state_of
from ftc.cluster.ranks import main_container, ranks
from ftc.cluster.snapshot import at, labels, rows, texts
from ftc.plan.files import MERGE, QUANTIZE, TRAIN
from ftc.plan.names import CARRIED
from ftc.plan.storage import WORKSPACE
from ftc.trainer.arguments import MERGED, OUTPUT, QUANTIZED

if TYPE_CHECKING:
    from ftc.cluster.snapshot import Object, Snapshot

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
