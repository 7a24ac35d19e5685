"""The step that trains and merges, or runs the user's program."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.plan import environment, fetch, publish
from ftc.plan.files import EVALUATE, MERGE, QUANTIZE, WAIT_SCRIPT, reads_rank_table
from ftc.plan.types import Fetch, File, Needs, Places, Step
from ftc.spec.method import Accelerate, Command, DeepSpeed, LlamafactoryCli, Torchrun
from ftc.spec.source import FromHub, HuggingFace
from ftc.trainer import pins

if TYPE_CHECKING:
    from ftc.plan.environment import Variables
    from ftc.spec.job import JobSpec

NAME = "train"


def step(
    spec: JobSpec, places: Places, fetched: tuple[Fetch, ...], files: tuple[File, ...], tags: dict[str, str]
) -> Step:
    """The step with the variables of the trackers' tags; with launcher=command its arguments are the user's command."""
    lock = places.lock if publish.publishes(spec) else None
    needs = Needs((*_tools(spec, files), *(publish.LOCK_TOOLS if lock else ())), _modules(spec))
    variables = {**tags, **_environment(spec, places, fetched, needs)}
    waiting = ("bash", f"{places.files}/{WAIT_SCRIPT}") if reads_rank_table(spec) else ()
    if isinstance(spec.launcher, Command):
        args = (*spec.launcher.command, *spec.launcher.args)
        command = fetch.after_copy(spec, places.files, (*waiting, "bash", f"{places.files}/launch.sh"))
        return Step(NAME, command, variables, args)
    command = fetch.after_copy(spec, places.files, (*waiting, "bash", f"{places.files}/train.sh"))
    if lock:
        command = ("bash", f"{places.files}/hold_lock.sh", *command)
        variables["LOCK_DIR"] = lock
    return Step(NAME, command, variables, needs=needs)


def _environment(spec: JobSpec, places: Places, fetched: tuple[Fetch, ...], needs: Needs) -> Variables:
    """The variables of the training; the user's come last and may override the platform's."""
    topology = {
        "NNODES": str(spec.nodes),
        "NPROC_PER_NODE": str(spec.devices),
        "MASTER_PORT": str(spec.master_port),
        "LEAST_NNODES": str(spec.min_nodes) if spec.min_nodes else None,
        "RESTARTS": str(spec.restarts) if spec.min_nodes else None,
        "WORKSPACE": places.workspace,
        "ENVIRONMENT_SCRIPTS": ":".join(spec.hardware.environment_scripts) or None,
        "MIN_FREE_MIB": str(spec.storage.min_free_gib * 1024) if spec.storage.min_free_gib else None,
        **environment.needed(needs),
        "FORCE_TORCHRUN": "1" if _calls_torchrun(spec) else None,
        "CHAT_TEMPLATE_CHECK": spec.chat_template_check if spec.checks_chat_template else None,
        "CHAT_TEMPLATE_WRITE": "true" if spec.checks_chat_template and spec.chat_template_write else None,
    }
    sources = {} if spec.trains else {fetch.variable(f.name): fetch.read_directory(spec, f) for f in fetched}
    platform = environment.given(spec)
    derived = {
        **topology,
        **sources,
        **fetch.copy_variables(spec, fetched),
        **environment.tracker_settings(spec.tracking),
    }
    cache = {"HF_HUB_CACHE": f"{places.cache.rstrip('/')}/hub"} if _asked_by_trainer(spec) else {}
    secret = {**_from_hub(spec), **environment.tracker_credentials(spec.tracking)}
    workspace = environment.mlflow_namespace(spec.tracking, spec.cluster)
    return {**environment.without_none(derived), **workspace, **cache, **platform, **secret}


def _calls_torchrun(spec: JobSpec) -> bool:
    """A single process needs torchrun only for DeepSpeed's process group (LLaMA-Factory, hparams/parser.py)."""
    several = spec.processes > 1 or isinstance(spec.engine, DeepSpeed)
    return isinstance(spec.launcher, LlamafactoryCli) and several


def _tools(spec: JobSpec, files: tuple[File, ...]) -> tuple[str, ...]:
    match spec.launcher:
        case LlamafactoryCli():
            tools = ["llamafactory-cli"]
        case Torchrun():
            tools = ["torchrun"]
        case Accelerate():
            tools = ["accelerate"]
        case Command():
            return ()
        case _:
            assert_never(spec.launcher)
    merging = ["llamafactory-cli"] if any(f.name in (MERGE, QUANTIZE, EVALUATE) for f in files) else []
    return tuple(dict.fromkeys([*tools, *merging]))


def _modules(spec: JobSpec) -> tuple[str, ...]:
    """The Python modules that the image must have; setup commands may install them."""
    return tuple(dict.fromkeys(pins.modules(spec))) if spec.trains and not spec.setup else ()


def _asked_by_trainer(spec: JobSpec) -> list[FromHub | HuggingFace]:
    """The hubs that the trainer contacts itself; a rule rejects different endpoints or tokens."""
    asked: list[FromHub | HuggingFace] = [s for s in spec.sources.values() if isinstance(s, FromHub)]
    parts = spec.dataset.parts.values() if spec.dataset else ()
    hubs = [(part.source, part.info or {}) for part in parts if isinstance(part.source, HuggingFace)]
    # A dataset in addition to the staged one.
    return [*asked, *(source for source, info in hubs if any("hf_hub_url" in entry for entry in info.values()))]


def _from_hub(spec: JobSpec) -> Variables:
    """The variables of the hub's client; its cache is next to the staged sources."""
    variables: Variables = {}
    for source in _asked_by_trainer(spec):
        endpoint = environment.without_none({"HF_ENDPOINT": source.endpoint})
        variables |= endpoint | environment.token("HF_TOKEN", source.token)
    return variables
