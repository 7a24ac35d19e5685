"""The program that starts the processes of a node."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from ftc.spec.base import Spec, Text


class LlamafactoryCli(Spec, frozen=True, tag_field="kind", tag="llamafactory-cli"):
    """`llamafactory-cli train`, which calls torchrun itself if there are several processes."""


class Torchrun(Spec, frozen=True, tag_field="kind", tag="torchrun"):
    """`torchrun -m llamafactory.launcher`."""


class Accelerate(Spec, frozen=True, tag_field="kind", tag="accelerate"):
    """`accelerate launch -m llamafactory.launcher`, with a config file that ftc generates."""


class Command(Spec, frozen=True, tag_field="kind", tag="command"):
    """A program of the user: an argument list, not a shell command line.

    Its environment has NNODES, NODE_RANK, NPROC_PER_NODE, MASTER_ADDR, MASTER_PORT and RUN_DIR.
    """

    command: Annotated[tuple[Text, ...], Meta(min_length=1)]
    args: tuple[str, ...] = ()


Launcher: TypeAlias = LlamafactoryCli | Torchrun | Accelerate | Command
