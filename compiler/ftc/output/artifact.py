"""Emitted files, and the kustomization.yaml that lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterable


class Artifact(msgspec.Struct, frozen=True):
    """A file's name and its text, byte for byte."""

    name: str
    text: str


KUSTOMIZATION = "kustomization.yaml"


def kustomization(resources: Iterable[str], same: Iterable[str] = ()) -> str:
    """Write a kustomization of the files (kustomize ≥3, `kustomize.config.k8s.io/v1beta1`).

    A comment names those that it leaves out because they are the `same` run for another target.
    """
    left_out = ", ".join(same)
    about = f"# Left out, because each would start the same run again: {left_out}\n" if left_out else ""
    found = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)}
    return about + dump(found)
