"""After a writer was killed before any of its changes, the next one produces the same result as without the kill."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from unit.compiling import ftc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The audit events of changes in a directory, and the index of their argument that is a path.
CHANGES = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "open": 0}
MANIFESTS = ("volcano.yaml", "job.yaml")


def killed_before(change: int, *arguments: str) -> bool:
    """Run ftc in a process that is killed before one of its changes in the working directory; return if it was."""
    child = os.fork()
    if child == 0:
        sys.addaudithook(killer(change, Path.cwd()))
        ftc(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def killer(change: int, below: Path) -> Callable[[str, tuple[Any, ...]], None]:
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in CHANGES or not is_change(event, arguments, below):
            return
        if seen == change:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    return hook


def is_change(event: str, arguments: tuple[Any, ...], below: Path) -> bool:
    place = arguments[CHANGES[event]]
    if event == "open" and not (isinstance(place, str) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        return False
    # shutil.rmtree names the entries of an open directory: these are relative, as are all paths that the commands use.
    return not os.path.isabs(place) or Path(place).is_relative_to(below)  # noqa: PTH117 - bytes or a string


def everything(root: Path) -> dict[str, bytes]:
    files = [file for file in root.rglob("*") if not file.is_dir()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def every_kill(*arguments: str) -> Iterator[int]:
    """Kill before the first change, the second, … until a run has no more changes."""
    change = 0
    while killed_before(change, *arguments):
        yield change
        change += 1
        assert change < 500
    assert change > 5, "the kills must hit the writing"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


SLOW = pytest.mark.slow  # one more pair of commands


@pytest.mark.parametrize(
    "then",
    [
        ("-t", "job"),
        pytest.param(("-t", "storage", "naming=fixed", "name=one"), marks=SLOW),
        pytest.param((), marks=SLOW),
    ],
)
def test_an_output_directory_has_one_compile_after_any_kill(then: tuple[str, ...]) -> None:
    ftc("compile", "-o", "expected", *then)
    expected = {**everything(Path("expected")), "notes.md": b"mine"}
    out = Path("out")

    def start() -> None:
        ftc("compile", "-o", "out", "launcher=accelerate")
        (out / "notes.md").write_text("mine")

    start()
    for _ in every_kill("compile", "-o", "out", "-t", "job"):
        assert sum((out / name).exists() for name in MANIFESTS) < 2, "kubectl create -f would start both"
        said = ftc("compile", "-o", "out", *then)
        assert said.exit_code == 0, said
        assert everything(out) == expected
        assert not (out / ".ftc-new").exists()
        start()


def test_a_first_compile_is_killed() -> None:
    ftc("compile", "-o", "expected", "-t", "job")
    for change in every_kill("compile", "-o", "out", "-t", "volcano"):
        assert ftc("compile", "-o", "out", "-t", "job").exit_code == 0, change
        assert everything(Path("out")) == everything(Path("expected"))
        for file in Path("out").iterdir():
            file.unlink()
        Path("out").rmdir()


def case(text: str) -> None:
    Path("golden/one").mkdir(parents=True, exist_ok=True)
    Path("golden/one/case.yaml").write_text(f"why: A test.\n{text}")


OLD = "overrides: [launcher=accelerate]\n"


@pytest.mark.parametrize(
    "new",
    [
        "targets: [job]\n",
        pytest.param('matrix: ["nodes=1,2"]\n', marks=SLOW),
        pytest.param("overrides: [nodes=2]\n", marks=SLOW),
    ],
)
def test_golden_matches_its_cases_after_any_kill(new: str) -> None:
    case(new)
    ftc("golden", "update")
    expected = everything(Path("golden"))
    case(OLD)
    ftc("golden", "update")
    case(new)
    for change in every_kill("golden", "update"):
        assert ftc("golden", "update").exit_code == 0, change
        assert everything(Path("golden")) == expected, change
        assert not list(Path("golden").rglob(".ftc-*")), change
        case(OLD)
        ftc("golden", "update")
        case(new)


def test_a_deleted_case_leaves_nothing_after_any_kill() -> None:
    case(OLD)
    ftc("golden", "update")
    other = Path("golden/other")
    other.mkdir()
    (other / "case.yaml").write_text("why: A test.\n")
    for change in every_kill("golden", "update", "--dir", "golden"):
        assert ftc("golden", "update").exit_code == 0, change
        assert sorted(one.name for one in Path("golden").iterdir()) == ["one", "other"]
        (other / "case.yaml").unlink()
        killed_before(change, "golden", "update")
        ftc("golden", "update")
        assert not [file for file in other.rglob("*") if file.is_file()] if other.exists() else True
        other.mkdir(exist_ok=True)
        (other / "case.yaml").write_text("why: A test.\n")


def test_a_matrix_is_complete_after_any_kill() -> None:
    ftc("compile", "-m", "nodes=1,2", "-o", "expected", "-t", "job")
    expected = everything(Path("expected"))
    ftc("compile", "-m", "nodes=2,4", "-o", "out")
    for change in every_kill("compile", "-m", "nodes=1,2", "-o", "out", "-t", "job"):
        for run in Path("out").glob("nodes=*"):
            assert sum((run / name).exists() for name in MANIFESTS) == 1, change
        said = ftc("compile", "-m", "nodes=1,2", "-o", "out", "-t", "job")
        assert said.exit_code == 0, said
        assert everything(Path("out")) == expected
        assert {one.name for one in Path("out").iterdir()} == {"nodes=1", "nodes=2", "manifests", "index.json"}
        ftc("compile", "-m", "nodes=2,4", "-o", "out")
