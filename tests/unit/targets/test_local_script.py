"""The script for this machine runs what the pod runs, and no value of the user's becomes code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from unit.compiling import COMMAND, conf, ftc, refused

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "$(touch hurt)",
    "`touch hurt`",
    "'; touch hurt; '",
    '"; touch hurt; "',
    "${HOME}",
    "$$",
    "a\nb",
    "end of x",
    "",
)
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


def script(*arguments: str) -> str:
    said = ftc("compile", "-t", "script", *arguments)
    assert said.exit_code == 0, said.stderr
    return said.stdout


def run(directory: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash"],
        input=text,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def written(text: str) -> str:
    """As a conf file has a text in which no reference is meant."""
    return text.replace("${", "\\${")


def test_a_command_gets_hostile_texts_as_they_are(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "defaults": ["config", {"override launcher": "command"}, "_self_"],
        "launcher": {"command": [sys.executable, "-c", SHOW], "args": [written(text) for text in HOSTILE]},
        "env": {f"V{index}": written(text) for index, text in enumerate(HOSTILE)},
        "storage": {"min_free_gib": 0},
    }
    text = script("--config-dir", conf(tmp_path / "conf", {"run": yaml.safe_dump(config)}), "-c", "run")
    done = run(tmp_path, text)
    assert done.returncode == 0, done.stderr
    arguments, environment = json.loads(done.stdout.splitlines()[-1])
    assert arguments == list(HOSTILE)
    assert [environment[f"V{index}"] for index in range(len(HOSTILE))] == list(HOSTILE)
    assert (environment["NNODES"], environment["NODE_RANK"], environment["MASTER_ADDR"]) == ("1", "0", "127.0.0.1")
    assert not list(tmp_path.rglob("hurt"))


def test_a_script_makes_a_run_directory_of_its_own(tmp_path: Path) -> None:
    text = script(*COMMAND[:1], "launcher.command=['true']", "name=a-run", "storage.min_free_gib=0")
    assert run(tmp_path, text, JOB_NAME="one").returncode == 0
    assert run(tmp_path, text, JOB_NAME="two", FTC_RUNS=str(tmp_path / "runs")).returncode == 0
    assert (tmp_path / "ftc-runs" / "one").is_dir()
    assert (tmp_path / "runs" / "two").is_dir()


@pytest.mark.parametrize("key", ["a$(touch hurt)", "a`touch hurt`", 'a"; touch hurt; "', "a}; touch hurt; #"])
def test_the_name_of_a_secret_or_its_key_is_never_code(tmp_path: Path, key: str) -> None:
    source = {"kind": "git", "url": "https://git.example.com/m", "credentials": {"secret": "s", "password_key": key}}
    config = {"defaults": ["config", "_self_"], "model": {"source": source}}
    config = {**config, "model": {"id": "a/b", "template": "qwen3", "source": source}}
    tree = conf(tmp_path / "conf", {"run": yaml.safe_dump(config)})
    said = ftc("compile", "-t", "script", "--config-dir", tree, "-c", "run", "model=none", "dataset=none", *COMMAND)
    if said.exit_code == 0:
        run(tmp_path, said.stdout)
    assert not list(tmp_path.rglob("hurt"))


def test_a_secret_that_is_not_exported_is_asked_for(tmp_path: Path) -> None:
    text = script(
        "source@model.source=git", "model.source.url=https://x.invalid/m", "model.source.credentials={secret: s}"
    )
    done = run(tmp_path, text)
    assert done.returncode != 0
    assert "GIT_USER" in done.stderr
    assert not (tmp_path / "ftc-runs").exists()


def test_several_nodes_do_not_fit_on_one_machine() -> None:
    assert "error[FTC507]: nodes: " in refused("-t", "script", "nodes=2")
