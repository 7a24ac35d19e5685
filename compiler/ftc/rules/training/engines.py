"""Rules on engines that start, and then train wrongly or fail at the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training
from ftc.source.unknown import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator


def stage_0_steps_are_whole(run: Training) -> Iterator[Finding]:
    """DeepSpeed's stage 0 does not train in bf16.

    It takes its optimizer for fp16, which divides the gradients by a loss scale of 65536 that bf16 never multiplied
    them with: AdamW's epsilon swallows most of what is left, and the loss falls slowly (DeepSpeed 0.16.9 and 0.18.4,
    runtime/engine.py, `_configure_fp16_optimizer`). DDP keeps as much on each device. With
    `engine.config.fp16.loss_scale=1` the steps are whole after the first few.

    Wrong: engine=deepspeed-z0 devices=2
    Right: engine=deepspeed-z2 devices=2
    """
    if run.zero_stage != 0 or not run.on("bf16"):
        return
    scaling = run.zero.get("fp16") if run.zero is not None else None
    if not isinstance(scaling, Fields) or scaling.get("loss_scale") != 1:
        message = "ZeRO stage 0 trains at a fraction of the learning rate in bf16"
        where = ("deepspeed", "zero_optimization", "stage")
        yield Finding(where, message, ({"deepspeed": None}, {"zero_stage": 2}), run.along("bf16"))


def fsdp1_shards_one_type(run: Training) -> Iterator[Finding]:
    """Quantized weights are sharded by FSDP2, not by FSDP1.

    FSDP1 flattens all weights of a layer into one: `Must flatten tensors with uniform dtype but got torch.bfloat16 and
    torch.float32`, with pure_bf16 and without (seen with PyTorch 2.11, LLaMA-Factory 0.9.5).

    Wrong: method=qlora-sft engine=fsdp launcher=accelerate devices=2
    Right: method=qlora-sft engine=fsdp2 launcher=accelerate devices=2
    """
    if run.quantized and run.zero is None and run.fsdp == 1:
        message = "FSDP1 cannot shard quantized weights with those of the adapter"
        where = ("accelerate", "fsdp_config", "fsdp_version")
        yield Finding(where, message, "use FSDP2 or DeepSpeed ZeRO-3", run.along("quantization_bit"))


def checkpoints_are_not_reentrant(run: Training) -> Iterator[Finding]:
    """A reward model or OFT over DDP computes activations again without reentrant checkpoints.

    DDP looks for unused parameters there, and ftc turns reentrant checkpoints off: with them the first backward pass
    ends with `Expected to mark a variable ready only once`. Without the search a reward model whose weights are all
    tuned fails in its second step: `Expected to have finished reduction in the prior iteration` (its language head has
    no part in the reward).

    Wrong: method=oft-sft devices=2 train.use_reentrant_gc=true
    Right: method=oft-sft devices=2
    """
    wraps = run.tuning == "oft" or (run.stage == "rm" and run.tuning != "lora")
    if not wraps or run.on("ddp_static_graph") or not run.plain or not run.distributed:
        return
    searches = run.value("ddp_find_unused_parameters") is not False
    if searches and run.on("use_reentrant_gc") and not run.on("disable_gradient_checkpointing"):
        message = "fails in the first backward pass: DDP looks for unused parameters here"
        yield Finding(("use_reentrant_gc",), message, {"use_reentrant_gc": False})
    if not searches and run.stage == "rm" and run.tuning == "full":
        message = "fails in the second step: a reward model does not use its language head"
        yield Finding(("ddp_find_unused_parameters",), message, "leave it out")


RULES = (
    Rule("FTC474", stage_0_steps_are_whole, Training),
    Rule("FTC475", fsdp1_shards_one_type, Training),
    Rule("FTC476", checkpoints_are_not_reentrant, Training),
)
