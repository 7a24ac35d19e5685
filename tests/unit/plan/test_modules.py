"""Missing Python modules are found in the first second of a run, not after the training."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, trainer, variables

QUANTIZED = "method.quantize={bits: 4, dataset: allenai/c4}"
MLFLOW = ("tracking=mlflow", "tracking.mlflow.uri=http://mlflow.example.com")


def asked_for(*overrides: str) -> list[str]:
    return str(variables(trainer(*overrides)).get("REQUIRED_MODULES", "")).split()


@pytest.mark.parametrize(
    ("overrides", "modules"),
    [
        ((), []),
        (("engine=deepspeed-z2", "devices=2", *MLFLOW), ["deepspeed", "mlflow"]),
        (("method=qlora-sft", "tracking.wandb={}", "tracking.swanlab={}"), ["bitsandbytes", "swanlab", "wandb"]),
        ((QUANTIZED,), ["optimum", "gptqmodel"]),
        (("publish=s3", "publish.bucket=out", "publish.credentials.secret=s"), []),
        (("source@model.source=s3", "model.source.bucket=models", "model.source.credentials.secret=s"), []),
        (("tracking=tensorboard",), []),
        (("train.enable_liger_kernel=true",), ["liger_kernel"]),
        (("train.use_unsloth=true", "train.optim=schedule_free_sgd"), ["unsloth", "schedulefree"]),
        (("train.quantization_bit=4", "train.optim=paged_adamw_8bit"), ["bitsandbytes"]),
    ],
)
def test_the_image_has_what_the_run_imports(overrides: tuple[str, ...], modules: list[str]) -> None:
    assert asked_for(*overrides) == modules


def test_what_the_users_commands_install_is_not_asked_for_before() -> None:
    assert asked_for(*MLFLOW, "setup=[[pip,install,mlflow]]") == []


def test_a_program_of_the_users_imports_what_it_likes() -> None:
    assert asked_for(*COMMAND) == []


def test_a_second_dataset_that_the_trainer_downloads_comes_from_the_same_hub() -> None:
    more = ("dataset.names=[alpaca,b]", "dataset.info.b={hf_hub_url: org/b}", "dataset.source.token.secret=hub")
    container = trainer("cluster.hub_endpoint=https://mirror.example.com", *more)
    given = variables(container)
    assert (given["HF_ENDPOINT"], given["HF_HUB_CACHE"]) == ("https://mirror.example.com", "/workspace/cache/hub")
    (token,) = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "HF_TOKEN"]
    assert token == {"name": "hub", "key": "token"}
    assert not [one for one in trainer("dataset.source.token.secret=hub")["env"] if one["name"] == "HF_TOKEN"]
