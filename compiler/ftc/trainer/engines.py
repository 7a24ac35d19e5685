"""The configurations of the engines: of DeepSpeed, inline in the training YAML, and of `accelerate launch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.spec.method import Fsdp

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.spec.method import DeepSpeed


def deepspeed_config(engine: DeepSpeed) -> Json:
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


def accelerate_config(spec: JobSpec, arguments: Json) -> Json:
    """The content of accelerate.yaml.

    `num_processes` is the world size. MULTI_CPU and NO start separate runs of one process each (accelerate 1.11,
    commands/launch.py), so they are used for a single process only.
    """
    processes = spec.processes
    return {
        "compute_environment": "LOCAL_MACHINE",
        "debug": False,
        **_distribution(spec, arguments),
        "num_machines": spec.nodes,
        "num_processes": processes,
        "mixed_precision": _precision(arguments),
        "rdzv_backend": "static",
        "same_network": True,
        "main_training_function": "main",
        "use_cpu": spec.hardware.device is None and processes == 1,
    }


def _distribution(spec: JobSpec, arguments: Json) -> Json:
    match spec.engine:
        case Fsdp():
            return {"distributed_type": "FSDP", "fsdp_config": _fsdp(spec.engine, arguments)}
        case _ if spec.processes > 1:
            return {"distributed_type": spec.hardware.distributed_type}
    return {"distributed_type": "NO"}


def loads_once(engine: Fsdp, arguments: Json) -> bool:
    """Whether one process per node loads the weights and broadcasts them to the others.

    accelerate's FSDP2 broadcasts between devices, which excludes offloaded parameters, and cannot split quantized
    weights; then every process loads them (seen with accelerate 1.11; utils/fsdp_utils.py, fsdp2_prepare_model).
    """
    return engine.version == 1 or not (engine.offload or arguments.get("quantization_bit") is not None)


def _fsdp(engine: Fsdp, arguments: Json) -> Json:
    """The settings of LLaMA-Factory's examples (v0.9.5, examples/accelerate), except for `loads_once`."""
    return {
        "fsdp_version": engine.version,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_cpu_ram_efficient_loading": loads_once(engine, arguments),
        "fsdp_offload_params": engine.offload,
        **(_FSDP1 if engine.version == 1 else _FSDP2),
        "fsdp_state_dict_type": "FULL_STATE_DICT",
    }


_FSDP1: Json = {
    "fsdp_sharding_strategy": "FULL_SHARD",
    "fsdp_backward_prefetch": "BACKWARD_PRE",
    "fsdp_forward_prefetch": False,
    "fsdp_sync_module_states": True,
    "fsdp_use_orig_params": True,
}
_FSDP2: Json = {"fsdp_reshard_after_forward": True}


def _precision(arguments: Json) -> str:
    """The precision of the training YAML; accelerate's setting applies only if that has none."""
    return next((name for name in ("bf16", "fp16") if arguments.get(name) is True), "no")
