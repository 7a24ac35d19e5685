"""The facts that decide how much device memory a training needs."""

from __future__ import annotations

import msgspec

from ftc.spec.method import Ddp, Engine
from ftc.spec.model import Architecture


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a training: `tokens` per micro-batch, `accumulation` micro-batches per optimizer step.

    `adapter_rank` is None if all weights are trained. `mixed` means that trained weights are fp32 and computation uses
    16 bits (autocast); otherwise everything is 16 bits. `optimizer_bytes` are the states per trained parameter,
    `step_bytes` the additional bytes during the step.
    """

    architecture: Architecture
    engine: Engine
    processes: int
    tokens: int
    length: int
    accumulation: int
    adapter_rank: int | None
    targets: tuple[str, ...]
    mixed: bool
    checkpointing: bool
    eager: bool
    quantized_bits: int | None
    optimizer_bytes: int
    step_bytes: int
    trains_tower: bool
    preference: bool

    @property
    def casts(self) -> bool:
        """Whether autocast casts fp32 weights for each operation; DeepSpeed and FSDP cast all weights beforehand.

        bitsandbytes' modules do not cast an adapter's input (peft, tuners/lora/bnb.py).
        """
        return self.mixed and isinstance(self.engine, Ddp) and self.quantized_bits is None
