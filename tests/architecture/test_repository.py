"""The files that the forge and the editors read are valid, and need nothing that a clone does not have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unit.compiling import ROOT

PROGRAMS = Path(sys.executable).parent
FORMS = sorted(file for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]


def test_the_hooks_are_local_programs_of_the_development_environment() -> None:
    assert {repository["repo"] for repository in HOOKS} == {"local"}
    for hook in (hook for repository in HOOKS for hook in repository["hooks"]):
        assert hook["language"] == "system"
        assert (PROGRAMS / hook["entry"].split()[0]).exists(), hook["id"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_has_githubs_schema(form: Path) -> None:
    command = [str(PROGRAMS / "check-jsonschema"), "--builtin-schema", "vendor.github-issue-forms", str(form)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
