"""The address of a model, and the InferenceService that serves it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.targets.inference_service import Model, parse

RUN = "pvc://runs/qwen3-lora-sft-x7k2p/merged"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (RUN, "qwen3-lora-sft-x7k2p"),
        ("pvc://models/team/Qwen3-8B", "Qwen3-8B"),
        ("hf://team/support", "support"),
        ("hf://team/support:refs/pr/1", "support"),
        ("s3://models/a.b/c_d", "c_d"),
    ],
)
def test_an_address_of_a_model(uri: str, name: str) -> None:
    assert parse(uri) == Model(uri, name)


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "pvc://runs",
            "pvc://runs/",
            "pvc:///a",
            "pvc://runs/../etc",
            "pvc://runs/a//b",
            "pvc://Runs/a",
            "pvc://r/a b",
        ),
        *("hf://support", "hf://team/support:", "hf://token@team/support", "hf://a/b/c", "hf://a/b?revision=main"),
        *("s3://bucket", "s3://key:secret@bucket/a", "s3://bucket/a\n", "s3://bucket/$(id)", "https://example.com/a"),
        *("", "pvc", "file:///etc", "PVC://runs/a"),
    ],
)
def test_another_address_is_refused(uri: str) -> None:
    assert isinstance(parse(uri), str)


def served(*words: str) -> dict[str, Any]:
    """The service that the command prints."""
    result = CliRunner().invoke(cli, ["inference", *words])
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = yaml.safe_load(result.stdout)
    return found


def test_a_service_has_the_devices_of_the_hardware_and_no_command_of_the_training() -> None:
    model = served(RUN, "hardware=a100-80gb", "devices=2")["spec"]["predictor"]["model"]
    assert model["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert model["storageUri"] == RUN
    assert not {"command", "image", "name"} & set(model)


def test_a_service_goes_to_the_nodes_of_the_hardware() -> None:
    ours = "hardware.pod={spec: {nodeSelector: {card: a}, containers: [{name: train, env: [{name: A, value: b}]}]}}"
    predictor = served(RUN, ours, "cluster.pod={spec: {tolerations: [{operator: Exists}]}}")["spec"]["predictor"]
    assert predictor["nodeSelector"] == {"card": "a"}
    assert predictor["tolerations"] == [{"operator": "Exists"}]
    assert predictor["model"]["env"] == [{"name": "A", "value": "b"}]


def test_the_labels_of_the_platform_name_the_model() -> None:
    labels = served("hf://team/support", "cluster=alauda-2", "hardware=alauda-2-gpu")["metadata"]["labels"]
    assert labels["aml-model-repo"] == "support"
    assert labels["aml-pipeline-tag"] == "text-generation"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "give the address of a model, or a run with --run NAME"),
        (("model=qwen3-8b",), 1, "the address of a model is pvc://CLAIM/PATH"),
        ((RUN, "model=qwen3-8"), 1, "error[FTC003 unknown-option]"),
        ((RUN, "model=qwen3-32b", "hardware=t4", "hardware.device.per_node=1"), 1, "the weights need 61.0 GiB"),
    ],
)
def test_a_wrong_command_is_refused_without_a_manifest(words: tuple[str, ...], code: int, said: str) -> None:
    result = CliRunner().invoke(cli, ["inference", *words])
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
