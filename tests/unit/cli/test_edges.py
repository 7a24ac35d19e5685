"""Missing and empty values on the command line, and data that is too large, are reported once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from ftc.cli.main import cli
from unit.compiling import found, ftc

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_missing_format_is_an_error_in_the_format_before_it() -> None:
    said = ftc("compile", "--format", "json", "--format")
    assert said.exit_code == 2
    assert json.loads(said.stdout or said.stderr)


def test_an_expansion_that_is_too_large_hides_what_it_leaves_missing() -> None:
    bomb = ["+annotations.a0=aaaaaaaaaa"]
    for number in range(1, 9):
        before = f"${{annotations.a{number - 1}}}"
        bomb.append(f"+annotations.a{number}='{before * 10}'")
    assert {d.code for d in found(*bomb)} == {"FTC016"}


def _valued(command: click.Command, *names: str) -> Iterator[tuple[str, ...]]:
    """The command lines in which one option or argument is empty, as with a variable of the shell that is not set."""
    if isinstance(command, click.Group):
        context = click.Context(command, **command.context_settings)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _valued(inner, *names, name)
    required = ["name" for one in command.params if isinstance(one, click.Argument) and one.required]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag and parameter.name != "help":
            yield (*names, *required, parameter.opts[-1], "")
        elif isinstance(parameter, click.Argument) and parameter.name != "overrides":
            yield (*names, "")


_EMPTY = sorted({*_valued(cli), ("diff", "", "")})


@pytest.mark.parametrize("words", _EMPTY, ids=" ".join)
def test_an_empty_value_is_a_mistake_of_the_command_line(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("golden").mkdir()
    said = ftc(*words)
    assert (said.exit_code, said.stdout) == (2, ""), said
    assert "Error: " in said.stderr
    assert "Missing argument" not in said.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["golden"]


def test_the_walk_finds_the_options_of_each_command() -> None:
    known = {
        ("compile", "--output-dir", ""),
        ("golden", "check", "--dir", ""),
        ("lint", ""),
        ("plan", "--config-name", ""),
    }
    assert known <= {*_EMPTY}


@pytest.mark.parametrize("words", [(), ("golden",)])
def test_a_command_without_its_subcommand_prints_its_help(words: tuple[str, ...]) -> None:
    said = ftc(*words)
    assert said.exit_code == 2
    assert said.stderr == ftc(*words, "--help").stdout


def test_the_message_of_a_library_is_put_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("a: [\n", encoding="utf-8")
    said = ftc("why", "--from", str(file))
    assert said.exit_code == 1
    assert said.stderr.count("\n") == 1
    assert "\\n" not in said.stderr
