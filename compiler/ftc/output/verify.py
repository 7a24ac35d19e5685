"""Emitted manifests against the schemas of what they are for; a finding here is a bug in ftc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import dotted
from ftc.output.reading import documents
from ftc.output_schemas import kubernetes_object, volcano_job

if TYPE_CHECKING:
    from ftc.output_schemas import Schema
    from ftc.spec.cluster import Cluster


class BugError(Exception):
    """ftc made something that it should not have made."""


def volcano(text: str, cluster: Cluster) -> None:
    """Raise BugError where the text is no Volcano Job for the cluster's versions."""
    for manifest in documents(text):
        _hold("VolcanoJob", manifest, volcano_job(cluster.volcano, cluster.kubernetes))


def batch(text: str, cluster: Cluster) -> None:
    """Raise BugError where a document is no object of Kubernetes for the cluster's version."""
    for manifest in documents(text):
        _hold(manifest["kind"], manifest, kubernetes_object(manifest["kind"], cluster.kubernetes))


def _hold(kind: str, manifest: Any, schema: Schema) -> None:
    found = [f"{dotted(tuple(error.absolute_path))}: {error.message[:200]}" for error in schema.iter_errors(manifest)]
    if found:
        raise BugError(f"the {kind} does not fit its schema: " + "; ".join(found))
