"""ftc rejects a training if and only if the trainer does, in its parser or later in the run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from e2e.trainer_environment import Trainer, versions
from ftc.diagnostics.model import Severity
from ftc.driver import Request, State, compile_job
from unit.rules.pairs import split
from unit.rules.training.pairs import AT_ONCE, LATER, OLD

pytestmark = pytest.mark.e2e

# Rules that cannot be tested here: other models, quantization, several processes, packages that are not installed.
NOT_RUN = {"FTC421", "FTC422", "FTC432", "FTC435", "FTC436", "FTC440", "FTC461", "FTC468", "FTC476"}
RUN = tuple(
    pair for pair in LATER if pair.code not in NOT_RUN and OLD not in pair.wrong and "engine=" not in pair.wrong
)
WRONG_ONLY = {"FTC438", "FTC448", "FTC450", "FTC451", "FTC456", "FTC458", "FTC460"}
ROWS = [
    {
        "instruction": f"question {n}",
        "input": "",
        "output": f"answer {n}",
        "p": f"question {n}",
        "r": f"answer {n}",
        "a": f"good {n}",
        "b": f"bad {n}",
        "liked": n % 2 == 0,
        "m": [{"from": "human", "value": f"question {n}"}, {"from": "gpt", "value": f"answer {n}"}],
    }
    for n in range(64)
]
SMALL = {"cutoff_len": 128, "preprocessing_num_workers": 1, "logging_steps": 1, "plot_loss": False, "use_cpu": True}


class Question(NamedTuple):
    """Overrides, ftc's findings for them, and the trainer's arguments."""

    overrides: str
    refused: bool
    case: dict[str, Any]


def compiled(overrides: str) -> State:
    """A compile with its files, rejected or not."""
    return compile_job(Request(tuple(shlex.split(overrides)), targets=("llamafactory",)))


def question(overrides: str, **changes: object) -> Question:
    """A case for the trainer: the YAML that ftc writes."""
    state = compiled(overrides)
    assert state.spec is not None
    assert state.run is not None
    train = yaml.safe_load(next(file.text for file in state.run.files if file.name == "train.yaml"))
    errors = [found for found in state.diagnostics if found.severity is Severity.ERROR]
    group = state.spec.nodes * state.spec.devices > 1 or "deepspeed" in train
    case = {"train": {**train, "use_cpu": True, **changes}, "distributed": group, "run": False}
    return Question(overrides, errors != [], case)


def disagreements(trainer: Trainer, questions: list[Question]) -> list[tuple[str, str | None]]:
    """Cases that ftc and the trainer judge differently, with the trainer's messages."""
    answers: list[str | None] = trainer.ask("judge", [one.case for one in questions])
    found = zip(questions, answers, strict=True)
    return [(one.overrides, answer) for one, answer in found if one.refused != (answer is not None)]


def test_the_parser_refuses_what_ftc_refuses_and_nothing_else(each_pair: Trainer) -> None:
    asked = [shlex.join(split(words)) for pair in AT_ONCE for words in (pair.wrong, pair.right)]
    release = versions(each_pair.release)
    others = [words for words in asked if "trainer.llamafactory=" not in words]
    own = [words for words in asked if release in words]
    assert disagreements(each_pair, [question(f"{release} {words}") for words in (*own, *others)]) == []


def described(overrides: str, directory: Path) -> str:
    """A directory with ftc's dataset_info.json, and rows in the files that it names."""
    state = compiled(overrides)
    assert state.run is not None
    directory.mkdir()
    info = json.loads(next((file.text for file in state.run.files if file.name == "dataset_info.json"), "{}"))
    for name, entry in info.items():
        if "file_name" in entry:
            entry["file_name"] = f"{name}{Path(entry['file_name']).suffix or '.json'}"
            (directory / entry["file_name"]).write_text(json.dumps(ROWS), encoding="utf-8")
    (directory / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return str(directory)


# A wrong one mostly ends early; a right one trains a step.
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([pair.wrong for pair in RUN], id="wrong"),
        pytest.param([pair.right for pair in RUN if pair.code not in WRONG_ONLY], id="right", marks=pytest.mark.slow),
    ],
)
def test_a_run_fails_where_ftc_says_so(trainer: Path, tiny_model: Path, tmp_path: Path, asked: list[str]) -> None:
    questions = []
    for index, words in enumerate(dict.fromkeys(asked)):
        asked_for = question(words)
        given = {key: value for key, value in SMALL.items() if f"train.{key}=" not in words}
        steps = {} if "train.max_steps=" in words else {"max_steps": 1}
        places = {"model_name_or_path": str(tiny_model), "dataset_dir": described(words, tmp_path / f"data-{index}")}
        case = {**asked_for.case["train"], **given, **steps, **places, "output_dir": str(tmp_path / f"out-{index}")}
        questions.append(asked_for._replace(case={"train": case, "distributed": False, "run": True}))
    told = disagreements(Trainer("0.9.5", trainer), questions)
    assert told == [], json.dumps(told, indent=1)
