"""The PersistentVolumeClaims that must exist before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.storage import claim_spec
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import Claim


def emit(run: RunPlan) -> str:
    """One document per claim; applied once, before the first run."""
    return "---\n".join(dump(_claim(run, claim)) for claim in run.claims)


def _claim(run: RunPlan, claim: Claim) -> Json:
    """The claim outlives the runs, so it does not carry a run's labels."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim.claim, **({"namespace": run.namespace} if run.namespace else {})},
        "spec": claim_spec(claim.access_mode, claim.storage_class, claim.size or ""),
    }
