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

# torch waits so long for the last node of a static rendezvous (torch 2.13; 900 seconds in older ones).
_RENDEZVOUS_SECONDS = 600


def _downloads(run: RunPlan) -> bool:
    return any(not isinstance(fetch.source, OnVolume) for fetch in run.fetches)


def pod_lives_through_its_downloads(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pod's deadline is longer than its downloads may take.

    `activeDeadlineSeconds` counts from the start of the pod, init containers included: the kubelet kills the pod with
    `DeadlineExceeded`, and a restart counts anew.

    Wrong: pod.spec.activeDeadlineSeconds=3600
    Right: pod.spec.activeDeadlineSeconds=259200
    """
    deadline = with_fragments(run)["spec"].get("activeDeadlineSeconds")
    limit = spec.cluster.fetch_timeout_seconds
    if deadline is not None and deadline <= limit and _downloads(run):
        message = f"kills the pod after {deadline} seconds, and one download may take {limit}"
        help_ = "raise it by the time of the training, or lower cluster.fetch_timeout_seconds"
        yield Finding(set_by(spec, "spec", "activeDeadlineSeconds"), message, help_)


def nodes_are_ready_together(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The nodes begin to train at about the same time.

    With a cache of its own each pod downloads for itself, as fast as it can. The first to be done waits 600 seconds for
    the last (torch's static rendezvous), then the job fails and begins again.

    Wrong: nodes=2 'storage.cache={kind: per-pod, mount_path: /cache, size: 50Gi}'
    Right: nodes=2 'storage.cache={kind: claim, mount_path: /cache, claim: c, access_mode: ReadWriteMany}'
    """
    if spec.nodes > 1 and isinstance(spec.storage.cache, PerPod) and _downloads(run):
        message = f"each of {spec.nodes} pods downloads for itself, and the first waits {_RENDEZVOUS_SECONDS} seconds"
        yield Finding(("storage", "cache"), message, "put the cache on a ReadWriteMany claim, which one pod fills")


def processes_wait_for_the_data(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`ddp_timeout` is longer than the data takes to be tokenised.

    One process tokenises while the others wait in a barrier, and end after `ddp_timeout` seconds (LLaMA-Factory issues
    956, 2424 and 2902; its default is 1800).

    Wrong: nodes=2 train.ddp_timeout=120
    Right: nodes=2 train.ddp_timeout=3600
    """
    seconds = chosen(spec).get("ddp_timeout")
    several = spec.processes > 1 and spec.trains
    if several and isinstance(seconds, int) and seconds < _RENDEZVOUS_SECONDS:
        message = f"the other processes wait {seconds} seconds at most while one tokenises the data"
        yield Finding(set_at(spec, "ddp_timeout"), message, "LLaMA-Factory's default is 1800")


RULES = (
    Rule("FTC621", "deadline-shorter-than-downloads", pod_lives_through_its_downloads, JobSpec, Severity.WARNING),
    Rule("FTC622", "rendezvous-timeout-shorter-than-downloads", nodes_are_ready_together, JobSpec, Severity.WARNING),
    Rule("FTC623", "ddp-timeout-shorter-than-tokenization", processes_wait_for_the_data, JobSpec, Severity.WARNING),
)
