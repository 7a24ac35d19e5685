"""Check emitted manifests against their schemas; an error here is a bug in ftc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import dotted
from ftc.output.reading import documents
from ftc.output_schemas import kubernetes_object, volcano_job

if TYPE_CHECKING:
    from ftc.output_schemas import Schema
    from ftc.spec.cluster import Cluster


class BugError(Exception):
    """ftc emitted something that it should not have."""


def volcano(text: str, cluster: Cluster) -> None:
    """Raise BugError if the text is not a valid Volcano Job for the cluster's versions."""
    for manifest in documents(text):
        _hold("VolcanoJob", manifest, volcano_job(cluster.volcano, cluster.kubernetes))


def batch(text: str, cluster: Cluster) -> None:
    """Raise BugError if a document is not a valid Kubernetes object for the cluster's version."""
    for manifest in documents(text):
        _hold(manifest["kind"], manifest, kubernetes_object(manifest["kind"], cluster.kubernetes))


def _hold(kind: str, manifest: Any, schema: Schema) -> None:
    found = [f"{dotted(tuple(error.absolute_path))}: {error.message[:200]}" for error in schema.iter_errors(manifest)]
    if found:
        raise BugError(f"the {kind} does not match its schema: " + "; ".join(found))
