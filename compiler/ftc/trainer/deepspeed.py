"""DeepSpeed's configuration, inline in the training YAML because LLaMA-Factory's wheel contains no JSON files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.method import DeepSpeed


def config(engine: DeepSpeed) -> Json:
    """The settings of LLaMA-Factory's example for the stage (v0.9.5, examples/deepspeed), then the user's."""
    return _over({**_COMMON, "zero_optimization": _zero(engine)}, engine.config)


def _over(base: Json, top: Json) -> Json:
    merged = {**base, **top}
    both = [key for key in top if isinstance(base.get(key), dict) and isinstance(top[key], dict)]
    return merged | {key: _over(base[key], top[key]) for key in both}


# "auto" means the value of the training argument.
_COMMON: Json = {
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "zero_allow_untested_optimizer": True,
    "fp16": {
        "enabled": "auto",
        "loss_scale": 0,
        "loss_scale_window": 1000,
        "initial_scale_power": 16,
        "hysteresis": 2,
        "min_loss_scale": 1,
    },
    "bf16": {"enabled": "auto"},
}
_ON_HOST: Json = {"device": "cpu", "pin_memory": True}


def _zero(engine: DeepSpeed) -> Json:
    if engine.stage == 3:  # noqa: PLR2004 - the name of the stage
        offload: Json = {"offload_optimizer": _ON_HOST, "offload_param": _ON_HOST} if engine.offload else {}
        return {"stage": 3, **offload, **_STAGE_3}
    offload = {"offload_optimizer": _ON_HOST} if engine.offload else {}
    return {"stage": engine.stage, **offload, **_STAGE_2}


_STAGE_2: Json = {
    "allgather_partitions": True,
    "allgather_bucket_size": 500_000_000,
    "overlap_comm": False,
    "reduce_scatter": True,
    "reduce_bucket_size": 500_000_000,
    "contiguous_gradients": True,
    "round_robin_gradients": True,
}
_STAGE_3: Json = {
    "overlap_comm": False,
    "contiguous_gradients": True,
    "sub_group_size": 1_000_000_000,
    "reduce_bucket_size": "auto",
    "stage3_prefetch_bucket_size": "auto",
    "stage3_param_persistence_threshold": "auto",
    "stage3_max_live_parameters": 1_000_000_000,
    "stage3_max_reuse_distance": 1_000_000_000,
    "stage3_gather_16bit_weights_on_model_save": True,
}
