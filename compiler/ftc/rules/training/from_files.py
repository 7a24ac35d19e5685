"""The training subjects in LLaMA-Factory files, and the files that these name."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.accelerators import chips_without_bf16
from ftc.diagnostics.model import KeyPath
from ftc.manifests import configs
from ftc.manifests.configs import Config, file_named, is_official, release_of
from ftc.manifests.files import resolved, text_of
from ftc.manifests.text import Held, Spot, held
from ftc.resources import directory
from ftc.rules.training.engines import DeepSpeedFile
from ftc.rules.training.subject import Arguments, Export, Training
from ftc.source import read
from ftc.source.unknown import Fields, fields
from ftc.spec.job import Trainer
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ftc.manifests.shell.script import Word
    from ftc.spec.base import Json

_DIGEST = re.compile(r"-[0-9a-f]{8}$")
"""The suffix that ftc adds to the name of a download directory."""


@cache
def named_by(path: str) -> str:
    """The id of the model that a directory is named after; other names are ids already."""
    if not path.startswith(("/", "./", "../", "~")):
        return path
    name = path.rstrip("/").rpartition("/")[2]
    known = [model for models in release.data(release.pairs()[-1])["models"].values() for model in models]
    wanted = {_letters(name), _letters(_DIGEST.sub("", name))}
    return next((model for model in known if _letters(model.rpartition("/")[2]) in wanted), path)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold())


@cache
def context_length(model: str) -> int | None:
    """The context length of a model; None if conf/model does not have the model."""
    for file in sorted((directory("conf") / "model").glob("*.yaml")):
        if f"id: {model}\n" in file.read_text(encoding="utf-8"):
            document, _ = read(file, file.name)
            data = document.data if document is not None else {}
            length = (data.get("architecture") or {}).get("context_length")
            return length if isinstance(length, int) else None
    return None


# A rule may name one of the names in a list, which is one value of a file.
_LISTS = (("dataset",), ("eval_dataset",))


class Read(msgspec.Struct, frozen=True):
    """A subject, its own file, and the files that it names, by argument."""

    subject: object
    own: Held
    named: dict[str, Held] = {}
    inside: KeyPath = ()
    """Where the subject is in its own file."""
    spot: Spot | None = None
    """The place of a syntax error, if the file cannot be read."""

    def file(self, where: KeyPath) -> tuple[Held, KeyPath]:
        """The file that contains a place, and the keys in it."""
        where = where[:1] if where[:1] in _LISTS else where
        other = self.named.get(str(where[0])) if where else None
        return (other, where[1:]) if other is not None and where[1:] else (self.own, (*self.inside, *where))

    def at(self, where: KeyPath) -> Spot:
        """The place in the input; the start of the file if it does not have the key."""
        file, path = self.file(where)
        return self.spot or file.at(*path)

    def path(self, where: KeyPath) -> KeyPath:
        """The key path, including that of the text that contains the file."""
        file, path = self.file(where)
        return (*file.text.path, *path) if file.text is not None else path

    def has(self, where: KeyPath) -> bool:
        """Whether the place exists in the input."""
        file, path = self.file(where)
        return bool(path) and file.document.depth(path) > 0


def say(remedy: dict[str, Any]) -> str:
    """A remedy as lines to write."""
    stage = remedy.get("zero_stage")
    staged = [f"use ZeRO stage {stage} in the configuration of DeepSpeed"] if "zero_stage" in remedy else []
    rest = {name: value for name, value in remedy.items() if name not in ("zero_stage", "shipped_dataset")}
    lines = [f"{name}: {_shown(value)}" for name, value in rest.items() if value is not None]
    gone = [name for name, value in rest.items() if value is None]
    written_ = [f"write {' and '.join(lines)}"] if lines else []
    return " and ".join([*written_, *staged, *([f"leave out {' and '.join(gone)}"] if gone else [])])


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {one}' for key, one in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_config(config: Config, requested: Trainer | None, find: Callable[[str], Held | None]) -> Iterator[Read]:
    """The subject of a LLaMA-Factory file, with the files that it names."""
    environment = _environment(config)
    if config.problems or _on(environment, "USE_V1"):
        return
    named = _named(config, find)
    versions, assumed = _versions(config, requested)
    given = _given(config)
    own = tuple(name for name in given.written() if not (name.startswith("export_") or name == _EPOCHS))
    common: dict[str, Any] = {
        "given": given,
        "own": own,
        "versions": versions,
        "assumed": assumed,
        "any_transformers": requested is not None and not requested.transformers,
        "environment": environment,
    }
    if config.exports:
        subject: Arguments = Export(**common)
    elif not _trains(config.data):
        subject = Arguments(**common)
    else:
        subject = _training(config, named, common)
    own_file = Held(config.document, config.data, config.text)
    yield Read(subject, own_file, named)
    inline = config.data.get("deepspeed")
    if isinstance(inline, dict):
        yield Read(DeepSpeedFile(fields(inline, config.is_filled_in)), own_file, inside=("deepspeed",))


# ftc and many templates write it into each file, with or without max_steps.
_EPOCHS = "num_train_epochs"


def _training(config: Config, named: dict[str, Held], common: dict[str, Any]) -> Training:
    inline, name = config.data.get("deepspeed"), config.value("model_name_or_path")
    model = named_by(name) if isinstance(name, str) else None
    settings = inline if isinstance(inline, dict) else named["deepspeed"].data if "deepspeed" in named else None
    info = named["dataset_info"].data if "dataset_info" in named else None
    training = Training(
        **common,
        deepspeed=_of_example(config) if settings is None else fields(settings, config.is_filled_in),
        dataset_info=None if info is None else _entries(info, config.is_filled_in),
        **_engine(config, named.get("accelerate")),
        recreated=config.run is not None and config.run.job.recreated,
        unsupported=_unsupported(config),
        model=model,
        context_length=context_length(model) if model is not None else None,
        ray=_on(common["environment"], "USE_RAY") or bool(_OF_RAY & config.data.keys()),
    )
    of_mcore = _OF_MCORE & config.data.keys() or _on(common["environment"], "USE_MCA")
    return msgspec.structs.replace(training, given=_of_mcore(training.given)) if of_mcore else training


# LLaMA-Factory's own configurations of DeepSpeed, whose names give the stage.
_EXAMPLE = re.compile(r"(?:.*/)?examples/deepspeed/ds_z([023])(?:_offload)?_config\.json")


def _of_example(config: Config) -> Fields | None:
    """What the name of an example of LLaMA-Factory says about the configuration of DeepSpeed."""
    name = config.value("deepspeed")
    found = _EXAMPLE.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    optimization = Fields({"stage": int(found[1])})
    known = Fields({"zero_optimization": optimization})
    optimization.partial = known.partial = True
    return known


def _unsupported(config: Config) -> dict[str, str]:
    """The precisions that the chip of the selected nodes does not support."""
    labels = config.step.pod.spec.node_selector.values() if config.step is not None else ()
    chips = [chip for label in labels for chip in chips_without_bf16(label)]
    return {"bf16": f"the {chips[0]} that the pod selects"} if chips else {}


def _engine(config: Config, accelerate: Held | None) -> dict[str, Any]:
    """The version of FSDP and the number of processes, from the launcher and its file."""
    if config.value("fsdp"):
        return {"fsdp": 1}
    if config.runs is not None and config.runs.name != "accelerate":
        return {"fsdp": 0}
    if accelerate is None:
        return {}
    kind, count = accelerate.value("distributed_type"), accelerate.value("num_processes")
    version = accelerate.value("fsdp_config", "fsdp_version")
    fsdp = None if kind is None else (1 if version is None else version) if kind == "FSDP" else 0
    processes = count if type(count) is int else None
    return {"fsdp": fsdp, "processes": processes, "process_group": (processes or 0) > 1 or None}


def _of_accelerate(config: Config) -> Held | None:
    """The accelerate file of the command that starts the training, unless options override the file."""
    if config.runs is None or config.step is None:
        return None
    start = config.runs.start
    launch = next((one for one in config.step.launches if one.command.start == start), None)
    word = launch.option("config_file") if launch is not None else None
    if launch is None or word is None or launch.options.keys() & {"use_fsdp", "multi_gpu", "num_processes"}:
        return None
    path = resolved(config.step, word, start)
    text = text_of(config.step, path) if path is not None else None
    return held(text)[0] if text is not None else None


def _entries(info: Json, is_unknown: Callable[[str], bool]) -> Fields:
    """The dataset descriptions; those that are not a mapping are unknown."""
    known = fields({name: entry for name, entry in info.items() if isinstance(entry, dict)}, is_unknown)
    known.hidden = known.hidden | frozenset(name for name, entry in info.items() if not isinstance(entry, dict))
    return known


_ONLY_TRAINED = ("dataset", "eval_dataset", "do_train", "do_eval", "do_predict", "output_dir")


def _trains(data: Json) -> bool:
    """Whether a file is for `train`; chat and api accept only some of its arguments."""
    about = release.arguments(release.pairs()[-1])
    return bool(data.keys() & {*_ONLY_TRAINED, *(set(about["train"]) - set(about["export"]))})


def _given(config: Config) -> Fields:
    """The arguments of a file; those that the command or the script adds are unknown."""
    given = fields(config.data, config.is_filled_in)
    words = _after_file(config.runs.arguments) if config.runs is not None else ()
    texts = [line.text.value if line.text is not None else None for line in config.more]
    names = {found[1] or found[2] for word in words if (found := _WORD.match(word.literal))}
    names |= {name for text in texts if text is not None for name in _LINE.findall(text)}
    odd = any(
        not word.parts or (config.step and config.step.value(word) is None and not word.literal) for word in words
    )
    given.hidden = given.hidden | (names & configs.arguments())
    given.partial = given.partial or odd or None in texts
    for name in given.hidden:
        given.pop(name, None)
    return given


def _after_file(words: Sequence[Word]) -> Sequence[Word]:
    """The words after the file, which override it; those before it belong to the launcher."""
    files = [index for index, word in enumerate(words) if (word.text or "").endswith((".yaml", ".yml", ".json"))]
    return words[files[-1] + 1 :] if files else words


_WORD = re.compile(r"--([a-z][a-z0-9_]+)(?:=|$)|([a-z][a-z0-9_]+)=")


_LINE = re.compile(r"^\s*([A-Za-z_]\w*)\s*:", re.MULTILINE)


def _environment(config: Config) -> Fields:
    """The environment of the command that reads a file."""
    step = config.step
    if step is None:
        return Fields()
    given: dict[str, str | None] = {name: one.value for name, one in step.environment.variables.items()}
    given |= step.values
    given |= {one.name: step.value(one.value) for one in (config.runs.settings if config.runs else ()) if one.value}
    known = Fields({name: value for name, value in given.items() if value is not None})
    known.hidden = frozenset(given) - known.keys()
    known.partial = not step.environment.complete
    return known


def _on(environment: Fields, name: str) -> bool:
    return environment.tells(name) and str(environment.get(name, "")).lower() in ("1", "true", "y")


def _versions(config: Config, requested: Trainer | None) -> tuple[Trainer, bool]:
    """The versions from the user or the image, and whether they are assumed.

    A release between known ones is checked with the newest pair; older and newer releases are unknown.
    """
    said = release_of(config.step) if config.step is not None else ""
    known = [pair.partition("+")[::2] for pair in release.pairs()]
    inside = not said or _numbers(known[0][0]) <= _numbers(said) <= _numbers(known[-1][0])
    official = config.step is not None and is_official(config.step)  # it has the newest transformers of its release
    exact = next((Trainer(*one) for one in (known[::-1] if official else known) if one[0] == said), None)
    if requested is not None and not requested.transformers:
        return next(Trainer(*one) for one in reversed(known) if one[0] == requested.llamafactory), False
    if requested is not None or exact is not None:
        return requested or exact or Trainer("", ""), False
    return (Trainer(*known[-1]), True) if inside else (Trainer(said, ""), False)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


# Arguments of Ray in the example of LLaMA-Factory 0.9.3; 0.9.5 has only the first two.
_OF_RAY = {"ray_num_workers", "ray_init_kwargs", "ray_run_name", "ray_storage_path", "resources_per_worker"}


_OF_MCORE = {
    *("tensor_model_parallel_size", "pipeline_model_parallel_size", "expert_model_parallel_size", "sequence_parallel"),
    *("virtual_pipeline_model_parallel_size", "use_distributed_optimizer", "recompute_granularity", "use_mca"),
    *("overlap_param_gather", "overlap_grad_reduce", "moe_grouped_gemm", "moe_token_dispatcher_type"),
}


# Megatron's trainer (USE_MCA) reads these like LLaMA-Factory's own; its other arguments belong to mcore_adapter.
_SHARED_WITH_MCORE = (
    *("model_name_or_path", "template", "stage", "dataset", "dataset_dir", "eval_dataset", "val_size", "streaming"),
    *("max_samples", "mix_strategy", "interleave_probs", "train_on_prompt", "mask_history", "cutoff_len"),
)


def _of_mcore(given: Fields) -> Fields:
    kept = Fields({name: value for name, value in given.items() if name in _SHARED_WITH_MCORE})
    kept.hidden, kept.partial = given.hidden & frozenset(_SHARED_WITH_MCORE), True
    return kept


def _named(config: Config, find: Callable[[str], Held | None]) -> dict[str, Held]:
    """The files that a file names, if the input contains them."""
    directory = config.value("dataset_dir") if "dataset_dir" in config.data else "data"
    names = {"deepspeed": config.value("deepspeed")}
    if isinstance(directory, str) and "dataset" in config.data:
        names["dataset_info"] = f"{directory.rstrip('/')}/dataset_info.json"
    found = {key: _file(config, name, find) for key, name in names.items() if isinstance(name, str)}
    found["accelerate"] = _of_accelerate(config)
    return {key: file for key, file in found.items() if file is not None}


def _file(config: Config, name: str, find: Callable[[str], Held | None]) -> Held | None:
    text = text_of(config.step, file_named(config, name)) if config.step is not None else None
    return held(text)[0] if text is not None else find(name)
