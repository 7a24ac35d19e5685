"""The accelerator of a node and what a pod needs to use it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import (
    AbsolutePath,
    Environment,
    Json,
    LabelKey,
    LabelValue,
    Natural,
    Positive,
    ResourceName,
    Spec,
    Text,
    VariableName,
    Version,
    whole,
)
from ftc.spec.image import Build


class Slice(Spec, frozen=True):
    """A share of each device, as a resource of its own with a whole number a device, `max` at most."""

    resource: ResourceName
    quantity: Positive
    max: Positive | None = None


class Profile(Spec, frozen=True):
    """One of the fixed partitions that a device can be cut into."""

    resource: ResourceName
    memory_mib: Positive


class Device(Spec, frozen=True):
    """The resource that the device plugin counts.

    `sharing` says what one of it is: a whole device, a slice of the size that `slices` ask for, one of the fixed
    partitions in `profiles`, or a replica that takes turns with others. `allocator` is who hands it out: the plugin
    under any scheduler, or one scheduler only. `memory_mib` is what one counted device has; `per_node` is the most
    that one node has. Where only some numbers a node can be scheduled, `counts` lists them, and
    `counts_across_nodes` those of a job of several nodes.
    """

    resource: ResourceName
    sharing: Literal["whole", "slice", "partition", "replica"] = "whole"
    allocator: Literal["plugin", "hami", "volcano"] = "plugin"
    slices: dict[str, Slice] = {}
    profiles: tuple[Profile, ...] = ()
    memory_mib: Positive | None = None
    per_node: Positive | None = None
    counts: tuple[Positive, ...] = ()
    counts_across_nodes: tuple[Positive, ...] = ()


class EnvironmentLimit(Spec, frozen=True):
    """The whole numbers that a variable takes; `listens` is for the first of so many ports, with the default.

    Where the variable `lifted_by` is 1, it takes any.
    """

    name: VariableName
    min: Natural
    max: Natural
    default: Natural | None = None
    listens: Natural = 0
    lifted_by: VariableName | None = None


class Hardware(Spec, frozen=True, kw_only=True):
    """One kind of node; the figures a device are multiplied by `devices`.

    `memory_gib_per_device` is the container's limit and includes `shm_gib_per_device`, the size of /dev/shm.
    `environment_scripts` are sourced where they exist, before the first command. `labels` stand on the job and on its
    pods. `build` is for the target `image`.

    What the chip can do: true, false, or null where it is not known or depends on the image. `fa2` and `fa3` are
    values of LLaMA-Factory's `flash_attn`, `fa2_from` the first release that has fa2 on this chip. `bitsandbytes`
    lists the bits it quantizes to. `collective` is PyTorch's backend, `deepspeed` the name of DeepSpeed's accelerator,
    null where it has none. `llamafactory` says whether LLaMA-Factory drives the chip; null: from an image of the
    vendor's or of your own only. `llamafactory_tags` and `llamafactory_not_tags` are patterns of the tags of its
    published images that are, and are not, for this chip.

    `ignored_env` are the beginnings of variables that are not read here, `env_limits` the numbers that others take.
    `host_address_variable` holds the node's address where the pod is on the node's network, and only there.
    `allocator_variable` sets an allocator of PyTorch's that either grows its segments or splits them.
    """

    vendor: Text | None = None
    device: Device | None
    image: Text
    cpu_per_device: Positive
    memory_gib_per_device: Positive
    shm_gib_per_device: Natural
    bf16: bool | None = True
    fp16: bool | None = True
    fp8: bool | None = None
    fa2: bool | None = None
    fa2_from: Version | None = None
    fa3: bool | None = False
    bitsandbytes: tuple[Literal[4, 8], ...] | None = None
    collective: Text | None = None
    deepspeed: Text | None = None
    llamafactory: bool | None = True
    llamafactory_tags: tuple[Text, ...] = ()
    llamafactory_not_tags: tuple[Text, ...] = ()
    distributed_type: Annotated[str, Meta(pattern=whole(r"MULTI_[A-Z]+"))] = "MULTI_GPU"
    environment_scripts: tuple[AbsolutePath, ...] = ()
    env: Environment = {}
    ignored_env: tuple[Text, ...] = ()
    env_limits: tuple[EnvironmentLimit, ...] = ()
    host_address_variable: VariableName | None = None
    allocator_variable: VariableName | None = None
    labels: dict[LabelKey, LabelValue] = {}
    arguments: Json = {}
    pod: Json = {}
    build: Build | None = None

    @property
    def resources(self) -> frozenset[str]:
        """What the container that trains asks for: the device and its slices; nothing on the CPU."""
        slices = self.device.slices.values() if self.device else ()
        return frozenset([*([self.device.resource] if self.device else []), *(share.resource for share in slices)])
