"""A training as LLaMA-Factory will see it: what the rules on its arguments ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.checks.rule import Finding
from ftc.spec.base import Json
from ftc.spec.job import JobSpec
from ftc.spec.launcher import Torchrun
from ftc.spec.method import DeepSpeed, Fsdp, Method
from ftc.spec.model import Dataset, Model
from ftc.trainer import deepspeed, release
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from ftc.checks.rule import Check
    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan

_ZERO_3 = 3


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """A spec that trains, with a release of LLaMA-Factory that is known here.

    `given` are the arguments of the groups and the user; what ftc derives is asked of the spec.
    """

    spec: JobSpec
    model: Model
    dataset: Dataset
    method: Method
    given: Json
    schemas: Json
    data: Json
    facts: release.Facts

    def value(self, name: str) -> Any:
        """What the trainer will have: the given value, the release's default, nothing where it has no such argument."""
        return self.given[name] if name in self.given else self.schemas.get(name, {}).get("default")

    def on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.value(name) is True

    def number(self, name: str) -> float:
        """A number, 0 where there is none: a value of another type is another rule's."""
        value = self.value(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else 0

    def at(self, name: str) -> KeyPath:
        """The key that gives an argument its value."""
        return set_at(self.spec, name) if name in self.given else ("train",)

    def along(self, *names: str) -> tuple[KeyPath, ...]:
        """The keys of the arguments that are given: the others have a part in a finding by their default."""
        return tuple(set_at(self.spec, name) for name in names if name in self.given)

    @property
    def stage(self) -> str:
        """What the model learns from."""
        return self.method.stage

    @property
    def tuning(self) -> str:
        """Which weights are tuned."""
        return self.method.finetuning_type

    @property
    def release(self) -> str:
        """The version of LLaMA-Factory."""
        return self.spec.trainer.llamafactory

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.spec.processes

    @property
    def distributed(self) -> bool:
        """Whether there is a process group, be it of one process (hparams/parser.py: ParallelMode.DISTRIBUTED)."""
        single = isinstance(self.spec.launcher, Torchrun) and self.spec.hardware.device is not None
        return self.processes > 1 or isinstance(self.spec.engine, DeepSpeed) or single

    @property
    def zero3(self) -> bool:
        """Whether DeepSpeed shards the parameters too; the user's own configuration may say so."""
        engine = self.spec.engine
        settings = deepspeed.config(engine).get("zero_optimization") if isinstance(engine, DeepSpeed) else None
        return isinstance(settings, dict) and settings.get("stage") == _ZERO_3

    @property
    def sharded(self) -> str:
        """The engine that shards the parameters, empty where each process has them all."""
        return "DeepSpeed ZeRO-3" if self.zero3 else "FSDP" if isinstance(self.spec.engine, Fsdp) else ""

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The datasets that are there for the evaluation only."""
        given = self.value("eval_dataset")
        names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
        return tuple(name.strip() for name in names if isinstance(name, str))

    @property
    def quantized(self) -> bool:
        """Whether the base model's weights are quantized while they are loaded."""
        return self.value("quantization_bit") is not None

    @property
    def evaluates(self) -> bool:
        """Whether there is an evaluation, during the training or after it."""
        return self.on("do_eval") or self.value("eval_strategy") in ("steps", "epoch")


def training(spec: JobSpec) -> Training | None:
    """The training of a spec; none where a command runs, a group is missing, or the release is not known."""
    pair, tuned = release.pair(spec.trainer), spec.tuned
    if not spec.trains or pair is None or tuned is None:
        return None
    return Training(
        spec=spec,
        model=tuned.model,
        dataset=tuned.dataset,
        method=tuned.method,
        given=chosen(spec),
        schemas=release.arguments(pair)["arguments"],
        data=release.data(pair),
        facts=release.facts(pair),
    )


Judge: TypeAlias = Callable[[Training], Iterable[Finding]]


def of_training(judge: Judge) -> Check:
    """A rule that asks a training, as a rule on a spec and its plan."""

    @wraps(judge)
    def check(spec: JobSpec, _: RunPlan) -> Iterable[Finding]:
        found = training(spec)
        return () if found is None else judge(found)

    return check
