"""What starts the processes of a node."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from ftc.spec.base import Spec, Text


class LlamafactoryCli(Spec, frozen=True, tag_field="kind", tag="llamafactory-cli"):
    """`llamafactory-cli train`, which calls torchrun itself when there are several processes."""


class Torchrun(Spec, frozen=True, tag_field="kind", tag="torchrun"):
    """`torchrun -m llamafactory.launcher`."""


class Accelerate(Spec, frozen=True, tag_field="kind", tag="accelerate"):
    """`accelerate launch -m llamafactory.launcher`, with a config file that ftc writes."""


class Command(Spec, frozen=True, tag_field="kind", tag="command"):
    """A program of the user's: an argument list, never a shell string.

    It finds NNODES, NODE_RANK, NPROC_PER_NODE, MASTER_ADDR, MASTER_PORT and RUN_DIR in its environment.
    """

    command: Annotated[tuple[Text, ...], Meta(min_length=1)]
    args: tuple[str, ...] = ()


Launcher: TypeAlias = LlamafactoryCli | Torchrun | Accelerate | Command
