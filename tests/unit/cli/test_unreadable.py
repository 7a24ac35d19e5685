"""A directory that cannot be read is an error; nothing below it is silently left out."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ftc.cli.main import cli
from unit.compiling import ftc

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two equal directories of a run, each with a directory that only another user may read."""
    for name in ("a", "b"):
        for place in (tmp_path / name, tmp_path / name / "locked"):
            assert ftc("compile", "-o", str(place)).exit_code == 0
    readable = os.scandir

    def scandir(path: Any) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return readable(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return tmp_path


@pytest.mark.parametrize("command", [("lint", "{tree}/a"), ("diff", "{tree}/a", "{tree}/b")], ids=" ".join)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_directory_that_cannot_be_read_is_an_error(tree: Path, command: tuple[str, ...], form: str) -> None:
    words = [word.format(tree=tree) for word in command]
    done = CliRunner().invoke(cli, [*words, "--format", form])
    assert done.exit_code == 1
    # `main` prints an OSError in text format.
    assert f"{tree}/a/locked" in done.output + str(done.exception)
