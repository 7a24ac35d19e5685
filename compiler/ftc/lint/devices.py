"""The accelerators that conf/hardware knows, by the names of their resources."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.lint.amounts import whole
from ftc.resources import directory
from ftc.source import read

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.lint.pod_manifest import Container
    from ftc.spec.base import Json


class Kind(msgspec.Struct, frozen=True):
    """A resource that a device plugin counts: who hands it out, whether it is a share of a device."""

    resource: str
    sharing: str
    allocator: str
    shares: frozenset[str]


@cache
def _options() -> dict[str, Json]:
    """Each option of conf/hardware, over those that it extends."""
    files = {file.stem: file for file in sorted((directory("conf") / "hardware").glob("*.yaml"))}
    raw = {name: _data(file) for name, file in files.items()}
    return {name: _merged(name, raw) for name in raw}


def _data(file: Path) -> Json:
    document, _ = read(file, file.name)
    return document.data if document is not None else {}


def _merged(name: str, raw: dict[str, Json]) -> Json:
    below = [base for base in raw[name].get("defaults", []) if isinstance(base, str) and base in raw and base != name]
    found: Json = {}
    for layer in (*(_merged(base, raw) for base in below), raw[name]):
        device = {**(found.get("device") or {}), **(layer.get("device") or {})}
        found = {**found, **layer, "device": device}
    return found


@cache
def kinds() -> dict[str, Kind]:
    """What is counted, by its name; a name that stands for whole devices somewhere does so everywhere."""
    every = [device for option in _options().values() for device in _devices(option["device"])]
    found: dict[str, Kind] = {}
    for device in sorted(every, key=lambda one: (one.sharing != "whole", one.allocator != "plugin")):
        found.setdefault(device.resource, device)
    return found


def _devices(device: Json) -> list[Kind]:
    if "resource" not in device:
        return []
    sharing, allocator = device.get("sharing", "whole"), device.get("allocator", "plugin")
    parts = frozenset(share["resource"] for share in device.get("slices", {}).values())
    names = [device["resource"], *(profile["resource"] for profile in device.get("profiles", []))]
    return [Kind(name, sharing, allocator, parts) for name in names]


@cache
def shares() -> dict[str, tuple[Kind, ...]]:
    """The resources that say how much of a device a slice is, with the devices that they may be of."""
    found: dict[str, tuple[Kind, ...]] = {}
    for option in _options().values():
        for device in _devices(option["device"]):
            for share in device.shares:
                found[share] = (*found.get(share, ()), device)
    return found


def asked(container: Container) -> list[str]:
    """The devices that a container asks for, by resource; a limit alone is a request too."""
    return [name for name in {**container.resources.requests, **container.resources.limits} if name in kinds()]


def count(container: Container) -> int | None:
    """How many devices a container has, where one kind of them is asked for in a whole number."""
    names = asked(container)
    resources: dict[str, Any] = {**container.resources.requests, **container.resources.limits}
    return whole(resources[names[0]]) if len(names) == 1 else None


def chips_without_bf16(label: str) -> list[str]:
    """The chips without bf16 that a node's label names: `Tesla-V100-SXM2-32GB` names v100."""
    words = set(re.findall(r"[a-z0-9]+", label.lower()))
    return sorted(name for name, option in _options().items() if option.get("bf16") is False and name in words)
