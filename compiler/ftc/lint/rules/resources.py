"""Rules on what containers ask for: processors, memory, devices and shares of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import Kind as Device
from ftc.accelerators import clashing, kinds, meant, shares
from ftc.diagnostics.model import Severity
from ftc.lint.amounts import amount
from ftc.lint.devices import asked
from ftc.lint.objects import Kind
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step
from ftc.lint.subjects import MANY

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZES = ("memory", "ephemeral-storage")
_LEAST = 1 << 16  # bytes
_OURS = {"app.kubernetes.io/managed-by": "ftc"}


def requests_fit_limits(step: Step) -> Iterator[Finding]:
    """A request is no larger than its limit, and neither is negative, or in a unit that was not meant.

    The API server refuses the pod, and Volcano's webhook the job: must be less than or equal to … limit. A size without
    a unit is in bytes, and `m` is a thousandth: no container starts within `512m`, half a byte.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: tests/corpus/bad/FTC860-request-over-limit.yaml
    Right: tests/corpus/good/FTC860-other-units.yaml
    """
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for name, value in requests.items():
        request, limit = amount(value), amount(limits.get(name))
        if request is not None and limit is not None and request > limit and not _is_extended(name):
            message = f"{value} of {name} are requested, and the limit is {limits[name]}"
            yield Finding(step.at("resources", "requests", name), message, "raise the limit")
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, value in amounts.items():
            number = amount(value)
            if number is not None and number < 0:
                yield Finding(step.at("resources", field, name), f"{value} of {name} are less than none")
            elif number is not None and name in _SIZES and 0 < number < _LEAST:
                unit = "thousandths of a byte" if str(value).endswith("m") else "bytes"
                help_ = f"write {str(value).rstrip('m')}Mi or {str(value).rstrip('m')}Gi"
                yield Finding(step.at("resources", field, name), f"{value} of {name} are {unit}", help_)


def _is_extended(name: str) -> bool:
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io")


def devices_are_whole(step: Step) -> Iterator[Finding]:
    """Devices are asked for in a whole number, as a limit; a request beside it is the same.

    The API server refuses anything else: Limit must be set for non overcommitable resources; must be an integer.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: tests/corpus/bad/FTC861-half-a-device.yaml
    Right: tests/corpus/good/FTC861-limit-alone.yaml
    """
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for name in [name for name in {**requests, **limits} if _is_extended(name)]:
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


def helpers_hold_no_device(step: Step) -> Iterator[Finding]:
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


def devices_are_of_one_kind(step: Step) -> Iterator[Finding]:
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


def slices_are_scheduled(step: Step) -> Iterator[Finding]:
    """A share of a device is asked of the scheduler that hands it out.

    HAMi's webhook leaves pods alone that name another scheduler, and Volcano knows no node with HAMi's names, unless a
    platform has wired the two; Volcano's own shares are known to Volcano only.
    Source: Project-HAMi/HAMi, pkg/scheduler/webhook.go; Volcano, plugin deviceshare.

    Wrong: tests/corpus/bad/FTC864-share-of-another-scheduler.yaml
    Right: tests/corpus/good/FTC864-share-of-volcano.yaml
    """
    job = step.pod.job
    limits = step.container.resources.limits
    # Who hands the shares out, hands out the devices: their name may be that of whole ones, too.
    devices = asked(step.container)
    decisive = [name for name in limits if devices and _is_share_of(name, devices)] or list(limits)
    allocators = {kind.allocator for name in decisive for kind in _kinds(name)}
    scheduler = step.pod.spec.scheduler_name or (job.volcano.scheduler_name if job.volcano else "")
    ours = _OURS.items() <= job.metadata.labels.items()
    name = next((name for name in limits if {kind.allocator for kind in _kinds(name)} & allocators), "")
    if allocators == {"hami"} and job.kind is Kind.VOLCANO and scheduler in ("", "volcano") and not ours:
        message = f"HAMi hands {name} out, and the job's scheduler is Volcano: the pods may stay pending"
        help_ = "ask the platform whether it wired the two, or take whole devices"
        yield Finding(step.at("resources", "limits", name), message, help_, Severity.WARNING)
    elif allocators == {"volcano"} and job.kind is not Kind.VOLCANO and scheduler in ("", "default-scheduler"):
        message = f"{name} is known to Volcano's scheduler only"
        yield Finding(step.at("resources", "limits", name), message, "write schedulerName: volcano")


def _is_share_of(name: str, devices: list[str]) -> bool:
    return {*devices} <= {kind.resource for kind in shares().get(name, ())}


def _kinds(name: str) -> tuple[Device, ...]:
    return shares()[name] if name in shares() else (kinds()[name],) if name in kinds() else ()


def slices_do_not_talk(run: Run) -> Iterator[Finding]:
    """Processes that talk to each other have whole devices.

    Two shares may lie on one device, and the collective library refuses two ranks on it (Duplicate GPU detected).
    Source: NCCL, init.cc.

    Wrong: tests/corpus/bad/FTC865-two-shares.yaml
    Right: tests/corpus/good/FTC865-one-share.yaml
    """
    for step, _ in run.launches:
        names = [name for name in step.container.resources.limits if name in shares()]
        names += [name for name in asked(step.container) if kinds()[name].sharing in ("partition", "replica")]
        processes = (step.devices or 1) * (run.job.total or 1)
        if names and processes >= MANY:
            message = f"{processes} processes on shares of devices: two on one device cannot talk to each other"
            yield Finding(step.at("resources", "limits", names[0]), message, "take whole devices")


RULES = (
    Rule("FTC860", requests_fit_limits, Step),
    Rule("FTC861", devices_are_whole, Step),
    Rule("FTC862", helpers_hold_no_device, Step, Severity.WARNING),
    Rule("FTC863", devices_are_of_one_kind, Step),
    Rule("FTC864", slices_are_scheduled, Step),
    Rule("FTC865", slices_do_not_talk, Run, Severity.WARNING),
    Rule("FTC895", devices_are_known, Step, Severity.WARNING),
)
