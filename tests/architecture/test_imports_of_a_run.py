"""A run of the command loads only the libraries that it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftc.cli import main
from unit.compiling import ROOT, conf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


HYDRA = {"hydra", "omegaconf", "antlr4"}


def modules(*arguments: str, environment: Mapping[str, str] = {}, code: int = 0) -> set[str]:
    """All modules that are loaded when the command ends."""
    script = (
        "import json, sys, ftc.cli.main as m\n"
        f"sys.argv = ['ftc', *{list(arguments)!r}]\n"
        "try:\n    m.main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == code, done.stderr
    assert done.stdout or code, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def loaded(*arguments: str, environment: Mapping[str, str] = {}, code: int = 0) -> set[str]:
    """The top-level modules of these."""
    return {name.partition(".")[0] for name in modules(*arguments, environment=environment, code=code)}


@pytest.mark.parametrize("module", ["kubernetes", "kubernetes_validate", "torch", "rich", "transformers", "requests"])
def test_compile_loads_no_unneeded_library(module: str) -> None:
    assert module not in loaded("compile", "nodes=2")


def test_help_loads_neither_hydra_nor_jsonschema() -> None:
    assert not {"jsonschema", *HYDRA} & loaded("--help")
    assert not {"jsonschema", *HYDRA} & loaded("--version")
    assert not {"jsonschema", *HYDRA} & loaded("completion", "bash")


def test_list_does_not_load_jsonschema() -> None:
    assert not {"jsonschema", "jsonschema_rs"} & loaded("list")


RUN = "defaults: [config, override hardware: ascend, override launcher: torchrun, _self_]\nnodes: 2\ndevices: 8\n"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("hardware=ascend", "launcher=torchrun", "nodes=2", "devices=8"),
        ("source@model.source=path", "model.source.path=/models/a", "train={learning_rate: 1e-5}", "name='a-b'"),
        ("-c", "run", "--config-dir", "CONF", "model=qwen3-8b"),
        ("-t", "job", "-o", "-", "++env.A=a-${scripts}"),
    ],
)
def test_a_plain_compile_does_not_load_hydra(tmp_path: Path, words: tuple[str, ...]) -> None:
    arguments = [word.replace("CONF", conf(tmp_path, {"run": RUN})) for word in words]
    found = loaded("compile", *arguments)
    assert not HYDRA & found
    assert {"jsonschema_rs", "msgspec", "yaml"} <= found, "manifests are verified"


def test_a_finding_in_a_plain_run_does_not_load_hydra() -> None:
    assert not HYDRA & loaded("compile", "nodes=0", code=1)


def test_hydra_reads_what_is_not_plain() -> None:
    assert loaded("compile", "env.URL=http://a.example/?b=c", code=1) >= HYDRA
    assert loaded("compile", "name=a\\,b", code=1) >= HYDRA


COMMANDS = {f"ftc.cli.{file.stem}" for file in (ROOT / "compiler/ftc/cli").glob("*.py")}
COMMANDS = {name for name in COMMANDS if name.rpartition(".")[2] in main._COMMANDS}  # noqa: SLF001 - the list


@pytest.mark.parametrize("words", [(), ("hardware",), ("hardware", "--json")])
def test_list_loads_neither_hydra_nor_another_command(words: tuple[str, ...]) -> None:
    found = modules("list", *words[:1])
    assert not found & HYDRA
    assert found & COMMANDS == {"ftc.cli.list"}
    assert not {"msgspec", "yaml", "ftc.driver", "ftc.compose"} & found


@pytest.mark.parametrize("word", ["hardware=as", "train.le", "har", ""])
def test_completion_loads_no_command(word: str) -> None:
    found = modules("compile", word, environment={"_FTC_COMPLETE": "zsh"})
    assert not found & (COMMANDS | HYDRA | {"msgspec", "yaml"})


def test_a_valid_value_does_not_load_jsonschema() -> None:
    assert "jsonschema" not in loaded("compile", "hardware=ascend", "network=host-ascend", "nodes=2")


def test_findings_and_plans_are_not_rendered_without_need() -> None:
    found = modules("compile")
    assert "ftc.driver" in found
    telling = ("render_text", "formats", "page", "shown")
    assert not found & {"ftc.summary.build", "ftc.compose.by_hydra"}
    assert not found & {"ftc.cli.rendering", *(f"ftc.diagnostics.{name}" for name in telling)}
