"""Every target, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from ftc.output import verify
from ftc.plan.build import plan
from ftc.plan.types import Places, RunPlan
from ftc.spec.cluster import Cluster
from ftc.targets import batch_job, claims, image, llamafactory, local_script, volcano_job

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


def _as_it_is(_text: str, _cluster: Cluster) -> None:
    """LLaMA-Factory's YAML is judged by the rules on its arguments."""


class Target(msgspec.Struct, frozen=True):
    """How a plan is emitted.

    `file` is the artifact's name, none where the plan's own files are the artifact. `places` are the target's own where
    its steps do not run in the pod. What is made `on_request` needs a `-t`, also beside other artifacts.
    """

    name: str
    help: str
    emit: Callable[[RunPlan], str]
    verify: Callable[[str, Cluster], None] = _as_it_is
    file: str | None = None
    places: Places | None = None
    on_request: bool = False


TARGETS = {
    target.name: target
    for target in (
        Target("volcano", "a VolcanoJob for kubectl create", volcano_job.emit, verify.volcano, "volcano.yaml"),
        Target(
            "job",
            "a batch/v1 Job, with its Service for several nodes",
            batch_job.emit,
            verify.batch,
            "job.yaml",
            on_request=True,
        ),
        Target(
            "storage", "the claims that the run expects", claims.emit, verify.batch, "storage.yaml", on_request=True
        ),
        Target(
            "llamafactory", "train.yaml and merge.yaml, as they stand in the pod", llamafactory.emit, on_request=True
        ),
        Target("image", "a Dockerfile for the trainer's image", image.emit, file="Dockerfile", on_request=True),
        Target(
            "script",
            "a bash script that runs on this machine",
            local_script.emit,
            file="run.sh",
            places=local_script.HERE,
            on_request=True,
        ),
    )
}
RUNS = ("volcano", "job")
"""The targets whose objects run the job; whoever applies two of them runs it twice."""


def outputs(spec: JobSpec, run: RunPlan, names: Iterable[str]) -> dict[str, str]:
    """What these targets emit; one with places of its own has a plan of its own."""
    chosen = {name: TARGETS[name] for name in names}
    return {name: one.emit(plan(spec, one.places) if one.places else run) for name, one in chosen.items()}
