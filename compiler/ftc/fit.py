"""The combinations of hardware, devices, engine, batch and length with which a run fits its devices, cheapest first.

The estimate sorts out the candidates; the others are compiled, and a combination counts only if no rule objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from ftc.conf_tree import groups, search_path
from ftc.diagnostics.model import Diagnostic, Severity, has_errors
from ftc.driver import Request, State, compile_job
from ftc.estimate.memory import estimate
from ftc.estimate.reading import Unknown, read
from ftc.estimate.remedy import fits
from ftc.spec.method import Accelerate, Ddp, DeepSpeed, Engine, Fsdp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.estimate.facts import Training
    from ftc.spec.cluster import Device
    from ftc.spec.job import JobSpec

_MIB = 1 << 20
_MEMORY = ("FTC701", "FTC702", "FTC703")
_SHORTEST = 512
_PRIMARY = "config"
_GIVEN = "as given"
# The simplest first: each next one needs more traffic, or another launcher.
_ENGINES: tuple[tuple[str, Engine], ...] = (
    ("ddp", Ddp()),
    ("deepspeed-z2", DeepSpeed(stage=2)),
    ("deepspeed-z3", DeepSpeed(stage=3)),
    ("fsdp2", Fsdp(version=2)),
    ("deepspeed-z3-offload", DeepSpeed(stage=3, offload=True)),
)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A combination that fits: its overrides come after those of the user."""

    hardware: str
    device_mib: int
    nodes: int
    devices: int
    engine: str
    batch: int
    length: int
    total_mib: int
    overrides: tuple[str, ...]


class Nothing(msgspec.Struct, frozen=True):
    """Why no combination can be tried; `diagnostics` are those of the run itself."""

    reason: str
    diagnostics: tuple[Diagnostic, ...] = ()


class _Base(NamedTuple):
    """A run on one kind of hardware, before anything else is chosen."""

    hardware: str
    word: str
    spec: JobSpec
    training: Training
    memory_mib: int


def search(request: Request, most: int) -> tuple[Fit, ...] | Nothing:
    """The first `most` combinations: the fewest devices, then the smallest device, then the simplest engine."""
    given = {word.lstrip("+~").partition("=")[0] for word in request.overrides}
    bases = list(_bases(request, given))
    known = [base for base in bases if isinstance(base, _Base)]
    if not known:
        return next((base for base in bases if isinstance(base, Nothing)), Nothing("no hardware has a known memory"))
    candidates = [fit for base in known for fit in _candidates(base, given)]
    found: list[Fit] = []
    for fit in sorted(candidates, key=_cost):
        if len(found) == most:
            break
        if _is_accepted(compile_job(replace(request, overrides=(*request.overrides, *fit.overrides)))):
            found.append(fit)
    return tuple(found)


def _cost(fit: Fit) -> tuple[int, int, int, str]:
    order = [name for name, _ in _ENGINES]
    engine = order.index(fit.engine) if fit.engine in order else len(order)
    return fit.nodes * fit.devices, fit.device_mib, engine, fit.hardware


def _is_accepted(state: State) -> bool:
    codes = {diagnostic.code for diagnostic in state.diagnostics}
    return state.spec is not None and not has_errors(state.diagnostics) and not codes & {*_MEMORY}


def _bases(request: Request, given: set[str]) -> Iterator[_Base | Nothing]:
    """The run on the hardware that it names, or on each whole device whose memory is known."""
    chosen = next((word.partition("=")[2] for word in request.overrides if word.startswith("hardware=")), "")
    is_chosen = "hardware" in given or request.config_name != _PRIMARY
    names = [chosen or _GIVEN] if is_chosen else groups(search_path(request.config_dirs))["hardware"]
    for name in names:
        word = "" if is_chosen else f"hardware={name}"
        words = filter(None, (*request.overrides, word))
        state = compile_job(replace(request, overrides=tuple(words), targets=()))
        base = _base(name, word, state, is_chosen=is_chosen)
        if base is not None:
            yield base


def _base(name: str, word: str, state: State, *, is_chosen: bool) -> _Base | Nothing | None:
    wrong = [d for d in state.diagnostics if d.severity is Severity.ERROR and d.code not in _MEMORY]
    if state.spec is None or (wrong and is_chosen):
        return Nothing("the run has errors", state.diagnostics) if is_chosen or state.spec is None else None
    device, training = state.spec.hardware.device, read(state.spec)
    if isinstance(training, Unknown):
        return Nothing(f"the memory is not estimated: {training.reason}")
    if is_chosen and (device is None or device.memory_mib is None):
        return Nothing(_without_memory(device))
    if device is None or device.memory_mib is None or wrong or (device.sharing != "whole" and not is_chosen):
        return None
    return _Base(name, word, state.spec, training, device.memory_mib)


def _without_memory(device: Device | None) -> str:
    """Why the chosen hardware cannot be judged, and the remedy."""
    others = "name other hardware, or leave out hardware=… to try all"
    if device is None:
        return f"the hardware does not have a device whose memory could be estimated: {others}"
    return f"the memory of the hardware's device is not known: set hardware.device.memory_mib=…, {others}"


def _candidates(base: _Base, given: set[str]) -> Iterator[Fit]:
    """One combination for each number of devices and each engine: the longest sequences, then the largest batch."""
    for devices in _devices(base.spec, given):
        for name, engine in _engines(base, devices, given):
            training = replace(base.training, engine=engine, processes=base.spec.nodes * devices)
            for sized in _sizes(base, training, given):
                if fits(sized, base.memory_mib * _MIB):
                    yield _fit(base, devices, name, sized, given)
                    break


def _devices(spec: JobSpec, given: set[str]) -> Iterator[int]:
    device = spec.hardware.device
    whole = device is not None and device.sharing == "whole"
    if "devices" in given or not whole:
        yield spec.devices
        return
    most = max(spec.devices, (device.per_node if device is not None else None) or 1)
    yield from (1 << power for power in range(most.bit_length()) if 1 << power <= most)


def _engines(base: _Base, devices: int, given: set[str]) -> Iterator[tuple[str, Engine]]:
    """The engines that can run; a single process needs none."""
    if "engine" in given or any(word.startswith("engine.") for word in given):
        yield "", base.spec.engine
        return
    for name, engine in _ENGINES:
        several = base.spec.nodes * devices > 1
        deepspeed = isinstance(engine, DeepSpeed) and base.spec.hardware.deepspeed is None
        fsdp = isinstance(engine, Fsdp) and "launcher" in given and not isinstance(base.spec.launcher, Accelerate)
        if isinstance(engine, Ddp) or (several and not deepspeed and not fsdp):
            yield name, engine


def _sizes(base: _Base, training: Training, given: set[str]) -> Iterator[Training]:
    """Lengths and batches, the largest first; the sequences of an optimizer step stay as many as they were."""
    before = base.training
    batch = before.tokens // before.length // before.loss.sequences
    each = max(1, batch * before.accumulation * before.processes // training.processes)
    lengths = [before.length]
    while "train.cutoff_len" not in given and lengths[-1] // 2 >= _SHORTEST:
        lengths.append(lengths[-1] // 2)
    batches = [size for size in range(min(each, 1024), 0, -1) if each % size == 0]
    for length in lengths:
        for size in [batch] if "train.per_device_train_batch_size" in given else batches:
            tokens = size * length * before.loss.sequences
            yield replace(training, tokens=tokens, length=length, accumulation=max(1, each // size))


def _fit(base: _Base, devices: int, engine: str, training: Training, given: set[str]) -> Fit:
    batch = training.tokens // training.length // training.loss.sequences
    launcher = "launcher=accelerate" if isinstance(training.engine, Fsdp) and "launcher" not in given else ""
    words = {
        "hardware": base.word,
        "devices": f"devices={devices}",
        "launcher": launcher,
        "engine": f"engine={engine}" if engine else "",
        "train.per_device_train_batch_size": f"train.per_device_train_batch_size={batch}",
        "train.gradient_accumulation_steps": f"train.gradient_accumulation_steps={training.accumulation}",
        "train.cutoff_len": f"train.cutoff_len={training.length}",
    }
    return Fit(
        hardware=base.hardware,
        device_mib=base.memory_mib,
        nodes=base.spec.nodes,
        devices=devices,
        engine=engine or _GIVEN,
        batch=batch,
        length=training.length,
        total_mib=estimate(training).total // _MIB,
        overrides=tuple(word for key, word in words.items() if word and key not in given),
    )
