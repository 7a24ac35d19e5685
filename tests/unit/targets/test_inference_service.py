"""The address of a model, and the InferenceService that serves it."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.driver import Request, compile_job
from ftc.targets.inference_service import Model, parse, request

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
    ("uri", "label"),
    [
        ("pvc://a/_foo", "foo"),
        ("pvc://a/foo-._", "foo"),
        ("pvc://a/__", None),
        (f"pvc://a/_{'b' * 62}-c", "b" * 62),
    ],
)
def test_the_name_of_any_model_makes_a_label_or_none(uri: str, label: str | None) -> None:
    assert served(uri, "cluster=alauda-2")["metadata"]["labels"].get("aml-model-repo") == label


def test_the_labels_that_the_hardware_requires_are_on_the_service_whose_labels_kserve_copies_to_the_pods() -> None:
    labels = served(RUN, "hardware=ascend-910b-mindcluster", "labels={team: a}")["metadata"]["labels"]
    assert labels["ring-controller.atlas"] == "ascend-910b"
    assert labels["team"] == "a"


def test_no_value_of_the_conf_is_a_command_of_the_shell() -> None:
    spec = compile_job(Request((), targets=())).spec
    assert spec is not None
    serving = msgspec.structs.replace(spec.cluster.serving, openai_path="/x; touch made #")
    odd = msgspec.structs.replace(spec, cluster=msgspec.structs.replace(spec.cluster, serving=serving))
    (*_, line) = request(odd, Model(RUN, "a"))
    assert shlex.split(line)[1] == "http://localhost:8080/x; touch made #/chat/completions"


@pytest.mark.parametrize("path", ["/x; id #", "/v1?a=b", "/v1/", "v1", "/$(id)", "/a b", "//v1"])
def test_the_path_of_the_api_is_the_path_of_an_address(path: str) -> None:
    result = CliRunner().invoke(cli, ["inference", RUN, f'cluster.serving.openai_path="{path}"'])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cluster.serving.openai_path" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "give the address of a model, or a run with --run NAME"),
        (("model=qwen3-8b",), 1, "the address of a model is pvc://CLAIM/PATH"),
        ((RUN, "model=qwen3-8"), 1, "error[FTC003 unknown-option]"),
        ((RUN, "model=qwen3-32b", "hardware=t4", "hardware.device.per_node=1"), 1, "the weights need 61.0 GiB"),
        ((RUN, "nodes=2"), 1, "ftc: the pods of one node serve a model, but nodes is 2: set nodes=1\n"),
    ],
)
def test_a_wrong_command_is_refused_without_a_manifest(words: tuple[str, ...], code: int, said: str) -> None:
    result = CliRunner().invoke(cli, ["inference", *words])
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
