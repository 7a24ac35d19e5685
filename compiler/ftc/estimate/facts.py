"""The facts that decide how much device memory a training needs.

What follows from the model's sizes are the parameters and the saved activations of a decoder, from its config.json.
"""

from __future__ import annotations

import msgspec

from ftc.spec.method import Ddp, Engine
from ftc.spec.model import Architecture


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes per token and entry of the vocabulary when the loss is computed: forward, then backward.

    `sequences` is the number of sequences of an example. `inside` says that the model's forward pass computes the loss,
    so that autocast's copies of all weights exist.
    """

    forward: int
    backward: int
    sequences: int = 1
    inside: bool = True


# Cross entropy of transformers on fp32 logits (loss/loss_utils.py): forward, the 16-bit logits, their fp32 copy and its
# log-softmax; backward, the log-softmax, its gradient, the logits' gradient.
SUPERVISED = Loss(forward=2 + 4 + 4, backward=4 + 4 + 4)
# The same on chosen and rejected sequences, without a reference (ORPO, SimPO).
PAIRS = Loss(forward=2 + 4 + 4, backward=4 + 4 + 4, sequences=2, inside=False)
# The policy's fp32 logits and log-softmax exist while the reference's are computed (train/dpo/trainer.py); KTO adds the
# reference's logits while it computes those of the mismatched answers (train/kto/trainer.py). The last 4 bytes of the
# reference include 2 that only the measurements show, in two runs each.
DPO = Loss(forward=(4 + 4) + (2 + 4 + 4 + 2), backward=4 + 4 + 4, sequences=2, inside=False)
KTO = Loss(forward=(4 + 4) + 4 + (2 + 4 + 4 + 2), backward=4 + 4 + 4, inside=False)
# A reward model computes a cross entropy that it does not use, because its batches have labels (train/rm/trainer.py).
REWARD = Loss(forward=2 + 4 + 4, backward=0, sequences=2)
# liger-kernel computes logits and gradients of a few tokens at a time (ops/fused_linear_cross_entropy.py).
CHUNKED = Loss(forward=0, backward=0)


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a training: `tokens` per micro-batch, `accumulation` micro-batches per optimizer step.

    `adapter_rank` is None if weights of the model are trained: all, or those of the `trained_layers` (freeze),
    which need the activations of `saving_layers`. `stage` is the last word of the options of its method. `mixed`
    means that trained weights are fp32 and computation uses 16 bits (autocast); otherwise everything is 16 bits.
    `optimizer_bytes` are the states per trained parameter, `step_bytes` the additional bytes during the step.
    `reference` means that a frozen copy of the model computes a reference.
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
    stage: str = "sft"
    loss: Loss = SUPERVISED
    reference: bool = False
    trained_layers: int | None = None
    saving_layers: int | None = None
    liger: bool = False
    fused_experts: bool = True
    quantizes: bool = True

    @property
    def trains_all(self) -> bool:
        """Whether all weights are trained, including the embeddings."""
        return self.adapter_rank is None and self.trained_layers is None

    @property
    def casts(self) -> bool:
        """Whether autocast casts fp32 weights for each operation; DeepSpeed and FSDP cast all weights beforehand.

        bitsandbytes' modules do not cast an adapter's input (peft, tuners/lora/bnb.py).
        """
        return self.mixed and isinstance(self.engine, Ddp) and self.quantized_bits is None


# The linear modules of a layer with their input and output, named as in `widths`. LLaMA-Factory's `all` is every linear
# module except the output layer (model/model_utils/misc.py, find_all_linear_modules).
MODULES = {
    "all": (),
    "q_proj": (("hidden", "queries"),),
    "k_proj": (("hidden", "keys"),),
    "v_proj": (("hidden", "keys"),),
    "qkv_proj": (("hidden", "queries"), ("hidden", "keys"), ("hidden", "keys")),
    "o_proj": (("queries", "hidden"),),
    "gate_proj": (("hidden", "inner"),),
    "up_proj": (("hidden", "inner"),),
    "gate_up_proj": (("hidden", "inner"), ("hidden", "inner")),
    "down_proj": (("inner", "hidden"),),
}
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


def widths(model: Architecture) -> dict[str, int]:
    """The input and output widths of modules for one token; for a mixture, the sum over the active experts."""
    experts = model.experts
    return {
        "hidden": model.hidden_size,
        "queries": model.attention_heads * model.head_size,
        "keys": model.kv_heads * model.head_size,
        "inner": experts.per_token * experts.intermediate_size if experts else model.intermediate_size,
    }


def embedding(model: Architecture) -> int:
    """The parameters of one embedding: of the input or of the output layer."""
    return model.vocabulary * model.hidden_size


def embeddings(model: Architecture) -> int:
    """The parameters of both embeddings, which may be tied."""
    return embedding(model) * (1 if model.tied_embeddings else 2)


def layer(model: Architecture) -> int:
    """The parameters of one layer of the decoder."""
    return (model.parameters - embeddings(model) - model.vision_parameters) // model.layers


def experts(model: Architecture) -> int:
    """The parameters of all experts: three matrices each."""
    each = model.experts
    return 3 * model.layers * each.count * model.hidden_size * each.intermediate_size if each else 0


def trained(training: Training) -> int:
    """The trained parameters: two low-rank factors per module, some layers, or all but a frozen vision tower.

    LLaMA-Factory freezes tower and projector by default (freeze_vision_tower, freeze_multi_modal_projector).
    """
    model, rank = training.architecture, training.adapter_rank
    if training.trained_layers is not None:
        return training.trained_layers * layer(model)
    if rank is None:
        return model.parameters - (0 if training.trains_tower else model.vision_parameters)
    width = widths(model)
    names, each = adapted(training), model.experts
    if each and not training.fused_experts:  # every expert has its own pair of factors
        width["inner"] = each.intermediate_size
    per_name = {name: each.count if each and name in _FEED_FORWARD else 1 for name in names}
    pairs = [(a, b, per_name[name]) for name in names for a, b in MODULES[name]]
    return rank * model.layers * sum(count * (width[a] + width[b]) for a, b, count in pairs)


def adapted(training: Training) -> tuple[str, ...]:
    """The modules of a layer that have an adapter.

    Since transformers 5 experts are not linear modules (models/qwen3_moe, Qwen3MoeExperts), so an adapter skips them.
    """
    skipped = _FEED_FORWARD if training.architecture.experts and training.fused_experts else ()
    names = (*_ATTENTION, *_FEED_FORWARD) if "all" in training.targets else training.targets
    return tuple(name for name in names if name not in skipped)


def saved_by_layer(training: Training) -> int:
    """The bytes per token that the largest kind of layer saves for its backward pass."""
    common = _saved_around_attention(training)
    linear = _linear_attention(training.architecture)
    return common + max(_attention(training), linear)


def saved_by_layers(training: Training) -> int:
    """The bytes per token that all layers save; with freeze only those from the first trained one on."""
    model = training.architecture
    layers = model.layers if training.saving_layers is None else training.saving_layers
    linear = min(model.linear_attention.layers, layers) if model.linear_attention else 0
    attention = (layers - linear) * _attention(training) + linear * _linear_attention(model)
    return layers * _saved_around_attention(training) + attention


def _saved_around_attention(training: Training) -> int:
    """Norms, feed-forward block and inputs of linear modules.

    Counted in transformers' modeling code (RMSNorm in fp32, silu(gate) * up), and confirmed with saved-tensor hooks.
    liger-kernel's modules save less: the norm only its input, the feed-forward block only gate and up.
    """
    width = widths(training.architecture)
    hidden, inner = (4, 4) if training.liger else (8, 6)
    inputs = _inputs(training, width)
    return hidden * width["hidden"] + inner * width["inner"] + inputs + _normalised(training, width)


def _attention(training: Training) -> int:
    """Rotary positions, normalized q and k; attention saves q, k, v, its output and one sum per head."""
    model, width = training.architecture, widths(training.architecture)
    queries, keys = width["queries"], width["keys"]
    attention = 4 * queries + 4 * keys + 4 * model.attention_heads
    if training.eager:  # scores in fp32 and 16 bits, keys and values repeated per query head
        attention += 6 * model.attention_heads * training.length + 4 * (queries - keys)
    return attention + _normalised_heads(training, width)


def _linear_attention(model: Architecture) -> int:
    """The gated delta rule in PyTorch, without flash-linear-attention, which the trainer's images do not have.

    Counted with saved-tensor hooks in nine shapes (models/qwen3_5, torch_chunk_gated_delta_rule): per head the matrices
    of a chunk of 64 tokens, the keys and values, and the state of each chunk.
    """
    linear = model.linear_attention
    if linear is None:
        return 0
    keys, values = linear.key_size, linear.value_size
    return linear.heads * (6650 + 42 * keys + 31 * values + keys * values // 9)


def _inputs(training: Training, width: dict[str, int]) -> int:
    """The inputs that linear modules save, unless another module has saved them.

    A frozen module saves nothing. Under autocast each trained module saves its own 16-bit copy, because peft casts an
    adapter's input to fp32 (tuners/lora/layer.py) and norms return fp32 in full tuning.
    """
    if training.adapter_rank is None:
        copies = 5 if training.casts else 2  # one each for q, k, v, gate and up, or shared
        return 2 * copies * width["hidden"] + 2 * width["inner"]
    sources = [source for name in adapted(training) for source, _ in MODULES[name]]
    if training.casts:
        return sum(2 * width[source] for source in sources)
    shared = {name for name in adapted(training) if name != "o_proj"}
    attention, feed = shared & {"q_proj", "k_proj", "v_proj", "qkv_proj"}, shared & {"gate_proj", "up_proj"}
    inner = 2 * width["inner"] if "down_proj" in shared else 0
    return 2 * width["hidden"] * (bool(attention) + bool(feed or shared & {"gate_up_proj"})) + inner


def _normalised(training: Training, width: dict[str, int]) -> int:
    """The outputs that trained norms save in addition to their inputs."""
    if training.adapter_rank is not None or training.liger:
        return 0
    return width["hidden"] * (8 if training.casts else 4)


def _normalised_heads(training: Training, width: dict[str, int]) -> int:
    """The inputs that the norms of q and k save in fp32, and their outputs if they are trained."""
    if not training.architecture.qk_norm:
        return 0
    each = 2 if training.liger else 6 if training.adapter_rank is None else 4
    return (width["queries"] + width["keys"]) * each


def assumed(training: Training) -> str:
    """The assumptions of the estimate, as the end of "with …"."""
    model = training.architecture
    found = {
        "full sequences": True,
        "a reference model as large as the model": training.reference,
        "liger-kernel's modules for this model": training.liger,
        "experts that are not quantized": _keeps_experts(training),
        "linear attention in PyTorch": model.linear_attention is not None,
        "no activations of the vision tower": training.trains_tower and model.vision_parameters > 0,
    }
    *others, last = [text for text, holds in found.items() if holds]
    return f"{', '.join(others)} and {last}" if others else last


def _keeps_experts(training: Training) -> bool:
    """Whether bitsandbytes leaves the experts at 16 bits, because they are not linear modules."""
    fused = training.fused_experts and training.architecture.experts is not None
    return fused and training.quantizes and training.quantized_bits is not None


def quantized(training: Training) -> int:
    """The parameters that are stored in `quantized_bits`."""
    model = training.architecture
    if training.quantized_bits is None:
        return 0
    return model.parameters - embeddings(model) - (experts(model) if _keeps_experts(training) else 0)
