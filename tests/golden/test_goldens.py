"""Compiling reproduces the committed files byte for byte, and every option of conf/ has a golden."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from golden import cases

if TYPE_CHECKING:
    from pathlib import Path

SCENARIOS = sorted(file.parent.name for file in cases.SCENARIOS.glob(f"*/{cases.CASE}"))
OPTIONS = sorted(cases.OPTIONS.glob("*/*.diff"))
ERRORS = sorted(cases.ERRORS.glob("*.err"))
PLANS = sorted(cases.PLANS.glob("*.txt"))
CORPUS = cases.corpus()
INFERENCE = sorted(cases.INFERENCE.glob("*.yaml"))
IMAGES = sorted(cases.IMAGES.glob("*.Dockerfile"))


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cases.ROOT)


@pytest.mark.parametrize("case", SCENARIOS)
def test_a_scenario_compiles_to_its_golden_files(case: str) -> None:
    checked = cases.scenarios("check", case)
    assert (checked.exit_code, checked.stdout) == (0, ""), checked.output


def test_no_scenario_is_obsolete() -> None:
    directories = {file.name for file in cases.SCENARIOS.iterdir()}
    assert directories == set(SCENARIOS)


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_a_plan_matches_its_golden(file: Path) -> None:
    assert cases.plan(file.stem) == file.read_text()


@pytest.mark.parametrize("file", OPTIONS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_an_option_matches_its_golden(file: Path) -> None:
    assert cases.option(cases.command_of(file)) == file.read_text()


@pytest.mark.parametrize("file", OPTIONS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_the_image_of_an_option_has_the_release_of_its_trainer(file: Path) -> None:
    state = cases.compiled(shlex.split(cases.command_of(file)))
    assert state.spec is not None
    assert "FTC543" not in {diagnostic.code for diagnostic in state.diagnostics}
    tag = re.search(r"llamafactory[^/:]*:(\d+\.\d+\.\d+)", state.spec.image)  # the rule does not read placeholders
    assert tag is None or tag[1] == state.spec.trainer.llamafactory


@pytest.mark.parametrize("file", ERRORS, ids=lambda file: file.stem)
def test_an_error_matches_its_golden(file: Path) -> None:
    assert cases.error(cases.command_of(file)) == file.read_text()


@pytest.mark.parametrize("file", IMAGES, ids=lambda file: file.stem)
def test_an_image_matches_its_golden(file: Path) -> None:
    assert cases.image(cases.command_of(file)) == file.read_text()


@pytest.mark.parametrize("file", INFERENCE, ids=lambda file: file.stem)
def test_an_inference_service_matches_its_golden(file: Path) -> None:
    assert cases.inference(cases.command_of(file)) == file.read_text()


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_an_example_of_a_rule_matches_the_corpus(file: Path) -> None:
    assert cases.example(CORPUS[file]) == file.read_text()


def test_no_example_is_obsolete() -> None:
    assert set(cases.CORPUS.glob("*/FTC[0-9][0-9][0-9].err")) == CORPUS.keys()


def test_every_option_of_conf_has_a_golden_and_no_golden_is_obsolete() -> None:
    shipped = {(f.parent.name, f.stem) for f in (cases.ROOT / "conf").glob("*/*.yaml")}
    assert {(f.parent.name, f.stem) for f in OPTIONS} == shipped


def test_an_options_golden_uses_the_option() -> None:
    for file in OPTIONS:
        command = cases.command_of(file).split()
        named = any(word.startswith(file.parent.name) and word.endswith(f"={file.stem}") for word in command)
        assert named, file


def test_goldens_are_not_updated_in_ci() -> None:
    command = [sys.executable, "-m", "golden.update"]
    environment = {**os.environ, "CI": "true", "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "read the diff" in result.stderr
