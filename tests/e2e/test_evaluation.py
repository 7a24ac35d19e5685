"""A result is evaluated on held-out rows by the real trainer, after the training and on the CPU."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.compiling import compile_manifest
from e2e.git_server import GitServer, virtual_environment
from e2e.pod import Cluster, Image
from e2e.small import SMALL
from e2e.test_training import publish_to, run, run_directory
from e2e.tiny_dataset import write_dataset
from e2e.trainer_environment import PAIRS, Trainer
from ftc.resources import directory
from unit.compiling import document

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

HELD_OUT = ("train.val_size=8", "evaluate={max_new_tokens: 8, per_device_eval_batch_size: 3}")


@pytest.fixture
def evaluating(cluster: Cluster) -> Cluster:
    """A cluster whose image has the packages of the metrics, as the pins of an image have them."""
    pins = directory("conf") / "pins" / PAIRS["0.9.5"] / "metrics.txt"
    (packages,) = virtual_environment(pins, "metrics", "--no-deps").glob("lib/python*/site-packages")
    image = cluster.image
    variables = {**image.environment, "PYTHONPATH": str(packages)}
    return dataclasses.replace(cluster, image=Image((*image.directories, packages), variables))


def readme(git_server: GitServer, repository: str, tmp_path: Path) -> str:
    (branch,) = git_server.branches(repository)
    return (git_server.clone(repository, branch, tmp_path / "clone") / "README.md").read_text(encoding="utf-8")


def evaluation(directory_: Path) -> Any:
    return json.loads((directory_ / "evaluation.json").read_text(encoding="utf-8"))


def test_a_merged_model_answers_the_held_out_rows_on_all_devices_and_is_published(
    sources: tuple[str, ...], evaluating: Cluster, git_server: GitServer, tmp_path: Path
) -> None:
    publish = publish_to(git_server, "org/evaluated")
    job = run(evaluating, compile_manifest(*sources, *publish, *HELD_OUT, "devices=2", "master_port=29531"))
    assert job.succeeded, job.log
    place = run_directory(evaluating, job)
    found = evaluation(place)
    assert found["rows"] == 8
    assert all(0 <= found[name] <= 100 for name in ("bleu-4", "rouge-1", "rouge-2", "rouge-l"))
    assert "ftc: evaluation: bleu-4 " in job.log
    lines = (place / "evaluation" / "generated_predictions.jsonl").read_text(encoding="utf-8").splitlines()
    answers = {json.loads(line)["label"].strip() for line in lines}
    assert len(answers) == 8
    assert answers <= {f"answer {n}" for n in range(64)}
    page = readme(git_server, "org/evaluated", tmp_path)
    assert f"| ROUGE-1 | {found['rouge-1']:.2f} |" in page


def test_a_failed_evaluation_of_an_adapter_is_reported_and_the_adapter_is_published(
    sources: tuple[str, ...], evaluating: Cluster, git_server: GitServer, tmp_path: Path
) -> None:
    fails = ("train.val_size=8", "evaluate={repetition_penalty: -1.0}", "method.merge=null")
    job = run(evaluating, compile_manifest(*sources, *publish_to(git_server, "org/not-evaluated"), *fails))
    assert job.succeeded, job.log
    assert "has to be a strictly positive float" in job.log
    assert "ftc: evaluation: failed: it ended with status 1" in job.log
    assert evaluation(run_directory(evaluating, job)).keys() == {"failed"}
    page = readme(git_server, "org/not-evaluated", tmp_path)
    card = yaml.safe_load(page.split("---\n")[1])
    assert (card["base_model"], card["library_name"], card["license"]) == ("Qwen/Qwen3-0.6B", "peft", "apache-2.0")
    assert not [tag for tag in card["tags"] if "/" in tag]
    assert "## Evaluation" not in page


def test_the_evaluation_reads_the_rows_that_the_training_has_held_out(
    trainer: Path, tiny_model: Path, tmp_path: Path
) -> None:
    data = write_dataset(tmp_path / "data")
    split = ("train.val_size=0.2", "train.seed=3", "train.max_samples=40")
    files = {name: document(f"{name}.yaml", *SMALL, *split, "evaluate={}") for name in ("train", "evaluate")}
    here = {"model_name_or_path": str(tiny_model), "dataset_dir": str(data), "dataset": "identity_alauda"}
    asked = {name: {**given, **here, "output_dir": str(tmp_path / name)} for name, given in files.items()}
    answer = Trainer("0.9.5", trainer).ask("held_out", asked)
    assert (len(answer["train"]["train"]), len(answer["train"]["eval"])) == (32, 8)
    assert answer["evaluate"] == answer["train"]
    assert not set(answer["train"]["train"]) & set(answer["train"]["eval"])
