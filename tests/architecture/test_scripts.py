"""The scripts of the pod: fixed files that pass shellcheck and never print a token."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unit.compiling import ROOT

SCRIPTS = ROOT / "compiler" / "ftc" / "scripts"
BASH = sorted(SCRIPTS.glob("*.sh"))
# Sourced by another script, which has set its options before.
RENDEZVOUS = {file.name for file in BASH if file.name.startswith("rendezvous_")}
SOURCED = {"child.sh", "git_credentials.sh", "marker.sh", *RENDEZVOUS}


def test_scripts_exist() -> None:
    assert {"fetch.sh", "train.sh", "prepare.sh", "rendezvous_volcano.sh"} <= {file.name for file in BASH}
    assert {file.name for file in BASH} >= SOURCED


@pytest.mark.parametrize("file", BASH, ids=lambda file: file.name)
def test_shellcheck_finds_nothing(file: Path) -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    command = [str(shellcheck), "--external-sources", "--severity=style", "--shell=bash", file.name]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("file", BASH, ids=lambda file: file.name)
def test_a_script_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 100


@pytest.mark.parametrize("file", BASH, ids=lambda file: file.name)
def test_a_script_stops_at_the_first_error(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    stops = "set -euo pipefail" in text or re.search(r"^source .*prepare\.sh", text, re.MULTILINE)
    assert bool(stops) or file.name in SOURCED


@pytest.mark.parametrize("file", BASH, ids=lambda file: file.name)
def test_a_script_never_prints_its_commands(file: Path) -> None:
    assert not re.search(r"\bset\s+-[a-z]*[xv]|\bset\s+-o\s+(xtrace|verbose)|\bbash\s+-[a-z]*[xv]\b", file.read_text())


@pytest.mark.parametrize("file", BASH, ids=lambda file: file.name)
def test_a_script_never_uses_eval(file: Path) -> None:
    code = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"(^|[;&|({]\s*)eval\b|\b(ba)?sh\s+-c\b", code, re.MULTILINE)


@pytest.mark.parametrize("file", BASH, ids=lambda file: file.name)
def test_a_script_does_not_wait_for_a_process_substitution(file: Path) -> None:
    """The status may be lost: in bash 5.2, `wait "$!"` returned -1 in 6 of 4,800 runs on a busy machine."""
    for line in file.read_text().splitlines():
        assert not re.match(r"\s*wait \"?\$!", line)


@pytest.mark.parametrize("file", sorted(SCRIPTS.glob("*.py")), ids=lambda file: file.name)
def test_a_python_script_needs_only_the_standard_library(file: Path) -> None:
    """A script may import another one, which is next to it in the pod; type checkers know it by its package."""
    known = sys.stdlib_module_names | {other.stem for other in SCRIPTS.glob("*.py")}
    tree = ast.parse(file.read_text())
    for_types = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    typed = {inner for node in for_types for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= known
        elif isinstance(node, ast.ImportFrom) and node not in typed:
            assert (node.module or "").partition(".")[0] in known
