"""The Dockerfile installs what the run needs, pinned, and contains nothing that a shell could interpret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from unit.compiling import ROOT, conf, errors, ftc

OURS = "image=registry.example.com/team/llamafactory:1.0"
MLFLOW = ("tracking=mlflow", "tracking.mlflow.uri=http://mlflow.example.com")
OLD = ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1")
BUILDS = sorted(file.stem for file in (ROOT / "conf" / "build").glob("*.yaml"))


def dockerfile(*overrides: str) -> str:
    said = ftc("compile", "-t", "image", OURS, *overrides)
    assert said.exit_code == 0, said.stderr
    return said.stdout


def packages(*overrides: str) -> dict[str, str]:
    """The packages that pip installs: name to version."""
    pins = re.findall(r"^    (\S+)==(\S+)(?: &&)?(?: \\)?$", dockerfile(*overrides), re.MULTILINE)
    assert len(dict(pins)) == len(pins)
    return dict(pins)


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def instructions(text: str) -> list[str]:
    """The Dockerfile without comments, one instruction per line."""
    code = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
    return code.replace("\\\n", "").splitlines()


@pytest.mark.parametrize(
    ("pair", "built"),
    [
        (("0.9.5", "5.6.0"), ("0.9.5", "5.5.4")),  # fa2 crashes with 5.6.0
        (("0.9.5", "5.5.4"), ("0.9.5", "5.5.4")),
        (("0.9.3", "4.51.1"), ("0.9.3", "4.51.1")),
    ],
)
def test_the_pair_is_pinned_together(pair: tuple[str, str], built: tuple[str, str]) -> None:
    given = (f"trainer.llamafactory={pair[0]}", f"trainer.transformers={pair[1]}")
    found = packages(*given)
    assert (found["llamafactory"], found["transformers"]) == built
    assert (f" trainer.transformers={built[1]}\n" in dockerfile(*given)) == (pair != built)
    assert {"accelerate", "peft", "trl", "datasets", "huggingface-hub", "modelscope", "matplotlib"} <= found.keys()


def test_every_pair_whose_arguments_are_known_can_be_built() -> None:
    facts = (ROOT / "schemas/llamafactory").glob("*.facts.json")
    known = {file.name.removesuffix(".facts.json") for file in facts}
    assert {pair.name for pair in (ROOT / "conf/pins").iterdir()} == known


# LLaMA-Factory 0.9.3: setup.py; 0.9.5: requirements/deepspeed.txt.
@pytest.mark.parametrize(("pair", "newest"), [((), (0, 18, 4)), (OLD, (0, 16, 9))])
def test_deepspeed_is_there_for_its_engine_alone_and_as_new_as_the_trainer_takes(
    pair: tuple[str, ...], newest: tuple[int, ...]
) -> None:
    found = packages(*pair, "engine=deepspeed-z2")
    assert (0, 10, 0) <= number(found["deepspeed"]) <= newest
    assert {"ninja", "hjson", "py-cpuinfo", "msgpack"} <= found.keys()
    assert "g++" in dockerfile("engine=deepspeed-z2")
    assert "deepspeed" not in packages(*pair)
    assert "g++" not in dockerfile()


@pytest.mark.parametrize("pair", [(), OLD])
def test_a_tracker_brings_its_own_package_and_no_others(pair: tuple[str, ...]) -> None:
    trackers = {"mlflow-skinny", "tensorboard", "wandb", "swanlab"}
    assert trackers & packages(*pair).keys() == set()
    assert trackers & packages(*pair, "tracking=tensorboard").keys() == {"tensorboard"}
    assert trackers & packages(*pair, *MLFLOW).keys() == {"mlflow-skinny"}
    assert trackers & packages(*pair, "tracking.wandb={}", "tracking.swanlab={}").keys() == {"wandb", "swanlab"}


def test_arguments_bring_what_the_trainer_wants_for_them() -> None:
    assert "bitsandbytes" in packages("train.quantization_bit=4")
    assert "bitsandbytes" not in packages(
        "--ignore=FTC414", "train.quantization_bit=4", "train.quantization_method=hqq"
    )
    metrics = ("train.predict_with_generate=true", "train.eval_dataset=alpaca")
    assert {"jieba", "nltk", "rouge-chinese"} <= packages(*metrics).keys()
    assert {"bitsandbytes", "jieba"} & packages("train.predict_with_generate=false").keys() == set()


def test_torch_is_the_hardwares() -> None:
    assert "torch" not in packages("hardware=nvidia")
    assert (packages("hardware=cpu")["torch"], packages("hardware=ascend")["torch"]) == ("2.13.0", "2.7.1")
    assert "ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu\n" in dockerfile("hardware=cpu")
    assert packages("hardware=ascend")["torch-npu"].startswith("2.7.1")


@pytest.mark.parametrize(
    ("overrides", "base"),
    [
        (("hardware=nvidia",), "hiyouga/pytorch:th2.6.0-cu124-"),
        (("hardware=h800",), "hiyouga/pytorch:th2.6.0-cu124-"),
        (("hardware=alauda-vgpu",), "hiyouga/pytorch:th2.6.0-cu124-"),
        (("hardware=ascend",), "quay.io/ascend/cann:9.0.0-910b-"),
        (("hardware=ascend", "build@hardware.build=ascend-a3"), "quay.io/ascend/cann:9.0.0-a3-"),
        (("hardware=ascend-910c-mindcluster",), "quay.io/ascend/cann:9.0.0-a3-"),
        (("hardware=mi300x",), "rocm/pytorch:rocm7.2_"),
        (("hardware=b200",), "pytorch/pytorch:2.8.0-cuda12.8-"),
        (("hardware=cpu",), "python:3.11-slim-"),
    ],
)
def test_the_base_is_of_the_vendor(overrides: tuple[str, ...], base: str) -> None:
    (first, *others) = [line for line in instructions(dockerfile(*overrides)) if line.startswith("FROM ")]
    assert first.startswith(f"FROM {base}")
    assert others == []


def test_a_package_of_the_hardware_wins_however_its_name_is_written(tmp_path: Path) -> None:
    mine = "# Mine.\ndefaults: [cpu, _self_]\nbuild: {base: my/base:1, packages: [Huggingface_Hub==1.0.0]}\n"
    said = ftc("compile", "-t", "image", OURS, "--config-dir", conf(tmp_path, {"hardware/mine": mine}), "hardware=mine")
    assert "FROM my/base:1\n" in said.stdout
    assert "    Huggingface_Hub==1.0.0 \\\n" in said.stdout
    assert " huggingface-hub==" not in said.stdout


def test_the_tools_of_the_scripts_are_installed() -> None:
    (line,) = [line for line in instructions(dockerfile()) if "apt-get install" in line]
    assert {"git", "git-lfs", "ca-certificates"} <= set(line.split())


def test_it_says_how_to_build_it_under_the_name_that_the_job_runs() -> None:
    head = dockerfile().partition("FROM ")[0]
    assert "\n#   docker build -t registry.example.com/team/llamafactory:1.0 - <Dockerfile\n" in head
    assert "\n#   docker push registry.example.com/team/llamafactory:1.0\n" in head
    assert not re.search(r"^(COPY|ADD) ", dockerfile(), re.MULTILINE)


def test_mirrors_are_arguments_of_the_build() -> None:
    known = [line for line in instructions(dockerfile("hardware=cpu")) if line.startswith("ARG ")]
    assert known == [
        "ARG PIP_BREAK_SYSTEM_PACKAGES=1",
        "ARG APT_MIRROR",
        "ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu",
        "ARG PIP_INDEX_URL=https://pypi.org/simple",
    ]


SOURCES = {
    "debian.sources": (
        "URIs: http://deb.debian.org/debian\nURIs: http://deb.debian.org/debian-security\n",
        "URIs: https://mirror.example.com/debian\nURIs: https://mirror.example.com/debian-security\n",
    ),
    "ubuntu.list": (
        "deb http://archive.ubuntu.com/ubuntu/ jammy main\ndeb http://security.ubuntu.com/ubuntu/ jammy main\n",
        "deb https://mirror.example.com/ubuntu/ jammy main\ndeb https://mirror.example.com/ubuntu/ jammy main\n",
    ),
    "arm.list": (
        "deb http://ports.ubuntu.com/ubuntu-ports/ jammy main\n",
        "deb https://mirror.example.com/ubuntu-ports/ jammy main\n",
    ),
    "vendor.list": ("deb https://repo.radeon.com/rocm/apt/7.2 noble main\n",) * 2,
}


@pytest.mark.parametrize("mirror", ["", "https://mirror.example.com", "https://mirror.example.com/"])
def test_a_mirror_takes_the_place_of_the_distributions_servers_and_of_no_others(tmp_path: Path, mirror: str) -> None:
    for name, (text, _) in SOURCES.items():
        (tmp_path / name).write_text(text)
    (line,) = [line for line in instructions(dockerfile()) if "APT_MIRROR%" in line]
    script = line.removeprefix("RUN ").partition("&&")[0].replace("/etc/apt", str(tmp_path))
    subprocess.run(["sh", "-c", script], env={"PATH": "/usr/bin:/bin", "APT_MIRROR": mirror}, check=True)
    for name, (text, mirrored) in SOURCES.items():
        assert (tmp_path / name).read_text() == (mirrored if mirror else text)


def test_any_user_can_run_it() -> None:
    lines = instructions(dockerfile())
    assert [line for line in lines if line.startswith("USER")] == []
    assert "ENV HOME=/home/ftc LOGNAME=ftc" in lines
    assert 'RUN mkdir -m 1777 "$HOME"' in lines


def test_no_secret_is_in_it() -> None:
    login = ("cluster.git_credentials={secret: git-login}", "env.WANDB_API_KEY=hidden", "model.source.token.secret=hub")
    assert ftc("compile", "-t", "image", OURS, *login).stdout == dockerfile()


HOSTILE = {
    "base": ("'a\\nRUN touch hurt'", "'$(touch hurt)'", "''", "'a b'", "'${X}'", "'-a'"),
    "torch": ("['torch']", "['a==1;b']", "['a==1 b']", "['a==$(b)']", "['-r==1']"),
    "packages": ("['a>=1']", "['a==1;b']", "['a==1 && b']", "['a==`b`']", "['--a==1']"),
    "torch_index": ("'https://a.b/$(c)'", "'https://user:token@a.b/c'", "'/a'", "'-a'"),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in HOSTILE.items() for value in values])
def test_what_could_be_code_is_refused(tmp_path: Path, key: str, value: str) -> None:
    value = value.replace("'", '"').replace("${", "\\\\${")
    mine = f"# Mine.\ndefaults: [cpu, _self_]\nbuild:\n  {key}: {value}\n"
    said = errors("-t", "image", "--config-dir", conf(tmp_path, {"hardware/mine": mine}), "hardware=mine")
    assert [line for line in said if f"error[FTC012 invalid-value]: hardware.build.{key}" not in line] == []
    assert said


@pytest.mark.parametrize("image", ["'x;touch hurt'", "'x;touch${IFS}hurt'", "'x\nRUN touch hurt'", "'$(touch hurt)'"])
def test_the_name_of_an_image_is_a_name(image: str) -> None:
    assert errors("-t", "image", f"image={image}".replace("${", "\\${"))


@pytest.mark.parametrize("overrides", [(), ("engine=deepspeed-z3", *MLFLOW, *OLD)], ids=["plain", "full"])
@pytest.mark.parametrize("build", BUILDS)
def test_hadolint_finds_nothing(build: str, overrides: tuple[str, ...]) -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    text = dockerfile(f"build@hardware.build={build}", *overrides)
    done = subprocess.run([hadolint, "--no-color", "-"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
