"""The target-neutral description of a run."""

from __future__ import annotations

from typing import Literal

import msgspec

from ftc.plan.merge import Fragment, Merged
from ftc.spec.base import Json
from ftc.spec.source import Staged
from ftc.spec.storage import Claim, JobClaim


class Places(msgspec.Struct, frozen=True):
    """Where a run's steps find things: ftc's own files, the directory of all runs, what was fetched.

    `lock` is a directory that only the training and the publishing see, if they run at the same time.
    """

    files: str
    workspace: str
    cache: str
    lock: str | None = None


class File(msgspec.Struct, frozen=True):
    """A file that the steps find among ftc's own, and that stands under the same name beside the manifest."""

    name: str
    text: str


class Fetch(msgspec.Struct, frozen=True):
    """One source that is staged, in a `directory` that the steps read; `datasets` are names that it must describe."""

    name: Literal["model", "dataset"]
    source: Staged
    directory: str
    datasets: tuple[str, ...] = ()


class FromSecret(msgspec.Struct, frozen=True):
    """A variable's value that lies in a Secret."""

    secret: str
    key: str


class Needs(msgspec.Struct, frozen=True):
    """Programs and modules of Python that an image must have."""

    tools: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """One program of the run: its argument list, the variables that it reads, and what it needs of its image."""

    name: str
    command: tuple[str, ...]
    env: dict[str, str | FromSecret]
    args: tuple[str, ...] = ()
    needs: Needs = Needs()


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What an image for the run is made of, by layers: `base`, Debian's `tools`, `torch`, pip's `packages`.

    `image` is the name that the job calls it by; `extras` are what engine, tracking, storage and arguments add to it.
    """

    image: str
    llamafactory: str
    transformers: str
    extras: tuple[str, ...]
    base: str
    tools: tuple[str, ...]
    torch: tuple[str, ...]
    torch_index: str | None
    packages: tuple[str, ...]


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One run: `nodes` pods made from one template.

    `fetch_steps` come before `train_step`; `publish_step` waits for its end. `template` is the pod that runs them,
    complete but for what a target adds; `fragments` are the users' additions to it, applied last; `rights` is what the
    security context of every container has then. `files` are what the trainer reads, `scripts` what runs.
    It starts with `min_nodes` of them, which are all unless it is elastic. `fixed_name` is for objects that must agree
    on a name. `job_claim` is a claim that lives with the job, which each target makes in its own way.
    """

    name: str
    fixed_name: str
    generate_name: bool
    namespace: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    nodes: int
    min_nodes: int
    restarts: int
    suspend: bool
    ttl_seconds_after_finished: int | None
    priority_class: str | None
    queue: str
    scheduler: str
    gang_jobs: bool
    kueue_queue: str | None
    fetches: tuple[Fetch, ...]
    fetch_steps: tuple[Step, ...]
    train_step: Step
    publish_step: Step | None
    files: tuple[File, ...]
    scripts: tuple[File, ...]
    template: Json
    rights: Json
    fragments: tuple[Fragment, ...]
    job_claim: JobClaim | None
    recipe: Recipe | None
    claims: tuple[Claim, ...]

    @property
    def object_name(self) -> str:
        """The name of the job's object, with `xxxxx` for what the API server makes up."""
        return f"{self.name}-xxxxx" if self.generate_name else self.name

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in their order; each is a container of its name."""
        return (*self.fetch_steps, self.train_step, *((self.publish_step,) if self.publish_step else ()))


class BoundRun(RunPlan, frozen=True, kw_only=True):
    """A run that a target has completed: its `pod` template is the one that is emitted, with what set each field."""

    target: str
    pod: Merged
