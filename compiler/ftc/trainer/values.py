"""The values of trainer arguments: types, valid ranges, the names of the trackers, and the scopes of switches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.diagnostics.model import type_words
from ftc.diagnostics.printable import on_a_line

if TYPE_CHECKING:
    from ftc.spec.base import Json


# No training needs a larger number, and PyTorch uses 32 bits in many places.
_MOST = 2**31 - 1


class Range(msgspec.Struct, frozen=True):
    """The valid values of a number, both ends included."""

    low: float
    high: float = _MOST

    @property
    def text(self) -> str:
        """The range in words."""
        if self.low == float("-inf"):
            return f"at most {self.high}"
        return f"at least {self.low}" if self.high == _MOST else f"between {self.low} and {self.high}"

    def takes(self, value: object) -> bool:
        """Whether a value is in the range; another rule checks that it is a number."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return not number or self.low <= float(str(value)) <= self.high


AT_LEAST_ONE = Range(1)
RANGES = {
    "per_device_train_batch_size": AT_LEAST_ONE,
    "gradient_accumulation_steps": AT_LEAST_ONE,
    "cutoff_len": AT_LEAST_ONE,
    "max_samples": AT_LEAST_ONE,
    "preprocessing_num_workers": AT_LEAST_ONE,
    "torch_empty_cache_steps": AT_LEAST_ONE,
    "dataloader_prefetch_factor": AT_LEAST_ONE,
    "dataloader_num_workers": Range(0),
    "per_device_eval_batch_size": AT_LEAST_ONE,
    "learning_rate": Range(0),
    "adam_beta1": Range(0, 1),
    "adam_beta2": Range(0, 1),
    "num_train_epochs": Range(float("-inf")),
    "warmup_steps": Range(0),
    "seed": Range(0, 2**32 - 1),
}
LORA_RANGES = {"lora_rank": AT_LEAST_ONE, "lora_dropout": Range(float("-inf"), 1)}
REPORTERS = (
    *("all", "none", "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "kubeflow"),
    *("mlflow", "neptune", "swanlab", "tensorboard", "trackio", "wandb"),
)


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def problem(value: Any, schema: Json) -> str:
    """The problem with a value; empty if it is valid."""
    required = ""
    if "enum" in schema and value not in schema["enum"]:
        required = f"one of {', '.join(str(choice) for choice in schema['enum'])}"
    elif not _finite(value):
        required = "finite"
    elif not has_type(value, schema):
        required = type_words(_types(schema))
    return f"is {on_a_line(value)}, and must be {required}" if required else ""


def has_type(value: Any, schema: Json) -> bool:
    """Whether a value has a type that the argument accepts, ignoring choices and limits; inf and nan never do."""
    types = _types(schema)
    return _finite(value) and (not types or any(_is(value, name) for name in types))


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _types(schema: Json) -> list[str]:
    if "enum" in schema:
        return ["string", "null"]
    types: str | list[str] = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, _PYTHON_TYPES[name])


# The stages and tuning types of switches. Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py, finetuning_args.py.
OF_SFT = ("predict_with_generate", "neat_packing", "train_on_prompt", "mask_history")
OF_LORA = ("use_rslora", "use_dora", "pissa_init")
# These train full weights, not a LoRA adapter.
OF_WHOLE_WEIGHTS = {"use_galore": "GaLore", "use_apollo": "APOLLO", "use_badam": "BAdam"}
# These require evaluation data.
EVALUATING = ("do_eval", "do_predict", "predict_with_generate")
