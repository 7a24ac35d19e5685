"""Rules on the devices that a container asks for, after the users' fragments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import clashing, kinds, meant
from ftc.checks.given import containers
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


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


RULES = (
    Rule("FTC341", devices_are_of_one_kind),
    Rule("FTC342", device_is_known, Severity.WARNING),
)
