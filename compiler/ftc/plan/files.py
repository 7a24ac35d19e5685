"""The files of a run: those that the trainer reads, and the scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, assert_never

from ftc import yaml_text
from ftc.plan import datasets, environment, fetch, image, publish, storage
from ftc.plan.names import digest, job_name
from ftc.plan.types import Fetch, File, Places, Script
from ftc.resources import all_scripts
from ftc.spec.method import Accelerate, Command, LlamafactoryCli, Torchrun
from ftc.spec.source import FromHub
from ftc.trainer import arguments, engines, evaluation

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.spec.model import Dataset

TRAIN = "train.yaml"
MERGE = "merge.yaml"
QUANTIZE = "quantize.yaml"
EVALUATE = "evaluate.yaml"
OF_THE_TRAINER = (TRAIN, MERGE, QUANTIZE, EVALUATE)
ACCELERATE = "accelerate.yaml"
DATASET_INFO = datasets.FILE
SETUP = "setup.json"
NAMES = (*OF_THE_TRAINER, ACCELERATE, DATASET_INFO, SETUP)
"""Every name that a run may use."""


def compiled(spec: JobSpec, places: Places, fetched: tuple[Fetch, ...]) -> tuple[File, ...]:
    """The files that the trainer and its setup read; empty for launcher=command."""
    tuned = spec.tuned
    if not spec.trains or tuned is None:
        return ()
    method, entries = tuned.method, datasets.entries(tuned, places)
    inputs = _inputs(spec, tuned.dataset, places, fetched)
    train = arguments.train(spec, tuned, inputs)
    files = [File(TRAIN, yaml_text.dump(train))]
    if method.merge is not None:
        files.append(File(MERGE, yaml_text.dump(arguments.merge(spec, tuned, inputs))))
    if method.quantize is not None:
        content = arguments.quantize(spec, tuned, method.quantize)
        files.append(File(QUANTIZE, yaml_text.dump(content)))
    if spec.evaluates:
        files.append(File(EVALUATE, yaml_text.dump(evaluation.evaluate(spec, tuned, inputs))))
    if isinstance(spec.launcher, Accelerate):
        files.append(File(ACCELERATE, yaml_text.dump(engines.accelerate_config(spec, train))))
    if entries is not None:
        files.append(File(DATASET_INFO, json.dumps(entries, indent=2, ensure_ascii=False) + "\n"))
    return (*files, *_setup(spec, tuned.dataset, places, train))


def _inputs(spec: JobSpec, dataset: Dataset, places: Places, fetched: tuple[Fetch, ...]) -> arguments.Inputs:
    found = {f.name: fetch.read_directory(spec, f) for f in fetched}
    asked = spec.model.source if spec.model is not None and isinstance(spec.model.source, FromHub) else None
    return arguments.Inputs(
        model=asked.repository if asked else found["model"],
        model_revision=asked.revision if asked else None,
        adapter=found.get("adapter"),
        media=datasets.media_directory(dataset, places),
        dataset_info=datasets.info_directory(dataset, places),
        run_name=job_name(spec),
        shared_between_nodes=spec.nodes > 1 and storage.is_shared(spec.storage.workspace),
    )


WAIT_SCRIPT = "wait_rank_table.sh"


def reads_rank_table(spec: JobSpec) -> bool:
    """Whether HCCL reads a rank table, which Ascend Operator completes only when all pods run."""
    return "RANK_TABLE_FILE" in environment.given(spec)


_CHECK = "check_chat_template.py"
_EVALUATE = ("evaluate.sh", "read_evaluation.py")
_TRAIN = ("train.sh", "steps.sh", "child.sh", "stop_training.py", "check_checkpoints.py")


def scripts(spec: JobSpec, places: Places, fetched: tuple[Fetch, ...]) -> tuple[Script, ...]:
    """The scripts that this run uses, under the names by which they call each other."""
    names = {name: name for f in fetched for name in fetch.scripts(f)}
    names |= {name: name for name in fetch.COPY_SCRIPTS} if fetch.is_staged(spec) else {}
    names |= {image.CHECK_SCRIPT: image.CHECK_SCRIPT, "prepare.sh": "prepare.sh", "launch.sh": _launch(spec)}
    names |= {WAIT_SCRIPT: WAIT_SCRIPT} if reads_rank_table(spec) else {}
    if spec.trains:
        names |= {name: name for name in _TRAIN}
        joined = spec.dataset is not None and datasets.joins(spec.dataset, places)
        names |= {datasets.JOIN_SCRIPT: datasets.JOIN_SCRIPT} if joined else {}
        names |= {"run_setup.py": "run_setup.py"} if spec.setup or joined else {}
        names |= {_CHECK: _CHECK} if spec.checks_chat_template else {}
        names |= {name: name for name in _EVALUATE} if spec.evaluates else {}
        elastic = spec.min_nodes is not None and isinstance(spec.launcher, Torchrun)
        names |= {"elastic_worker.py": "elastic_worker.py"} if elastic else {}
        names |= {name: name for name in publish.scripts(spec)} if publish.publishes(spec) else {}
    return tuple(Script(name, file) for name, file in names.items())


def scripts_name() -> str:
    """The name of the ConfigMap with ftc's scripts; it changes with any of them."""
    return f"ftc-scripts-{digest(all_scripts())}"


def _launch(spec: JobSpec) -> str:
    match spec.launcher:
        case LlamafactoryCli():
            return "launch_llamafactory-cli.sh"
        case Torchrun():
            return "launch_torchrun.sh"
        case Accelerate():
            return "launch_accelerate.sh"
        case Command():
            return "launch_command.sh"
        case _:
            assert_never(spec.launcher)


def _setup(spec: JobSpec, dataset: Dataset, places: Places, train: Json) -> tuple[File, ...]:
    """The commands before the training, as argument lists; the first joins the datasets of several sources."""
    joined = datasets.joins(dataset, places)
    join = (datasets.join_command(dataset, places, str(train["media_dir"])),) if joined else ()
    commands = (*join, *spec.setup)
    lines = ",\n".join(f"  {json.dumps(command, ensure_ascii=False)}" for command in commands)
    return (File(SETUP, f"[\n{lines}\n]\n"),) if commands else ()
