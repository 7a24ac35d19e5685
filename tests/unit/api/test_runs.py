"""`import ftc`: what a program gets from a compile and from a plan."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import ftc
from unit.compiling import conf
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from pathlib import Path

ASCEND = ("hardware=ascend", "launcher=torchrun", "devices=8")


def test_a_compile_has_what_the_command_prints() -> None:
    made = ftc.compile(*ASCEND)
    assert made.text == command("compile", *ASCEND).stdout
    assert made.artifacts["volcano.yaml"] == made.text
    assert made.spec.devices == 8
    assert made.findings == ()


def test_each_target_is_an_artifact_and_the_first_one_is_the_text() -> None:
    made = ftc.compile("nodes=2", "storage=shared", targets=("job", "storage"))
    assert made.text == command("compile", "-t", "job", "nodes=2", "storage=shared").stdout
    assert {"job.yaml", "storage.yaml"} <= made.artifacts.keys()


def test_a_plan_has_what_the_command_prints_before_the_next_commands() -> None:
    plan = ftc.plan(*ASCEND)
    assert plan.summary.topology.processes == 8
    text, _, _ = command("plan", *ASCEND).stdout.partition("next ")
    assert plan.text == text


def test_results_cannot_be_changed() -> None:
    made, plan = ftc.compile(), ftc.plan()
    for result, name in ((made, "spec"), (plan, "summary"), (made.spec, "nodes"), (plan.summary, "name")):
        with pytest.raises(AttributeError):
            setattr(result, name, None)
    with pytest.raises(TypeError):
        made.artifacts["spec.yaml"] = ""  # type: ignore[index] # what a user may try


@pytest.mark.parametrize("call", [ftc.compile, ftc.plan])
def test_an_exception_has_every_finding(call: object) -> None:
    assert callable(call)
    with pytest.raises(ftc.RefusedError) as raised:
        call("nodez=2", "hardware=nothing")
    assert {one.code for one in raised.value.findings} == {"FTC010", "FTC003"}
    assert str(raised.value) == f"2 errors\n{command('compile', 'nodez=2', 'hardware=nothing').stderr.rstrip()}"


def test_the_exception_survives_a_process_pool() -> None:
    with pytest.raises(ftc.RefusedError) as raised:
        ftc.compile("nodez=2")
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own bytes
    assert isinstance(again, ftc.RefusedError)
    assert again.findings == raised.value.findings


def test_warnings_are_findings_and_errors_if_strict() -> None:
    (warning,) = ftc.compile("image=example.com/a:latest").findings
    assert (warning.code, warning.severity.value) == ("FTC542", "warning")
    assert ftc.compile("image=example.com/a:latest", ignore=["FTC542"]).findings == ()
    with pytest.raises(ftc.RefusedError):
        ftc.compile("image=example.com/a:latest", strict=True)


def test_no_secret_is_in_a_finding() -> None:
    token = "hf_" + "a" * 30
    with pytest.raises(ftc.RefusedError) as raised:
        ftc.compile(f"env.HF_TOKEN={token}")
    assert token not in str(raised.value)
    assert token not in repr(raised.value.findings)


def test_your_own_conf_tree(tmp_path: Path) -> None:
    config = "defaults: [config, _self_]\nnodes: 2\nstorage: {workspace: {access_mode: ReadWriteMany}}\n"
    tree = conf(tmp_path, {"mine": config})
    for given in (tree, tmp_path, [tree]):
        assert ftc.compile(config_name="mine", config_dirs=given).spec.nodes == 2
    with pytest.raises(NotADirectoryError):
        ftc.compile(config_dirs=tmp_path / "absent")


def test_a_target_that_does_not_exist_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="unknown target 'volcan'; did you mean 'volcano'"):
        ftc.compile(targets=("volcan",))
    with pytest.raises(ValueError, match="unknown target 'storage'"):
        ftc.plan(target="storage")


def test_a_directory_holds_one_compile(tmp_path: Path) -> None:
    first = ftc.compile(targets=("job",)).write(tmp_path)
    second = ftc.compile().write(str(tmp_path))
    assert "job.yaml" in first.files
    assert second.removed == ("job.yaml",)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(second.files)


def test_the_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ftc.RefusedError, match=r"has files that ftc did not write \(train.yaml\)") as raised:
        ftc.compile().write(tmp_path)
    assert raised.value.findings == ()
    assert (tmp_path / "train.yaml").read_text(encoding="utf-8") == "mine"


def test_import_loads_nothing_until_a_name_is_used() -> None:
    script = (
        "import sys; before = set(sys.modules); import ftc; loaded = set(sys.modules) - before; ftc.plan\n"
        "print(sorted(name for name in loaded if name.startswith('ftc') or 'hydra' in name))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['ftc']\n"


@pytest.mark.parametrize("name", [name for name in ftc.__all__ if not name.startswith("_")])
def test_a_name_is_not_hidden_by_a_subpackage(name: str) -> None:
    script = (
        f"import ftc.cli.main, ftc.plan.build, ftc.lint, ftc.diff.report, ftc\nassert callable(ftc.{name}), ftc.{name}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_documented_name_says_what_it_is() -> None:
    for name in set(ftc.__all__) - {"__version__"}:
        assert getattr(ftc, name).__doc__, name
        assert name in dir(ftc)
    with pytest.raises(AttributeError, match="'compiel' is not in the API"):
        ftc.compiel  # noqa: B018 - what a user may try
