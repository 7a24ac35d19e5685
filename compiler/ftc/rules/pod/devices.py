"""Rules on the devices that a container asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.accelerators import clashing, kinds, meant
from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.amounts import amount, asked
from ftc.manifests.steps import Step
from ftc.plan.pod import with_fragments
from ftc.plan.quantity import quantity
from ftc.plan.train import NAME
from ftc.rules.given import containers, resource_lists
from ftc.rules.rule import Finding, Rule
from ftc.spec.base import EXTENDED_RESOURCE, Json
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


def devices_are_of_one_kind(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container asks for devices in the words of one device plugin.

    Those of two are two sets of devices, and no node has both: the pod stays pending for ever. Those beside
    hardware=cpu are held, and LLaMA-Factory is told to use none. Source: the names of conf/hardware; Alauda, Build of
    HAMi: not together with whole devices; Volcano issue 3624.

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
                yield Finding(path, f"asks for {name}, and the training is told to use no device", _CHOOSE)
    slices = ours - {device.resource} if device else set()
    body = with_fragments(run)["spec"]
    for container in (*body["containers"], *body.get("initContainers", [])):
        limits = [name for name in container.get("resources", {}).get("limits", {}) if name not in slices]
        for name, first in clashing(limits, device.resource if device else ""):
            path = added.get((container["name"], name), ("pod",))
            yield Finding(path, f"asks for {name}, and {first} is of another device plugin", "keep one: hardware=…")


_CHOOSE = "choose the hardware that it is of: hardware=…"


def device_is_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The resource of a device is spelt as its plugin spells it.

    No node has a misspelt one, and the pod stays pending for ever (`Insufficient nvidia.com/gpus`). Source: the names
    of conf/hardware; those that differ from them in digits or dots may be other devices.

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
            message = f"{name} is no resource that ftc knows: the pod would stay pending for ever"
            yield Finding(path, message, f"did you mean '{known}'?")


def _added(spec: JobSpec) -> dict[tuple[str, str], KeyPath]:
    """The extended resources of the fragments, by container and name, and where each is asked for."""
    return {
        (container["name"], name): (*where, "resources", field, name)
        for where, container in containers(spec)
        for field, amounts in container.get("resources", {}).items()
        for name in (amounts if field in ("requests", "limits") else ())
        if "/" in name
    }


def node_has_devices(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A pod asks for no more devices than a node has.

    A pod runs on one node: one that asks for more stays pending for ever (`Insufficient …`). hardware.device.per_node
    is what the nodes have.

    Wrong: devices=16
    Right: nodes=2 devices=8
    """
    device = spec.hardware.device
    if device is not None and device.per_node is not None and spec.devices > device.per_node:
        message = f"asks for {spec.devices}, and a node has {device.per_node}"
        help_ = f"use nodes=… with devices={device.per_node} at most"
        yield Finding(("devices",), message, help_, (("hardware", "device", "per_node"),))


def slices_are_other_resources(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Each resource of a device has its own name.

    A resource stands once in a container's limits: of two quantities under one name, one would be lost.

    Wrong: hardware=alauda-vgpu hardware.device.resource=nvidia.com/gpumem
    Right: hardware=alauda-vgpu hardware.device.resource=nvidia.com/gpu
    """
    device = spec.hardware.device
    if device is None:
        return
    taken = {device.resource}
    for name, share in device.slices.items():
        if share.resource in taken:
            message = f"{share.resource} is counted already"
            path = ("hardware", "device", "slices", name, "resource")
            yield Finding(path, message, "name another resource", (("hardware", "device", "resource"),))
        taken.add(share.resource)


def extended_resources_are_whole(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A device is counted in whole numbers, under its full name, and limited.

    The API server says `must be an integer`, `Limit must be set for non overcommitable resources`, and `must be a
    standard resource type or fully qualified` (pkg/apis/core/validation).

    Wrong: 'pod={spec: {containers: [{name: train, resources: {limits: {rdma/hca: 500m}}}]}}'
    Right: 'pod={spec: {containers: [{name: train, resources: {limits: {rdma/hca: 1}}}]}}'
    """
    limits = _limits(run)
    for path, container, resources in resource_lists(spec):
        for name, value in resources.items():
            if message := _problem(name, value) or _without_limit(path, name, limits[container]):
                help_ = "see https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"
                yield Finding((*path, name), message, help_)


_EXTENDED = re.compile(EXTENDED_RESOURCE)


_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i")


def _problem(name: str, value: str | float) -> str:
    if "/" not in name:
        return "" if _STANDARD.fullmatch(name) else "is not a resource of Kubernetes; the name of a device has a domain"
    if not _EXTENDED.fullmatch(name):
        return "is not the name of a device resource, such as example.com/gpu, outside the domains of Kubernetes"
    return f"is {value}, and a device is counted in whole numbers" if quantity(value) % 1 else ""


def _without_limit(path: KeyPath, name: str, limits: Json) -> str:
    return "is requested without a limit" if "/" in name and path[-1] == "requests" and name not in limits else ""


def _limits(run: RunPlan) -> dict[str, Json]:
    """The limits of each container of the pod that comes out."""
    body = with_fragments(run)["spec"]
    found = [container for field in ("initContainers", "containers") for container in body.get(field, [])]
    return {container["name"]: container.get("resources", {}).get("limits", {}) for container in found}


def helpers_hold_no_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only the training has devices.

    A device belongs to one container: what a helper beside the training holds is idle, and the pod needs that many more
    on its node.

    Wrong: 'pod={spec: {containers: [{name: a, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}]}}'
    Right: 'pod={spec: {containers: [{name: a, image: "a:1", resources: {limits: {memory: 1Gi}}}]}}'
    """
    names = spec.hardware.resources
    for path, container, resources in resource_lists(spec):
        for name in [name for name in resources if name in names and path[-4] == "containers" and container != NAME]:
            message = f"{container} holds {resources[name]} of {name} and trains nothing"
            yield Finding((*path, name), message, "leave it out")


# Rules on manifests.


def is_extended(name: str) -> bool:
    """Whether the name is that of an extended resource."""
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io")


def devices_are_whole(step: Step) -> Iterator[Finding]:
    """Devices are asked for in a whole number, as a limit; a request beside it is the same.

    The API server refuses anything else: Limit must be set for non overcommitable resources; must be an integer.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: tests/corpus/bad/FTC861-half-a-device.yaml
    Right: tests/corpus/good/FTC861-limit-alone.yaml
    """
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for name in [name for name in {**requests, **limits} if is_extended(name)]:
        request, limit = amount(requests.get(name)), amount(limits.get(name))
        field = "limits" if name in limits else "requests"
        number = limit if limit is not None else request
        if number is not None and number != number.to_integral_value():
            message = f"{(limits | requests)[name]} of {name} is no whole number"
            yield Finding(
                step.at("resources", field, name), message, "ask for whole devices, or for a share by its own name"
            )
        elif name not in limits:
            yield Finding(step.at("resources", "requests", name), f"{name} has no limit", "write it under limits")
        elif request is not None and limit is not None and request != limit:
            message = f"{requests[name]} of {name} are requested, and the limit is {limits[name]}"
            yield Finding(step.at("resources", "requests", name), message, "make them equal, or leave the request out")


def helpers_hold_no_device_in_manifests(step: Step) -> Iterator[Finding]:
    """An init container asks for no device.

    It holds the devices while it downloads; some device plugins never place such a pod.
    Source: Kubernetes, init containers (the pod gets the larger of both); Project-HAMi/HAMi, hygon.

    Wrong: tests/corpus/bad/FTC862-download-with-a-device.yaml
    Right: tests/corpus/good/FTC862-download-without.yaml
    """
    if step.init and step.container.restart_policy != "Always":
        for name in asked(step.container):
            field = "limits" if name in step.container.resources.limits else "requests"
            message = f"init container '{step.container.name}' asks for {name}"
            yield Finding(step.at("resources", field, name), message, "leave it out")


def devices_are_of_one_kind_in_manifests(step: Step) -> Iterator[Finding]:
    """A container asks for devices in the words of one device plugin.

    Those of two are two sets of devices, from two schedulers that know nothing of each other.
    Source: the names of conf/hardware; Alauda, Build of HAMi: not together with whole devices; Volcano issue 3624.

    Wrong: tests/corpus/bad/FTC863-two-vocabularies.yaml
    Right: tests/corpus/good/FTC863-device-and-its-shares.yaml
    """
    resources = step.container.resources
    for name, first in clashing({**resources.requests, **resources.limits}):
        message = f"{name} and {first} are of different device plugins"
        place = step.at("resources", "limits" if name in resources.limits else "requests", name)
        yield Finding(place, message, "keep one")


def devices_are_known(step: Step) -> Iterator[Finding]:
    """The resource of a device is spelt as its plugin spells it.

    No node has a misspelt one, and the pod stays pending for ever (`Insufficient nvidia.com/gpus`). Source: the names
    of conf/hardware; those that differ from them in digits or dots may be other devices.

    Wrong: tests/corpus/bad/FTC895-gpus.yaml
    Right: tests/corpus/good/FTC895-another-profile.yaml
    """
    resources = step.container.resources
    for name in {**resources.requests, **resources.limits}:
        if known := meant(name):
            message = f"{name} is no resource that ftc knows: the pod would stay pending for ever"
            place = step.at("resources", "limits" if name in resources.limits else "requests", name)
            yield Finding(place, message, f"did you mean '{known}'?")


RULES = (
    Rule("FTC341", "mixed-device-resources", devices_are_of_one_kind, JobSpec),
    Rule("FTC342", "unknown-device-resource", device_is_known, JobSpec, Severity.WARNING),
    Rule("FTC301", "devices-exceed-node", node_has_devices, JobSpec),
    Rule("FTC307", "duplicate-device-resource-name", slices_are_other_resources, JobSpec, needed=True),
    Rule("FTC532", "invalid-extended-resource", extended_resources_are_whole, JobSpec),
    Rule("FTC533", "helper-container-requests-devices", helpers_hold_no_device, JobSpec, Severity.WARNING),
    Rule("FTC861", "fractional-or-unlimited-devices", devices_are_whole, Step),
    Rule("FTC862", "init-container-requests-devices", helpers_hold_no_device_in_manifests, Step, Severity.WARNING),
    Rule("FTC863", "mixed-device-plugins", devices_are_of_one_kind_in_manifests, Step),
    Rule("FTC895", "misspelled-device-resource", devices_are_known, Step, Severity.WARNING),
)
