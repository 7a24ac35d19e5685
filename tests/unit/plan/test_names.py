"""Names are the same everywhere, and within the limits of their objects."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftc.plan.names import digest, slug
from unit.compiling import COMMAND, artifacts, errors, ftc, job, variables
from unit.loading import load

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@given(st.text())
def test_a_slug_is_a_name_of_kubernetes_whatever_it_is_made_of(text: str) -> None:
    assert LABEL.fullmatch(slug(text))
    assert len(slug(text)) <= 40


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Qwen3-0.6B", "qwen3-0-6b"),
        ("a__b", "a-b"),
        ("-a-", "a"),
        ("7b-model", "x-7b-model"),
        ("中文", "x"),
        ("", "x"),
        ("a" * 39 + "-b", "a" * 39),
    ],
)
def test_a_slug_reads_like_what_it_is_made_of(text: str, name: str) -> None:
    assert slug(text) == name


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert re.fullmatch("[0-9a-f]{8}", digest("x"))


def named(*overrides: str) -> str:
    name: str = job("naming=fixed", *overrides)["metadata"]["name"]
    return name


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ((), "qwen3-0-6b-lora-sft"),
        (("model=qwen3-8b", "method=full-sft"), "qwen3-8b-full-sft"),
        (("name=mine",), "mine"),
        ((*COMMAND, "image=registry.example.com:5000/team/vendor_image:1.0"), "vendor-image"),
        ((*COMMAND, f"image=vendor@sha256:{'0123' * 16}"), "vendor"),
        ((*COMMAND, "image=localhost:5000/a"), "a"),
    ],
)
def test_a_job_is_named_after_what_it_runs(overrides: tuple[str, ...], name: str) -> None:
    assert named(*overrides) == name


PAIRS = "dataset=dpo-mix-en"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "lora sft"),
        (("method=dora-sft",), "dora sft"),
        (("method=qlora-sft",), "qlora sft"),
        (("method=qlora-dpo", PAIRS), "qlora dpo"),
        (("method=lora-dpo", PAIRS), "lora dpo"),
        (("method=lora-orpo", PAIRS), "lora orpo"),
        (("method=lora-simpo", PAIRS), "lora simpo"),
        (("method=full-orpo", PAIRS), "full orpo"),
        (("method=full-simpo", PAIRS), "full simpo"),
        (("method=lora-kto", "dataset=kto-mix-15k"), "lora kto"),
        (("method=oft-sft",), "oft sft"),
        (("method=freeze-sft",), "freeze sft"),
        (("method=dora-sft", "train.quantization_bit=4", "train.quantization_method=bnb"), "qdora sft"),
        (("method=lora-dpo", PAIRS, "train.pref_loss=orpo"), "lora orpo"),
        (("train.pref_loss=orpo",), "lora sft"),
    ],
)
def test_names_labels_and_messages_call_a_method_by_its_name(overrides: tuple[str, ...], words: str) -> None:
    made = job("naming=fixed", *overrides, "publish=git", "publish.url=https://git.example.com/o")
    name = words.replace(" ", "-")
    assert made["metadata"]["name"] == f"qwen3-0-6b-{name}"
    assert made["metadata"]["labels"]["ftc.dev/method"] == name
    (publish,) = [one for one in made["spec"]["tasks"][0]["template"]["spec"]["containers"] if one["name"] == "publish"]
    assert variables(publish)["PUBLISH_MESSAGE"].startswith(f"Qwen/Qwen3-0.6B: {words} on ")
    assert f"{words} of Qwen/Qwen3-0.6B" in ftc("plan", *overrides).stdout


@pytest.mark.parametrize(("nodes", "longest"), [(1, 63 - 9), (10, 63 - 9), (11, 63 - 10), (101, 63 - 11)])
def test_the_name_of_the_last_pod_fits_into_a_host_name(nodes: int, longest: int) -> None:
    fits, long = "a" * longest, "a" * (longest + 1)
    assert len(f"{fits}-worker-{nodes - 1}") == 63
    assert named(f"nodes={nodes}", f"name={fits}") == fits
    (line,) = errors("naming=fixed", f"nodes={nodes}", f"name={long}")
    assert "FTC501" in line


def test_a_generated_ending_counts() -> None:
    fits = "a" * (63 - len("-worker-0") - len("-xxxxx"))
    assert job(f"name={fits}")["metadata"]["generateName"] == f"{fits}-"
    assert "FTC501" in errors(f"name={fits}a")[0]


def test_a_derived_name_fits_for_the_largest_index() -> None:
    long = "model.id=org/" + "a-very-long-name-" * 8
    name = job(long, "model.architecture=null", "nodes=1000")["metadata"]["generateName"]
    assert len(f"{name}xxxxx-worker-999") <= 63


@pytest.mark.parametrize(("naming", "ending"), [("fixed", ""), ("generate", "-xxxxx")])
def test_the_names_of_all_pods_fit_into_one_variable(naming: str, ending: str) -> None:
    def hosts(nodes: int) -> str:
        return ",".join(f"a-run{ending}-worker-{index}.a-run{ending}" for index in range(nodes))

    longest = 128 * 1024 - len("VC_WORKER_HOSTS=\0")  # Linux, MAX_ARG_STRLEN
    most = max(nodes for nodes in range(2000, 8000, 10) if len(hosts(nodes)) <= longest)
    overrides = (f"naming={naming}", "name=a-run")
    assert job(*overrides, f"nodes={most * 9 // 10}")
    assert "FTC512" in errors(*overrides, f"nodes={most + 10}")[0]


def test_a_key_that_a_release_adds_changes_no_digest_until_it_is_set() -> None:
    today = msgspec.defstruct("Storage", [("size", int), ("labels", dict[str, str], {})])
    later = msgspec.defstruct("Storage", [("size", int), ("labels", dict[str, str], {}), ("copies", int, 0)])
    assert digest(today(1)) == digest(later(1)) == digest(later(1, {}, 0))
    assert len({digest(today(1)), digest(today(2)), digest(today(1, {"a": "b"})), digest(later(1, copies=2))}) == 4


@pytest.mark.parametrize(
    ("overrides", "right"),
    [
        (
            (),
            {
                "app.kubernetes.io/name": "llamafactory",
                "app.kubernetes.io/instance": "qwen3-0-6b-lora-sft",
                "app.kubernetes.io/version": "0.9.5",
                "app.kubernetes.io/component": "training",
                "app.kubernetes.io/managed-by": "ftc",
                "ftc.dev/model": "qwen3-0-6b",
                "ftc.dev/method": "lora-sft",
                "ftc.dev/hardware": "nvidia",
            },
        ),
        (
            ("name=nightly", "hardware=cpu", "method=full-sft", "labels={app.kubernetes.io/version: mine}"),
            {
                "app.kubernetes.io/name": "llamafactory",
                "app.kubernetes.io/instance": "nightly",
                "app.kubernetes.io/version": "mine",
                "app.kubernetes.io/component": "training",
                "app.kubernetes.io/managed-by": "ftc",
                "ftc.dev/model": "qwen3-0-6b",
                "ftc.dev/method": "full-sft",
                "ftc.dev/hardware": "cpu",
            },
        ),
        (
            (*COMMAND, "image=registry.example.com/team/trainer:1.2", "hardware=mthreads-s4000"),
            {
                "app.kubernetes.io/name": "trainer",
                "app.kubernetes.io/instance": "trainer",
                "app.kubernetes.io/component": "training",
                "app.kubernetes.io/managed-by": "ftc",
                "ftc.dev/hardware": "moore-threads",
            },
        ),
    ],
)
def test_labels_find_runs_by_what_they_do(overrides: tuple[str, ...], right: dict[str, str]) -> None:
    manifest = load(artifacts(*overrides)["volcano.yaml"])
    pod = manifest["spec"]["tasks"][0]["template"]
    assert {key: manifest["metadata"]["labels"].get(key) for key in right} == right
    assert manifest["metadata"]["labels"].keys() - right.keys() <= {"ring-controller.atlas", "ring-controller.cce"}
    assert pod["metadata"]["labels"] == manifest["metadata"]["labels"]
