"""Targets: how a run becomes an artifact."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ftc.diagnostics.model import KeyPath
from ftc.plan import train
from ftc.plan.merge import merge
from ftc.plan.pod import renamed
from ftc.plan.types import BoundRun, Places, RunPlan
from ftc.spec.base import Json
from ftc.spec.cluster import Cluster
from ftc.summary.types import OfTarget
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.plan.merge import Merged


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of artifact.

    `verify` raises BugError for a text that is not valid. `file` is the artifact's name, None if the plan's files are
    the artifact. `places` are set if the steps do not run in the pod. A target that is `on_request` is emitted only if
    a `-t` names it. One that is `before_runs` makes an object that runs expect.
    """

    name: str
    help: str
    verify: Callable[[str, Cluster], None]
    file: str | None = None
    places: Places | None = None
    on_request: bool = False
    before_runs: bool = False


class FileTarget(_Target, frozen=True, kw_only=True):
    """A target without a pod."""

    emit: Callable[[RunPlan], str]

    def text(self, run: RunPlan) -> str:
        """The artifact."""
        return self.emit(run)


class PodTarget(_Target, frozen=True, kw_only=True):
    """A target whose object runs the pod: `bind` completes the pod, `objects` wraps the objects around it.

    The objects are in the order in which to create them. `summary` is the target's part of `ftc plan -t`. `kind` is the
    resource that has the pod, as kubectl writes it, `path` the place of the pod template in the object, `main` the name
    of the container that trains, `title` the job in a sentence. `gang`: its scheduler starts all pods together; other
    jobs need Kueue or `cluster.gang_jobs`. `kueue`: Kueue admits its object. `restarts_gang`: if a pod fails, all
    restart. `elastic`: it continues without a lost pod.
    """

    bind: Callable[[RunPlan], BoundRun]
    objects: Callable[[BoundRun], list[Json]]
    summary: Callable[[BoundRun], OfTarget]
    kind: str
    path: KeyPath
    main: str = train.NAME
    title: str
    gang: bool = False
    kueue: bool = False
    restarts_gang: bool = False
    elastic: bool = False

    def pod(self, run: RunPlan) -> Merged:
        """The pod template as it is emitted, with the record of what set each field."""
        return renamed(self.bind(run).pod, self.main)

    def fragment(self, run: RunPlan) -> Json:
        """The user's fragment of the job's object."""
        given: Json = getattr(run.job_fragments, self.name)
        return given

    def complete(self, run: BoundRun) -> list[Json]:
        """The objects, the last one with the user's fragment."""
        *others, job = self.own(run)
        return [*others, merge(job, self.fragment(run))]

    def own(self, run: BoundRun) -> list[Json]:
        """The objects without the user's fragment, the last one with the annotations that tell its origin."""
        *others, job = self.objects(run)
        return [*others, merge(job, {"metadata": {"annotations": run.made_from}} if run.made_from else {})]

    def text(self, run: RunPlan) -> str:
        """The manifest; a run that is not bound yet is bound first."""
        return "---\n".join(map(dump, self.complete(run if isinstance(run, BoundRun) else self.bind(run))))


Target: TypeAlias = FileTarget | PodTarget
