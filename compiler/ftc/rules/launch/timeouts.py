"""Rules on timeouts: how long a pod waits for downloads, for other nodes and for data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments
from ftc.rules.given import set_by
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.source import OnVolume
from ftc.spec.storage import PerPod
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# How long the static rendezvous of torch 2.13 waits for the last node; older releases wait 900 seconds.
_TORCH_SECONDS = 600
# What the scripts that start the trainer set (scripts/launch_torchrun.sh and the others).
_TRAINER_SECONDS = 7200


def _downloads(run: RunPlan) -> int:
    return sum(not isinstance(fetch.source, OnVolume) for fetch in run.fetches)


def deadline_shorter_than_downloads(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The deadline of the pod is longer than its downloads may take.

    `activeDeadlineSeconds` counts from the start of the pod and includes init containers. The kubelet kills the pod
    with `DeadlineExceeded`, and a restart starts counting again.
    Source: Kubernetes, PodSpec (activeDeadlineSeconds).

    Wrong: pod.spec.activeDeadlineSeconds=3600
    Right: pod.spec.activeDeadlineSeconds=259200
    """
    deadline = with_fragments(run)["spec"].get("activeDeadlineSeconds")
    limit = spec.cluster.fetch_timeout_seconds
    if deadline is not None and deadline <= limit and _downloads(run):
        message = f"kills the pod after {deadline} seconds, but one download may take {limit}"
        help_ = "raise it by the duration of the training, or lower cluster.fetch_timeout_seconds"
        yield Finding(set_by(run, "spec", "activeDeadlineSeconds"), message, help_)


def rendezvous_timeout_shorter_than_downloads(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The nodes start training at about the same time.

    If each pod has a separate cache, each downloads everything, and the downloads take different times. The first pod
    waits two hours for the last, or 600 seconds if it runs your own program with PyTorch's default; then the job fails.
    Source: PyTorch 2.13, static rendezvous of torch.distributed.elastic.

    Wrong: nodes=2 'storage.cache={kind: per-pod, mount_path: /cache, size: 50Gi}'
    Right: nodes=2 'storage.cache={kind: claim, mount_path: /cache, claim: c, access_mode: ReadWriteMany}'
    """
    longest = _downloads(run) * spec.cluster.fetch_timeout_seconds
    waits = _TRAINER_SECONDS if spec.trains else _TORCH_SECONDS
    if spec.nodes > 1 and isinstance(spec.storage.cache, PerPod) and longest > waits:
        message = (
            f"each of {spec.nodes} pods downloads separately, which may take {longest} seconds, "
            f"but the first waits only {waits} seconds"
        )
        help_ = "put the cache on a ReadWriteMany claim, which one pod fills, or lower cluster.fetch_timeout_seconds"
        yield Finding(("storage", "cache"), message, help_)


def ddp_timeout_shorter_than_tokenization(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`ddp_timeout` is longer than tokenizing the data takes.

    One process tokenizes while the others wait at a barrier. They stop after `ddp_timeout` seconds, by default 1800.
    Source: LLaMA-Factory, issues 956, 2424 and 2902.

    Wrong: nodes=2 train.ddp_timeout=120
    Right: nodes=2 train.ddp_timeout=3600
    """
    seconds = chosen(spec).get("ddp_timeout")
    several = spec.processes > 1 and spec.trains
    if several and isinstance(seconds, int) and seconds < _TORCH_SECONDS:
        message = f"the other processes wait at most {seconds} seconds while one tokenizes the data"
        yield Finding(set_at(spec, "ddp_timeout"), message, "LLaMA-Factory's default is 1800")


RULES = (
    Rule("FTC621", "deadline-shorter-than-downloads", deadline_shorter_than_downloads, JobSpec, Severity.WARNING),
    Rule(
        "FTC622",
        "rendezvous-timeout-shorter-than-downloads",
        rendezvous_timeout_shorter_than_downloads,
        JobSpec,
        Severity.WARNING,
    ),
    Rule(
        "FTC623",
        "ddp-timeout-shorter-than-tokenization",
        ddp_timeout_shorter_than_tokenization,
        JobSpec,
        Severity.WARNING,
    ),
)
