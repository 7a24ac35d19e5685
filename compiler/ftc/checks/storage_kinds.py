"""Rules on what volumes are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.spec.source import OnVolume
from ftc.spec.storage import Claim, InWorkspace, Nfs, NodeDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec
    from ftc.spec.storage import Volume


def _volumes(spec: JobSpec) -> dict[tuple[str, ...], Volume]:
    """The volumes by where each stands in the spec."""
    storage = spec.storage
    found: dict[tuple[str, ...], Volume] = {("storage", "workspace"): storage.workspace}
    if not isinstance(storage.cache, InWorkspace):
        found["storage", "cache"] = storage.cache
    return found | {("storage", "more", name): volume for name, volume in storage.more.items()}


def claim_has_a_size(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that is to be made has a size.

    The API server refuses one that requests no storage (Kubernetes, PersistentVolumeClaim: spec.resources).

    Wrong: storage.workspace.size=null
    Right: storage.workspace.size=200Gi
    """
    if not run.claims:
        message = "names no claim that exists: there is none to make"
        yield Finding(("storage",), message, "leave -t storage out, or use storage=shared")
    for path, volume in _volumes(spec).items():
        if isinstance(volume, Claim) and volume.size is None:
            yield Finding((*path, "size"), f"the claim '{volume.claim}' has none", "set it: 100Gi")


def written_volumes_can_be_written(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Runs can write to the workspace, and downloads to the cache.

    On a read-only mount the first step ends with `Read-only file system`.

    Wrong: storage.workspace.read_only=true
    Right: storage.workspace.read_only=false
    """
    owners = [owner for owner in (spec.model, spec.dataset) if owner is not None]
    fetches = any(not isinstance(owner.source, OnVolume) for owner in owners)
    written = {("storage", "workspace")} | ({("storage", "cache")} if fetches else set())
    for path, volume in _volumes(spec).items():
        shut = isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only
        shut = shut or (isinstance(volume, Claim) and volume.access_mode == "ReadOnlyMany")
        if shut and path in written:
            yield Finding(
                path, "is read-only, and the run writes to it", "set read_only=false, or choose another volume"
            )


RULES = (
    Rule("FTC241", claim_has_a_size, target="storage", needed=True),
    Rule("FTC242", written_volumes_can_be_written),
)
