"""The ConfigMap with ftc's scripts, for runs with scripts=configmap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.files import scripts_name
from ftc.resources import all_scripts
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan

_KEPT = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}


def emit(run: RunPlan) -> str:
    """The ConfigMap: its name is a digest of its content, and Argo CD and Flux keep it while jobs may use it."""
    named = {"name": scripts_name(), **({"namespace": run.namespace} if run.namespace else {})}
    return dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**named, "labels": {"app.kubernetes.io/managed-by": "ftc"}, "annotations": _KEPT},
            "immutable": True,
            "data": all_scripts(),
        }
    )
