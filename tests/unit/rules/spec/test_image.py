"""An image is built for a trainer, on a base image, with pins, under its own name."""

from __future__ import annotations

import pytest

from unit.compiling import errors, found, ftc
from unit.rules.pairs import Pair, pages, passes, refuses

OURS = "image=registry.example.com/team/llamafactory:1.0"
OLD = "trainer.llamafactory=0.9.3"
PAIRS = (
    Pair("FTC410", f"launcher=command launcher.command=[a] {OURS}", f"launcher=accelerate {OURS}", "launcher"),
    Pair("FTC411", f"hardware.build=null {OURS}", f"hardware=ascend {OURS}", "hardware.build"),
    Pair("FTC411", f"hardware=ascend-910a {OURS}", f"hardware=ascend-910c {OURS}", "hardware.build"),
    Pair("FTC412", f"trainer.transformers=5.2.0 {OURS}", f"trainer.transformers=5.6.0 {OURS}", "trainer"),
    Pair(
        "FTC412",
        f"{OLD} trainer.transformers=4.51.0 {OURS}",
        f"{OLD} trainer.transformers=4.51.1 {OURS}",
        "trainer",
    ),
    Pair("FTC413", "", OURS, "image"),
    Pair("FTC413", "hardware=ascend", "hardware=ascend image=mirror.example.com/llamafactory:0.9.5-npu-a2", "image"),
    Pair("FTC414", f"train.optim=lomo {OURS}", f"train.optim=adamw_torch {OURS}", "train.optim"),
    Pair(
        "FTC414",
        f"train.quantization_bit=4 +train.quantization_method=hqq {OURS}",
        f"train.quantization_bit=4 +train.quantization_method=bnb {OURS}",
        "train.quantization_method",
    ),
    Pair("FTC415", f"hardware.build.base=a.example.com/b {OURS}", f"hardware=amd {OURS}", "hardware.build.base"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_image_that_cannot_be_built_or_run_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_image_that_can_be_built_passes(pair: Pair) -> None:
    passes(pair)


def test_the_help_lists_the_pinned_pairs() -> None:
    said = ftc("compile", "-t", "image", "trainer.transformers=5.2.0").stderr
    assert "0.9.3 with transformers 4.51.1, 0.9.5 with transformers 5.6.0" in said.rpartition("help: use one of")[2]


def test_the_default_image_is_a_warning_and_the_dockerfile_is_printed() -> None:
    said = ftc("compile", "-t", "image")
    assert said.exit_code == 0
    assert "warning[FTC413 built-image-not-used]" in said.stderr
    assert "FROM " in said.stdout


@pytest.mark.parametrize("code", ["FTC410", "FTC411", "FTC412"])
def test_required_rules_on_images_cannot_be_suppressed(code: str) -> None:
    wrong = next(pair.wrong for pair in PAIRS if pair.code == code).split()
    assert any(f"error[{code} " in line for line in errors("-t", "image", *wrong))
    said = ftc("compile", "-t", "image", f"--ignore={code}", *wrong)
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"{code} cannot be silenced" in said.stderr


@pytest.mark.parametrize("optim", ["paged_adamw_8bit", "adamw_8bit", "adamw_bnb_8bit", "paged_lion_32bit"])
def test_an_optimizer_of_bitsandbytes_adds_its_pins(optim: str) -> None:
    assert "\n    bitsandbytes==" in ftc("compile", "-t", "image", f"train.optim={optim}", OURS).stdout


@pytest.mark.parametrize("wrong", ["hardware.build=null", "trainer.transformers=5.2.0"])
def test_other_targets_do_not_apply_the_rules(wrong: str) -> None:
    assert not [d for d in found(wrong) if d.code.startswith("FTC41")]
