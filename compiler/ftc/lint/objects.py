"""The objects of an input, each with what its schema says and as a type."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.lint.manifest import BatchJob, Claim, ConfigMap, Service, VolcanoJob
from ftc.lint.pod_manifest import Template
from ftc.lint.text import Spot
from ftc.source import Document
from ftc.spec.job import Trainer

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath

# The `validator` of a list that is too long to be looked at; it is no mistake, but nothing else is said of the object.
UNSEEN = "unseen"

Typed: TypeAlias = VolcanoJob | BatchJob | Service | Claim | ConfigMap | Template


class Versions(msgspec.Struct, frozen=True):
    """The versions that the manifests are for."""

    kubernetes: str
    volcano: str
    trainer: Trainer | None = None
    """Those of LLaMA-Factory and transformers, if the user says them."""


class Kind(StrEnum):
    """What a document is."""

    VOLCANO = "VolcanoJob"
    BATCH = "Job"
    SERVICE = "Service"
    CLAIM = "PersistentVolumeClaim"
    CONFIG_MAP = "ConfigMap"
    POD = "Pod"


class Mismatch(msgspec.Struct, frozen=True):
    """One thing that the schema does not allow, as jsonschema says it."""

    path: tuple[str | int, ...]
    validator: str
    wanted: Any
    schema: Any
    instance: Any
    message: str


class Object(msgspec.Struct, frozen=True):
    """One object: where it stands, what its schema says, and its content, where that can be made out.

    `path` leads to what is typed: the object itself, or the template of a pod in an object of another kind.
    """

    document: Document
    path: tuple[str | int, ...]
    kind: Kind
    data: Any
    mismatches: tuple[Mismatch, ...]
    content: Typed | None
    versions: Versions

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the object."""
        return Spot(self.document, (*self.path, *path))

    def has(self, *path: str | int) -> bool:
        """Whether the key is written, fit or not."""
        return self.raw(*path) is not None

    def raw(self, *path: str | int) -> Any:
        """What is written at a key, fit or not; None where nothing is."""
        return written(self.data, path)


def written(data: Any, path: KeyPath) -> Any:
    """What stands at a path in an object; None where nothing does."""
    for part in path:
        inside = part < len(data) if isinstance(data, list) and isinstance(part, int) else False
        if not inside and not (isinstance(data, dict) and part in data):
            return None
        data = data[part]
    return data
