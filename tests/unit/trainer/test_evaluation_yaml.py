"""evaluate.yaml has the result of the run, and the rows that the training did not read."""

from __future__ import annotations

from typing import Any

import pytest

from unit.compiling import artifacts, document, trainer, variables

SPLIT = ("evaluate={}", "train.val_size=8")
QUANTIZED = "method.quantize={bits: 4, dataset: /workspace/texts.jsonl}"


def evaluation(*overrides: str) -> dict[str, Any]:
    value: dict[str, Any] = document("evaluate.yaml", *overrides)
    return value


def test_nothing_is_evaluated_unless_it_is_asked_for() -> None:
    assert "evaluate.yaml" not in artifacts("train.val_size=8")


def test_the_trainer_answers_the_rows_greedily_and_reports_to_no_tracker() -> None:
    written = evaluation(*SPLIT, "tracking=mlflow", "tracking.mlflow.uri=https://mlflow.example.com")
    wanted = {
        "stage": "sft",
        "do_predict": True,
        "predict_with_generate": True,
        "do_sample": False,
        "output_dir": "evaluation",
        "report_to": "none",
    }
    assert wanted.items() <= written.items()
    assert not {"do_train", "learning_rate", "num_train_epochs", "bf16", "deepspeed", "plot_loss"} & written.keys()


@pytest.mark.parametrize(
    ("overrides", "result"),
    [
        ((), {"model_name_or_path": "merged", "finetuning_type": "full"}),
        (("method=full-sft",), {"model_name_or_path": "output", "finetuning_type": "full"}),
        ((QUANTIZED,), {"model_name_or_path": "quantized", "finetuning_type": "full"}),
        (
            ("model.arguments={trust_remote_code: true}",),
            {"model_name_or_path": "merged", "trust_remote_code": True},
        ),
    ],
)
def test_a_whole_result_is_evaluated_as_it_is_published(overrides: tuple[str, ...], result: dict[str, Any]) -> None:
    written = evaluation(*SPLIT, *overrides)
    assert result.items() <= written.items()
    assert "adapter_name_or_path" not in written


def test_an_adapter_is_evaluated_on_the_weights_that_it_was_trained_on() -> None:
    quantized = ("train.quantization_bit=4", "train.add_tokens=x")
    alone = evaluation(*SPLIT, *quantized, "method.merge=null")
    base = document("train.yaml")["model_name_or_path"]
    wanted = {"model_name_or_path": base, "adapter_name_or_path": "output", "finetuning_type": "lora"}
    assert {**wanted, "quantization_bit": 4, "add_tokens": "x"}.items() <= alone.items()
    assert not {"quantization_bit", "add_tokens"} & evaluation(*SPLIT, *quantized).keys()


def test_the_rows_that_were_split_off_are_split_off_again() -> None:
    split = ("train.val_size=0.1", "train.seed=7", "train.max_samples=100")
    given = evaluation("evaluate={}", *split, "train.mix_strategy=interleave_under")
    trained = document("train.yaml", *split)
    same = ("dataset", "dataset_dir", "media_dir", "template", "val_size", "seed", "max_samples", "cutoff_len")
    assert {name: given[name] for name in same} == {name: trained[name] for name in same}
    assert given["mix_strategy"] == "interleave_under"
    assert "eval_dataset" not in given


def test_data_of_the_evaluation_replaces_the_training_data() -> None:
    test = "dataset.evaluation.test"
    own = (f"+dataset@{test}=alpaca", f"{test}.names=[questions]", f"{test}.info={{questions: {{file_name: a.json}}}}")
    for overrides in (own, ("train.eval_dataset=questions", "ignore=[FTC450]")):
        written = evaluation("evaluate={}", *overrides)
        assert written["eval_dataset"] == "questions"
        assert not {"dataset", "val_size"} & written.keys()


def test_prompts_are_those_of_the_training_and_the_users_arguments_come_last() -> None:
    prompts = {"default_system": "You are brief.", "enable_thinking": False, "cutoff_len": 512}
    given = tuple(f"train.{name}={value}".replace("False", "false") for name, value in prompts.items())
    written = evaluation(*given, "train.val_size=8", "evaluate={max_new_tokens: 64, cutoff_len: 256}")
    assert written.items() >= {**prompts, "cutoff_len": 256, "max_new_tokens": 64}.items()


def test_the_image_must_have_the_packages_of_the_metrics_before_the_training() -> None:
    asked = [str(variables(trainer(*overrides)).get("REQUIRED_MODULES", "")) for overrides in (SPLIT, SPLIT[1:])]
    assert asked == ["jieba nltk rouge_chinese", ""]
    assert "llamafactory-cli" in str(
        variables(trainer(*SPLIT, "method=full-sft", "launcher=torchrun"))["REQUIRED_TOOLS"]
    )
