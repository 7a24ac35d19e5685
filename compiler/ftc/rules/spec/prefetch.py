"""Rules on the job that fills the cache before a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.fetch import is_download
from ftc.plan.storage import cache_volume, keeps_downloads
from ftc.rules.rule import Finding, Rule
from ftc.rules.spec.storage import volume_in_words
from ftc.spec.job import JobSpec
from ftc.spec.storage import InWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def prefetch_needs_kept_cache(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`-t prefetch` needs a cache that the training sees later.

    A claim or an NFS directory keeps the downloads for the training. A volume of the pod or of the job is deleted with
    it, and a directory of a node is on the node that the downloads happened to run on.
    Source: Kubernetes, Volumes; ftc, which looks for a download in the cache.

    Wrong: storage=node-cache
    Right: storage=shared
    """
    volume = cache_volume(spec.storage)
    if not keeps_downloads(volume):
        key = "workspace" if isinstance(spec.storage.cache, InWorkspace) else "cache"
        message = f"a training does not find what another job downloads to {volume_in_words(volume)}"
        yield Finding(("storage", key), message, "use a claim or NFS that pods can write to, such as storage=shared")


def nothing_to_prefetch(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """`-t prefetch` needs a source that ftc downloads.

    A directory on a volume (`source=path`) is there already, and what the trainer asks a hub for itself
    (`kind: huggingface-direct`) is not in the cache of ftc.
    Source: ftc, which downloads git, Hugging Face, ModelScope and S3 sources.

    Wrong: launcher=command 'launcher.command=[python,train.py]'
    Right: launcher=command 'launcher.command=[python,train.py]' model=qwen3-0.6b
    """
    if not any(map(is_download, run.fetches)):
        help_ = "leave -t prefetch out, or download the model or the dataset (source@model.source=git, …)"
        yield Finding(("model",), "the run downloads nothing before the training", help_)


RULES = (
    Rule("FTC565", "prefetch-needs-kept-cache", prefetch_needs_kept_cache, JobSpec, target="prefetch", needed=True),
    Rule("FTC567", "nothing-to-prefetch", nothing_to_prefetch, JobSpec, target="prefetch", needed=True),
)
