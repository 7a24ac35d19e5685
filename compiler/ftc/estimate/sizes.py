"""The facts that decide how much device memory a training needs, and what follows from the model's sizes.

These are the parameters and the saved activations of a decoder, from its config.json.
"""

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


def trained(training: Training) -> int:
    """The trained parameters: two low-rank factors per module, or all but a frozen vision tower.

    LLaMA-Factory freezes tower and projector by default (freeze_vision_tower, freeze_multi_modal_projector). In
    transformers 5 experts are not linear modules, so an adapter skips them.
    """
    model = training.architecture
    if training.adapter_rank is None:
        return model.parameters - (0 if training.trains_tower else model.vision_parameters)
    width = widths(model)
    pairs = [pair for name in adapted(training) for pair in MODULES[name]]
    return training.adapter_rank * model.layers * sum(width[a] + width[b] for a, b in pairs)


def adapted(training: Training) -> tuple[str, ...]:
    """The modules of a layer that have an adapter."""
    if "all" not in training.targets:
        return training.targets
    return _ATTENTION if training.architecture.experts else (*_ATTENTION, *_FEED_FORWARD)


def saved_by_layer(training: Training) -> int:
    """The bytes per token that a layer saves for its backward pass.

    Counted in transformers' modeling code (RMSNorm in fp32, normalized q and k, rotary positions, attention that saves
    q, k, v, its output and one sum per head, silu(gate) * up), and confirmed with saved-tensor hooks.
    """
    model, width = training.architecture, widths(training.architecture)
    hidden, queries, keys, inner = (width[name] for name in ("hidden", "queries", "keys", "inner"))
    attention = 4 * queries + 4 * keys + 4 * model.attention_heads
    if training.eager:  # scores in fp32 and 16 bits, keys and values repeated per query head
        attention += 6 * model.attention_heads * training.length + 4 * (queries - keys)
    return 8 * hidden + attention + 6 * inner + _inputs(training, width) + _normalised(training, width)


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
    """The inputs that norms save in fp32; trained norms save their output too, the norms of q and k save both."""
    full = training.adapter_rank is None
    of_heads = (width["queries"] + width["keys"]) * (6 if full else 4) if training.architecture.qk_norm else 0
    if not full:
        return of_heads
    return of_heads + width["hidden"] * (8 if training.casts else 4)
