"""The target-neutral description of a run."""

from __future__ import annotations

import msgspec

from ftc.plan.merge import Fragment, Merged
from ftc.resources import script
from ftc.spec.base import Json
from ftc.spec.job import JobFragments
from ftc.spec.source import Staged
from ftc.spec.storage import Claim, JobClaim


class Places(msgspec.Struct, frozen=True):
    """The directories that the steps use: ftc's own files, all runs, and the cache.

    `lock` is a directory that only training and publishing mount, if they run at the same time.
    """

    files: str
    workspace: str
    cache: str
    lock: str | None = None


CONFIG = "config"
"""The primary config of a compile that names no other."""


class Made(msgspec.Struct, frozen=True):
    """The overrides of a compile, its primary config, and the overrides that distinguish a point of a matrix."""

    overrides: tuple[str, ...] = ()
    config: str = CONFIG
    varied: tuple[str, ...] = ()


class File(msgspec.Struct, frozen=True):
    """One of ftc's files in the pod; it has the same name next to the manifest."""

    name: str
    text: str


class Script(msgspec.Struct, frozen=True):
    """A script of ftc: its `name` in the pod, and its `file` below scripts/."""

    name: str
    file: str

    @property
    def text(self) -> str:
        """The content."""
        return script(self.file)


class Fetch(msgspec.Struct, frozen=True):
    """One staged source and its `directory`.

    Its dataset_info.json must describe `datasets`. `check` are the words for check_dataset.py; none if the rows are not
    checked. A result of an earlier run exists once `marker`, a file of that run, exists.
    """

    name: str
    source: Staged
    directory: str
    datasets: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    marker: str | None = None


class FromSecret(msgspec.Struct, frozen=True):
    """A variable's value that comes from a Secret."""

    secret: str
    key: str


class FromField(msgspec.Struct, frozen=True):
    """A variable's value that comes from a field of the pod."""

    path: str


class Needs(msgspec.Struct, frozen=True):
    """Programs and Python modules that an image must have."""

    tools: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """One program of the run: its arguments, its variables, and what it needs of its image."""

    name: str
    command: tuple[str, ...]
    env: dict[str, str | FromSecret | FromField]
    args: tuple[str, ...] = ()
    needs: Needs = Needs()


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """The layers of an image for the run: `base`, Debian's `tools`, `torch`, pip's `packages`.

    `image` is the name that the job uses; `extras` are the packages for engine, tracking, storage and arguments. The
    versions are those of `trainer` if it `is_of_trainer`.
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
    is_of_trainer: bool


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One run: `nodes` pods from one template.

    `fetch_steps` come before `train_step`; `publish_step` waits for its end. `template` is the pod that runs them,
    to which a target adds its part; `fragments` are the users' additions, applied last; `rights` are the fields that
    the security context of every container gets then. `files` are for the trainer, `scripts` for bash and Python; the
    pod has them in annotations, or in the ConfigMap named `config_map`. The run's directory keeps the files in `kept`.
    `made_from` are the annotations of the job's object that tell its `origin`.
    It starts with `min_nodes` pods, which equals `nodes` unless the run is elastic. `fixed_name` is for objects that
    refer to each other by name. `job_claim` is a claim that lives with the job; each target creates it differently.
    """

    name: str
    fixed_name: str
    generate_name: bool
    namespace: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    origin: Made | None
    made_from: dict[str, str]
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
    kept: tuple[File, ...]
    scripts: tuple[Script, ...]
    config_map: str | None
    template: Json
    rights: Json
    fragments: tuple[Fragment, ...]
    job_claim: JobClaim | None
    job_fragments: JobFragments
    recipe: Recipe | None
    claims: tuple[Claim, ...]

    @property
    def resumes(self) -> bool:
        """Whether a restart continues from a checkpoint: ftc runs a user's command again, and cannot promise more."""
        return bool(self.files)

    @property
    def object_name(self) -> str:
        """The name of the job's object, with `xxxxx` for the part that the API server generates."""
        return f"{self.name}-xxxxx" if self.generate_name else self.name

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order; each is a container with the step's name."""
        return (*self.fetch_steps, self.train_step, *((self.publish_step,) if self.publish_step else ()))


class BoundRun(RunPlan, frozen=True, kw_only=True):
    """A run with the complete `pod` template that a target emits, and the record of what set each field."""

    target: str
    pod: Merged
