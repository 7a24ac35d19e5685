"""Rules on the variables that the libraries of a device read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import VISIBLE, Libraries, Limit, libraries
from ftc.diagnostics.model import Severity
from ftc.manifests.amounts import asked
from ftc.manifests.steps import Step
from ftc.rules.given import read_variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.launcher import LlamafactoryCli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.environment import Variable
    from ftc.plan.types import RunPlan

# Rules on a spec.


_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"  # PyTorch's name, on every chip that its CUDA interface drives


def _given(spec: JobSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """The users' variables and where each is set; hardware and network speak for themselves."""
    for path, variables in (("cluster", "env"), spec.cluster.env), (("env",), spec.env):
        yield from (((*path, name), value) for name, value in variables.items())


def variable_is_read(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A variable is one that the libraries of this hardware read.

    Those of another vendor's libraries change nothing, and the setting that was meant is missing (the libraries'
    documentation of their variables: NCCL, HCCL; PyTorch's allocators).

    Wrong: hardware=ascend env.NCCL_IB_HCA=mlx5_0
    Right: hardware=ascend env.GLOO_SOCKET_IFNAME=eth0
    """
    for path, _value in _given(spec):
        if path[-1].startswith(spec.hardware.ignored_env):
            message = f"has no effect on devices of {spec.hardware.vendor}"
            yield Finding(path, message, f"see the variables of its own libraries: {spec.hardware.collective}")


def variable_is_in_range(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A variable with a range has a value in it.

    The library stops with a message of its own after the pods have started, or takes its default (CANN, HCCL
    environment variables; torch_npu, NpuVariables.cpp).

    Wrong: hardware=ascend env.HCCL_CONNECT_TIMEOUT=60
    Right: hardware=ascend env.HCCL_CONNECT_TIMEOUT=1200
    """
    limits = {limit.name: limit for limit in spec.hardware.env_limits}
    given = {path[-1]: value for path, value in _given(spec)}
    for path, value in _given(spec):
        limit = limits.get(path[-1])
        lifted = limit is not None and given.get(limit.lifted_by or "") == "1"
        if limit and not lifted and not (value.isdecimal() and limit.min <= int(value) <= limit.max):
            span = str(limit.min) if limit.min == limit.max else f"{limit.min} to {limit.max}"
            other = f", or any with {limit.lifted_by}=1" if limit.lifted_by else ""
            yield Finding(path, f"{value} is not a number that it takes", f"it takes {span}{other}")


def devices_are_given(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Which devices a container sees is for the device plugin to say.

    It sets the variable for each pod. A fixed value names devices that the pod was not given, or hides some that it was
    (NVIDIA/k8s-device-plugin, README; Ascend/mind-cluster; ROCm documentation).

    Wrong: env.CUDA_VISIBLE_DEVICES=0
    Right: devices=2
    """
    for path, _value in _given(spec) if spec.hardware.device else ():
        if VISIBLE.fullmatch(path[-1]):
            yield Finding(path, "is set by the device plugin for each pod", "leave it out, and set devices")


def allocator_setting_stays(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A setting of PyTorch's allocator reaches the training.

    `llamafactory-cli` sets it to expandable_segments:True for its torchrun, unless OPTIM_TORCH is 0 (LLaMA-Factory,
    launcher.py).

    Wrong: devices=2 env.PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128
    Right: devices=2 env.PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128 env.OPTIM_TORCH=0
    """
    several = isinstance(spec.launcher, LlamafactoryCli) and spec.processes > 1
    if several and _ALLOCATOR in spec.env and spec.env.get("OPTIM_TORCH") != "0":
        message = "is overwritten by llamafactory-cli where it starts several processes"
        yield Finding(("env", _ALLOCATOR), message, "set env.OPTIM_TORCH=0 too, or use launcher=torchrun")


_EVERY = "PYTORCH_ALLOC_CONF"


_SPLITTING = ("max_split_size_mb", "garbage_collection_threshold")


def allocator_settings_fit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The settings of the chip's allocator fit each other.

    Segments that grow are not split: with both settings, or with PYTORCH_ALLOC_CONF too, torch_npu stops when it
    starts (torch_npu, environment variables: PYTORCH_NPU_ALLOC_CONF).

    Wrong: hardware=ascend 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:True,max_split_size_mb:128"'
    Right: hardware=ascend 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:True"'
    """
    given, name = read_variables(spec), spec.hardware.allocator_variable
    if name is None or name not in given:
        return
    path, value = given[name]
    settings = dict(part.strip().partition(":")[::2] for part in value.split(","))
    clash = [name for name in _SPLITTING if name in settings]
    if settings.get("expandable_segments", "").casefold() == "true" and clash:
        message = f"expandable_segments cannot be combined with {' and '.join(clash)}"
        yield Finding(path, message, "leave one of them out")
    if _EVERY in given:
        yield Finding(path, f"is set beside {_EVERY}, and one of the two is taken", "leave one of them out")


# Rules on manifests.


def libraries_are_reached(step: Step) -> Iterator[Finding]:
    """What a container says to the libraries of its devices, they can read.

    Variables of another vendor's libraries change nothing; numbers out of range end the training, or count for nothing;
    which devices there are, the device plugin says. A volume over the toolkit's directory hides it.
    Source: the vendors' documentation of NCCL, HCCL and torch_npu, as conf/hardware has it.

    Wrong: tests/corpus/bad/FTC898-variable-of-another-vendor.yaml
    Right: tests/corpus/good/FTC898-variables-of-the-vendor.yaml
    """
    names = asked(step.container)
    known = libraries(names[0]) if len(names) == 1 else None
    if known is None:
        return
    for variable in step.environment.variables.values():
        if variable.index is not None and variable.value is not None:
            problem = _unread(known, variable) or _out_of_range(step, known, variable) or _chosen(step, variable)
            if problem:
                severity = Severity.ERROR if "takes" in problem else None
                yield Finding(step.at("env", variable.index), f"{variable.name} {problem}", "", severity=severity)
    for index, mount in enumerate(step.container.volume_mounts):
        hidden = [one for one in known.scripts if one.startswith(f"{mount.mount_path.rstrip('/')}/")]
        if hidden and mount.mount_path:
            message = f"the volume hides {hidden[0]} and the rest of the image's toolkit"
            yield Finding(step.at("volumeMounts", index), message, "mount it elsewhere")


def _unread(known: Libraries, variable: Variable) -> str:
    return f"has no effect on devices of {known.vendor}" if variable.name.startswith(known.ignored) else ""


def _out_of_range(step: Step, known: Libraries, variable: Variable) -> str:
    limit = next((one for one in known.limits if one.name == variable.name), None)
    lifted = limit is not None and limit.lifted_by in step.environment.values
    if limit is None or lifted or _takes(limit, variable.value or ""):
        return ""
    span = str(limit.min) if limit.min == limit.max else f"{limit.min} to {limit.max}"
    return f"is {variable.value}, and takes {span}"


def _takes(limit: Limit, value: str) -> bool:
    return "$" in value or (value.isdecimal() and limit.min <= int(value[:20]) <= limit.max)


def _chosen(step: Step, variable: Variable) -> str:
    """A list of all devices that there are changes nothing."""
    count = step.devices or 0
    every = ",".join(map(str, range(min(count, 100))))
    if not VISIBLE.fullmatch(variable.name) or (variable.value or "").replace(" ", "") in (every, "all"):
        return ""
    return f"is {variable.value}, and the device plugin says which devices the pod has"


RULES = (
    Rule("FTC315", "variable-not-read-by-hardware", variable_is_read, JobSpec, Severity.WARNING),
    Rule("FTC316", "variable-out-of-range", variable_is_in_range, JobSpec),
    Rule("FTC317", "no-manual-visible-devices", devices_are_given, JobSpec, Severity.WARNING),
    Rule("FTC318", "allocator-setting-overridden", allocator_setting_stays, JobSpec, Severity.WARNING),
    Rule("FTC343", "conflicting-allocator-settings", allocator_settings_fit, JobSpec),
    Rule("FTC898", "ineffective-library-variable", libraries_are_reached, Step, Severity.WARNING),
)
