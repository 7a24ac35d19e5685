"""Answer each case in a forked process that has all modules imported, because a parser leaves state behind."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from e2e.trainer.packages import pretend_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Answer(NamedTuple):
    """The result of a case, or its exception."""

    value: Any
    error: str | None


def answered(
    cases: Iterable[dict[str, Any]], answer: Callable[[dict[str, Any]], Any], module: str, *, pretend: bool
) -> list[Answer]:
    """The answers, with `module` imported once; `pretend` fakes the optional packages that it looks for."""
    with tempfile.TemporaryDirectory() as directory:
        packages, run = Path(directory, "packages"), Path(directory, "run")
        packages.mkdir()
        run.mkdir()
        if pretend:
            pretend_packages(packages)
        os.chdir(run)
        importlib.import_module(module)
        return [_in_a_process(case, answer, run / "answer.json") for case in cases]


def _in_a_process(case: dict[str, Any], answer: Callable[[dict[str, Any]], Any], file: Path) -> Answer:
    child = os.fork()
    if child == 0:
        said = os.open(file.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(said, stream)
        try:
            file.write_text(json.dumps([answer(case), None]), "utf-8")
        except BaseException as error:  # noqa: BLE001 - any exception is an answer
            file.write_text(json.dumps([None, f"{type(error).__name__}: {error}"]), "utf-8")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found = Answer(*json.loads(file.read_text("utf-8")))
    file.unlink()
    return found
