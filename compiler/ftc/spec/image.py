"""The base and the packages of an image for a kind of hardware."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ftc.spec.base import Spec, whole

BaseImage = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*"),
        description="The address of a container image: registry.example.com/team/image:1.0",
    ),
]
Pin = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*"),
        description="A pip package and its version: torch==2.7.1",
    ),
]
PackageIndex = Annotated[
    str,
    Meta(
        pattern=whole(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._:/%~-]*)?"),
        description="The address of a package index, without a user or a token.",
    ),
]


class Build(Spec, frozen=True):
    """The base image, and the packages for the hardware.

    `base` is a Debian or Ubuntu image with bash, Python 3.11 or later and pip. `torch` lists PyTorch, torchvision and
    torchaudio from `torch_index`; it is empty if the base has them. `packages` come from pip's default index and take
    precedence over the trainer's pins.
    """

    base: BaseImage
    torch: tuple[Pin, ...] = ()
    torch_index: PackageIndex | None = None
    packages: tuple[Pin, ...] = ()
