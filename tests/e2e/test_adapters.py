"""A training starts from the adapter of another one, and the merged model has both trainings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.compiling import compile_manifest
from e2e.test_methods import datasets, sources, trained
from e2e.volcano import VolcanoJob

if TYPE_CHECKING:
    from e2e.pod import Cluster

__all__ = ["sources"]
pytestmark = pytest.mark.e2e

FAST = "train.learning_rate=1.0e-2"
"""The weights change by more than the rounding errors."""
ROUNDING = 1e-4


def compared(trainer: Path, base: Path, merged: Path, *adapters: Path) -> tuple[float, list[float]]:
    """The largest difference of the merged model from base and adapters, and the largest change by each adapter."""
    script = str(Path(__file__).with_name("merged_weights.py"))
    command = [str(trainer / "bin" / "python"), script, *map(str, (base, merged, *adapters))]
    difference, *changes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return difference, changes


def test_a_training_goes_on_from_an_adapter_and_dpo_starts_from_it(
    sources: tuple[str, ...], cluster: Cluster, trainer: Path, tiny_model: Path
) -> None:
    first = trained(cluster, *sources, *datasets("alpaca"), FAST, "method.merge=null")
    given = ("source@method.adapter=path", f"method.adapter.path=/workspace/{first.name}/output")

    further = trained(cluster, *sources, *given, *datasets("alpaca"), "train.learning_rate=1.0e-5")
    difference, (change,) = compared(trainer, tiny_model, further / "merged", further / "output")
    assert difference < ROUNDING < 0.01 < change
    # With this learning rate the result stays near the adapter from which it started.
    assert compared(trainer, tiny_model, further / "merged", first / "output")[0] < change / 10

    new = (*given, "train.create_new_adapter=true", "method=lora-dpo", *datasets("pairs"), FAST)
    preferred = trained(cluster, *sources, *new)
    adapters = (first / "output", preferred / "output")
    difference, changes = compared(trainer, tiny_model, preferred / "merged", *adapters)
    assert difference < ROUNDING < 0.01 < min(changes)


def test_dpo_trains_on_the_result_of_an_earlier_run_once_that_has_finished(
    sources: tuple[str, ...], cluster: Cluster, trainer: Path
) -> None:
    sft = trained(cluster, *sources, *datasets("alpaca"), FAST)
    dpo = ("source@model.source=run", f"model.source.run={sft.name}", "method=lora-dpo", *datasets("pairs"), FAST)
    without_source = [word for word in sources if not word.startswith(("source@model", "model.source"))]
    preferred = trained(cluster, *without_source, *dpo)
    difference, (change,) = compared(trainer, sft / "merged", preferred / "merged", preferred / "output")
    assert difference < ROUNDING < 0.01 < change

    (sft / "merge.done").unlink()
    job = VolcanoJob(compile_manifest(*without_source, *dpo), cluster).start().wait(900)
    assert not job.succeeded
    assert f"the run /workspace/{sft.name} has not finished its step 'merge'" in job.log
    assert not (cluster.claim("workspace") / job.name).exists()


def test_a_source_that_is_not_an_adapter_ends_the_pod_before_the_training(
    sources: tuple[str, ...], cluster: Cluster
) -> None:
    url = next(word.partition("=")[2] for word in sources if word.startswith("model.source.url="))
    wrong = ("source@method.adapter=git", f"method.adapter.url={url}")
    job = VolcanoJob(compile_manifest(*sources, *wrong, *datasets("alpaca")), cluster).start().wait(900)
    assert not job.succeeded
    assert "/files/adapter_config.json is missing: is it the right source" in job.log
    assert not (cluster.claim("workspace") / job.name).exists()
