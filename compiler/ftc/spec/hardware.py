"""The accelerator of a node and what a pod needs to use it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ftc.spec.base import AbsolutePath, Environment, Json, Natural, Positive, ResourceName, Spec, Text, whole


class Slice(Spec, frozen=True):
    """A share of each device, as a resource of its own with a whole number a device."""

    resource: ResourceName
    quantity: Positive


class Device(Spec, frozen=True):
    """The resource that the device plugin counts, and what the chip can do.

    `memory_mib` is what one counted device has; `slices` are further resources of a shared device;
    `per_node` is the most that one node has; `hami` says that HAMi's scheduler hands the device out.
    """

    resource: ResourceName
    slices: dict[str, Slice] = {}
    memory_mib: Positive | None = None
    per_node: Positive | None = None
    hami: bool = False


class Hardware(Spec, frozen=True):
    """One kind of node; the figures a device are multiplied by `devices`.

    `memory_gib_per_device` is the container's limit and includes `shm_gib_per_device`, the size of /dev/shm.
    `environment_scripts` are sourced where they exist, before the first command.
    """

    device: Device | None
    image: Text
    cpu_per_device: Positive
    memory_gib_per_device: Positive
    shm_gib_per_device: Natural
    bf16: bool = True
    fp16: bool = True
    distributed_type: Annotated[str, Meta(pattern=whole(r"MULTI_[A-Z]+"))] = "MULTI_GPU"
    environment_scripts: tuple[AbsolutePath, ...] = ()
    env: Environment = {}
    arguments: Json = {}
    pod: Json = {}
