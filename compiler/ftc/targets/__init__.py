"""Every target, by name."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ftc.output import verify
from ftc.plan.types import RunPlan
from ftc.spec.cluster import Cluster
from ftc.targets import llamafactory, volcano_job


def _as_it_is(_text: str, _cluster: Cluster) -> None:
    """LLaMA-Factory's YAML is judged by the rules on its arguments."""


class Target(msgspec.Struct, frozen=True):
    """How a plan is emitted; `file` is the artifact's name, none where the plan's own files are the artifact."""

    name: str
    help: str
    emit: Callable[[RunPlan], str]
    verify: Callable[[str, Cluster], None] = _as_it_is
    file: str | None = None


TARGETS = {
    target.name: target
    for target in (
        Target("volcano", "a VolcanoJob for kubectl create", volcano_job.emit, verify.volcano, "volcano.yaml"),
        Target("llamafactory", "train.yaml and merge.yaml, as they stand in the pod", llamafactory.emit),
    )
}
