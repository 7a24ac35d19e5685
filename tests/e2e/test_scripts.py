"""The scripts in the pod are the fixed, linted files of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftc.resources import directory

SCRIPTS = sorted(directory("scripts").glob("*.sh"))


def test_shellcheck_finds_nothing() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, "--external-sources", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_short_strict_and_does_not_print_its_commands(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n#")
    assert len(text.splitlines()) < 100
    assert "set -x" not in text
    assert "/etc/ftc" not in text
    sourced = script.stem.startswith(("rendezvous_", "git_credentials", "marker", "child"))
    uses_prepare = "/prepare.sh" in text
    assert sourced or uses_prepare or "\nset -euo pipefail\n" in text
