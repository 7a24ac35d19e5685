"""Every target is complete: a test names the missing part."""

from __future__ import annotations

import pytest

from ftc.output.verify import BugError
from ftc.targets import POD_TARGETS, TARGETS
from unit.compiling import ROOT, compiled, ftc


@pytest.mark.parametrize("name", list(TARGETS))
def test_verify_refuses_what_is_not_of_the_target(name: str) -> None:
    spec = compiled().spec
    assert spec is not None
    text = "- a: 1\n" if name == "llamafactory" else "apiVersion: v1\nkind: Service\nspec: 1\n"
    with pytest.raises(BugError):
        TARGETS[name].verify(text, spec.cluster)


# These have no golden yet: their own tests compare the texts.
WITHOUT_GOLDEN = {"storage", "scripts", "script"}


def test_every_other_target_has_a_golden() -> None:
    golden = ROOT / "golden"
    names = {file.name for file in golden.rglob("*") if file.is_file()}
    written = {name: target.file or "train.yaml" for name, target in TARGETS.items() if name != "image"}
    assert {name for name, file in written.items() if file not in names} == WITHOUT_GOLDEN
    assert [*(golden / "images").iterdir()]


@pytest.mark.parametrize("name", list(POD_TARGETS))
def test_there_is_a_rendezvous_script_that_an_e2e_test_runs(name: str) -> None:
    assert (ROOT / "compiler" / "ftc" / "scripts" / f"rendezvous_{name}.sh").is_file()
    said = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "e2e").glob("*.py"))
    assert f"rendezvous_{name}" in said


@pytest.mark.parametrize("name", list(POD_TARGETS))
def test_plan_prints_its_summary(name: str) -> None:
    for overrides in ((), ("nodes=2", "restarts=3")):
        said = ftc("plan", "-t", name, *overrides)
        assert said.exit_code == 0, said.stderr
        assert "restarts" in said.stdout


def test_the_plan_of_a_batch_job_has_its_own_restarts_and_address() -> None:
    said = ftc("plan", "-t", "job", "nodes=2", "restarts=3").stdout
    assert "backoffLimit 6" in said
    assert "index 0" in said
    assert "worker-0" not in said
    assert "completionMode" in ftc("plan", "-t", "job").stdout
