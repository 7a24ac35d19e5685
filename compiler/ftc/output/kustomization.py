"""The kustomization.yaml that `kubectl apply -k` and GitOps tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "kustomization.yaml"


def text(resources: Iterable[str]) -> str:
    """Write a kustomization of the files (kustomize ≥3, `kustomize.config.k8s.io/v1beta1`)."""
    return dump(
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)}
    )
