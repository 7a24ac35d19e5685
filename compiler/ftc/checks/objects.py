"""Rules on the objects that the API server and Volcano's webhook take: names, labels, and what stands where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.checks.given import containers, metadata, pods
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.merge import MERGE_KEYS, identity
from ftc.plan.pod import CARRIED
from ftc.plan.train import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

_LABEL_LIMIT = 63


def queue_takes_jobs(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Jobs go to a leaf queue whose name fits a label.

    Volcano's webhook says `can not submit job to root queue` (1.11 and later), and its controller labels every pod with
    the queue (pkg/controllers/job/job_controller_util.go): a label has 63 characters, and longer ones keep the pods
    from being made.

    Wrong: cluster.queue=root
    Right: cluster.queue=team-a
    """
    queue = spec.cluster.queue
    if queue == "root":
        yield Finding(("cluster", "queue"), "is the root queue, which takes no jobs", "name a queue below it")
    elif len(queue) > _LABEL_LIMIT:
        message = f"has {len(queue)} characters, and the label of the pods takes {_LABEL_LIMIT}"
        yield Finding(("cluster", "queue"), message, "name a queue with a shorter name")


def pieces_stand_once(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A fragment names each container, volume, variable and mount once.

    Fragments merge by these names, so the second would change the first without a word; in one object the API server
    refuses them (`Duplicate value`).

    Wrong: 'pod={spec: {volumes: [{name: a, emptyDir: {}}, {name: a, hostPath: {path: /a}}]}}'
    Right: 'pod={spec: {volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /a}}]}}'
    """
    for path, pod in pods(spec):
        yield from _repeated(path, pod, ("volumes", "initContainers", "containers"))
    given = list(containers(spec))
    inits = {container["name"] for path, container in given if path[-2] == "initContainers"}
    for place, container in given:
        yield from _repeated(place, container, ("env", "volumeMounts", "ports"))
        if place[-2] == "containers" and container["name"] in inits:
            yield Finding(place, f"'{container['name']}' is an init container too", "choose another name")


def _repeated(path: KeyPath, owner: Json, fields: tuple[str, ...]) -> Iterator[Finding]:
    for field in fields:
        keys = MERGE_KEYS[field]
        seen: set[Any] = set()
        for index, item in enumerate(owner.get(field, [])):
            same = identity(item, keys)
            if same in seen:
                shown = "/".join(map(str, same))
                yield Finding((*path, field, index), f"'{shown}' is there already", "delete one of the two")
            seen.add(same)


def own_annotations_stay(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Annotations below `ftc.dev/` carry the files of the run.

    The pod reads its scripts and the training YAML from them; a value of the user's would take the place of a file.

    Wrong: 'annotations={ftc.dev/owner: me}'
    Right: 'annotations={example.com/owner: me}'
    """
    for path, given in metadata(spec, "annotations"):
        for key in [key for key in given if key.startswith(CARRIED)]:
            yield Finding((*path, key), "is a name of ftc's own files", "choose another prefix")


def helpers_end(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A helper beside the training ends with it.

    A pod is done when all its containers are: one that runs on keeps the devices, and the job never completes. An init
    container with `restartPolicy: Always` is ended by the kubelet (Kubernetes 1.29 and later, sidecar containers).

    Wrong: 'pod={spec: {containers: [{name: exporter, image: "example.com/exporter:1"}]}}'
    Right: 'pod={spec: {initContainers: [{name: exporter, image: "example.com/exporter:1", restartPolicy: Always}]}}'
    """
    for path, container in containers(spec):
        if path[-2] == "containers" and container["name"] != NAME and "image" in container:
            message = f"'{container['name']}' keeps the pod and its devices as long as it runs"
            yield Finding(path, message, "make it an init container with restartPolicy: Always")


def steps_run_what_ftc_wrote(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The containers of ftc run its scripts.

    With another command nothing joins the nodes, resumes, merges or publishes, and what was checked here does not hold.

    Wrong: 'pod={spec: {containers: [{name: train, command: [python, train.py]}]}}'
    Right: launcher=command 'launcher.command=[python,train.py]'
    """
    ours = {step.name for step in run.steps}
    for path, container in containers(spec):
        for field in [field for field in ("command", "args") if field in container and container["name"] in ours]:
            help_ = "for a program of your own use launcher=command" if container["name"] == NAME else "leave it out"
            yield Finding((*path, field), f"takes the place of what ftc runs in {container['name']}", help_)


def priority_is_of_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The priority is the job's, not the pods' alone.

    Volcano copies the job's priority class to the PodGroup and to pods that have none (createJobPod); it orders and
    preempts jobs by that of the PodGroup, which a class in the pod's template does not reach.

    Wrong: pod.spec.priorityClassName=high
    Right: cluster.priority_class=high
    """
    for path, pod in pods(spec):
        name = pod.get("priorityClassName")
        if name is not None and name != spec.cluster.priority_class:
            message = f"the job is ordered by {spec.cluster.priority_class or 'no priority class'}, not by {name}"
            yield Finding((*path, "priorityClassName"), message, f"set cluster.priority_class={name}")


def tolerations_are_whole(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A toleration says what it tolerates.

    The API server refuses a value beside `Exists`, no key beside another operator, and a time beside another effect
    than `NoExecute` (pkg/apis/core/validation, ValidateTolerations).

    Wrong: 'pod={spec: {tolerations: [{key: gpu, operator: Exists, value: "yes"}]}}'
    Right: 'pod={spec: {tolerations: [{key: gpu, operator: Exists}]}}'
    """
    for path, pod in pods(spec):
        for index, toleration in enumerate(pod.get("tolerations", [])):
            if message := _toleration_problem(toleration):
                yield Finding((*path, "tolerations", index), message, "see `kubectl explain pod.spec`")


def _toleration_problem(toleration: Json) -> str:
    exists = toleration.get("operator") == "Exists"
    if exists and toleration.get("value"):
        return "Exists asks for no value"
    if not toleration.get("key") and not exists:
        return "without a key the operator must be Exists"
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        return "tolerationSeconds goes with the effect NoExecute only"
    return ""


RULES = (
    Rule("FTC521", queue_takes_jobs, target="volcano"),
    Rule("FTC522", pieces_stand_once),
    Rule("FTC523", tolerations_are_whole),
    Rule("FTC524", own_annotations_stay),
    Rule("FTC525", helpers_end, Severity.WARNING),
    Rule("FTC526", steps_run_what_ftc_wrote, Severity.WARNING),
    Rule("FTC527", priority_is_of_the_job, Severity.WARNING, target="volcano"),
)
