"""The real parser reads the intended values from train.yaml and merge.yaml: every method, engine and tracker."""

from __future__ import annotations

import itertools
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from e2e.trainer_environment import versions
from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from golden.cases import OPTIONS, command_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.pod import Json
    from e2e.trainer_environment import Trainer

pytestmark = pytest.mark.e2e

# The overrides that the goldens need in addition: data of the stage's kind, a reward model, a Secret.
GOLDENS = {
    group: {file.stem: command_of(file) for file in sorted((OPTIONS / group).glob("*.diff")) if file.stem != "none"}
    for group in ("method", "engine", "tracking")
}
WITHOUT = "tracking=none"
OLD = versions("0.9.3")
# Pairs that ftc rejects: release or engine or tracker, and method.
REFUSED = {("0.9.5", "lora-ppo"), ("0.9.4", "lora-ppo"), ("0.9.3", "oft-sft"), ("mlflow", "lora-ppo")} | {
    (engine, method)
    for engine in ("fsdp", "fsdp-offload")
    for method in GOLDENS["method"]
    if method.startswith("qlora")  # FSDP1 cannot shard quantized weights
}
MERGED = ("export_size", "export_device", "export_legacy_format")


class Case(NamedTuple):
    """A compile: its names, its spec, and its files."""

    names: tuple[str, ...]
    spec: Json
    files: dict[str, str]


def cases(release: str) -> Iterator[Case]:
    """Every method with every engine; the trackers rotate, so that each is combined with all of both."""
    trackers = [WITHOUT, *GOLDENS["tracking"].values()]
    products = itertools.product(GOLDENS["method"].items(), GOLDENS["engine"].items())
    for index, ((method, by_method), (engine, by_engine)) in enumerate(products):
        tracker = trackers[(index + index // len(trackers)) % len(trackers)]
        names = (release, engine, tracker.split()[0].removeprefix("tracking="), method)
        if {(name, method) for name in (*names, release.split(maxsplit=1)[0])} & REFUSED:
            continue
        pair = versions(release) if release != "0.9.5" else ""
        yield compiled(names, shlex.split(f"{by_method} {by_engine} {tracker} devices=2 {pair}"))


def compiled(names: tuple[str, ...], overrides: list[str]) -> Case:
    """A compile without errors."""
    state = compile_job(Request(tuple(overrides), targets=("llamafactory",)))
    assert not has_errors(state.diagnostics), (names, state.diagnostics)
    assert state.run is not None
    texts = {artifact.name: artifact.text for artifact in state.artifacts()}
    return Case(names, yaml.safe_load(texts["spec.yaml"]), {file.name: file.text for file in state.run.files})


def meant(spec: Json) -> Json:
    """The values that the user intends; lists if the parser splits a string."""
    groups = [spec[group]["arguments"] for group in ("hardware", "model", "dataset", "method")]
    values: Json = {key: value for group in [*groups, spec["train"]] for key, value in group.items()}
    method, tracking = spec["method"], spec["tracking"]
    values |= {"stage": method["stage"], "finetuning_type": method["finetuning_type"], "do_train": True}
    values |= {"template": spec["model"]["template"], "dataset": spec["dataset"]["names"]}
    values |= {"report_to": [name for name in tracking if tracking[name] is not None and name != "swanlab"]}
    if tracking["swanlab"]:
        values |= {"use_swanlab": True, "swanlab_project": tracking["swanlab"]["project"], "swanlab_mode": "cloud"}
    return {key: listed(key, value) for key, value in values.items()}


def listed(key: str, value: Any) -> Any:
    """The parser's form of a value."""
    of_lists = ("lora_target", "freeze_trainable_modules")
    return value.split(",") if key in of_lists and isinstance(value, str) else value


# Paths, and names in trackers: other tests check them.
PLACES = {"model_name_or_path", "dataset_dir", "media_dir", "output_dir", "overwrite_output_dir"}
NAMES = {"run_name", "swanlab_run_name"}


def differences(case: Case, answer: Json) -> list[tuple[object, ...]]:
    """The arguments whose value in the trainer is not the intended one, or that no one intended."""
    if "error" in answer:
        return [(case.names, answer["error"])]
    got, wanted = answer["train"], meant(case.spec)
    written = yaml.safe_load(case.files["train.yaml"])
    wanted |= {key: written[key] for key in (PLACES | NAMES) & written.keys()} | of_ddp(case)
    wrong: list[tuple[object, ...]] = [
        (case.names, key, got[key], value) for key, value in wanted.items() if got[key] != value
    ]
    strays = written.keys() - wanted.keys() - {"deepspeed"}
    return [*wrong, *((case.names, key) for key in strays), *of_engine(case, got), *of_merge(case, answer)]


def of_ddp(case: Case) -> Json:
    """The arguments that ftc adds with DDP: a checkpoint at SIGTERM (transformers 5, one node), `use_reentrant_gc`."""
    stage, tuning = case.spec["method"]["stage"], case.spec["method"]["finetuning_type"]
    if case.spec["engine"]["kind"] != "ddp":
        return {}
    saves = case.names[0] == "0.9.5" and stage not in ("rm", "ppo") and case.spec["nodes"] == 1
    searches = tuning == "oft" or (stage == "rm" and tuning != "lora")
    return {**({"enable_jit_checkpoint": True} if saves else {}), **({"use_reentrant_gc": False} if searches else {})}


def of_engine(case: Case, got: Json) -> list[tuple[object, ...]]:
    """DeepSpeed's configuration, with the values of `auto`."""
    engine, config = case.spec["engine"], got["deepspeed"]
    if engine["kind"] != "deepspeed":
        return [] if config is None else [(case.names, "deepspeed", config)]
    zero = config["zero_optimization"]
    on_host = [name for name in ("offload_optimizer", "offload_param") if zero.get(name, {}).get("device") == "cpu"]
    wanted_on_host = ["offload_optimizer", "offload_param"][: {2: 1, 3: 2}.get(engine["stage"], 0)]
    found = {
        "stage": zero["stage"],
        "on host": on_host,
        "batch": config["train_micro_batch_size_per_gpu"],
        "accumulation": config["gradient_accumulation_steps"],
        "bf16": config["bf16"]["enabled"],
        "fp16": config["fp16"]["enabled"],
    }
    arguments = case.spec["method"]["arguments"]
    wanted = {
        "stage": engine["stage"],
        "on host": wanted_on_host if engine["offload"] else [],
        "batch": arguments["per_device_train_batch_size"],
        "accumulation": arguments["gradient_accumulation_steps"],
        "bf16": case.spec["train"].get("bf16", True),
        "fp16": case.spec["train"].get("fp16", False),
    }
    return [] if found == wanted else [(case.names, "deepspeed", found, wanted)]


def of_merge(case: Case, answer: Json) -> list[tuple[object, ...]]:
    """The merge has the model and the template of the training, its adapter, and the user's arguments."""
    method = case.spec["method"]
    if method["merge"] is None:
        return [] if "merge" not in answer else [(case.names, "merge")]
    got, trained = answer["merge"], answer["train"]
    wanted = {
        **method["merge"],
        **{key: trained[key] for key in ("model_name_or_path", "template", "finetuning_type")},
        "adapter_name_or_path": [trained["output_dir"]],
        "export_dir": "merged",
        "stage": "rm" if method["stage"] == "rm" else "sft",
        "quantization_bit": None,
    }
    return [(case.names, "merge", key, got[key], value) for key, value in wanted.items() if got[key] != value]


def test_the_parser_reads_what_was_meant(each_pair: Trainer) -> None:
    asked = list(cases(each_pair.release))
    assert len({name for case in asked for name in case.names[1:]}) > len(GOLDENS["method"])
    files = [case.files for case in asked]
    questions = [{"train": f["train.yaml"], "merge": f.get("merge.yaml"), "distributed": True} for f in files]
    answers = each_pair.ask("parse", questions)
    wrong = [line for case, answer in zip(asked, answers, strict=True) for line in differences(case, answer)]
    assert wrong == []


@pytest.mark.parametrize(("one", "method"), sorted(REFUSED))
def test_what_no_release_or_tracker_can_do_is_refused(one: str, method: str) -> None:
    others = {
        "0.9.5": "",
        "0.9.4": versions("0.9.4"),
        "0.9.3": OLD,
        "mlflow": f"{OLD} tracking=mlflow tracking.mlflow.uri=http://m",
    }
    others |= {engine: f"{GOLDENS['engine'][engine]} devices=2" for engine in ("fsdp", "fsdp-offload")}
    overrides = shlex.split(f"{GOLDENS['method'][method]} {others[one]}")
    release = [word for word in overrides if not word.startswith("trainer.")] if one == "0.9.5" else overrides
    assert has_errors(compile_job(Request(tuple(release), targets=("llamafactory",))).diagnostics)
