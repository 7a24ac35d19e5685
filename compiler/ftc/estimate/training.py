"""What decides how much device memory a training needs."""

from __future__ import annotations

import msgspec

from ftc.spec.method import Ddp, Engine
from ftc.spec.model import Architecture


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a training: `tokens` at once, `accumulation` times before the optimizer's step.

    `adapter_rank` is None where all weights are trained. `mixed` says that trained weights are in fp32 and computed
    with in 16 bits (autocast); otherwise all is in 16 bits. `optimizer_bytes` are a trained parameter's,
    `step_bytes` what the step needs beside them.
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
        """Whether autocast stands between fp32 weights and 16-bit work; DeepSpeed and FSDP cast all weights at once.

        bitsandbytes' modules leave the casting of an adapter's input out (peft, tuners/lora/bnb.py).
        """
        return self.mixed and isinstance(self.engine, Ddp) and self.quantized_bits is None
