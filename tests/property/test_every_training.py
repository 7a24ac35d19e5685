"""Every stage with every tuning type and every engine compiles, or is refused with a reason."""

from __future__ import annotations

from itertools import product
from typing import get_args, get_type_hints

import pytest

from ftc.diagnostics.model import Severity
from ftc.spec.method import Method
from unit.compiling import ROOT, found

STAGES, TUNINGS = (get_args(get_type_hints(Method)[name]) for name in ("stage", "finetuning_type"))
METHODS, ENGINES = (
    sorted(file.stem for file in (ROOT / "conf" / group).glob("*.yaml")) for group in ("method", "engine")
)
# PPO in this release needs a library that the release itself refuses.
OLD = ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1", "train.reward_model=/models/reward")
# The dataset of each stage, and its other requirements.
NEEDS = {
    "dpo": ("dataset=dpo-mix-en",),
    "orpo": ("dataset=dpo-mix-en",),
    "simpo": ("dataset=dpo-mix-en",),
    "rm": ("dataset=dpo-mix-en",),
    "kto": ("dataset=kto-mix-15k",),
    "ppo": (*OLD, "train.reward_model_type=lora"),
}


def test_the_number_of_combinations() -> None:
    assert set(STAGES) >= {"pt", "sft", "rm", "ppo", "dpo", "kto"}
    assert set(TUNINGS) >= {"lora", "full", "freeze", "oft"}
    assert set(METHODS) >= {"lora-sft", "full-sft", "none"}


FP16 = ("train.bf16=false", "train.fp16=true")


def refused(*words: str) -> set[str]:
    """The codes of the errors of a compile, each with a reason and a place."""
    errors = [d for d in found(*words, targets=("llamafactory",)) if d.severity is Severity.ERROR]
    assert all(d.code and d.message and d.help and d.position for d in errors), errors
    return {d.code for d in errors}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_works_with_an_engine_or_is_refused(method: str, engine: str) -> None:
    for launcher in ("llamafactory-cli", "torchrun", "accelerate"):
        needs = NEEDS.get(method.rpartition("-")[2], ())
        words = (f"method={method}", f"engine={engine}", f"launcher={launcher}", "devices=2", *needs)
        missing = {"FTC101"} if method == "none" else set()
        unfit = {"FTC103"} if engine.startswith("fsdp") and launcher != "accelerate" else set()
        if method.startswith("qlora") and engine in ("fsdp", "fsdp-offload"):
            unfit = unfit | {"FTC475"}  # FSDP1 flattens weights of one type
        of_bf16 = {"FTC474"} if engine == "deepspeed-z0" and method != "none" else set()
        assert refused(*words) == missing | unfit | of_bf16
        if of_bf16:
            assert refused(*words, *FP16) == set(), words


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stage_works_with_a_tuning_type_or_is_refused(engine: str) -> None:
    for stage, tuning in product(STAGES, TUNINGS):
        kind = (f"method.stage={stage}", f"method.finetuning_type={tuning}", "method.merge=null", "dataset.info=null")
        precision = FP16 if engine == "deepspeed-z0" else ()  # FTC474 refuses bf16 there
        words = (*kind, f"engine={engine}", "launcher=accelerate", "devices=2", *precision)
        assert refused(*words) == ({"FTC421", "FTC422"} if stage == "ppo" else set()), words
        if stage == "ppo" and tuning != "oft":
            reward = "train.reward_model_type=lora" if tuning == "lora" else "train.reward_model_type=full"
            assert refused(*words, *OLD, reward) == set(), words
