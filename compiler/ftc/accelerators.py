"""The accelerators that conf/hardware knows, by the names of their resources."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from ftc.patterns import lazily
from ftc.resources import directory
from ftc.source import read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

_Data: TypeAlias = dict[str, Any]
_Entry = TypeVar("_Entry")
_LETTERS = lazily(r"[A-Za-z]+")
_SHORTEST = 3  # letters


class Kind(msgspec.Struct, frozen=True):
    """A resource that a device plugin counts: the plugin, and whether the resource is a share of a device."""

    resource: str
    sharing: str
    allocator: str
    shares: frozenset[str]


@cache
def _options() -> dict[str, _Data]:
    """Each option of conf/hardware, merged over those that it extends."""
    files = {file.stem: file for file in sorted((directory("conf") / "hardware").glob("*.yaml"))}
    raw = {name: _data(file) for name, file in files.items()}
    return {name: _merged(name, raw) for name in raw}


def _data(file: Path) -> _Data:
    document, _ = read(file, file.name)
    return document.data if document is not None else {}


def _merged(name: str, raw: dict[str, _Data]) -> _Data:
    below = [base for base in raw[name].get("defaults", []) if isinstance(base, str) and base in raw and base != name]
    found: _Data = {}
    for layer in (*(_merged(base, raw) for base in below), raw[name]):
        device = {**(found.get("device") or {}), **(layer.get("device") or {})}
        found = {**found, **layer, "device": device}
    return found


@cache
def kinds() -> dict[str, Kind]:
    """The counted resources by name; a name that means whole devices in one option does so in all."""
    every = [device for option in _options().values() for device in _devices(option["device"])]
    found: dict[str, Kind] = {}
    for device in sorted(every, key=lambda one: (one.sharing != "whole", one.allocator != "plugin")):
        found.setdefault(device.resource, device)
    return found


def _devices(device: _Data) -> list[Kind]:
    if "resource" not in device:
        return []
    sharing, allocator = device.get("sharing", "whole"), device.get("allocator", "plugin")
    parts = frozenset(share["resource"] for share in device.get("slices", {}).values())
    names = [device["resource"], *(profile["resource"] for profile in device.get("profiles", []))]
    return [Kind(name, sharing, allocator, parts) for name in names]


@cache
def inference_only() -> tuple[str, ...]:
    """Patterns, in lower case, of the resources of chips on which LLaMA-Factory does not train."""
    lines = (directory("conf") / "hardware" / "inference-only.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def shares() -> dict[str, tuple[Kind, ...]]:
    """The resources that give the size of a slice of a device, with the devices that they may belong to."""
    found: dict[str, tuple[Kind, ...]] = {}
    for option in _options().values():
        for device in _devices(option["device"]):
            for share in device.shares:
                found[share] = (*found.get(share, ()), device)
    return found


_PERCENT = 100


@cache
def largest_shares() -> dict[str, int]:
    """The largest quantity of a share, as far as its name tells: a percentage, or the memory of a named chip."""
    found: dict[str, list[int | None]] = {}
    for option in _options().values():
        for share in option["device"].get("slices", {}).values():
            found.setdefault(share["resource"], []).append(share.get("max"))
    most = {name: max(known) for name, limits in found.items() if (known := [one for one in limits if one is not None])}
    return {name: one for name, one in most.items() if one == _PERCENT or re.search(r"[0-9]", name)}


def counts(resource: str, names: Collection[str], selector: Mapping[str, str], *, by_volcano: bool) -> tuple[int, ...]:
    """The numbers of a device that are allocated on one node; empty if any number may be.

    `names` are the resources of the container. Options for other nodes than the selector's do not count, and those
    without a selector only if no other option fits.
    """
    fitting = [option for option in _options().values() if _is_requested(option["device"], resource, names)]
    fitting = [option for option in fitting if by_volcano or option["device"].get("allocator") != "volcano"]
    fitting = [option for option in fitting if _selector(option).items() <= selector.items()]
    fitting = [option for option in fitting if _selector(option)] or fitting
    found = [option["device"].get("counts", ()) for option in fitting]
    return tuple(sorted({count for one in found for count in one})) if all(found) else ()


def _is_requested(device: _Data, resource: str, names: Collection[str]) -> bool:
    """Whether a container requests this kind of device: with shares if, and only if, it requests shares."""
    shared = any(name in shares() for name in names)
    found = [one for one in _devices(device) if one.resource == resource]
    return any(one.shares & {*names} if shared else not one.shares for one in found)


def _selector(option: _Data) -> dict[str, str]:
    found: dict[str, str] = option.get("pod", {}).get("spec", {}).get("nodeSelector", {})
    return found


class Limit(msgspec.Struct, frozen=True):
    """The whole numbers that a variable accepts, unless another variable is 1."""

    name: str
    min: int
    max: int
    lifted_by: str | None = None


class Libraries(msgspec.Struct, frozen=True):
    """The properties of a device's libraries, as far as all options of conf/hardware with its resource agree.

    `ignored` are prefixes of variables that they do not read, `scripts` the scripts of the toolkit in the image.
    """

    vendor: str
    ignored: tuple[str, ...]
    limits: tuple[Limit, ...]
    scripts: tuple[str, ...]


# Variables that a device plugin, or its runtime, sets in each container.
# Ray has variables that only say whether it sets them.
VISIBLE = lazily(r"(?!RAY_)[A-Z_]+_VISIBLE_(DEVICES|MODULES)")


@cache
def libraries(resource: str) -> Libraries | None:
    """The libraries for a resource, if all of its devices are of one vendor."""
    options = [
        option for option in _options().values() if any(d.resource == resource for d in _devices(option["device"]))
    ]
    vendors = {option.get("vendor") for option in options}
    if len(vendors) != 1 or None in vendors:
        return None
    limits = [[msgspec.convert(one, Limit) for one in option.get("env_limits", ())] for option in options]
    return Libraries(
        vendor=str(vendors.pop()),
        ignored=_shared([option.get("ignored_env", ()) for option in options]),
        limits=_shared(limits),
        scripts=_shared([option.get("environment_scripts", ()) for option in options]),
    )


def _shared(lists: Sequence[Sequence[_Entry]]) -> tuple[_Entry, ...]:
    """The entries that are in every list, in the order of the first."""
    return tuple(one for one in lists[0] if all(one in others for others in lists))


@cache
def environment_scripts() -> frozenset[str]:
    """The scripts of the vendors' toolkits, which set paths but nothing of a training."""
    return frozenset(script for option in _options().values() for script in option.get("environment_scripts", ()))


def chips_without_bf16(label: str) -> list[str]:
    """The chips without bf16 that a node's label names: `Tesla-V100-SXM2-32GB` names v100."""
    words = set(re.findall(r"[a-z0-9]+", label.lower()))
    return sorted(name for name, option in _options().items() if option.get("bf16") is False and name in words)


def clashing(names: Iterable[str], own: str = "") -> list[tuple[str, str]]:
    """The resources of a container that belong to another device plugin than its first, each with that first one.

    `own` is a device that conf/hardware may not know.
    """
    known = list(names)
    devices = [name for name in known if name in kinds() or name == own]
    odd = devices[1:]
    odd += [
        name for name in known if name in shares() and devices and not {k.resource for k in shares()[name]} & {*devices}
    ]
    return [(name, devices[0]) for name in odd]


@cache
def resources() -> frozenset[str]:
    """Every resource that conf/hardware names; searching the texts is much faster than parsing them."""
    files = sorted((directory("conf") / "hardware").glob("*.yaml"))
    texts = (file.read_text(encoding="utf-8") for file in files)
    return frozenset(found for text in texts for found in re.findall(r"\bresource: *([\w./-]+/[\w./-]+)", text))


def meant(name: str) -> str:
    """The resource that a misspelt one means; empty if it is known, or may be another device.

    Digits and dots distinguish devices (mig-1g.5gb.me, Ascend910B5), as does the first letter (gpu, vgpu, npu).
    """
    if name in resources() or "/" not in name:
        return ""
    return next((known for known in sorted(resources(), key=len) if _is_slip(name, known)), "")


def _is_slip(name: str, known: str) -> bool:
    domain, _, rest = name.partition("/")
    known_domain, _, known_rest = known.partition("/")
    if rest == known_rest and (domain == known_domain.partition(".")[0] or _is_slip_of_words(domain, known_domain)):
        return True
    return domain == known_domain and _is_slip_of_words(rest, known_rest)


def _is_slip_of_words(text: str, known: str) -> bool:
    """Only words may differ, not the characters between them; a word of one or two letters is a model."""
    if text.casefold() == known.casefold():
        return True
    ours, theirs = _LETTERS.split(text), _LETTERS.split(known)
    words = list(zip(_LETTERS.findall(text), _LETTERS.findall(known), strict=False))
    return ours == theirs and all(one == other or _is_near(one, other) for one, other in words)


def _is_near(word: str, known: str) -> bool:
    """Whether a letter is missing, added, wrong or swapped with the next; the first one must be right."""
    if len(known) < _SHORTEST or word[:1] != known[:1]:
        return False
    same = (at for at, (ours, theirs) in enumerate(zip(word, known, strict=False)) if ours != theirs)
    start = next(same, min(len(word), len(known)))
    one, other = word[start:], known[start:]
    return one[1:] == other or one == other[1:] or one[1:] == other[1:] or one == other[1::-1] + other[2:]
