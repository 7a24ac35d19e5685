"""Rules on the pod after the users' fragments, and on names and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import host_names, other_schedulers, pods
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.environment import objection
from ftc.plan.pod import with_fragments
from ftc.plan.quantity import quantity
from ftc.plan.train import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

_POD_NAME_LIMIT = 63
_STRING_LIMIT = 120_000
MAX_ANNOTATION_BYTES = 200 * 1024


def pod_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of the pods have 63 characters at most.

    Volcano names a pod `<job>-worker-<index>` and makes that its host name. The volume of the job's own claim is called
    `<job>-<12 characters>` (pkg/controllers/job/job_controller_util.go).

    Wrong: name=a-name-that-is-much-too-long-for-the-name-of-a-pod
    Right: name=a-name-that-is-short-enough
    """
    added = max(len(f"-worker-{run.nodes - 1}"), len("-") + 12 if run.job_claim else 0)
    rest = len(run.object_name) - len(run.name) + added
    if len(run.name) + rest > _POD_NAME_LIMIT:
        message = f"'{run.name}' has {len(run.name)} characters, and the names of the pods add {rest}"
        yield Finding(("name",), message, f"use {_POD_NAME_LIMIT - rest} characters at most: name=…")


def script_runs_one_node(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A script runs on one machine.

    `ftc compile -t script` prints what runs on the machine at hand; the other nodes would be missing, and the first
    would wait for them.

    Wrong: -t script nodes=2
    Right: -t script nodes=1
    """
    if spec.nodes > 1:
        yield Finding(("nodes",), f"a script runs on one machine, and the job has {spec.nodes} nodes", "set nodes=1")


def fragments_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container of a fragment is one of ftc's, or brings its own image.

    A fragment changes a container by its name. One with another name is a new container, which the API server refuses
    without an image (`image: Required value`).

    Wrong: 'pod={spec: {containers: [{name: sidecar, command: [tail]}]}}'
    Right: 'pod={spec: {containers: [{name: sidecar, command: [tail], image: busybox}]}}'
    """
    ours = {
        "containers": {"train"},
        "initContainers": {f"fetch-{fetch.name}" for fetch in run.fetches},
    }
    for path, pod in pods(spec):
        for field, names in ours.items():
            for container in pod.get(field, []):
                others = set().union(*(ours[other] for other in ours if other != field))
                if container["name"] in others:
                    message = f"'{container['name']}' is among the other containers already"
                    yield Finding((*path, field), message, "choose another name")
                elif container["name"] not in names and "image" not in container:
                    message = f"the pod has no container '{container['name']}', and a new one needs an image"
                    known = ", ".join(sorted(names)) or "none"
                    yield Finding((*path, field), message, f"containers of ftc: {known}")


def restart_policy_stays(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A failed rank does not start again alone.

    With another restart policy than Never the kubelet starts the container again in its pod, into a world that waits
    for nobody. `restarts` starts all nodes again together.

    Wrong: 'pod={spec: {restartPolicy: OnFailure}}'
    Right: restarts=3
    """
    for path, pod in pods(spec):
        if pod.get("restartPolicy", "Never") != "Never":
            yield Finding((*path, "restartPolicy"), "must stay Never", "use restarts=… to start again")


def names_stay(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Volcano names the hosts.

    Its svc plugin gives the names that ranks find each other by. With a host name in the template its host list has one
    entry (pkg/controllers/job/plugins/svc).

    Wrong: nodes=2 'pod={spec: {hostname: node}}'
    Right: nodes=2
    """
    for path in host_names(spec) if spec.nodes > 1 else ():
        yield Finding(path, "is given to each pod by Volcano", "leave it out", (("nodes",),))


def scheduler_knows_the_gang(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The pods go to the scheduler that the job goes to.

    Only Volcano's own scheduler starts all pods or none; with another, some pods hold devices while they wait for the
    rest.

    Wrong: 'pod={spec: {schedulerName: default-scheduler}}'
    Right: cluster.scheduler=volcano-2
    """
    for path, name in other_schedulers(spec):
        message = f"{name} knows nothing of the gang that {spec.cluster.scheduler} starts"
        help_ = "leave it out, or set cluster.scheduler"
        yield Finding(path, message, help_, (("cluster", "scheduler"),))


def requests_fit_limits(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A request is no more than its limit, and the devices are as many as `devices` says.

    The API server refuses a request above its limit, and a device's request that is not its limit (Kubernetes,
    pkg/apis/core/validation). The launcher starts `devices` processes, whatever the limit says.

    Wrong: 'pod={spec: {containers: [{name: train, resources: {limits: {memory: 16Gi}}}]}}'
    Right: 'pod={spec: {containers: [{name: train, resources: {limits: {memory: 16Gi}, requests: {memory: 16Gi}}}]}}'
    """
    body = with_fragments(run)["spec"]
    for field, container in _containers(body):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        for name in sorted(requests.keys() & limits.keys()):
            request, limit = quantity(requests[name]), quantity(limits[name])
            if request > limit or (request != limit and "/" in name):
                message = f"{container['name']} requests {requests[name]} of {name}, and its limit is {limits[name]}"
                yield Finding((*_changed(spec, container["name"]), field), message, "give both")
        device = spec.hardware.device
        if container["name"] == NAME and device and quantity(limits[device.resource]) != spec.devices:
            message = f"the limit of {device.resource} is {limits[device.resource]}, and devices is {spec.devices}"
            yield Finding((*_changed(spec, NAME), field), message, "set devices instead", (("devices",),))


def _containers(body: Json) -> Iterator[tuple[str, Json]]:
    for field in ("containers", "initContainers"):
        yield from ((field, container) for container in body.get(field, []))


def _changed(spec: JobSpec, name: str) -> tuple[str, ...]:
    """The pod of the last fragment that changes a container."""
    changes = [path for path, pod in pods(spec) if any(container["name"] == name for _, container in _containers(pod))]
    return changes[-1] if changes else ("pod", "spec")


def variables_stay(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment leaves the variables of ftc alone.

    A fragment's variables come last, over those that ftc sets for each pod (rank, address, directories). Those that
    bash reads at its start change what the scripts do.

    Wrong: 'pod={spec: {containers: [{name: train, env: [{name: NNODES, value: "3"}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}'
    """
    ours = {step.name for step in run.steps}
    for path, pod in pods(spec):
        for field, container in _containers(pod):
            for name in sorted({variable["name"] for variable in container.get("env", [])}):
                if (message := objection(name)) and container["name"] in ours:
                    yield Finding((*path, field), f"{name} {message}", "leave it out")


def host_list_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of all hosts fit into one variable.

    Volcano's svc plugin puts them into VC_WORKER_HOSTS, and Linux takes 128 KiB in one string (MAX_ARG_STRLEN): no
    container would start.

    Wrong: nodes=5000
    Right: nodes=1000
    """
    host = len(run.object_name) * 2 + len(f"-worker-{run.nodes}.,")
    if run.nodes * host > _STRING_LIMIT:
        message = f"the names of {run.nodes} nodes are too long for one variable"
        yield Finding(("nodes",), message, f"use {_STRING_LIMIT // host} nodes at most, or a shorter name")


def annotations_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The files and annotations of the pod fit into its object.

    The API server takes 256 KiB of annotations an object (Kubernetes, pkg/apis/core/validation); the files that ftc
    writes are among them.

    Wrong: "annotations.a=$(printf a%0110000d)" "annotations.b=$(printf a%0110000d)"
    Right: annotations.a=short
    """
    annotations = with_fragments(run)["metadata"]["annotations"]
    size = sum(len(k) + len(v.encode()) for k, v in annotations.items())
    if size > MAX_ANNOTATION_BYTES:
        message = f"the files and annotations of the pod have {size} bytes, and {MAX_ANNOTATION_BYTES} fit"
        theirs = sum(len(value.encode()) for value in spec.annotations.values())
        path = ("annotations",) if theirs > size // 2 else ("train",)
        yield Finding(path, message, "shorten dataset.info, the arguments or the annotations")


RULES = (
    Rule("FTC501", pod_name_fits, target="volcano"),
    Rule("FTC502", fragments_fit),
    Rule("FTC503", restart_policy_stays),
    Rule("FTC504", annotations_fit),
    Rule("FTC507", script_runs_one_node, target="script", needed=True),
    Rule("FTC508", names_stay, target="volcano"),
    Rule("FTC509", scheduler_knows_the_gang, Severity.WARNING, target="volcano"),
    Rule("FTC510", requests_fit_limits),
    Rule("FTC511", variables_stay, needed=True),
    Rule("FTC512", host_list_fits, target="volcano"),
)
