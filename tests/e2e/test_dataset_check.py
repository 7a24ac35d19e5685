"""The check of a dataset agrees with LLaMA-Factory's own loader: both load the same rows of it, or both fail."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from e2e.generated_datasets import Case, make
from e2e.trainer_environment import Trainer, installed_trainer
from unit.compiling import ROOT
from unit.scripts.broken_datasets import BROKEN, Broken

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

SCRIPT = ROOT / "compiler" / "ftc" / "scripts" / "check_dataset.py"
COUNT = 200


class Compared(NamedTuple):
    """The number of rows that the trainer and the check read of the same datasets; None if it fails."""

    cases: list[Case]
    trainer: list[int | None]
    check: list[int | None]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The generated datasets and the broken ones, read in one process of the trainer."""
    directory = tmp_path_factory.mktemp("datasets")
    chance = Random(COUNT)  # noqa: S311 - the same datasets at each run
    cases = []
    for number in range(COUNT):
        (directory / str(number)).mkdir()
        cases.append(make(directory / str(number), number, chance))
    cases += [_case(broken, directory / f"broken-{number}") for number, broken in enumerate(BROKEN.values())]
    answers = Trainer("0.9.5", installed_trainer("0.9.5")).ask("read_datasets", [case.question for case in cases])
    rows = [answer if isinstance(answer, int) else None for answer in answers]
    return Compared(cases, rows, [checked(case) for case in cases])


def _case(broken: Broken, directory: Path) -> Case:
    columns = broken.entry.get("columns", {})
    stage = "rm" if broken.entry.get("ranking") else "kto" if "kto_tag" in columns else "sft"
    template = "qwen2_vl" if "images" in columns else "qwen"
    return Case(broken.write(directory), broken.stage or stage, template, {}, "broken")


def checked(case: Case) -> int | None:
    """The rows that the check says are used; None if it reports an error."""
    reads = "text,image" if case.template.endswith("_vl") else "text"
    words = ["--dataset", case.name, "--stage", case.stage, "--modalities", reads, "--block", "0", "--json"]
    if "max_samples" in case.arguments:
        words += ["--most-rows", str(case.arguments["max_samples"])]
    command = [sys.executable, str(SCRIPT), str(case.directory), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    (report,) = json.loads(done.stdout)
    return int(report["kept"]) if done.returncode == 0 else None


def test_the_check_agrees_with_the_loader(compared: Compared) -> None:
    verdicts = zip(compared.cases, compared.trainer, compared.check, strict=True)
    differing = [(str(case.directory), trainer, check) for case, trainer, check in verdicts if trainer != check]
    assert differing == []


def test_the_generated_datasets_are_as_often_good_as_broken(compared: Compared) -> None:
    assert COUNT * 0.3 < compared.trainer[:COUNT].count(None) < COUNT * 0.7


def test_the_trainer_fails_on_the_broken_datasets_whose_mistake_is_an_error(compared: Compared) -> None:
    fails = {name for name, rows in zip(BROKEN, compared.trainer[COUNT:], strict=True) if rows is None}
    assert fails == {name for name, broken in BROKEN.items() if broken.severity == "error"}
