"""The step that trains and merges, or runs the user's own program."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.plan import environment, publish, staging, tracking
from ftc.plan.files import MERGE, QUANTIZE
from ftc.plan.types import Fetch, File, Needs, Places, Step
from ftc.spec.launcher import Accelerate, Command, LlamafactoryCli, Torchrun
from ftc.spec.method import DeepSpeed
from ftc.spec.source import FromHub, HuggingFace
from ftc.trainer import pins

if TYPE_CHECKING:
    from ftc.plan.environment import Variables
    from ftc.spec.job import JobSpec

NAME = "train"


def step(spec: JobSpec, places: Places, fetched: tuple[Fetch, ...], files: tuple[File, ...]) -> Step:
    """The step; a command of the user's becomes its arguments."""
    needs = Needs(_tools(spec, files), _modules(spec))
    variables = _environment(spec, places, fetched, needs)
    if isinstance(spec.launcher, Command):
        args = (*spec.launcher.command, *spec.launcher.args)
        return Step(NAME, staging.command(spec, places.files, ("bash", f"{places.files}/launch.sh")), variables, args)
    command = staging.command(spec, places.files, ("bash", f"{places.files}/train.sh"))
    if places.lock and publish.publishes(spec):
        command = ("bash", f"{places.files}/hold_lock.sh", *command)
        variables["LOCK_DIR"] = places.lock
    # Commands of the user's may bring the rest, but they do not run where the result is published.
    early = Needs(publish.tools(spec), publish.modules(spec)) if spec.setup else needs
    return Step(NAME, command, variables, needs=early)


def _environment(spec: JobSpec, places: Places, fetched: tuple[Fetch, ...], needs: Needs) -> Variables:
    """The variables of the training; those of the user come last and may replace the platform's."""
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
    }
    sources = {} if spec.trains else {f"{f.name.upper()}_DIR": staging.directory(spec, f) for f in fetched}
    platform = {**spec.cluster.env, **spec.hardware.env, **spec.network.env, **spec.env}
    derived = {**topology, **sources, **staging.variables(spec, fetched), **tracking.settings(spec.tracking)}
    cache = {"HF_HUB_CACHE": f"{places.cache.rstrip('/')}/hub"} if _asked_by_trainer(spec) else {}
    secret = {**_from_hub(spec), **tracking.credentials(spec.tracking)}
    return {**environment.given(derived), **cache, **platform, **secret}


def _calls_torchrun(spec: JobSpec) -> bool:
    """A single process stays one, unless DeepSpeed wants a process group (LLaMA-Factory, hparams/parser.py)."""
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
    merging = ["llamafactory-cli"] if any(f.name in (MERGE, QUANTIZE) for f in files) else []
    return tuple(dict.fromkeys([*tools, *merging, *publish.tools(spec)]))


def _modules(spec: JobSpec) -> tuple[str, ...]:
    """What Python must find in the image, unless commands of the user's put it there first.

    What publishing needs is asked for here too, so that the run does not end after the training.
    """
    if not spec.trains:
        return ()
    return tuple(dict.fromkeys([*(() if spec.setup else pins.modules(spec)), *publish.modules(spec)]))


def _asked_by_trainer(spec: JobSpec) -> list[FromHub | HuggingFace]:
    """The hubs that the trainer asks by itself; a rule keeps them from having two endpoints or tokens."""
    asked: list[FromHub | HuggingFace] = [s for s in spec.sources.values() if isinstance(s, FromHub)]
    entries = (spec.dataset.info or {}).values() if spec.dataset else ()
    if spec.dataset and isinstance(spec.dataset.source, HuggingFace) and any("hf_hub_url" in one for one in entries):
        asked.append(spec.dataset.source)  # a dataset beside the one that is staged
    return asked


def _from_hub(spec: JobSpec) -> Variables:
    """What the hub's client reads; its own cache is kept beside what is staged."""
    variables: Variables = {}
    for source in _asked_by_trainer(spec):
        variables |= environment.given({"HF_ENDPOINT": source.endpoint}) | environment.token("HF_TOKEN", source.token)
    return variables
