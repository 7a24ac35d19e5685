"""What an image for a kind of hardware is built from."""

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
        description="A package of pip and its version: torch==2.7.1",
    ),
]
PackageIndex = Annotated[
    str,
    Meta(
        pattern=whole(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._:/%~-]*)?"),
        description="The address of a package index, without a user or a token in it.",
    ),
]


class Build(Spec, frozen=True):
    """The image that others are built on, and the packages that are the hardware's.

    `base` is of Debian or Ubuntu, with bash, Python 3.11 or later and pip. `torch` lists PyTorch with torchvision and
    torchaudio, to be had from `torch_index`; it is empty where they are in the base. `packages` come from pip's own
    index, and win over those that the trainer is pinned with.
    """

    base: BaseImage
    torch: tuple[Pin, ...] = ()
    torch_index: PackageIndex | None = None
    packages: tuple[Pin, ...] = ()
