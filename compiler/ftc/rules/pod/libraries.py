"""Rules on the variables that the libraries of a device read, and their misspelled names."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ftc.accelerators import VISIBLE, Libraries, Limit, libraries
from ftc.diagnostics.model import Severity
from ftc.manifests.manifest import requested_devices
from ftc.manifests.steps import Step, named_variables
from ftc.resources import directory
from ftc.rules.given import read_variables, variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.method import LlamafactoryCli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan
    from ftc.spec.cluster import EnvironmentLimit


# One wrong letter in ten; a longer variable may belong to a version that the data do not cover.
_NEAR = 0.9


class Misspelled(NamedTuple):
    """The library, and the variable that it reads."""

    library: str
    meant: str


@cache
def misspelled(name: str) -> Misspelled | None:
    """The variable that a name nearly matches; None for a known one, or a name of another program."""
    if any(name in data["names"] for data in _libraries().values()):
        return None
    # `NCLL_` is like `NCCL_`; the name of a variable with a version or an index (HF_TOKEN_2) is the user's.
    first = set(name.partition("_")[0])
    for library, data in _libraries().items():
        ours = any(first == set(prefix.rstrip("_")) for prefix in data["prefixes"])
        near = _near(name, data["names"]) if ours and not re.fullmatch(r"[A-Z_]+?_?[0-9]+", name) else ""
        if near:
            return Misspelled(library, near)
    return None


def _letters(word: str) -> list[str]:
    return sorted(word)


def _near(name: str, known: list[str]) -> str:
    swapped = [one for one in known if _letters(one) == _letters(name)]
    return next(iter(swapped or get_close_matches(name, known, n=1, cutoff=_NEAR)), "")


@cache
def _libraries() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = json.loads((directory("schemas") / "variables.json").read_bytes())
    return found


# Rules on a spec.


_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"  # PyTorch's name, on every chip with its CUDA interface


def _user_variables(spec: JobSpec) -> Iterator[tuple[KeyPath, str, str]]:
    """The users' variables with a value, and where each is set; those of hardware and network are not among them."""
    return (one for one in variables(spec) if one[0][0] not in ("hardware", "network"))


def variable_is_read(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The libraries of the device read the variable.

    A variable for another vendor's libraries, or a misspelled one, is ignored, and the intended setting is missing.
    Source: the documentation of NCCL, HCCL, PyTorch and huggingface_hub; ftc, schemas/variables.json.

    Wrong: hardware=ascend env.NCCL_IB_HCA=mlx5_0
    Right: hardware=ascend env.GLOO_SOCKET_IFNAME=eth0
    """
    for path, name, _value in _user_variables(spec):
        if name.startswith(spec.hardware.ignored_env):
            yield Finding(path, _ignored(name, str(spec.hardware.vendor)), _instead(name, spec.hardware.collective))
    for where, name, _value in variables(spec):
        if (wrong := misspelled(name)) and not name.startswith(spec.hardware.ignored_env):
            yield Finding(where, *_not_read(name, wrong))


def _ignored(name: str, vendor: str) -> str:
    return f"{name} is ignored on {vendor} devices"


def _not_read(name: str, wrong: Misspelled) -> tuple[str, str]:
    return f"{wrong.library} does not read {name}", f"did you mean '{wrong.meant}'?"


def _instead(name: str, library: str | None) -> str:
    """The variable of another library that sets the same, or where to look for it."""
    if library is None:
        return "leave it out"
    rest = name.partition("_")[2]
    near = (f"{library.upper()}_{rest}", f"{library.upper()}_{rest.replace('IB_', 'RDMA_')}")
    known = _libraries().get(library.upper(), {"names": []})["names"]
    same = next((one for one in near if one in known), "")
    return f"use {same}; its values may differ" if same else f"see the variables of {library}"


def variable_is_in_range(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The value of a variable is within its range.

    The library stops with an error after the pods have started, or silently uses its default.
    Source: CANN, HCCL environment variables; torch_npu, NpuVariables.cpp.

    Wrong: hardware=ascend env.HCCL_CONNECT_TIMEOUT=60
    Right: hardware=ascend env.HCCL_CONNECT_TIMEOUT=1200
    """
    limits = {limit.name: limit for limit in spec.hardware.env_limits}
    given = {name: value for _, name, value in _user_variables(spec)}
    for path, name, value in _user_variables(spec):
        limit = limits.get(name)
        if limit and given.get(limit.lifted_by or "") != "1" and not _accepts(limit, value):
            yield Finding(path, *_outside(limit, value))


def _accepts(limit: EnvironmentLimit | Limit, value: str) -> bool:
    """Whether a value is in the range; Kubernetes or a shell may expand a `$` to any number."""
    return "$" in value or (value.isdecimal() and limit.min <= int(value[:20]) <= limit.max)


def _outside(limit: EnvironmentLimit | Limit, value: str) -> tuple[str, str]:
    span = str(limit.min) if limit.min == limit.max else f"{limit.min} to {limit.max}"
    other = f", or any number with {limit.lifted_by}=1" if limit.lifted_by else ""
    return f"{limit.name} is {value}, but takes {span}", f"use {span}{other}"


def no_manual_visible_devices(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The device plugin sets the visible devices of a container.

    The plugin sets the variable for each pod. A fixed value names devices that the pod did not get, or hides some that
    it did. `ftc lint` does not report a list of all devices, which is harmless.
    Source: NVIDIA/k8s-device-plugin, README; Ascend/mind-cluster; ROCm documentation.

    Wrong: devices=2 env.CUDA_VISIBLE_DEVICES=0
    Right: devices=2
    """
    for path, name, value in _user_variables(spec) if spec.hardware.device else ():
        if VISIBLE.fullmatch(name):
            yield Finding(path, _fixed(name, value), "remove it, and set devices")


def _fixed(name: str, value: str) -> str:
    return f"{name} is '{value}', but the device plugin sets the devices of each pod"


def allocator_setting_is_kept(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A setting for PyTorch's allocator reaches the training.

    `llamafactory-cli` sets it to expandable_segments:True for its torchrun, unless OPTIM_TORCH is 0.
    Source: LLaMA-Factory, launcher.py.

    Wrong: devices=2 env.PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128
    Right: devices=2 env.PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128 env.OPTIM_TORCH=0
    """
    several = isinstance(spec.launcher, LlamafactoryCli) and spec.processes > 1
    if several and _ALLOCATOR in spec.env and spec.env.get("OPTIM_TORCH") != "0":
        message = "is overwritten by llamafactory-cli if it starts several processes"
        yield Finding(("env", _ALLOCATOR), message, "set env.OPTIM_TORCH=0 too, or use launcher=torchrun")


_GENERIC_ALLOCATOR = "PYTORCH_ALLOC_CONF"


_SPLITTING = ("max_split_size_mb", "garbage_collection_threshold")


def allocator_settings_are_consistent(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The settings of the device's allocator are consistent.

    Expandable segments cannot be split. With both settings, or with PYTORCH_ALLOC_CONF too, torch_npu stops at start.
    Source: torch_npu, environment variables (PYTORCH_NPU_ALLOC_CONF).

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
        yield Finding(path, message, "remove one of them")
    if _GENERIC_ALLOCATOR in given:
        yield Finding(path, f"conflicts with {_GENERIC_ALLOCATOR}", "remove one of them")


# Rules on manifests.


def libraries_of(step: Step) -> Libraries | None:
    """The libraries of a container's devices, if it requests devices of one vendor."""
    names = requested_devices(step.container)
    return libraries(names[0]) if len(names) == 1 else None


def _literal_variables(step: Step) -> Iterator[tuple[Spot, str, str]]:
    """The variables of a container whose value is known: place, name and value."""
    for variable in step.environment.variables.values():
        if variable.index is not None and variable.value is not None:
            yield step.at("env", variable.index), variable.name, variable.value


def variable_is_read_in_manifests(step: Step) -> Iterator[Finding]:
    """The libraries of a container's devices read its variables, and those of its script."""
    known = libraries_of(step)
    ignored = known.ignored if known is not None else ()
    for name, place in named_variables(step):
        if (wrong := misspelled(name)) and not name.startswith(ignored):
            yield Finding(place, *_not_read(name, wrong))
    for place, name, _value in _literal_variables(step):
        if known is not None and name.startswith(ignored):
            yield Finding(place, _ignored(name, known.vendor), "remove it")


def variable_is_in_range_in_manifests(step: Step) -> Iterator[Finding]:
    """The values of a container's variables are within their ranges."""
    known = libraries_of(step)
    limits = {limit.name: limit for limit in known.limits} if known is not None else {}
    for place, name, value in _literal_variables(step):
        limit = limits.get(name)
        if limit and not _is_lifted(step, limit) and not _accepts(limit, value):
            yield Finding(place, *_outside(limit, value))


def _is_lifted(step: Step, limit: Limit) -> bool:
    """Whether another variable lifts the limit, or has an unknown value."""
    other = limit.lifted_by
    return other is not None and other in step.environment and step.environment.values.get(other, "1") == "1"


def no_manual_visible_devices_in_manifests(step: Step) -> Iterator[Finding]:
    """A container of a manifest does not fix its visible devices; a list of all of them is harmless."""
    every = {str(number) for number in range(min(step.devices or 0, 100))}
    for place, name, value in _literal_variables(step) if libraries_of(step) is not None else ():
        fixes = value.strip() != "all" and "$" not in value and {one.strip() for one in value.split(",")} != every
        if VISIBLE.fullmatch(name) and fixes:
            yield Finding(place, _fixed(name, value), "remove it")


RULES = (
    Rule(
        "FTC315",
        "variable-not-read-by-hardware",
        variable_is_read,
        JobSpec,
        Severity.WARNING,
        in_manifests=(variable_is_read_in_manifests, Step),
    ),
    Rule(
        "FTC316",
        "variable-out-of-range",
        variable_is_in_range,
        JobSpec,
        in_manifests=(variable_is_in_range_in_manifests, Step),
    ),
    Rule(
        "FTC317",
        "no-manual-visible-devices",
        no_manual_visible_devices,
        JobSpec,
        Severity.WARNING,
        in_manifests=(no_manual_visible_devices_in_manifests, Step),
    ),
    Rule("FTC318", "allocator-setting-overridden", allocator_setting_is_kept, JobSpec, Severity.WARNING),
    Rule("FTC343", "conflicting-allocator-settings", allocator_settings_are_consistent, JobSpec),
)
