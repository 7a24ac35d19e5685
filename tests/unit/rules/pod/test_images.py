"""Images have a valid reference, a fixed tag, and the trainer that the spec names."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses

OLD = "trainer.llamafactory=0.9.3 trainer.transformers=4.51.1"
NEXT = "trainer.llamafactory=0.9.4 trainer.transformers=4.51.1"
DIGEST = f"sha256:{'0a' * 32}"
TAGGED = f"hiyouga/llamafactory:0.9.3@{DIGEST}"
ALAUDA = "alaudadockerhub/fine_tune_with_llamafactory:v0.1.11"  # its tag is not that of LLaMA-Factory
PAIRS = (
    Pair("FTC541", "image=registry.example.com/Team/image:1", "image=Registry.example.com/team/image:1", "image"),
    Pair("FTC541", "image=a:1:2", "image=localhost:5000/a:1", "image"),
    Pair(
        "FTC541",
        "'pod={spec: {containers: [{name: train, image: \"a/-b:1\"}]}}'",
        "'pod={spec: {containers: [{name: train, image: \"a/b__c-d.e:1\"}]}}'",
        "pod.spec.containers.0.image",
    ),
    Pair("FTC542", "image=registry.example.com:5000/a", "image=registry.example.com:5000/a:v1", "image"),
    Pair("FTC542", "image=a:latest", f"image=a:latest@sha256:{'0' * 64}", "image"),
    Pair("FTC543", OLD, f"image=mirror.example.com/hiyouga/llamafactory:0.9.3 {OLD}", "trainer.llamafactory"),
    Pair("FTC543", OLD, f"image=example.com/llamafactory:2.2.5 {OLD}", "trainer.llamafactory"),
    Pair("FTC543", f"image={TAGGED}", f"image={TAGGED} {OLD}", "trainer.llamafactory"),
    Pair("FTC543", f"image={TAGGED}", f"image=hiyouga/llamafactory@{DIGEST}", "trainer.llamafactory"),
    Pair("FTC543", f"image={ALAUDA}", f"image={ALAUDA} {NEXT}", "trainer"),
    Pair("FTC543", f"image=mirror.example.com/{ALAUDA}@{DIGEST}", f"image={ALAUDA} {NEXT}", "trainer"),
    Pair("FTC543", OLD, f"launcher=command launcher.command=[a] {OLD}", "trainer.llamafactory"),
    Pair(
        "FTC544",
        "'setup=[[pip,install,\"llamafactory[metrics]==0.9.4\"]]'",
        "'setup=[[pip,install,\"llamafactory[metrics]==0.9.5\"]]'",
        "setup.0.2",
    ),
    Pair("FTC544", "setup=[[true],[uv,pip,install,transformers]]", "setup=[[pip,install,tensorboard]]", "setup.1.3"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_bad_image_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_good_image_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize(
    "image",
    [
        "busybox:1.36.1",
        "152-231-registry.alauda.cn:60070/mlops/finetune-runtime:v0.0.0-fix.38.11.g5f759a05-add-trainer-img",
        "hiyouga/llamafactory:0.9.5-npu-a2",
        "nvcr.io/nvidia/pytorch:24.12-py3",
        "[2001:db8::1]:5000/a/b:1_0",
        f"a/b@sha256:{'a' * 64}",
        f"registry.example.com:5000/a/b:1.0@sha256:{'a' * 64}",
    ],
)
def test_real_image_references_are_valid(image: str) -> None:
    assert [d.code for d in found(f"image='{image}'") if d.code.startswith("FTC54")] == []
