"""Rules on the devices that a container requests."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftc.accelerators import clashing, inference_only, kinds, meant
from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.manifest import amount, requested, requested_devices
from ftc.manifests.steps import Run, Step
from ftc.patterns import lazily
from ftc.plan.kubernetes import quantity
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.rules.given import containers, pods, resource_lists
from ftc.rules.rule import Finding, Rule
from ftc.spec.base import EXTENDED_RESOURCE, Json
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan

# Rules on a spec.


def one_device_plugin(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container requests devices of one device plugin.

    Two plugins allocate two separate sets of devices. No node offers both, so the pod stays pending forever. With
    hardware=cpu, LLaMA-Factory does not use the devices that the pod holds.
    Source: the resource names in conf/hardware; Alauda, Build of HAMi; Volcano issue 3624.

    Wrong: hardware=ascend 'pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]}}'
    Right: hardware=ascend 'pod={spec: {containers: [{name: train, resources: {limits: {example.com/nic: 1}}}]}}'
    """
    device = spec.hardware.device
    ours = spec.hardware.resources
    added = _added(spec)
    if not {name for _, name in added} - ours:
        return
    if device is None and spec.trains:
        for (_, name), path in added.items():
            if name in kinds():
                yield Finding(path, f"requests {name}, but the training runs on the CPU", _CHOOSE)
    slices = ours - {device.resource} if device else set()
    body = with_fragments(run)["spec"]
    for container in (*body["containers"], *body.get("initContainers", [])):
        limits = [name for name in _taken(container.get("resources", {}).get("limits", {})) if name not in slices]
        for name, first in clashing(limits, device.resource if device else ""):
            path = added.get((container["name"], name), ("pod",))
            yield Finding(path, _different_plugins(name, first), "keep one: hardware=…")


def _taken(amounts: Json) -> list[str]:
    """The resources of which a container takes more than 0."""
    return [name for name, value in amounts.items() if quantity(value)]


def _different_plugins(name: str, first: str) -> str:
    return f"{name} and {first} belong to different device plugins"


_CHOOSE = "choose the matching hardware: hardware=…"


def device_resource_is_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The name of a device resource is spelled correctly.

    If no node offers the resource, the pod stays pending forever (`Insufficient nvidia.com/gpus`). A name that differs
    from a known one only in digits or dots may be another device and is not reported.
    Source: the resource names in conf/hardware.

    Wrong: hardware.device.resource=nvidia.com/gpus
    Right: hardware.device.resource=nvidia.com/gpu.shared
    """
    device = spec.hardware.device
    place = ("hardware", "device")
    named: list[tuple[KeyPath, str]] = [(path, name) for (_, name), path in _added(spec).items()]
    if device is not None:
        named.append(((*place, "resource"), device.resource))
        named += [((*place, "slices", key, "resource"), share.resource) for key, share in device.slices.items()]
    for path, name in named:
        if known := meant(name):
            yield Finding(path, _unknown(name), f"did you mean '{known}'?")


def _unknown(name: str) -> str:
    return f"{name} is an unknown resource; the pod may stay pending forever"


def _added(spec: JobSpec) -> dict[tuple[str, str], KeyPath]:
    """The extended resources that fragments add, by container and name, with their place."""
    return {
        (container["name"], name): (*where, "resources", field, name)
        for where, container in containers(spec)
        for field, amounts in container.get("resources", {}).items()
        for name in (amounts if field in ("requests", "limits") else ())
        if "/" in name
    }


def node_has_devices(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A pod requests at most as many devices as a node has.

    A pod runs on one node. If it requests more devices than a node has (`hardware.device.per_node`), it stays pending
    forever (`Insufficient …`).
    Source: Kubernetes, pkg/scheduler (noderesources).

    Wrong: devices=16
    Right: nodes=2 devices=8
    """
    device = spec.hardware.device
    if device is not None and device.per_node is not None and spec.devices > device.per_node:
        message = f"requests {spec.devices}, but a node has {device.per_node}"
        help_ = f"use nodes=… with devices={device.per_node} or fewer"
        yield Finding(("devices",), message, help_, (("hardware", "device", "per_node"),))


def device_resource_names_differ(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The resources of a device have different names.

    A container's limits are a map: of two quantities under one name, one would be lost.
    Source: ftc, which writes each resource of the device into the limits.

    Wrong: hardware=alauda-vgpu hardware.device.resource=nvidia.com/gpumem
    Right: hardware=alauda-vgpu hardware.device.resource=nvidia.com/gpu
    """
    device = spec.hardware.device
    if device is None:
        return
    taken = {device.resource}
    for name, share in device.slices.items():
        if share.resource in taken:
            message = f"{share.resource} is a duplicate"
            path = ("hardware", "device", "slices", name, "resource")
            yield Finding(path, message, "use another resource", (("hardware", "device", "resource"),))
        taken.add(share.resource)


def extended_resources_are_valid(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """An extended resource, such as a device, has a full name, a whole number and a limit.

    The API server rejects anything else: `must be an integer`, `Limit must be set for non overcommitable resources`,
    `must be a standard resource type or fully qualified`.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: 'pod={spec: {containers: [{name: train, resources: {limits: {example.com/nic: 500m}}}]}}'
    Right: 'pod={spec: {containers: [{name: train, resources: {limits: {example.com/nic: 1}}}]}}'
    """
    limits = _limits(run)
    for path, container, resources in resource_lists(spec):
        for name, value in resources.items():
            alone = _without_limit(str(path[-1]), name, limits[container]) if "/" in name else ""
            if message := _problem(name, value) or alone:
                help_ = "see https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"
                yield Finding((*path, name), message, help_)


_EXTENDED = lazily(EXTENDED_RESOURCE)


_STANDARD = lazily(r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i")


def _problem(name: str, value: str | float) -> str:
    if "/" not in name:
        return (
            ""
            if _STANDARD.fullmatch(name)
            else "is not a Kubernetes resource; the name of a device resource has a domain"
        )
    if not _EXTENDED.fullmatch(name):
        return "is not a valid device resource, such as example.com/gpu, outside the domains of Kubernetes"
    return _not_whole(name, value, quantity(value))


def _not_whole(name: str, value: str | float, number: Decimal | None) -> str:
    return f"{value} of {name} is not a whole number" if number is not None and number % 1 else ""


def _without_limit(field: str, name: str, limits: Json) -> str:
    return f"{name} is requested without a limit" if field == "requests" and name not in limits else ""


def _limits(run: RunPlan) -> dict[str, Json]:
    """The limits of each container in the merged pod."""
    body = with_fragments(run)["spec"]
    found = [container for field in ("initContainers", "containers") for container in body.get(field, [])]
    return {container["name"]: container.get("resources", {}).get("limits", {}) for container in found}


def helpers_request_no_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only the training container requests devices.

    Containers do not share devices. A device that a helper container holds is idle, and the pod needs more devices on
    its node. `ftc lint` reports a helper if its whole program is known, such as `sleep` or `nvidia-smi`.
    Source: Kubernetes, Schedule GPUs.

    Wrong: 'pod.spec.containers=[{name: a, image: "a:1", command: [nvidia-smi, dmon],
      resources: {limits: {nvidia.com/gpu: 1}}}]'
    Right: 'pod.spec.containers=[{name: a, image: "a:1", command: [nvidia-smi, dmon],
      resources: {limits: {memory: 1Gi}}}]'
    """
    for path, container in containers(spec):
        helps = path[-2] == "containers" or container.get("restartPolicy") == _SIDECAR
        for field in _FIELDS if helps and container["name"] != NAME else ():
            amounts = container.get("resources", {}).get(field, {})
            for name in [name for name in _taken(amounts) if name in spec.hardware.resources]:
                message = _does_not_train(container["name"], amounts[name], name)
                yield Finding((*path, "resources", field, name), message, "remove it")


_FIELDS = ("requests", "limits")
_SIDECAR = "Always"


def _does_not_train(container: str, value: str | float, name: str) -> str:
    return f"{container} requests {value} of {name} but does not train"


def init_containers_request_no_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An init container does not request devices.

    It holds the devices while it downloads, before the training starts. With some device plugins such a pod is never
    scheduled.
    Source: Kubernetes, Init Containers (the pod gets the larger of both requests); Project-HAMi/HAMi, hygon;
    Project-HAMi/website, DCU.

    Wrong: 'pod.spec.initContainers=[{name: fetch-model, resources: {limits: {nvidia.com/gpu: "1"}}}]'
    Right: 'pod.spec.initContainers=[{name: fetch-model, resources: {limits: {ephemeral-storage: 9Gi}}}]'
    """
    names = spec.hardware.resources
    for path, container in containers(spec):
        if path[-2] == "initContainers" and container.get("restartPolicy") != _SIDECAR:
            for name in [one for one in _taken(container.get("resources", {}).get("limits", {})) if one in names]:
                yield Finding(path[:-1], _held_early(container["name"], name), "remove it")


def _held_early(container: str, name: str) -> str:
    return f"init container '{container}' requests {name} and holds it before the training starts"


_RANK_TABLE = "rings-config-"  # Ascend/mind-cluster: the ConfigMap that Ascend Operator writes for a job


def rank_table_of_another_job(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The rank table is that of this job.

    Ascend Operator writes the table into the ConfigMap `rings-config-<job>`. If the pod mounts that of another name, it
    waits in ContainerCreating, or trains with the addresses of another job.
    Source: Ascend/mind-cluster, documentation of Ascend Operator.

    Wrong: hardware=ascend-910b-rank-table
    Right: hardware=ascend-910b-rank-table naming=fixed name=run
    """
    for path, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            table = (volume.get("configMap") or {}).get("name", "")
            job = str(table).removeprefix(_RANK_TABLE)
            if str(table).startswith(_RANK_TABLE) and (spec.naming != "fixed" or job != run.object_name):
                name = run.object_name if spec.naming == "fixed" else "generated"
                message = f"is {table}, the rank table of the job '{job}', but the name of this job is {name}"
                help_ = f"set naming=fixed name={job}, or put the fixed name of your job behind {_RANK_TABLE}"
                yield Finding((*path, "volumes", index), message, help_, (("naming",), ("name",)))


# Rules on manifests.


def is_extended(name: str) -> bool:
    """Whether a name is that of an extended resource."""
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io")


def extended_resources_are_valid_in_manifests(step: Step) -> Iterator[Finding]:
    """The extended resources of a manifest have a whole number and a limit; the schema checks their names."""
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for field, amounts in (("requests", requests), ("limits", limits)):
        for name in filter(is_extended, amounts):
            place = step.at("resources", field, name)
            if message := _not_whole(name, amounts[name], amount(amounts[name])):
                yield Finding(place, message, "request whole devices, or a share by the name of its resource")
            elif message := _without_limit(field, name, limits):
                yield Finding(place, message, "set it under limits")


def init_containers_request_no_device_in_manifests(step: Step) -> Iterator[Finding]:
    """The init containers of a manifest do not request devices, except to check them; a sidecar is not one of them."""
    if step.init and step.container.restart_policy != _SIDECAR and not step.idle:
        for name in requested_devices(step.container):
            yield Finding(_resource(step, name), _held_early(step.container.name, name), "remove it")


def helpers_request_no_device_in_manifests(run: Run) -> Iterator[Finding]:
    """The containers of a manifest that certainly do not train leave the devices to the one that may train."""
    training = {id(one.pod) for one in run.steps if one.devices and not one.init and not one.idle}
    for step in run.steps:
        helps = step.idle and (not step.init or step.container.restart_policy == _SIDECAR)
        for name in requested_devices(step.container) if helps and id(step.pod) in training else ():
            resources = {**step.container.resources.requests, **step.container.resources.limits}
            message = _does_not_train(step.container.name, resources[name], name)
            yield Finding(_resource(step, name), message, "remove it")


def _resource(step: Step, name: str) -> Spot:
    """The place of a resource of a container; that of its limit if it has both."""
    return step.at("resources", "limits" if name in step.container.resources.limits else "requests", name)


def one_device_plugin_in_manifests(step: Step) -> Iterator[Finding]:
    """A container of a manifest requests devices of one device plugin."""
    for name, first in clashing(requested(step.container)):
        yield Finding(_resource(step, name), _different_plugins(name, first), "keep one")


def device_resource_is_known_in_manifests(step: Step) -> Iterator[Finding]:
    """The containers of a manifest request resources whose names are spelled correctly."""
    for name in {**step.container.resources.requests, **step.container.resources.limits}:
        if known := meant(name):
            yield Finding(_resource(step, name), _unknown(name), f"did you mean '{known}'?")


def training_on_inference_chip(step: Step) -> Iterator[Finding]:
    """A training does not run on a chip for inference.

    Such a chip has no bf16, and LLaMA-Factory supports the training chips of the vendor only: the run stops at its
    first operator. A resource name that training chips share is not reported.
    Source: conf/hardware/inference-only.txt; LLaMA-Factory issues 7522, 10418.

    Wrong: tests/corpus/bad/FTC713-sft-on-310p.yaml
    Right: tests/corpus/good/FTC713-serving-on-310p.yaml
    """
    limits = {**step.container.resources.requests, **step.container.resources.limits}
    for name in limits if step.trainings and not step.init else ():
        if any(fnmatchcase(name.lower(), pattern) for pattern in inference_only()):
            message = f"{name} is a chip for inference, on which LLaMA-Factory does not train"
            yield Finding(_resource(step, name), message, "request a chip for training")


RULES = (
    Rule("FTC350", "rank-table-of-another-job", rank_table_of_another_job, JobSpec, Severity.WARNING),
    Rule("FTC713", "training-on-inference-chip", training_on_inference_chip, Step),
    Rule(
        "FTC341",
        "mixed-device-resources",
        one_device_plugin,
        JobSpec,
        in_manifests=(one_device_plugin_in_manifests, Step),
    ),
    Rule(
        "FTC342",
        "unknown-device-resource",
        device_resource_is_known,
        JobSpec,
        Severity.WARNING,
        in_manifests=(device_resource_is_known_in_manifests, Step),
    ),
    Rule("FTC301", "devices-exceed-node", node_has_devices, JobSpec),
    Rule("FTC307", "duplicate-device-resource", device_resource_names_differ, JobSpec, needed=True),
    Rule(
        "FTC314",
        "download-requests-devices",
        init_containers_request_no_device,
        JobSpec,
        Severity.WARNING,
        in_manifests=(init_containers_request_no_device_in_manifests, Step),
    ),
    Rule(
        "FTC532",
        "invalid-extended-resource",
        extended_resources_are_valid,
        JobSpec,
        in_manifests=(extended_resources_are_valid_in_manifests, Step),
    ),
    Rule(
        "FTC533",
        "helper-container-requests-devices",
        helpers_request_no_device,
        JobSpec,
        Severity.WARNING,
        in_manifests=(helpers_request_no_device_in_manifests, Run),
    ),
)
