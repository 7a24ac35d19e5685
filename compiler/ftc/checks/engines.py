"""Rules on engines that compile, start, and then train wrongly or fail at the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.checks.training import of_training
from ftc.spec.method import DeepSpeed, Fsdp
from ftc.trainer import deepspeed
from ftc.trainer.arguments import seeks_unused_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.checks.training import Training


@of_training
def stage_0_steps_are_whole(run: Training) -> Iterator[Finding]:
    """DeepSpeed's stage 0 does not train in bf16.

    It takes its optimizer for fp16, which divides the gradients by a loss scale of 65536 that bf16 never multiplied
    them with: AdamW's epsilon swallows most of what is left, and the loss falls slowly (DeepSpeed 0.16.9 and 0.18.4,
    runtime/engine.py, `_configure_fp16_optimizer`). DDP keeps as much on each device. With
    `engine.config.fp16.loss_scale=1` the steps are whole after the first few.

    Wrong: engine=deepspeed-z0 devices=2
    Right: engine=deepspeed-z2 devices=2
    """
    engine = run.spec.engine
    if not isinstance(engine, DeepSpeed) or not run.on("bf16"):
        return
    config = deepspeed.config(engine)
    stage, scale = (_in(config, part, key) for part, key in (("zero_optimization", "stage"), ("fp16", "loss_scale")))
    if stage == 0 and scale != 1:
        message = "stage 0 trains at a fraction of the learning rate in bf16, and says nothing"
        yield Finding(("engine", "stage"), message, "use engine=ddp or engine=deepspeed-z2", run.along("bf16"))


def _in(config: object, *keys: str) -> object:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config


@of_training
def fsdp1_shards_one_type(run: Training) -> Iterator[Finding]:
    """Quantized weights are sharded by FSDP2, not by FSDP1.

    FSDP1 flattens all weights of a layer into one: `Must flatten tensors with uniform dtype but got torch.bfloat16 and
    torch.float32`, with pure_bf16 and without (seen with PyTorch 2.11, LLaMA-Factory 0.9.5).

    Wrong: method=qlora-sft engine=fsdp launcher=accelerate devices=2
    Right: method=qlora-sft engine=fsdp2 launcher=accelerate devices=2
    """
    engine = run.spec.engine
    if isinstance(engine, Fsdp) and engine.version == 1 and run.quantized:
        message = "FSDP1 cannot shard quantized weights with the adapter's"
        related = run.along("quantization_bit")
        yield Finding(("engine", "version"), message, "use engine=fsdp2 or engine=deepspeed-z3", related)


@of_training
def checkpoints_are_not_reentrant(run: Training) -> Iterator[Finding]:
    """A reward model or OFT over DDP computes activations again without reentrant checkpoints.

    DDP looks for unused parameters there, and ftc turns reentrant checkpoints off: with them the first backward pass
    ends with `Expected to mark a variable ready only once`. Without the search a reward model whose weights are all
    tuned fails in its second step: `Expected to have finished reduction in the prior iteration` (its language head has
    no part in the reward).

    Wrong: method=oft-sft devices=2 train.use_reentrant_gc=true
    Right: method=oft-sft devices=2
    """
    if not seeks_unused_parameters(run.spec) or run.on("ddp_static_graph"):
        return
    searches = run.value("ddp_find_unused_parameters") is not False
    reentrant = run.given.get("use_reentrant_gc") is True and not run.on("disable_gradient_checkpointing")
    if reentrant and searches:
        message = "fails in the first backward pass: DDP looks for unused parameters here"
        yield Finding(run.at("use_reentrant_gc"), message, "leave it out")
    if not searches and run.stage == "rm" and run.tuning == "full":
        message = "fails in the second step: a reward model does not use its language head"
        yield Finding(run.at("ddp_find_unused_parameters"), message, "leave it out")


RULES = (
    Rule("FTC474", stage_0_steps_are_whole),
    Rule("FTC475", fsdp1_shards_one_type),
    Rule("FTC476", checkpoints_are_not_reentrant),
)
