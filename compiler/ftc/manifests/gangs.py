"""What makes the pods of a batch Job, a JobSet or a TrainJob start together, as far as a manifest says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ftc.manifests.manifest import requested
from ftc.manifests.steps import worlds
from ftc.manifests.train_jobs import POD_GROUP_POLICY
from ftc.plan.kubernetes import GROUP_NAME, KUEUE_QUEUE, MIN_MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.steps import Run, Step
    from ftc.manifests.subjects import Crew, Job
    from ftc.manifests.text import Spot

_DEFAULT = "default-scheduler"
_VOLCANO = "volcano"
# Labels and annotations of the pod groups of Kueue, coscheduling, Koordinator and YuniKorn.
_OF_GROUPS = (
    *("kueue.x-k8s.io/pod-group-", "scheduling.x-k8s.io/pod-group", "pod-group.scheduling.sigs.k8s.io"),
    *("gang.scheduling.koordinator.sh/", "yunikorn.apache.org/"),
)
# Fields of a pod that name its group, or by which a controller holds it back.
_OF_PODS = ("workloadRef", "schedulingGroup", "schedulingGates")
# With one of these fields of an object, another controller may start its pods together.
_OF_OBJECTS: tuple[KeyPath, ...] = (
    *(("spec", name) for name in ("suspend", "managedBy", "gangPolicy")),
    *(("suspend",), ("managedBy",), (POD_GROUP_POLICY,)),
)
# Names of a PodGroup with a prefix of Volcano.
_NAMES_GROUP = re.compile(r"scheduling\.(?:volcano\.sh|k8s\.io)/(?:[\w-]*-)?(?:gang|group|podgroup)(?:-name)?")


class _Note(NamedTuple):
    """A label or annotation; `above` if it is of the object, or of the Job that it creates, and not of the pods."""

    key: str
    value: str
    field: str
    above: bool
    path: KeyPath


class World(NamedTuple):
    """Pods of a job that train together: their templates, their number, and whether they request devices."""

    job: Job
    crews: tuple[Crew, ...]
    pods: int
    holds_devices: bool


def world(run: Run) -> World:
    """The pods that start a launcher, or else those whose script gets the number of all of them; maybe none."""
    names = run.trains or {step.pod.crew.name for step in run.steps if _is_told_of_others(step)}
    if run.launches and all(launch.alone for _, launch in run.launches):
        names = set()  # each pod trains without the others, whether this is meant or not
    crews = tuple(crew for crew in run.job.crews if crew.name in names)
    pods = min(worlds(run) or {0}) if run.trains else sum(crew.replicas or 0 for crew in crews)
    return World(run.job, crews, pods, any(step.pod.crew.name in names and _holds_devices(step) for step in run.steps))


def _is_told_of_others(step: Step) -> bool:
    """Whether a container with an unknown program gets the number of its pods, as the launchers read it."""
    told = [step.environment.values.get(name) for name in ("NNODES", "PET_NNODES")]
    return not step.init and step.unseen and str(step.pod.replicas) in told


def _holds_devices(step: Step) -> bool:
    """Whether a container requests an extended resource, as devices are, or its pod a resource claim."""
    return any("/" in name for name in requested(step.container)) or step.pod.has("resourceClaims")


def may_be_gang(of: World) -> bool:
    """Whether something makes the pods a gang, or may do so."""
    job = of.job
    if not job.whole or any(job.object.raw(*path) not in (None, False) for path in _OF_OBJECTS):
        return True
    return any(_starts_together(job, crew) for crew in of.crews)


def _starts_together(job: Job, crew: Crew) -> bool:
    """Whether something makes the pods of one template a gang, or their scheduler is unknown."""
    notes = tuple(_notes(job, crew))
    scheduler = crew.template.spec.scheduler_name or _DEFAULT
    if scheduler not in (_DEFAULT, _VOLCANO) or any(job.object.has(*crew.path, "spec", name) for name in _OF_PODS):
        return True
    if any(one.key.startswith(_OF_GROUPS) or (one.key == KUEUE_QUEUE and one.above) for one in notes):
        return True
    return scheduler == _VOLCANO and any(_is_read(job, crew, one) for one in notes)


def _is_read(job: Job, crew: Crew, note: _Note) -> bool:
    """Whether Volcano starts several pods together because of an annotation of the pods or of their Job."""
    if note.field != "annotations":
        return False
    is_of_job = note.path[:-2] == (*crew.job_path[:-1], "metadata")
    several = reads_min_member(job) and is_of_job and note.value not in ("0", "1")
    return several if note.key == MIN_MEMBER else note.key == GROUP_NAME and not note.above


def reads_min_member(job: Job) -> bool:
    """Whether the annotation `MIN_MEMBER` has an effect on a Job; an older Volcano creates a PodGroup for one pod."""
    return tuple(map(int, job.cluster[0].split("."))) >= (1, 12)


def unread_groups(of: World) -> Iterator[tuple[str, Spot]]:
    """The labels and annotations of pods that name a PodGroup, but that Volcano does not read, with their places."""
    for crew in of.crews:
        for note in _notes(of.job, crew) if crew.template.spec.scheduler_name == _VOLCANO else ():
            if not note.above and _NAMES_GROUP.fullmatch(note.key):
                yield note.key, of.job.at(*note.path)


def _notes(job: Job, crew: Crew) -> Iterator[_Note]:
    """The labels and annotations of the pods and of what creates them; Trainer adds some of other fields to these."""
    above: list[KeyPath] = [(), ("metadata",), ("template", "metadata")]
    above += [(*crew.path[:length], "metadata") for length in range(1, len(crew.path))]
    for path in (*above, (*crew.path, "metadata")):
        for field in ("labels", "annotations"):
            given = job.object.raw(*path, field)
            for key, value in given.items() if isinstance(given, dict) else ():
                yield _Note(key, str(value), field, path in above, (*path, field, key))
