"""The JobSets that Kubeflow Trainer creates from a runtime and the settings of a TrainJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.manifests.job_sets import ANCESTOR, NODE, TRAINER, JobSet, Policy, TrainingRuntime, TrainJob
from ftc.manifests.objects import Kind, Object, validated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.job_sets import ReplicatedJob
    from ftc.manifests.text import Spot

    Moved: TypeAlias = list[tuple[KeyPath, Spot]]

# The variables of torchrun that the controller sets in the container `node`, after those of the TrainJob.
RESERVED = ("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT")

_PORT = "29500"


class Created(msgspec.Struct, frozen=True):
    """A JobSet as Kubeflow Trainer creates it, with its known number of nodes.

    `whole` says that its pods are known, `settled` that no TrainJob can change them. `torch` says that the controller
    sets the variables of torchrun.
    """

    object: Object
    content: JobSet
    nodes: int | None
    whole: bool
    settled: bool
    torch: bool
    policy: Policy | None

    def targets(self, job: ReplicatedJob) -> frozenset[str]:
        """The containers of a replicated job in which the controller sets variables."""
        found = {NODE} if job.trains else set()
        for target in self.policy.torch.env_injection.targets if self.policy and self.policy.torch else ():
            found |= set(target.container_names) if target.job_name == job.name else set()
        return frozenset(found) if self.torch else frozenset()

    @property
    def variables(self) -> dict[str, str | None]:
        """The variables that the controller sets, with their known values."""
        known = {"PET_NNODES": None if self.nodes is None else str(self.nodes), "PET_MASTER_PORT": _PORT}
        return {name: known.get(name) if self.settled else None for name in RESERVED}


def created(runtime: Object | None, train_job: Object | None) -> Created | None:
    """The JobSet from a runtime, a TrainJob or both; a runtime alone has the values that a TrainJob may replace."""
    main = train_job or runtime
    if main is None:
        return None
    policy = runtime.content.spec.ml_policy if runtime and isinstance(runtime.content, TrainingRuntime) else None
    job = train_job.content.spec if train_job and isinstance(train_job.content, TrainJob) else None
    given = job.trainer.num_nodes if job and job.trainer else None
    nodes = given if given is not None else (policy.num_nodes or 1) if policy else None
    data, moved = _base(runtime, train_job, main)
    _set_nodes(data, nodes, launched=bool(runtime and runtime.has("spec", "mlPolicy", "mpi")))
    if train_job is not None:
        moved = [*_with_trainer(data, train_job), *moved]
    mismatches, content = validated(data, Kind.JOB_SET, main.versions)
    if not isinstance(content, JobSet):
        return None
    moved.sort(key=lambda one: -len(one[0]))
    made = msgspec.structs.replace(main, data=data, mismatches=mismatches, content=content, moved=tuple(moved))
    whole = runtime is not None and not (job and job.overrides)
    sets = policy is None or policy.torch is not None
    return Created(made, content, nodes, whole, settled=whole and train_job is not None, torch=sets, policy=policy)


POLICY = "mlPolicy"
POD_GROUP_POLICY = "podGroupPolicy"
OVERRIDES = ("podSpecOverrides", "podTemplateOverrides", "runtimePatches")
# The other fields of a TrainJob that are added next to the spec of the JobSet.
_ADDED = ("runtimeRef", "trainer", "suspend", "managedBy", "labels", "annotations", *OVERRIDES)


def _base(runtime: Object | None, train_job: Object | None, main: Object) -> tuple[dict[str, Any], Moved]:
    """The JobSet before the settings of a TrainJob, with its places.

    The policies and the metadata of a known runtime, and the fields of a TrainJob, are added next to its spec.
    """
    spec = runtime.raw("spec", "template", "spec") if runtime else _node()
    place = runtime.at("spec", "template", "spec") if runtime else main.at("spec", "trainer")
    data = {"metadata": main.raw("metadata") or {}, "spec": _copied(spec if isinstance(spec, dict) else {})}
    moved: Moved = [(("spec",), place), (("metadata",), main.at("metadata"))]
    if runtime is not None:
        data[POLICY] = runtime.raw("spec", POLICY) or {}
        data[POD_GROUP_POLICY] = runtime.raw("spec", POD_GROUP_POLICY)
        data["template"] = {"metadata": runtime.raw("spec", "template", "metadata")}
        moved += [((name,), runtime.at("spec", name)) for name in (POLICY, "template")]
    for name in _ADDED:
        if train_job is not None and train_job.has("spec", name):
            data[name] = train_job.raw("spec", name)
            moved.append(((name,), train_job.at("spec", name)))
    return data, moved


def _node() -> dict[str, Any]:
    """The JobSet of an unknown runtime: the one container that a TrainJob sets."""
    job = {"template": {"spec": {"containers": [{"name": NODE}]}}}
    template = {"metadata": {"labels": {ANCESTOR: TRAINER}}, "spec": job}
    return {"replicatedJobs": [{"name": NODE, "template": template}]}


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(item) for item in node] if isinstance(node, list) else node


def _jobs(data: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The replicated jobs that have the shape of one, with their indexes."""
    found = data["spec"].get("replicatedJobs")
    for index, one in enumerate(found if isinstance(found, list) else ()):
        template = one.get("template") if isinstance(one, dict) else None
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            yield index, one


def _trains(job: dict[str, Any]) -> bool:
    metadata = job["template"].get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and labels.get(ANCESTOR) == TRAINER


def _set_nodes(data: dict[str, Any], nodes: int | None, *, launched: bool) -> None:
    """The number of pods; with mpirun the job `node` has it, and the launcher is one pod."""
    for _, job in _jobs(data):
        if nodes is not None and (job.get("name") == NODE if launched else _trains(job)):
            job["template"]["spec"] |= {"parallelism": nodes, "completions": nodes}


# The settings of a TrainJob, and the fields of the container that they replace.
_REPLACED = {"image": "image", "command": "command", "args": "args", "resourcesPerNode": "resources"}


def _with_trainer(data: dict[str, Any], train_job: Object) -> Iterator[tuple[KeyPath, Spot]]:
    """Applies the settings of a TrainJob to the container `node`, and yields their places."""
    settings = train_job.raw("spec", "trainer")
    for path, container in _nodes(data) if isinstance(settings, dict) else ():
        for name, field in _REPLACED.items():
            if settings.get(name) is not None:
                container[field] = settings[name]
                yield (*path, field), train_job.at("spec", "trainer", name)
        added = settings.get("env")
        for index, variable in enumerate(added if isinstance(added, list) else ()):
            place = _set_variable(container, variable)
            yield (*path, "env", place), train_job.at("spec", "trainer", "env", index)


def _set_variable(container: dict[str, Any], variable: Any) -> int:
    """Replaces the variable with the same name, or appends it; returns its index."""
    name = variable.get("name") if isinstance(variable, dict) else None
    given = container.get("env")
    variables = given if isinstance(given, list) else []
    same = (i for i, one in enumerate(variables) if isinstance(one, dict) and one.get("name") == name)
    place = next(same, len(variables))
    container["env"] = [*variables[:place], variable, *variables[place + 1 :]]
    return place


def _nodes(data: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The containers `node` of the jobs that train, with their paths."""
    for index, job in _jobs(data):
        template = job["template"]["spec"].get("template")
        pod = template.get("spec") if isinstance(template, dict) else None
        containers = pod.get("containers") if isinstance(pod, dict) and _trains(job) else None
        for number, container in enumerate(containers if isinstance(containers, list) else ()):
            if isinstance(container, dict) and container.get("name") == NODE:
                path = ("spec", "replicatedJobs", index, "template", "spec", "template", "spec", "containers", number)
                yield path, container
