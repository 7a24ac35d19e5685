"""Rules on what volumes are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftc.checks.given import volumes
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.spec.source import OnVolume
from ftc.spec.storage import Claim, Nfs, NodeDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def claim_has_a_size(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that is to be made has a size.

    The API server refuses one that requests no storage (Kubernetes, PersistentVolumeClaim: spec.resources).

    Wrong: storage.workspace.size=null
    Right: storage.workspace.size=200Gi
    """
    if not run.claims:
        message = "names no claim that exists: there is none to make"
        yield Finding(("storage",), message, "leave -t storage out, or use storage=shared")
    for path, volume in volumes(spec).items():
        if isinstance(volume, Claim) and volume.size is None:
            yield Finding((*path, "size"), f"the claim '{volume.claim}' has none", "set it: 100Gi")


def written_volumes_can_be_written(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Runs can write to the workspace, and downloads to the cache.

    On a read-only mount the first step ends with `Read-only file system`.

    Wrong: storage.workspace.read_only=true
    Right: storage.workspace.read_only=false
    """
    fetches = any(not isinstance(source, OnVolume) for source in spec.sources.values())
    written = {("storage", "workspace")} | ({("storage", "cache")} if fetches else set())
    for path, volume in volumes(spec).items():
        shut = isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only
        shut = shut or (isinstance(volume, Claim) and volume.access_mode == "ReadOnlyMany")
        if shut and path in written:
            yield Finding(
                path, "is read-only, and the run writes to it", "set read_only=false, or choose another volume"
            )


def copy_has_room(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The copy of the model in memory has room for its weights.

    `storage.model_in_memory_gib` is added to /dev/shm and to the memory of the container, so that each node's
    processes load the weights from memory. A copy that is larger than that ends the run before the training starts.

    Wrong: model=qwen3-8b storage.model_in_memory_gib=8
    Right: model=qwen3-8b storage.model_in_memory_gib=18
    """
    path, gib = ("storage", "model_in_memory_gib"), spec.storage.model_in_memory_gib
    if gib and spec.model is None:
        yield Finding(path, "there is no model to copy", "choose one (model=…), or set 0")
    elif gib and spec.model is not None and spec.model.architecture is not None:
        need = 2 * spec.model.architecture.parameters / 2**30
        if gib < need:
            message = f"{gib} GiB for a model whose weights take {need:.1f} GiB in 16 bits"
            help_ = f"set {math.ceil(need + 1)}, or less for weights that are quantized"
            yield Finding(path, message, help_, (("model", "architecture", "parameters"),))


RULES = (
    Rule("FTC241", claim_has_a_size, target="storage", needed=True),
    Rule("FTC242", written_volumes_can_be_written),
    Rule("FTC243", copy_has_room, Severity.WARNING),
)
