"""The jobs and pods that rules check, from the objects of an input, and the texts that they mount."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec

from ftc.manifests.job_sets import JobSet, JobSetSpec, TrainingRuntime, TrainJob
from ftc.manifests.manifest import (
    BatchJob,
    BatchSpec,
    Claim,
    ConfigMap,
    JobVolume,
    Metadata,
    PodSpec,
    Queue,
    Service,
    Task,
    Template,
    VolcanoJob,
    VolcanoSpec,
    Volume,
    is_below,
)
from ftc.manifests.objects import Kind, Object
from ftc.manifests.text import Text
from ftc.manifests.train_jobs import Created, created

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.manifest import Container
    from ftc.manifests.text import Spot


_Content = TypeVar("_Content")


MANY = 2


Key: TypeAlias = tuple[str, str]
"""A namespace and a name."""


class IncompleteError(Exception):
    """A rule asked for a fact about all files of the input before all of them were read."""


class Growing(Generic[_Content]):
    """A set of facts about the files of an input, which is asked only when it is complete."""

    def __init__(self) -> None:
        """Begin with an empty, incomplete set."""
        self._found: set[_Content] = set()
        self.complete = False

    def add(self, facts: Iterable[_Content]) -> None:
        """Add the facts about one file."""
        self._found.update(facts)

    def __contains__(self, fact: object) -> bool:
        """Whether a file has this fact.

        Raises:
            IncompleteError: a file may follow that has it.

        """
        if not self.complete:
            raise IncompleteError
        return fact in self._found


class Scene(msgspec.Struct, frozen=True):
    """The other objects of the input; a duplicate name, maybe from two clusters, does not refer to either."""

    services: dict[Key, list[tuple[Object, Service]]] = {}
    claims: dict[Key, list[tuple[Object, Claim]]] = {}
    config_maps: dict[Key, list[tuple[Object, ConfigMap]]] = {}
    queues: dict[str, list[tuple[Object, Queue]]] = {}
    mounted: Growing[Key] = msgspec.field(default_factory=Growing)
    """The claims and ConfigMaps that pods use as volumes."""
    runtimes: dict[tuple[str, str, str], list[tuple[Object, TrainingRuntime]]] = {}
    """The runtimes of Kubeflow Trainer, by kind, namespace and name."""
    used: set[tuple[str, str, str]] = set()
    """The runtimes that TrainJobs name."""

    def service(self, key: Key) -> tuple[Object, Service] | None:
        """The Service with a name."""
        return _only(self.services.get(key))

    def claim(self, key: Key) -> tuple[Object, Claim] | None:
        """The claim with a name."""
        return _only(self.claims.get(key))

    def queue(self, name: str) -> tuple[Object, Queue] | None:
        """The queue with a name; queues have no namespace."""
        return _only(self.queues.get(name))

    def config_map(self, key: Key) -> tuple[Object, ConfigMap] | None:
        """The ConfigMap with a name."""
        return _only(self.config_maps.get(key))

    def runtime(self, train_job: TrainJob) -> Object | None:
        """The runtime that a TrainJob names."""
        found = _only(self.runtimes.get(_runtime_of(train_job)))
        return found[0] if found is not None else None


def _runtime_of(train_job: TrainJob) -> tuple[str, str, str]:
    reference = train_job.spec.runtime_ref
    cluster = reference.kind == Kind.CLUSTER_RUNTIME
    return reference.kind, "" if cluster else train_job.metadata.namespace or "default", reference.name


def _only(found: list[tuple[Object, _Content]] | None) -> tuple[Object, _Content] | None:
    return found[0] if found is not None and len(found) == 1 else None


class Crew(msgspec.Struct, frozen=True):
    """The pods from one template: a task of a VolcanoJob, all pods of a Job, or a replicated job of a JobSet.

    `batch` is the spec of the Job that creates them, if one does. `added` are the variables that a controller sets in
    the containers `targets`. `settled` says that no other object may add variables.
    """

    name: str
    replicas: int | None
    template: Template
    path: tuple[str | int, ...]
    batch: BatchSpec | None = None
    added: dict[str, str | None] = {}
    targets: frozenset[str] = frozenset()
    settled: bool = True

    @property
    def job_path(self) -> KeyPath:
        """The path of the spec of the Job that creates the pods."""
        return self.path[:-1]

    def sets(self, container: Container) -> dict[str, str | None]:
        """The variables that the controller sets in a container, with their known values."""
        return self.added if container.name in self.targets else {}


class Job(msgspec.Struct, frozen=True):
    """A job, with the properties that its pods share; its pods are known only in part if it is not `whole`."""

    object: Object
    metadata: Metadata
    crews: tuple[Crew, ...]
    scene: Scene
    volcano: VolcanoSpec | None = None
    batch: BatchSpec | None = None
    job_set: JobSetSpec | None = None
    whole: bool = True

    @property
    def kind(self) -> Kind:
        """A VolcanoJob, a Job, or another object with a pod template, in any number."""
        return self.object.kind

    @property
    def total(self) -> int | None:
        """The number of pods that run at the same time."""
        counts = [crew.replicas for crew in self.crews]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def several(self) -> bool:
        """Whether certainly more than one pod runs at the same time."""
        return self.total is not None and self.total >= MANY

    @property
    def cluster(self) -> tuple[str, str]:
        """The versions of Volcano and Kubernetes that the job is for."""
        return self.object.versions.volcano, self.object.versions.kubernetes

    @property
    def recreated(self) -> bool:
        """Whether a new pod replaces a lost or failed one; Volcano replaces a deleted pod whatever its policies say."""
        together = self.job_set is not None and self.job_set.failure_policy is not None
        jobs = [crew.batch for crew in self.crews if crew.batch is not None]
        return self.volcano is not None or together or any(one.backoff_limit != 0 for one in jobs)

    @property
    def index(self) -> str:
        """The variable that has the index of a pod."""
        if any(crew.added for crew in self.crews):
            return "PET_NODE_RANK"
        return "JOB_COMPLETION_INDEX" if self.batch or self.job_set else "VC_TASK_INDEX"

    @property
    def plugins(self) -> dict[str, tuple[str, ...]]:
        """Volcano's plugins, with those that the webhook adds.

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

    @property
    def volumes(self) -> list[tuple[KeyPath, str, str]]:
        """The claims and ConfigMaps used as volumes: the path of the name, the kind, and the name."""
        found: list[tuple[KeyPath, str, str]] = [
            (("spec", "volumes", index, "volumeClaimName"), "claim", volume.volume_claim_name)
            for index, volume in enumerate(self.job_volumes)
            if volume.volume_claim_name
        ]
        for crew in self.crews:
            for index, of_pod in enumerate(crew.template.spec.volumes):
                path, claim = (*crew.path, "spec", "volumes", index), of_pod.persistent_volume_claim
                if claim is not None:
                    found.append(((*path, "persistentVolumeClaim", "claimName"), "claim", claim.claim_name))
                if of_pod.config_map is not None:
                    found.append(((*path, "configMap", "name"), "ConfigMap", of_pod.config_map.name))
        return found

    def find(self, name: str) -> Key:
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
        """The number of these pods that run at the same time."""
        return self.crew.replicas

    def volume(self, name: str) -> Volume | None:
        """The volume that a mount names."""
        return next((volume for volume in self.spec.volumes if volume.name == name), None)

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the pod's spec."""
        return self.job.at(*self.crew.path, "spec", *path)

    def raw(self, *path: str | int) -> Any:
        """The value at a key of the pod's spec, valid or not."""
        return self.job.object.raw(*self.crew.path, "spec", *path)

    def has(self, *path: str | int) -> bool:
        """Whether a key of the pod's spec is present, valid or not."""
        return self.job.object.has(*self.crew.path, "spec", *path)


def scene(objects: Iterable[Object]) -> Scene:
    """The objects that others refer to."""
    found = Scene({}, {}, {}, {}, Growing(), {}, set())
    for manifest in objects:
        match manifest.content:
            case Service(metadata=metadata) as content:
                found.services.setdefault(_key(metadata), []).append((manifest, content))
            case Claim(metadata=metadata) as content:
                found.claims.setdefault(_key(metadata), []).append((manifest, content))
            case TrainingRuntime(metadata=metadata) as content:
                found.runtimes.setdefault(_key_of_runtime(manifest, metadata), []).append((manifest, content))
            case TrainJob() as content:
                found.used.add(_runtime_of(content))
            case Queue(metadata=metadata) as content:
                found.queues.setdefault(metadata.name, []).append((manifest, content))
            case ConfigMap(metadata=metadata) as content:
                found.config_maps.setdefault(_key(metadata), []).append((manifest, content))
    return found


def volumes(objects: Iterable[Object]) -> Iterator[Key]:
    """The claims and ConfigMaps that the pods of objects use as volumes."""
    return (job.find(name) for job in jobs(objects, Scene()) for _, _, name in job.volumes)


def _key_of_runtime(runtime: Object, metadata: Metadata) -> tuple[str, str, str]:
    cluster = runtime.kind is Kind.CLUSTER_RUNTIME
    return runtime.kind.value, "" if cluster else metadata.namespace or "default", metadata.name


def _key(metadata: Metadata) -> Key:
    return metadata.namespace or "default", metadata.name


def jobs(objects: Iterable[Object], around: Scene) -> Iterator[Job]:
    """The objects that create pods."""
    for manifest in objects:
        match manifest.content:
            case VolcanoJob(metadata=metadata, spec=spec):
                yield Job(manifest, metadata, _tasks(spec.tasks), around, volcano=spec)
            case BatchJob(metadata=metadata, spec=spec):
                pods = spec.parallelism if spec.parallelism is not None else 1
                crew = Crew("", pods, spec.template, ("spec", "template"), spec)
                yield Job(manifest, metadata, (crew,), around, batch=spec)
            case JobSet(metadata=metadata, spec=spec):
                yield Job(manifest, metadata, _replicated(spec), around, job_set=spec)
            case TrainJob(metadata=metadata) as content:
                yield from _trained(created(around.runtime(content), manifest), metadata, around)
            case TrainingRuntime(metadata=metadata):
                if _key_of_runtime(manifest, metadata) not in around.used:
                    # The pods get the name of a TrainJob.
                    yield from _trained(created(manifest, None), Metadata(namespace=metadata.namespace), around)
            case Template(metadata=metadata) as template:
                count = 1 if manifest.path[-1:] != ("template",) else None
                yield Job(manifest, metadata, (Crew("", count, template, ()),), around)


def _trained(made: Created | None, metadata: Metadata, around: Scene) -> Iterator[Job]:
    if made is not None:
        crews = _replicated(made.content.spec, made)
        yield Job(made.object, metadata, crews, around, job_set=made.content.spec, whole=made.whole)


def _replicated(spec: JobSetSpec, made: Created | None = None) -> tuple[Crew, ...]:
    """The pods of a JobSet; TrainJobs change those that train."""
    crews = []
    for index, one in enumerate(spec.replicated_jobs):
        job, path = one.template.spec, ("spec", "replicatedJobs", index, "template", "spec", "template")
        crew = Crew(one.name, one.pods, job.template, path, job)
        targets = made.targets(one) if made is not None else frozenset()
        if made is not None and targets:
            crew = msgspec.structs.replace(crew, added=made.variables, targets=targets)
        if made is not None and one.trains:
            pods = one.pods if made.nodes is not None else None
            crew = msgspec.structs.replace(crew, replicas=pods, settled=made.settled)
        crews.append(crew)
    return tuple(crews)


def _tasks(tasks: tuple[Task, ...]) -> tuple[Crew, ...]:
    """Volcano names a task without a name `default` and its index."""
    return tuple(
        Crew(task.name or f"default{index}", task.replicas, task.template, ("spec", "tasks", index, "template"))
        for index, task in enumerate(tasks)
    )


def mounted_text(pod: Pod, container: Container, path: str) -> Text | None:
    """The text of a file that is mounted from a ConfigMap of the input or an annotation of the pod."""
    for mount in container.volume_mounts:
        volume = pod.volume(mount.name)
        if volume is None or not is_below(path, mount.mount_path):
            continue
        inside = str(PurePosixPath(path).relative_to(mount.mount_path))
        name = mount.sub_path if inside == "." else inside
        found = _from_config_map(pod, volume, name) or _from_annotation(pod, volume, name)
        if found is not None:
            return found
    return None


def _from_config_map(pod: Pod, volume: Volume, name: str) -> Text | None:
    source = volume.config_map
    found = pod.job.scene.config_map(pod.job.find(source.name)) if source is not None else None
    if source is None or found is None:
        return None
    key = next((item.key for item in source.items if item.path == name), name)
    held, config_map = found
    if key not in config_map.data:
        return None
    return Text(held.document, (*held.path, "data", key), config_map.data[key])


def _from_annotation(pod: Pod, volume: Volume, name: str) -> Text | None:
    items = volume.downward_api.items if volume.downward_api is not None else ()
    field = next((i.field_ref.field_path for i in items if i.path == name and i.field_ref is not None), "")
    key = field.removeprefix("metadata.annotations['").removesuffix("']")
    value = pod.crew.template.metadata.annotations.get(key)
    if value is None:
        return None
    return pod.job.at(*pod.crew.path, "metadata", "annotations", key).text(value)
