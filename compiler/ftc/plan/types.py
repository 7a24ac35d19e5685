"""The target-neutral description of a run."""

from __future__ import annotations

from typing import Literal

import msgspec

from ftc.spec.base import Json
from ftc.spec.source import Source
from ftc.spec.storage import JobClaim

FILES = "/etc/ftc"
"""Where the pod finds the scripts and the compiled files."""


class File(msgspec.Struct, frozen=True):
    """A file that the pod finds in FILES, and that stands under the same name beside the manifest."""

    name: str
    text: str


class Fetch(msgspec.Struct, frozen=True):
    """One source: `directory` is where the pod finds it; `datasets` are names that it must describe itself."""

    name: Literal["model", "dataset"]
    source: Source
    directory: str
    datasets: tuple[str, ...] = ()


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One run: `nodes` pods made from one template.

    `template` is the pod complete but for what a target adds; `fragments` are the users' additions, applied last.
    `job_claim` is a claim that lives with the job, which each target makes in its own way.
    """

    name: str
    generate_name: bool
    namespace: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    nodes: int
    restarts: int
    ttl_seconds_after_finished: int | None
    priority_class: str | None
    queue: str
    fetches: tuple[Fetch, ...]
    files: tuple[File, ...]
    template: Json
    fragments: tuple[Json, ...]
    job_claim: JobClaim | None
