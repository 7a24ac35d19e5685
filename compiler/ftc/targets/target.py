"""What a target is: how a run becomes an artifact."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from ftc.diagnostics.model import KeyPath
from ftc.plan.types import BoundRun, Places, RunPlan
from ftc.spec.cluster import Cluster
from ftc.summary.types import OfTarget


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of artifact.

    `verify` raises BugError for a text that what it is for would refuse. `file` is the artifact's name, none where the
    plan's own files are the artifact. `places` are the target's own where its steps do not run in the pod. What is made
    `on_request` needs a `-t`, also beside other artifacts.
    """

    name: str
    help: str
    verify: Callable[[str, Cluster], None]
    file: str | None = None
    places: Places | None = None
    on_request: bool = False


class FileTarget(_Target, frozen=True, kw_only=True):
    """A target without a pod."""

    emit: Callable[[RunPlan], str]

    def text(self, run: RunPlan) -> str:
        """What it emits."""
        return self.emit(run)


class PodTarget(_Target, frozen=True, kw_only=True):
    """A target whose object runs the pod: `bind` completes the pod, `emit` wraps the object around it.

    `summary` is what `ftc plan -t` prints of it.
    The object is of the `kind` that kubectl writes, and has the pod's template at `path`.
    """

    bind: Callable[[RunPlan], BoundRun]
    emit: Callable[[BoundRun], str]
    summary: Callable[[BoundRun], OfTarget]
    kind: str
    path: KeyPath

    def text(self, run: RunPlan) -> str:
        """What it emits."""
        return self.emit(run if isinstance(run, BoundRun) else self.bind(run))


Target: TypeAlias = FileTarget | PodTarget
