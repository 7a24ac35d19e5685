"""The subjects of this folder: a training, an export or an inference of LLaMA-Factory.

A subject comes from a spec (from_spec.py) or from the files that LLaMA-Factory reads (from_files.py). A value that they
do not contain raises Unknown, and the rule that reads it reports nothing. Places are key paths: the name of an
argument, or `dataset_info` and `deepspeed` followed by the keys of these files.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from ftc.source.unknown import Fields, Unknown
from ftc.spec.job import Trainer
from ftc.trainer import release, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json
    from ftc.trainer.release import Facts

_ON = ("1", "true", "y")
"""The values that turn a switch of LLaMA-Factory on (extras/misc.py, is_env_enabled)."""


ZERO_3 = 3


_Value = TypeVar("_Value")


class Arguments(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The given arguments of one LLaMA-Factory command; the user set those in `own`.

    `versions` are the versions that run it; `assumed` says that they are a guess, `any_transformers` that only the
    version of transformers is: a finding that depends on it is a warning.
    """

    takes: ClassVar[str] = "export"
    """The list of arguments in the schema of a release."""
    command: ClassVar[str] = "chat"
    given: Fields
    own: tuple[str, ...]
    versions: Trainer
    assumed: bool = False
    any_transformers: bool = False
    environment: Fields = Fields()

    def value(self, name: str) -> Any:
        """The value of an argument, or its default; Unknown if it has the wrong type, which another rule reports."""
        about = self.schema(name)
        if name not in self.given:
            return about.get("default")
        value = self.given[name]
        if not values.has_type(value, about):
            raise Unknown
        return value

    def on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.value(name) is True

    def number(self, name: str) -> float:
        """A number; 0 for any other value, which another rule reports."""
        value = self.value(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else 0

    def known(self, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The arguments among these whose values are known."""
        yield from ((name, self.value(name)) for name in names if self.given.tells(name))

    def listed(self, name: str) -> list[str]:
        """The names in a list, which may be a comma-separated string."""
        given = self.value(name)
        names = given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else []
        return [name.strip() for name in names if isinstance(name, str)]

    def gives(self, name: str) -> bool:
        """Whether an argument is given, whatever its value."""
        return name in self.given

    def along(self, *names: str) -> tuple[KeyPath, ...]:
        """The places of the given arguments among these; the others contribute by their defaults."""
        return tuple((name,) for name in names if name in self.given)

    def variable(self, name: str) -> bool:
        """Whether a variable turns a switch of LLaMA-Factory on."""
        return str(self.environment.get(name, "")).lower() in _ON

    @cached_property
    def pair(self) -> str:
        """The pair of versions whose facts apply."""
        pair = release.pair(self.versions)
        if pair is None:
            raise Unknown
        return pair

    @property
    def release(self) -> str:
        """The version of LLaMA-Factory."""
        return self.versions.llamafactory

    @property
    def facts(self) -> Facts:
        """The capabilities and defects of the release."""
        return release.facts(self.pair)

    def schema(self, name: str) -> Json:
        """The schema of an argument in the release."""
        about: Json = self._schemas.get(name, {})
        return about

    @cached_property
    def _schemas(self) -> Json:
        """The schemas of all arguments: the rules on a training ask for hundreds."""
        known: Json = release.arguments(self.pair)["arguments"]
        return known

    @property
    def data(self) -> Json:
        """The templates of the release, the models that use them, and its dataset formats."""
        pair = release.known(self.release)
        if pair is None:
            raise Unknown
        return release.data(pair)

    @property
    def template(self) -> Json:
        """The release's facts about the template; empty for an unknown template."""
        about: Json = self.data["templates"].get(str(self.value("template")), {})
        return about


class Evaluation(Arguments, frozen=True, kw_only=True):
    """The prediction that evaluates a result, a `train` without a training."""

    takes: ClassVar[str] = "train"
    command: ClassVar[str] = "train"


class Export(Arguments, frozen=True, kw_only=True):
    """An export: an adapter that is merged into its base model, or a quantized model."""

    command: ClassVar[str] = "export"


class Training(Arguments, frozen=True, kw_only=True):
    """A training; None means unknown."""

    takes: ClassVar[str] = "train"
    command: ClassVar[str] = "train"
    dataset_info: Fields | None = None
    deepspeed: Fields | None = None
    """The configuration of DeepSpeed, inline or from its file."""
    fsdp: int | None = None
    """The version of FSDP; 0 without FSDP."""
    processes: int | None = None
    nodes: int | None = None
    process_group: bool | None = None
    """Whether torch.distributed is initialized (hparams/parser.py: ParallelMode.DISTRIBUTED)."""
    restarts: int | None = None
    recreated: bool = False
    """Whether the cluster recreates a pod of the job that failed or was deleted."""
    new_directory: bool | None = None
    """Whether each run has a new output directory."""
    model: str | None = None
    """The id of the base model."""
    context_length: int | None = None
    ray: bool = False
    unsupported: dict[str, str] = {}
    """The precisions that the chip does not support, each with the name of the chip."""

    @property
    def stage(self) -> str:
        """The stage of the training."""
        return self._choice("stage")

    @property
    def tuning(self) -> str:
        """The tuning type, which selects the trained weights."""
        return self._choice("finetuning_type")

    def _choice(self, name: str) -> str:
        """A valid choice of an argument; Unknown for any other value, which another rule reports."""
        value = self.value(name)
        if value not in self.schema(name)["enum"]:
            raise Unknown
        return str(value)

    @property
    def world(self) -> int:
        """The number of processes that train together."""
        return _known(self.processes)

    @property
    def machines(self) -> int:
        """The number of nodes that train together."""
        return _known(self.nodes)

    @property
    def zero(self) -> Fields | None:
        """The configuration of DeepSpeed; None for a training without DeepSpeed."""
        if self.value("deepspeed") is None:
            return None
        return _known(self.deepspeed)

    @property
    def zero3(self) -> bool:
        """Whether DeepSpeed shards the parameters too."""
        return self.zero_stage == ZERO_3

    @property
    def zero_stage(self) -> object:
        """The stage of ZeRO; None without DeepSpeed."""
        settings = self.zero.get("zero_optimization") if self.zero is not None else None
        return settings.get("stage") if isinstance(settings, Fields) else None

    @property
    def sharded(self) -> str:
        """The engine that shards the parameters; empty if each process holds all of them."""
        if self.zero3:
            return "DeepSpeed ZeRO-3"
        return "FSDP" if self.zero is None and _known(self.fsdp) else ""

    @property
    def plain(self) -> bool:
        """Whether each process holds all weights and the whole optimizer (DistributedDataParallel, or one process)."""
        return self.zero is None and not _known(self.fsdp)

    @property
    def context(self) -> int:
        """The context length of the model."""
        return _known(self.context_length)

    @property
    def distributed(self) -> bool:
        """Whether torch.distributed is used; DeepSpeed uses it even with one process."""
        return self.zero is not None or bool(_known(self.process_group))

    @property
    def info(self) -> Fields:
        """The content of dataset_info.json."""
        return _known(self.dataset_info)

    @property
    def datasets(self) -> list[str]:
        """The datasets that are trained on."""
        return self.listed("dataset")

    @property
    def evaluated(self) -> list[str]:
        """The datasets that are only evaluated on."""
        return self.listed("eval_dataset")

    @property
    def quantized(self) -> bool:
        """Whether the base model's weights are quantized while they are loaded."""
        return self.value("quantization_bit") is not None

    @property
    def evaluates(self) -> bool:
        """Whether there is an evaluation, during the training or after it."""
        return self.on("do_eval") or self.value("eval_strategy") in ("steps", "epoch")


def _known(value: _Value | None) -> _Value:
    if value is None:
        raise Unknown
    return value
