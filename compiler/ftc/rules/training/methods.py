"""Rules on the stage and the tuning type, and on their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.precision import quantized
from ftc.rules.training.subject import Export, Training
from ftc.trainer.values import OF_LORA, OF_SFT

if TYPE_CHECKING:
    from collections.abc import Iterator


def sft_argument_in_other_stage(run: Training) -> Iterator[Finding]:
    """Arguments of supervised fine-tuning are set in stage sft only.

    LLaMA-Factory stops at once: `… cannot be set as True except SFT`.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: method.stage=pt train.mask_history=true
    Right: method.stage=sft train.mask_history=true
    """
    for name in [name for name in OF_SFT if run.on(name) and run.stage != "sft"]:
        message, help_ = f"applies to stage sft only, but the stage is {run.stage}", ("leave it out", {"stage": "sft"})
        yield Finding((name,), message, help_, (("stage",),))


def ppo_needs_reward_model(run: Training) -> Iterator[Finding]:
    """PPO has a reward model that it can use.

    LLaMA-Factory stops at once without one, or if a LoRA reward model is used with a policy that is not LoRA. A reward
    server without a URL fails after the policy is loaded.
    Source: LLaMA-Factory, hparams/finetuning_args.py and train/trainer_utils.py.

    Wrong: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 method.stage=ppo
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 method.stage=ppo train.reward_model=/models/reward
    """
    if run.stage != "ppo":
        return
    reward, kind = run.value("reward_model"), run.value("reward_model_type")
    if reward is None:
        yield Finding(("stage",), "PPO needs a reward model", {"reward_model": ANY})
    elif kind == "lora" and run.tuning != "lora":
        message = f"is lora, which does not work with finetuning_type {run.tuning}"
        at = ("reward_model_type",) if run.gives("reward_model_type") else ("reward_model",)
        yield Finding(at, message, {"reward_model_type": "full"})
    elif kind == "api" and not str(reward).startswith("http"):
        yield Finding(
            ("reward_model",),
            "is not a URL, but reward_model_type is api",
            "set the URL of the reward server: http://…",
        )


_EVALUATION_DATA = ("eval_dataset", "val_size")


_REFUSED_BY_PPO = ("shift_attn", "load_best_model_at_end")


def ppo_unsupported_feature(run: Training) -> Iterator[Finding]:
    """PPO is used only with features that its trainer supports.

    It logs to few trackers, does not evaluate, and does not support shifted attention: LLaMA-Factory stops at once, or
    after the models are loaded (`PPOTrainer does not support eval dataset yet`). From 0.9.4 on, PPO needs another trl
    than the release itself.
    Source: LLaMA-Factory, hparams/parser.py and train/ppo/trainer.py.

    Wrong: method.stage=ppo train.reward_model=/models/reward
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 method.stage=ppo train.reward_model=/models/reward
    """
    if run.stage != "ppo":
        return
    if run.facts.ppo_needs_another_trl and not run.variable("DISABLE_VERSION_CHECK"):
        needed = f"trl {run.facts.ppo_needs_another_trl} or older, but this release refuses to start with it"
        message = f"PPO of llamafactory {run.release} needs {needed}"
        severity = Severity.WARNING if run.assumed else None
        help_ = "use llamafactory 0.9.3 and an image with that release"
        yield Finding(("stage",), message, help_, severity=severity)
    if "mlflow" in run.listed("report_to"):
        yield Finding(("report_to", "mlflow"), "PPO cannot log to MLflow", "report to TensorBoard or not at all")
    for name in [name for name in _REFUSED_BY_PPO if run.on(name)]:
        yield Finding((name,), "is not supported by PPO", "leave it out")
    for name in [name for name in _EVALUATION_DATA if run.value(name)]:
        yield Finding((name,), "is evaluation data, but PPO does not evaluate", "leave it out")
    if run.on("use_unsloth") and run.value("reward_model_type") == "lora":
        yield Finding(("use_unsloth",), "cannot load a LoRA reward model", {"reward_model_type": "full"})


def lora_variant_needs_lora(run: Training) -> Iterator[Finding]:
    """Variants of LoRA are used only with LoRA, and LLaMA Pro is not used with full tuning.

    LLaMA-Factory stops at once: `… is only valid for LoRA training`.
    Source: LLaMA-Factory, hparams/finetuning_args.py.

    Wrong: method=full-sft train.use_dora=true
    Right: method=lora-sft train.use_dora=true
    """
    given = [name for name in OF_LORA if run.on(name)]
    given += ["loraplus_lr_ratio"] if run.value("loraplus_lr_ratio") is not None else []
    for name in given if run.tuning != "lora" else []:
        message, help_ = (
            f"applies to LoRA only, but finetuning_type is {run.tuning}",
            ("leave it out", {"finetuning_type": "lora"}),
        )
        yield Finding((name,), message, help_, (("finetuning_type",),))
    if run.value("adapter_name_or_path") is not None and run.tuning != "lora":
        message = f"applies to LoRA only, but finetuning_type is {run.tuning}"
        yield Finding(("adapter_name_or_path",), message, ("leave it out", {"finetuning_type": "lora"}))
    if run.on("use_llama_pro") and run.tuning == "full":
        message = "trains only the added blocks, but finetuning_type is full"
        yield Finding(("use_llama_pro",), message, ({"finetuning_type": "freeze"}, "leave it out"))


def pissa_needs_unquantized_base(run: Training) -> Iterator[Finding]:
    """PiSSA starts from weights that are not quantized and not used as a reference model.

    It changes the weights of the base model. LLaMA-Factory therefore refuses it if the base model without its adapter
    is the reference model, and if the weights are sharded or quantized.
    Source: LLaMA-Factory, hparams/finetuning_args.py and hparams/parser.py.

    Wrong: method.stage=kto dataset.info=null train.pissa_init=true
    Right: method.stage=sft train.pissa_init=true
    """
    if not run.on("pissa_init"):
        return
    referring = run.stage == "dpo" and run.value("pref_loss") not in ("orpo", "simpo")
    if run.stage in ("ppo", "kto") or referring:
        message = f"changes the weights that stage {run.stage} uses as reference"
        yield Finding(("pissa_init",), message, "leave it out")
    if run.value("quantization_bit") is not None:
        yield Finding(("pissa_init",), "does not work with quantized weights", {"quantization_bit": None})


def label_smoothing_needs_sigmoid_loss(run: Training) -> Iterator[Finding]:
    """Label smoothing of DPO is used with the sigmoid loss.

    LLaMA-Factory stops at once: `dpo_label_smoothing is only valid for sigmoid loss function`.
    Source: LLaMA-Factory, hparams/finetuning_args.py.

    Wrong: method.stage=dpo dataset.info=null train.dpo_label_smoothing=0.1 train.pref_loss=ipo
    Right: method.stage=dpo dataset.info=null train.dpo_label_smoothing=0.1
    """
    if run.stage == "dpo" and run.value("pref_loss") != "sigmoid" and run.number("dpo_label_smoothing") > 1e-6:  # noqa: PLR2004 - the trainer's own threshold
        message = f"applies to pref_loss sigmoid only, but pref_loss is {run.value('pref_loss')}"
        at = ("dpo_label_smoothing",)
        yield Finding(at, message, "leave out one of the two", run.along("pref_loss"))


def asft_needs_reference_model(run: Training) -> Iterator[Finding]:
    """The ASFT loss has a reference model.

    With LoRA and without `ref_model` LLaMA-Factory does not create a reference model, but calls one in the first step:
    `TypeError: 'NoneType' object is not callable`.
    Source: LLaMA-Factory, train/trainer_utils.py (create_ref_model); measured with 0.9.5.

    Wrong: train.use_asft_loss=true
    Right: train.use_asft_loss=true train.ref_model=/models/base
    """
    missing = run.stage == "sft" and run.on("use_asft_loss") and run.tuning == "lora"
    if missing and run.value("ref_model") is None:
        help_ = ({"ref_model": ANY}, {"finetuning_type": "full"})
        yield Finding(("use_asft_loss",), "needs a reference model under LoRA", help_)


def oft_rank_and_block_size(run: Training) -> Iterator[Finding]:
    """OFT has a rank or a block size, but not both.

    Each determines the other, so peft stops after the model is loaded: `You can only specify either r or
    oft_block_size`. LLaMA-Factory's defaults are rank 0 and block size 32.
    Source: peft, tuners/oft; LLaMA-Factory, hparams/finetuning_args.py.

    Wrong: method=oft-sft train.oft_rank=8
    Right: method=oft-sft train.oft_rank=8 train.oft_block_size=0
    """
    if run.tuning != "oft":
        return
    rank, size = run.number("oft_rank"), run.number("oft_block_size")
    if rank and size:
        at = ("oft_rank",) if run.gives("oft_rank") else ("oft_block_size",)
        message = f"oft_rank is {rank} and oft_block_size is {size}, but each determines the other"
        yield Finding(at, message, ({"oft_block_size": 0}, {"oft_rank": 0}))
    if not rank and not size:
        message = "oft_rank and oft_block_size are both 0"
        yield Finding(("oft_block_size",), message, {"oft_block_size": 32})


def unsupported_training_backend(run: Training) -> Iterator[Finding]:
    """The training runs on transformers.

    vLLM and SGLang only serve models, and LLaMA-Factory stops a training with another `infer_backend`.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: train.infer_backend=vllm
    Right: train.infer_backend=huggingface
    """
    backend = run.value("infer_backend")
    if backend in ("vllm", "sglang"):
        yield Finding(("infer_backend",), f"{backend} cannot train", "leave it out")


def merge_needs_unquantized_weights(run: Export) -> Iterator[Finding]:
    """An adapter is merged into weights that are not quantized.

    After the training LLaMA-Factory stops with `Cannot merge adapters to a quantized model` or `Please merge adapters
    before quantizing the model`.
    Source: LLaMA-Factory, train/tuner.py (export_model).

    Wrong: train.quantization_bit=4 method.merge.quantization_bit=4
    Right: train.quantization_bit=4
    """
    for name in ("quantization_bit", "export_quantization_bit"):
        if run.value(name) is not None and run.value("adapter_name_or_path") is not None:
            message = "an adapter cannot be merged into quantized weights"
            yield Finding((name,), message, "leave it out, and quantize the merged model in another export")
    model = run.value("model_name_or_path") if run.given.tells("model_name_or_path") else None
    if isinstance(model, str) and quantized(model) and run.value("adapter_name_or_path") is not None:
        message = f"an adapter cannot be merged into the quantized weights of {model}"
        help_ = ("merge it into the model that is not quantized", "keep the adapter (method.merge=null)")
        yield Finding(("model_name_or_path",), message, help_)


RULES = (
    Rule("FTC420", "sft-argument-in-other-stage", sft_argument_in_other_stage, Training),
    Rule("FTC421", "ppo-needs-reward-model", ppo_needs_reward_model, Training),
    Rule("FTC422", "ppo-unsupported-feature", ppo_unsupported_feature, Training),
    Rule("FTC423", "lora-variant-needs-lora", lora_variant_needs_lora, Training),
    Rule("FTC424", "pissa-needs-unquantized-base", pissa_needs_unquantized_base, Training),
    Rule("FTC425", "label-smoothing-needs-sigmoid-loss", label_smoothing_needs_sigmoid_loss, Training),
    Rule("FTC426", "asft-needs-reference-model", asft_needs_reference_model, Training),
    Rule("FTC427", "oft-rank-and-block-size", oft_rank_and_block_size, Training),
    Rule("FTC428", "unsupported-training-backend", unsupported_training_backend, Training),
    Rule("FTC468", "merge-needs-unquantized-weights", merge_needs_unquantized_weights, Export),
)
