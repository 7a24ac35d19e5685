"""An image is built for a trainer, on a base image, with pins, under its own name."""

from __future__ import annotations

import pytest

from unit.compiling import errors, found, ftc
from unit.rules.pairs import Pair, pages, passes, refuses, split

OURS = "image=registry.example.com/team/llamafactory:1.0"
OLD = "trainer.llamafactory=0.9.3"
KEY = "tracking.wandb.token.secret=wandb"
CHECKPOINT = "model=custom model.template=qwen method.merge=null model.id=Qwen/Qwen2.5-7B-Instruct"
S3 = "publish=s3 publish.bucket=out publish.credentials.secret=s3"
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
    Pair("FTC416", f"tracking=wandb {KEY}", f"tracking=wandb {KEY} {OURS}", "tracking.wandb"),
    Pair(
        "FTC416",
        "tracking=swanlab tracking.swanlab.mode=local",
        "tracking=swanlab tracking.swanlab.mode=local 'setup=[[uv,pip,install,--system,\"SwanLab>=0.6\"]]'",
        "tracking.swanlab",
    ),
    Pair(
        "FTC416",
        "tracking=mlflow tracking.mlflow.uri=https://mlflow.example.com 'setup=[[pip,install,wandb]]'",
        "tracking=mlflow tracking.mlflow.uri=https://mlflow.example.com 'setup=[[pip,install,-r,/workspace/r.txt]]'",
        "tracking.mlflow",
    ),
    Pair(
        "FTC416",
        "model=qwen3-8b method=qlora-sft hardware=h100",
        "model=qwen3-8b method=qlora-sft hardware=h100 'setup=[[bash,/workspace/install.sh]]'",
        "method.arguments.quantization_bit",
    ),
    Pair("FTC416", f"{CHECKPOINT}-AWQ", f"{CHECKPOINT}-AWQ 'setup=[[pip,install,autoawq]]'", "model.id"),
    Pair("FTC416", f"{CHECKPOINT}-GPTQ-Int4", CHECKPOINT, "model.id"),
    Pair("FTC416", "train.optim=adamw_8bit", "train.optim=adamw_torch", "train.optim"),
    Pair(
        "FTC416",
        "train.enable_liger_kernel=true",
        "train.enable_liger_kernel=true 'setup=[[pip,install,\"liger_kernel==0.6.4\"]]'",
        "train.enable_liger_kernel",
    ),
    Pair("FTC416", "train.use_unsloth=true", f"train.use_unsloth=true {OURS}", "train.use_unsloth"),
    Pair("FTC416", "train.use_kt=true", f"train.use_kt=true {OURS}", "train.use_kt"),
    Pair("FTC416", "env.USE_MCA=1", "env.USE_MCA=0", "env.USE_MCA"),
    Pair("FTC416", "cluster.env.USE_KT=true", "cluster.env.USE_KT=false", "cluster.env.USE_KT"),
    Pair("FTC416", f"{S3} 'setup=[[pip,install,minio]]'", f"{S3} {OURS}", "publish"),
    Pair(
        "FTC416",
        "source@model.source=s3 model.source.bucket=models",
        f"source@model.source=s3 model.source.bucket=models {OURS}",
        "model.source",
    ),
    Pair(
        "FTC416",
        "'method.quantize={bits: 4, dataset: allenai/c4}'",
        f"'method.quantize={{bits: 4, dataset: allenai/c4}}' {OURS}",
        "method.quantize",
    ),
    Pair(
        "FTC416",
        "train.optim=adamw_8bit image=mirror.example.com/hiyouga/llamafactory:0.9.5",
        "train.optim=adamw_8bit 'pod={spec: {containers: [{name: train, image: \"a/b:1\"}]}}'",
        "train.optim",
    ),
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
    pairs = (("0.9.3", "4.51.1"), ("0.9.4", "4.51.1"), ("0.9.4", "4.57.1"), ("0.9.5", "5.5.4"), ("0.9.5", "5.6.0"))
    listed = ", ".join(f"{release} with transformers {transformers}" for release, transformers in pairs)
    assert listed in said.rpartition("help: use one of")[2]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("engine=deepspeed-z2", "devices=2"),
        ("train.predict_with_generate=true", "train.val_size=0.1"),
        ("train.enable_liger_kernel=true", f"{OLD}", "trainer.transformers=4.51.1", "image=hiyouga/llamafactory:0.9.3"),
        ("env.USE_MCA=1", f"{OLD}", "trainer.transformers=4.51.1", "image=hiyouga/llamafactory:0.9.3"),
        ("launcher=command", "launcher.command=[python,a.py]", "env.USE_KT=1"),
    ],
    ids=str,
)
def test_the_published_image_contains_what_its_dockerfile_installs(overrides: tuple[str, ...]) -> None:
    assert "FTC416" not in {diagnostic.code for diagnostic in found(*overrides)}


def test_the_help_says_how_to_get_a_package() -> None:
    said = ftc("compile", "tracking=wandb", "tracking.wandb.token.secret=wandb").stderr
    assert "ftc compile -t image" in said
    assert "'setup=[[pip,install,wandb]]'" in said
    both = ftc("compile", "method.quantize={bits: 4, dataset: allenai/c4}").stderr
    assert "needs optimum and gptqmodel" in both
    assert both.count("FTC416") == 1
    assert "install them in each pod: 'setup=[[pip,install,optimum,gptqmodel]]'" in both
    unpinned = ftc("compile", "train.use_unsloth=true").stderr
    assert "use your own image that contains unsloth" in unpinned
    assert "-t image" not in unpinned


def test_the_default_image_is_a_warning_and_the_dockerfile_is_printed() -> None:
    said = ftc("compile", "-t", "image")
    assert said.exit_code == 0
    assert "warning[FTC413 built-image-not-used]" in said.stderr
    assert "FROM " in said.stdout


@pytest.mark.parametrize("code", ["FTC410", "FTC411", "FTC412"])
def test_required_rules_on_images_cannot_be_suppressed(code: str) -> None:
    wrong = split(next(pair.wrong for pair in PAIRS if pair.code == code))
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


@pytest.mark.parametrize(
    ("overrides", "path", "file"),
    [
        ("publish=s3 publish.bucket=abc publish.credentials.secret=s3", ("publish", "kind"), "s3.yaml"),
        ("source@model.source=s3 model.source.bucket=abc", ("model", "source", "kind"), "s3.yaml"),
    ],
)
def test_the_finding_is_at_the_kind_that_needs_the_package(overrides: str, path: tuple[str, ...], file: str) -> None:
    (one,) = [diagnostic for diagnostic in found(*overrides.split()) if diagnostic.code == "FTC416"]
    assert one.path == path
    assert one.position is not None
    assert one.position.source.endswith(file)
