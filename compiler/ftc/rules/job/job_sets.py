"""Rules on JobSets, and on the runtimes and TrainJobs of Kubeflow Trainer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import Severity, did_you_mean
from ftc.manifests.job_sets import ANCESTOR, NODE, TRAINER, TrainingRuntime, TrainJob
from ftc.manifests.manifest import amount, requested_devices
from ftc.manifests.objects import Kind, Object
from ftc.manifests.steps import Run, Step, spot_of
from ftc.manifests.subjects import MANY, Job
from ftc.manifests.train_jobs import OVERRIDES, POLICY, RESERVED
from ftc.rules.given import containers
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import trainjob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.manifest import BatchSpec, Container
    from ftc.manifests.subjects import Crew
    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan


_JOBS: KeyPath = ("spec", "template", "spec", "replicatedJobs")


def train_job_settings_take_effect(manifest: Object) -> Iterator[Finding]:
    """A runtime applies the settings of a TrainJob.

    Kubeflow Trainer applies `spec.trainer` of a TrainJob only to the container `node` of the replicated job whose Job
    template has the label `trainer.kubeflow.org/trainjob-ancestor-step: trainer`. Without the label or the container it
    drops the image, the command, the variables and the resources without an error.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/jobset/builder.go.

    Wrong: tests/corpus/bad/FTC606-runtime-without-label.yaml
    Right: tests/corpus/good/FTC606-runtime-with-label.yaml
    """
    jobs = manifest.content.spec.template.spec.replicated_jobs if isinstance(manifest.content, TrainingRuntime) else ()
    trained = [(index, one) for index, one in enumerate(jobs) if one.trains]
    effect = "`spec.trainer` of a TrainJob has no effect"
    if jobs and not trained:
        index = next((i for i, one in enumerate(jobs) if one.name == NODE), 0)
        in_pod = (*_JOBS, index, "template", "spec", "template", "metadata", "labels", ANCESTOR)
        misplaced = manifest.has(*in_pod)
        message = f"{effect}: no replicated job has the label {ANCESTOR}: {TRAINER}"
        help_ = f"{'move' if misplaced else 'add'} it to template.metadata.labels of the replicated job"
        yield Finding(manifest.at(*(in_pod if misplaced else (*_JOBS, index))), message, help_)
    names = {container.name for _, one in trained for container in one.template.spec.template.spec.containers}
    if trained and NODE not in names:
        index, one = trained[0]
        place = manifest.at(*_JOBS, index, "template", "spec", "template", "spec", "containers", 0, "name")
        yield Finding(place, f"{effect}: the job '{one.name}' does not have a container '{NODE}'", f"name it {NODE}")


def no_reserved_torchrun_variable(manifest: Object) -> Iterator[Finding]:
    """Users do not set the variables that Kubeflow Trainer sets for torchrun.

    The webhook rejects a TrainJob with one of them (`must not have reserved envs`). In a runtime the controller
    overwrites them.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/torch/torch.go.

    Wrong: tests/corpus/bad/FTC607-number-of-processes-as-variable.yaml
    Right: tests/corpus/good/FTC607-number-of-processes-as-setting.yaml
    """
    if isinstance(manifest.content, TrainJob) and manifest.content.spec.trainer is not None:
        for index, variable in enumerate(manifest.content.spec.trainer.env):
            if variable.name in RESERVED:
                place = manifest.at("spec", "trainer", "env", index)
                yield Finding(place, f"the webhook rejects {variable.name}", _instead(variable.name))
    for path, container in _nodes(manifest.content) if isinstance(manifest.content, TrainingRuntime) else ():
        for index, variable in enumerate(container.env):
            if variable.name in RESERVED:
                place, message = manifest.at(*path, "env", index), f"the controller overwrites {variable.name}"
                yield Finding(place, message, _instead(variable.name), severity=Severity.WARNING)


def _nodes(runtime: TrainingRuntime) -> Iterator[tuple[KeyPath, Container]]:
    """The containers in which the controller sets the variables of torchrun, with their paths."""
    jobs = runtime.spec.template.spec.replicated_jobs if runtime.spec.ml_policy.torch is not None else ()
    for index, one in enumerate(jobs):
        for number, container in enumerate(one.template.spec.template.spec.containers):
            if one.trains and container.name == NODE:
                yield (*_JOBS, index, "template", "spec", "template", "spec", "containers", number), container


def _instead(name: str) -> str:
    setting = {"PET_NNODES": "numNodes", "PET_NPROC_PER_NODE": "numProcPerNode"}.get(name)
    return f"set {setting} instead" if setting else "remove it"


def torchrun_counts_devices(step: Step) -> Iterator[Finding]:
    """Torchrun starts one process per NPU.

    Kubeflow Trainer sets PET_NPROC_PER_NODE, which torchrun reads. With `numProcPerNode: auto`, the default, it is the
    number of CPUs if no resource of the container has `gpu` in its name, as on every NPU.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/torch/torch.go.

    Wrong: tests/corpus/bad/FTC608-processes-of-cpus.yaml
    Right: tests/corpus/good/FTC608-processes-of-npus.yaml
    """
    name = "PET_NPROC_PER_NODE"
    resources: dict[str, Any] = {**step.container.resources.requests, **step.container.resources.limits}
    counted = any("gpu" in resource.lower() for resource in resources)
    sets = name in step.pod.crew.sets(step.container) and not step.init and _processes(step.pod.job) == "auto"
    if not sets or counted or not requested_devices(step.container):
        return
    cpus = amount(resources.get("cpu"))
    number = "the number of CPUs" if cpus is None else f"{max(int(cpus), 1)}, the number of CPUs"
    for place in _uses(step, name):
        message = f"{name} is {number}: no resource of the container has 'gpu' in its name"
        yield Finding(place, message, f"set numProcPerNode: {step.devices or '…'}")


def train_job_has_a_trainer(step: Step) -> Iterator[Finding]:
    """A TrainJob whose runtime starts torchrun has `spec.trainer`.

    Kubeflow Trainer 2.0 to 2.2 sets PET_NNODES and the other variables of torchrun only if a TrainJob has
    `spec.trainer`. Without them each node trains alone, with one process.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/torch/torch.go (EnforceMLPolicy).

    Wrong: tests/corpus/bad/FTC612-train-job-without-trainer.yaml
    Right: tests/corpus/good/FTC612-train-job-with-trainer.yaml
    """
    job, script = step.pod.job, step.script
    of_torch = job.kind is Kind.TRAIN_JOB and job.object.has(POLICY, "torch") and not job.object.has("trainer")
    if not of_torch:
        return
    reads = [one for one in script.reads if one.name in RESERVED]
    started = any(one.tool == "torchrun" and "nnodes" not in one.options for one in step.launches)
    if step.container.name == NODE and (reads or started) and step.environment.complete:
        name = reads[0].name if reads else RESERVED[0]
        message = f"without spec.trainer Kubeflow Trainer 2.0 to 2.2 does not set {name}"
        yield Finding(job.at("runtimeRef"), message, "add trainer with numNodes to the spec of the TrainJob")


def _processes(job: Job) -> Any:
    """The setting for the number of processes: of the TrainJob, of the runtime, or the default; None if unknown."""
    given = job.object.raw("trainer", "numProcPerNode") or job.object.raw(POLICY, "torch", "numProcPerNode")
    return given or ("auto" if job.object.has(POLICY) else None)


def _uses(step: Step, name: str) -> Iterator[Spot]:
    """The launches that read a variable of torchrun, and the places of a script that do."""
    changed = any(one.name == name for one in step.script.assignments)
    for launch in step.launches if not changed else ():
        if launch.tool == "torchrun" and "nproc_per_node" not in launch.options and not launch.partly:
            yield spot_of(step, launch.command.words[0])
    program = step.program if not changed else None
    for read in program.script.reads if program is not None else ():
        if program is not None and read.name == name and not _PRINTS.search(step.script.value[: read.start]):
            yield program.at(read.start)


_PRINTS = re.compile(r"\b(?:echo|printf)\b[^\n]*$")


def pods_restart_together(run: Run) -> Iterator[Finding]:
    """Only the JobSet restarts a distributed training.

    `backoffLimit` of a Job recreates a single pod, which the other ranks do not rejoin. It is 6 if it is missing.
    `failurePolicy.maxRestarts` of the JobSet recreates all pods, but only after the retries of the Job.
    Source: Kubernetes, Jobs (backoffLimit); JobSet, failurePolicy.

    Wrong: tests/corpus/bad/FTC609-job-retries-one-pod.yaml
    Right: tests/corpus/good/FTC609-job-set-restarts-all.yaml
    """
    job = run.job
    policy = job.job_set.failure_policy if job.job_set is not None else None
    if job.job_set is None or (policy is not None and policy.restart_strategy == "InPlaceRestart"):
        return
    restarts = policy.max_restarts if policy is not None else 0
    for crew in job.crews:
        batch = crew.batch
        severity = _severity(run, crew)
        if batch is None or severity is None or not _retries(batch, restarts):
            continue
        limit = batch.backoff_limit
        place = crew.job_path if limit is None else (*crew.job_path, "backoffLimit")
        which = f"backoffLimit is {limit}" if limit is not None else "backoffLimit is missing, which means 6"
        pods = f"one of {crew.replicas} pods" if severity is Severity.WARNING else "one pod"
        before = f" before maxRestarts ({restarts}) recreates all" if restarts else ""
        message = f"{which}: the Job recreates {pods}, which the others do not rejoin{before}"
        help_ = f"set backoffLimit: 0{'' if restarts else f', and failurePolicy.maxRestarts: {limit} in the JobSet'}"
        yield Finding(job.at(*place), message, help_, severity=severity)


def _severity(run: Run, crew: Crew) -> Severity | None:
    """The severity if the pods of a template train together; a note if a script is written for several of them."""
    together = crew.name in run.trains or crew.added
    if not together or crew.replicas is None:
        return None
    if crew.replicas >= MANY:
        return Severity.WARNING
    return Severity.NOTE if run.spreads else None


def _retries(batch: BatchSpec, restarts: int) -> bool:
    """Whether the Job recreates a pod; without a failure policy of the JobSet a missing limit may be intended."""
    if batch.pod_failure_policy is not None:
        return False
    return bool(batch.backoff_limit) or (batch.backoff_limit is None and restarts > 0)


def override_is_in_runtime(job: Job) -> Iterator[Finding]:
    """An override of a TrainJob names a job and a container of its runtime.

    The webhook rejects a TrainJob that overrides another one, or the variables of the containers `node`,
    `dataset-initializer` and `model-initializer`, which have their own settings.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/jobset/jobset.go (Validate).

    Wrong: tests/corpus/bad/FTC611-override-of-another-job.yaml
    Right: tests/corpus/good/FTC611-override-of-the-node.yaml
    """
    known = {crew.name: crew for crew in job.crews} if job.object.has(POLICY) else None
    for path, name, changed in _overrides(job) if job.kind is Kind.TRAIN_JOB else ():
        if known is not None and name not in known:
            message = f"the runtime does not have a replicated job '{name}'"
            yield Finding(job.at(*path), message, did_you_mean(name, known))
            continue
        spec = known[name].template.spec if known is not None else None
        names = [one.name for one in (*spec.containers, *spec.init_containers)] if spec is not None else None
        for place, container in changed:
            inside = str(container.get("name", ""))
            if names is not None and inside not in names:
                message = f"the job '{name}' of the runtime does not have a container '{inside}'"
                yield Finding(job.at(*place), message, did_you_mean(inside, names))
            elif inside in _OWN_SETTINGS and container.get("env"):
                message = f"the webhook rejects variables of the container '{inside}' in an override"
                yield Finding(job.at(*place, "env"), message, f"use spec.{_OWN_SETTINGS[inside]}.env")


_OWN_SETTINGS = {
    NODE: "trainer",
    "dataset-initializer": "initializer.dataset",
    "model-initializer": "initializer.model",
}


def _overrides(job: Job) -> Iterator[tuple[KeyPath, str, list[tuple[KeyPath, dict[str, Any]]]]]:
    """The replicated jobs that a TrainJob overrides: the path, the name, and the containers with their paths."""
    for field in OVERRIDES:
        for index in range(len(_list(job, (field,)))):
            if field == "runtimePatches":
                path: KeyPath = (field, index, "trainingRuntimeSpec", "template", "spec", "replicatedJobs")
                for number, one in enumerate(_list(job, path)):
                    pod: KeyPath = (*path, number, "template", "spec", "template", "spec")
                    yield (*path, number, "name"), str(one.get("name", "")), _containers(job, pod)
            else:
                pod = (field, index) if field == "podSpecOverrides" else (field, index, "spec")
                for number, one in enumerate(_list(job, (field, index, "targetJobs"))):
                    name = str(one.get("name", ""))
                    yield (field, index, "targetJobs", number, "name"), name, _containers(job, pod)


def _containers(job: Job, pod: KeyPath) -> list[tuple[KeyPath, dict[str, Any]]]:
    fields = ("containers", "initContainers")
    return [((*pod, field, i), one) for field in fields for i, one in enumerate(_list(job, (*pod, field)))]


def _list(job: Job, path: KeyPath) -> list[dict[str, Any]]:
    """A list of mappings; empty if it is missing or malformed."""
    found = job.object.raw(*path)
    return found if isinstance(found, list) and all(isinstance(one, dict) for one in found) else []


def finished_job_is_kept(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A finished TrainJob is kept until it is deleted.

    A TrainJob does not have `ttlSecondsAfterFinished`, so ftc leaves it out. With that of the JobSet in the runtime,
    Trainer 2.1 creates a completed JobSet again when it is gone, and other releases a failed one: the job runs again.
    Source: kubeflow/trainer, issues 2981, 3737 and 3779.

    Wrong: ttl_seconds_after_finished=3600
    Right: ttl_seconds_after_finished=null
    """
    if spec.ttl_seconds_after_finished is not None:
        message = "a TrainJob does not delete itself, so this has no effect"
        yield Finding(("ttl_seconds_after_finished",), message, "remove it, and delete the TrainJob; or use -t jobset")


def container_name_is_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other container has the name of the one that trains.

    Trainer recognizes the container that trains by the name `node`, so ftc renames `train`. The API server rejects a
    pod with two containers of one name.
    Source: kubeflow/trainer, pkg/constants (Node).

    Wrong: 'pod={spec: {containers: [{name: node, image: exporter}]}}'
    Right: 'pod={spec: {containers: [{name: exporter, image: exporter}]}}'
    """
    for path, container in containers(spec):
        if container.get("name") == trainjob.MAIN:
            yield Finding((*path, "name"), "is the name of the container that trains in a TrainJob", "rename it")


def pod_group_needs_trainer_2_1(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Trainer creates a PodGroup of Volcano from 2.1 on.

    The API server of Trainer 2.0 does not know `podGroupPolicy.volcano`: `kubectl create` reports an unknown field.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/volcano.

    Wrong: nodes=2 storage=shared cluster.gang_jobs=true
    Right: nodes=2 storage=shared cluster.kueue_queue=team
    """
    if spec.cluster.gang_jobs and run.min_nodes == run.nodes:
        message = "podGroupPolicy.volcano needs Kubeflow Trainer 2.1 or later"
        yield Finding(("cluster", "gang_jobs"), message, "with Trainer 2.0, use cluster.kueue_queue=…, or -t jobset")


RULES = (
    Rule("FTC606", "train-job-settings-dropped", train_job_settings_take_effect, Object, Severity.WARNING),
    Rule("FTC607", "reserved-torchrun-variable", no_reserved_torchrun_variable, Object),
    Rule("FTC608", "torchrun-counts-cpus", torchrun_counts_devices, Step),
    Rule("FTC612", "train-job-needs-trainer", train_job_has_a_trainer, Step, Severity.WARNING),
    Rule("FTC609", "restarts-at-two-levels", pods_restart_together, Run, Severity.WARNING),
    Rule("FTC611", "override-target-not-in-runtime", override_is_in_runtime, Job),
    Rule("FTC592", "trainjob-keeps-finished-job", finished_job_is_kept, JobSpec, Severity.WARNING, target="trainjob"),
    Rule("FTC593", "reserved-container-name", container_name_is_free, JobSpec, target="trainjob", needed=True),
    Rule(
        "FTC594",
        "pod-group-needs-trainer-2-1",
        pod_group_needs_trainer_2_1,
        JobSpec,
        Severity.NOTE,
        target="trainjob",
    ),
)
