"""Suppressions: which rules accept them, errors in them, and warnings under --strict."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from ftc.diagnostics.model import Severity
from ftc.rules.catalogue import OF_SPECS
from ftc.rules.pages import of_compile
from ftc.targets import TARGETS
from golden.cases import example
from unit.compiling import conf, errors, ftc, refused, without_origin
from unit.rules.test_pages import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

PAGES = of_compile()
SILENCEABLE = [code for code in EXAMPLES if PAGES[code].silenceable]


@pytest.mark.parametrize(
    "words", [("ignore=[FTC209]",), ("--ignore", "FTC209"), ("ignore=[FTC209]", "--ignore", "FTC209")]
)
def test_a_warning_is_suppressed_in_the_spec_and_on_the_command_line(words: tuple[str, ...]) -> None:
    said = ftc("compile", "storage=per-pod", *words)
    assert (said.exit_code, said.stderr) == (0, "")
    assert without_origin(said.stdout) == without_origin(ftc("compile", "storage=per-pod").stdout)


def test_other_rules_are_not_suppressed() -> None:
    said = ftc("compile", "storage=per-pod", "restarts=1", "--ignore", "FTC209")
    assert "FTC210" in said.stderr
    assert "FTC209" not in said.stderr
    assert "FTC301" in refused("storage=per-pod", "devices=9", "ignore=[FTC209]")


def test_an_error_can_be_suppressed() -> None:
    said = ftc("compile", "devices=16", "--ignore", "FTC301")
    assert (said.exit_code, said.stderr) == (0, "")
    assert "nvidia.com/gpu: 16" in said.stdout.replace('"', "")


@pytest.mark.parametrize("code", SILENCEABLE)
def test_compile_works_with_each_rule_suppressed(code: str) -> None:
    said = example(f"{PAGES[code].wrong} --ignore {code}")
    assert f"[{code} " not in said
    assert said.endswith(("exit code 0\n", "exit code 1\n"))


def test_rules_that_ftc_relies_on_cannot_be_suppressed() -> None:
    fixed = {code for code, page in PAGES.items() if not page.silenceable}
    assert fixed >= {code for code in PAGES if code.startswith("FTC0")}
    assert fixed >= {"FTC101", "FTC107", "FTC403", "FTC505", "FTC506"}
    assert not fixed & {rule.code for rule in OF_SPECS if rule.severity is not Severity.ERROR}


@pytest.mark.parametrize("code", ["FTC010", "FTC403", "FTC015"])
def test_suppressing_a_required_rule_is_refused_at_its_position(code: str) -> None:
    (line,) = errors(f"ignore=[{code}]")
    assert (
        line == f"override 'ignore=[{code}]': error[FTC014 unknown-suppression]: ignore[0]: {code} cannot be silenced"
    )
    assert f"help: `ftc rule {code}` says why" in refused(f"ignore=[{code}]")
    said = ftc("compile", "--ignore", code)
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"{code} cannot be silenced" in said.stderr
    assert "It cannot be suppressed" in ftc("rule", code).stdout


def test_an_unknown_code_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    tree = conf(tmp_path, {"run": "defaults: [config, _self_]\nignore:\n  - FTC209\n  - FTC399\n"})
    said = refused("--config-dir", tree, "-c", "run")
    assert f"{tree}/run.yaml:4:5: error[FTC014 unknown-suppression]: ignore[1]: rule FTC399 does not exist\n" in said
    assert "help: did you mean 'FTC" in said
    assert f"{tree}/run.yaml:3:5: warning[FTC015 unused-suppression]: ignore[0]: FTC209 does not" in said
    wrong = ftc("compile", "--ignore", "FTC31")
    assert wrong.exit_code == 2
    assert "rule FTC31 does not exist; did you mean 'FTC" in wrong.stderr
    assert "rule 17 does not exist; `ftc rule` lists the codes" in ftc("compile", "--ignore", "17").stderr


@pytest.mark.parametrize("words", [("ignore=[FTC209]",), ("--ignore", "FTC209")])
def test_an_unused_suppression_is_reported(words: tuple[str, ...]) -> None:
    said = ftc("compile", *words)
    assert said.exit_code == 0
    assert "warning[FTC015 unused-suppression]: " in said.stderr
    assert "FTC209 does not match a finding" in said.stderr
    assert without_origin(said.stdout) == without_origin(ftc("compile").stdout)


def test_a_suppression_for_another_target_is_not_unused() -> None:
    vgpu = ("hardware=alauda-vgpu", "--ignore", "FTC303")
    for target in TARGETS:
        assert "FTC015" not in ftc("compile", "-t", target, *vgpu).stderr, target
    assert "FTC015" not in ftc("show", *vgpu).stderr


def test_a_suppression_is_not_unused_if_the_rules_did_not_run() -> None:
    (line,) = errors("cluster.kubernetes=1.20", "--ignore", "FTC209")
    assert "FTC505" in line
    (line,) = errors("nodes=two", "--ignore", "FTC209")
    assert "FTC012" in line


@pytest.mark.parametrize("command", ["compile", "show"])
def test_strict_turns_warnings_into_errors(command: str) -> None:
    said = ftc(command, "--strict", "storage=per-pod")
    assert said.exit_code == 1
    assert "error[FTC209 result-lost-with-pod]: storage.workspace: " in said.stderr
    assert "(a warning without --strict)" in said.stderr
    assert "warning[" not in said.stderr


def test_strict_writes_nothing(tmp_path: Path) -> None:
    said = ftc("compile", "--strict", "storage=per-pod", "-o", str(tmp_path / "out"))
    assert (said.exit_code, said.stdout) == (1, "")
    assert not (tmp_path / "out").exists()
    assert "FTC015" in refused("--strict", "ignore=[FTC209]")


def test_strict_does_not_change_a_compile_without_warnings() -> None:
    assert ftc("compile", "--strict") == ftc("compile")
    assert ftc("compile", "--strict", "storage=per-pod", "--ignore", "FTC209").exit_code == 0


def test_strict_does_not_change_notes() -> None:
    words = shlex.split(PAGES["FTC573"].wrong or "")
    said = ftc("compile", "--strict", *words)
    assert said.exit_code == 0
    assert "note[FTC573 retry-loses-pod-claim]" in said.stderr


def test_suppressions_do_not_change_the_name_of_the_run() -> None:
    several = ("nodes=2", "cluster.gang_jobs=true")
    for target in ("volcano", "job"):
        given = (ftc("compile", "-t", target, *several, *more).stdout for more in ((), ("ignore=[FTC209]",)))
        one, other = map(without_origin, given)
        assert one == other


def test_an_unused_code_on_the_command_line_stays_a_warning() -> None:
    said = ftc("compile", "--strict", "--ignore", "FTC209")
    assert said.exit_code == 0
    assert "warning[FTC015 unused-suppression]" in said.stderr
