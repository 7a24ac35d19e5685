"""What rules look at: the objects of an input, jobs and their pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.lint.manifest import BatchSpec, Claim, ConfigMap, JobVolume, Metadata, PodSpec, Service, Template, VolcanoSpec
from ftc.lint.objects import Kind, Object

if TYPE_CHECKING:
    from ftc.lint.text import Spot

MANY = 2


class Scene(msgspec.Struct, frozen=True):
    """The other objects of the input, by namespace and name."""

    services: dict[tuple[str, str], tuple[Object, Service]] = {}
    claims: dict[tuple[str, str], tuple[Object, Claim]] = {}
    config_maps: dict[tuple[str, str], tuple[Object, ConfigMap]] = {}


class Crew(msgspec.Struct, frozen=True):
    """The pods that a job makes of one template: a task of a VolcanoJob, or all of a Job."""

    name: str
    replicas: int | None
    template: Template
    path: tuple[str | int, ...]


class Job(msgspec.Struct, frozen=True):
    """What all pods of a job share."""

    object: Object
    metadata: Metadata
    crews: tuple[Crew, ...]
    scene: Scene
    volcano: VolcanoSpec | None = None
    batch: BatchSpec | None = None

    @property
    def kind(self) -> Kind:
        """A VolcanoJob, a Job, or a pod of another kind, of which there may be any number."""
        return self.object.kind

    @property
    def total(self) -> int | None:
        """How many pods run at once."""
        counts = [crew.replicas for crew in self.crews]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def several(self) -> bool:
        """Whether more than one pod runs at once, surely."""
        return self.total is not None and self.total >= MANY

    @property
    def plugins(self) -> dict[str, tuple[str, ...]]:
        """Volcano's plugins, with those that its webhook adds to others.

        Source: Volcano, pkg/webhooks/admission/jobs/mutate/mutate_job.go.
        """
        given = dict(self.volcano.plugins) if self.volcano else {}
        if given.keys() & {"pytorch", "tensorflow", "mpi", "ray"}:
            given.setdefault("svc", ())
        if "mpi" in given:
            given.setdefault("ssh", ())
        return given

    @property
    def job_volumes(self) -> tuple[JobVolume, ...]:
        """The volumes that Volcano mounts into every container."""
        return self.volcano.volumes if self.volcano else ()

    def find(self, name: str) -> tuple[str, str]:
        """The key of another object in the scene."""
        return (self.metadata.namespace or "default", name)

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the job."""
        return self.object.at(*path)


class Pod(msgspec.Struct, frozen=True):
    """The pods of one template."""

    job: Job
    crew: Crew

    @property
    def spec(self) -> PodSpec:
        """The pod itself."""
        return self.crew.template.spec

    @property
    def replicas(self) -> int | None:
        """How many there are at once."""
        return self.crew.replicas

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the pod's spec."""
        return self.job.at(*self.crew.path, "spec", *path)

    def raw(self, *path: str | int) -> Any:
        """What is written at a key of the pod's spec, fit or not."""
        return self.job.object.raw(*self.crew.path, "spec", *path)

    def has(self, *path: str | int) -> bool:
        """Whether a key of the pod's spec is written, fit or not."""
        return self.job.object.has(*self.crew.path, "spec", *path)
