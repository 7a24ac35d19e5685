"""The command line: the output and the exit code of each command."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ftc import __version__
from ftc.cli.complete import answer
from unit.compiling import COMMAND, artifacts, conf, ftc, objects, variables
from unit.loading import load

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ("compile", "list", "show", "rule", "completion")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_describes_every_command_and_has_an_example(option: str) -> None:
    said = ftc(option)
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    for command in COMMANDS:
        assert any(line.split()[:1] == [command] and len(line.split()) > 3 for line in lines), command
    assert "kubectl create -f -" in said.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_explains_its_options_and_shows_an_example(command: str) -> None:
    said = ftc(command, "--help")
    assert said.exit_code == 0
    examples = [line for line in said.stdout.splitlines()[1:] if f"ftc {command} " in line]
    assert examples
    assert "--help" in said.stdout


def test_the_help_of_compile_names_targets_overrides_and_exit_codes() -> None:
    text = ftc("compile", "--help").stdout
    for word in ("-t, --target", "-o, --output", "--config-dir", "-c, --config-name", "volcano", "llamafactory"):
        assert word in text
    assert "group=option" in text
    assert "key.path=value" in text
    assert "stderr" in text


def test_the_examples_of_the_help_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # one writes a file
    lines = [line.strip() for line in ftc("compile", "--help").stdout.splitlines()]
    examples = [line for line in lines if line.startswith("ftc compile")]
    assert len(examples) > 4
    for example in examples:
        words = shlex.split(example.partition("|")[0])[1:]
        if "--config-dir" not in words:
            assert ftc(*words).exit_code == 0, example


def test_version_is_printed() -> None:
    said = ftc("--version")
    assert (said.exit_code, said.stdout.split()[-1]) == (0, __version__)


def test_list_names_every_group_with_its_options() -> None:
    said = ftc("list")
    assert (said.exit_code, said.stderr) == (0, "")
    rows = {line.split()[0]: line for line in said.stdout.splitlines()}
    groups = {"model", "dataset", "hardware", "launcher", "storage", "cluster", "method", "engine", "tracking"}
    assert groups <= rows.keys()
    for option in ("nvidia", "h800", "alauda-vgpu", "ascend", "cpu"):
        assert option in rows["hardware"]


@pytest.mark.parametrize("group", ["hardware", "launcher", "storage", "engine", "model", "source", "publish"])
def test_list_of_a_group_describes_each_option(group: str) -> None:
    said = ftc("list", group)
    assert said.exit_code == 0
    for line in said.stdout.splitlines():
        assert len(line.split()) > 1, line


def test_list_shows_the_users_options_too(tmp_path: Path) -> None:
    mine = conf(
        tmp_path, {"hardware/mine": "# The chips in our cellar.\ncpu_per_device: 1\n", "hardware/bare": "a: 1\n"}
    )
    rows = [line.split(maxsplit=1) for line in ftc("list", "hardware", "--config-dir", mine).stdout.splitlines()]
    assert ["mine", "The chips in our cellar."] in rows
    assert ["bare"] in rows


def test_list_of_an_unknown_group_suggests_a_known_one() -> None:
    said = ftc("list", "hardwar")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "'hardware'" in said.stderr


def test_list_accepts_a_users_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "mine.yaml").write_bytes("# 中文\n".encode("gbk"))
    said = ftc("list", "hardware", "--config-dir", str(tmp_path))
    assert said.exit_code == 0
    assert "mine" in said.stdout


@pytest.mark.parametrize("overrides", [(), ("hardware=ascend", "nodes=2", "engine=deepspeed-z3"), COMMAND])
def test_the_output_of_show_compiles_to_the_same(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    shown = ftc("show", *overrides)
    assert (shown.exit_code, shown.stderr) == (0, "")
    tree = conf(tmp_path, {"whole": shown.stdout})
    again, first = ftc("compile", "--config-dir", tree, "-c", "whole"), ftc("compile", *overrides)
    assert objects(again.stdout) == objects(first.stdout)
    assert ftc("show", "--config-dir", tree, "-c", "whole").stdout == shown.stdout


def test_the_output_of_show_keeps_strings_with_a_dollar(tmp_path: Path) -> None:
    shown = ftc("show", r"env.A=\${HOME}", "env.B='a$b'", r"env.C='\\\${x}'")
    tree = conf(tmp_path, {"whole": shown.stdout})
    assert ftc("show", "--config-dir", tree, "-c", "whole").stdout == shown.stdout
    again, first = (
        load(ftc("compile", *arguments).stdout)["spec"]["tasks"][0]["template"]["spec"]["containers"][0]
        for arguments in (
            ("--config-dir", tree, "-c", "whole"),
            (r"env.A=\${HOME}", "env.B='a$b'", r"env.C='\\\${x}'"),
        )
    )
    assert again == first
    assert variables(again)["A"] == "${HOME}"


def test_show_has_every_key_that_an_override_can_set() -> None:
    spec: Any = load(ftc("show").stdout)
    for path in ("name", "restarts", "pod", "cluster.queue", "hardware.device.resource", "model.source.revision"):
        value = spec
        for key in path.split("."):
            assert key in value, path
            value = value[key]


def test_show_refuses_what_compile_refuses() -> None:
    said = ftc("show", "nodes=two")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "override 'nodes=two'" in said.stderr


def test_one_target_goes_to_stdout() -> None:
    assert ftc("compile").stdout == artifacts()["volcano.yaml"]
    assert ftc("compile", "-t", "volcano").stdout == artifacts()["volcano.yaml"]
    train, merge = ftc("compile", "-t", "llamafactory").stdout.split("---\n")
    assert (train, merge) == (artifacts()["train.yaml"], artifacts()["merge.yaml"])
    assert ftc("compile", "-t", "llamafactory", "method.merge=null").stdout == artifacts()["train.yaml"]


def test_two_targets_on_stdout_are_a_usage_error() -> None:
    said = ftc("compile", "-t", "volcano", "-t", "llamafactory")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "-o DIR" in said.stderr


def test_launcher_command_has_no_llamafactory_yaml() -> None:
    said = ftc("compile", *COMMAND, "-t", "llamafactory")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr.count("[FTC") == 1
    assert "error[FTC107 llamafactory-target-needs-trainer]: launcher: launcher=command does not" in said.stderr


@pytest.mark.parametrize(
    "arguments",
    [("compil",), ("compile", "-t", "kubeflow"), ("compile", "--output"), ("list", "a", "b"), ("--nothing",)],
)
def test_a_wrong_command_line_ends_with_2(arguments: tuple[str, ...]) -> None:
    said = ftc(*arguments)
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr


def test_no_command_at_all_shows_the_help() -> None:
    said = ftc()
    assert "compile" in said.stdout + said.stderr
    assert said.exit_code in (0, 2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_for_the_shell(shell: str) -> None:
    said = ftc("completion", shell)
    assert said.exit_code == 0
    assert "_FTC_COMPLETE" in said.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=said.stdout, text=True, check=False).returncode == 0


def completions(arguments: list[str], word: str) -> set[str]:
    return {item.value for item in answer([*arguments, word]).items}


def test_commands_groups_and_options_are_completed(tmp_path: Path) -> None:
    assert completions([], "comp") == {"compile", "completion"}
    assert "hardware=" in completions(["compile"], "hard")
    assert completions(["compile"], "hardware=alauda-v") == {"hardware=alauda-vgpu"}
    assert completions(["compile", "hardware=ascend"], "launcher=to") == {"launcher=torchrun"}
    assert completions(["show"], "engine=deepspeed-z3") == {"engine=deepspeed-z3", "engine=deepspeed-z3-offload"}
    assert "--target" in completions(["compile"], "--")
    assert "volcano" in completions(["compile", "-t"], "")
    assert completions(["compile"], "nothing=") == set()
    mine = conf(tmp_path, {"hardware/mine": "a: 1\n"})
    assert completions(["compile", "--config-dir", mine], "hardware=min") == {"hardware=mine"}


def test_groups_are_completed_for_list() -> None:
    assert completions(["list"], "hard") == {"hardware"}


def test_codes_are_completed() -> None:
    assert {"FTC301", "FTC302"} <= completions(["rule"], "ftc30")
    assert "FTC101" not in completions(["rule"], "FTC3")


@pytest.mark.parametrize(("words", "code"), [(["list"], 0), (["compile", "nodes=0"], 1), (["compile", "--no"], 2)])
def test_the_end_of_the_process_loses_neither_output_nor_what_runs_at_the_exit(words: list[str], code: int) -> None:
    program = (
        "import atexit, sys\n"
        "from ftc.cli import main\n"
        "run = main._main\n"
        "main._main = lambda: (atexit.register(print, 'at the exit'), run())\n"
        f"sys.argv = ['ftc', *{words!r}]\n"
        "sys.stdout.write('before')\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("before")
    assert done.stdout.endswith("at the exit\n")
    assert bool(done.stderr) == bool(code)


def test_an_exception_ends_with_70_and_asks_for_a_report() -> None:
    break_it = (
        "import sys\n"
        "from ftc.api import runs\n"
        "from ftc.cli import main\n"
        "runs.compile_job = lambda request: 1 / 0\n"
        "sys.argv = ['ftc', 'compile']\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", break_it], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert done.stdout == ""
    assert "bug in ftc" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_closed_pipe_is_not_a_bug() -> None:
    command = f"{sys.executable} -m ftc.cli.main compile | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "apiVersion: batch.volcano.sh/v1alpha1\n"
    assert done.stderr == ""


def test_a_terminal_without_unicode_gets_utf8_bytes() -> None:
    command = [sys.executable, "-m", "ftc.cli.main", "compile", "env.A='中'"]
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "value: 中".encode() in done.stdout


def test_arguments_that_are_not_utf8_are_refused() -> None:
    command: list[str | bytes] = [sys.executable, "-m", "ftc.cli.main", "compile", b'env.A="\xff"']
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"error[FTC001 invalid-override]" in done.stderr


def test_a_code_may_be_its_number_alone() -> None:
    assert ftc("rule", "301").stdout == ftc("rule", "FTC301").stdout


def test_an_unknown_word_does_not_print_the_list() -> None:
    assert ftc("rule", "nonsense").stderr == "ftc: unknown rule or word 'nonsense'; `ftc rule` lists all\n"
