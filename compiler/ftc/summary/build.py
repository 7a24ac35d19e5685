"""The summary of a run, from its spec and its plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, assert_never

import msgspec

from ftc.estimate.facts import assumed
from ftc.estimate.host import needs
from ftc.estimate.memory import estimate
from ftc.estimate.reading import Unknown, read
from ftc.plan import fetch
from ftc.plan.kubernetes import quantity
from ftc.plan.names import method_words
from ftc.plan.pod import containers, with_fragments
from ftc.plan.storage import cache_volume, keeps_downloads
from ftc.plan.train import NAME
from ftc.spec.base import kind
from ftc.spec.method import Command, Ddp, DeepSpeed, Engine, Fsdp
from ftc.spec.model import names
from ftc.spec.source import FromHub, OnVolume
from ftc.summary import files
from ftc.summary.files import requires
from ftc.summary.types import (
    Batch,
    Container,
    DeviceMemory,
    HostMemory,
    NodeUse,
    OfTarget,
    Secret,
    Stage,
    Summary,
    Topology,
)
from ftc.trainer import release
from ftc.trainer.arguments import OUTPUT, chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec, Mlflow, SwanLab, WeightsAndBiases


# transformers, training_args.py: `ddp_timeout`.
_DDP_TIMEOUT = 1800


def timeouts(spec: JobSpec, pod: Json, target: OfTarget) -> dict[str, int]:
    """The timeouts, and how long a finished job is kept."""
    talks = spec.trains and spec.processes > 1
    waits = {
        "download": spec.cluster.fetch_timeout_seconds if spec.model or spec.dataset else None,
        "devices_idle": _idle(spec),
        "name_of_node_0": target.name_seconds if spec.nodes > 1 else None,
        "lost_peer": chosen(spec).get("ddp_timeout", _DDP_TIMEOUT) if talks else None,
        "pod": pod.get("activeDeadlineSeconds"),
        "kept": spec.ttl_seconds_after_finished,
    }
    return {what: value for what, value in waits.items() if type(value) is int}


def _idle(spec: JobSpec) -> int | None:
    """The longest time for which devices wait for downloads that another job could have made before."""
    downloads = [one for one in spec.sources.values() if not isinstance(one, OnVolume | FromHub)]
    if spec.hardware.device is None or not downloads or not keeps_downloads(cache_volume(spec.storage)):
        return None
    return len(downloads) * spec.cluster.fetch_timeout_seconds


def secrets(pod: Json) -> tuple[Secret, ...]:
    """The Secrets that containers read, by name, never their content."""
    keys: dict[str, dict[str, None]] = {}
    readers: dict[str, dict[str, None]] = {}
    for container in containers(pod):
        for name, key in _read(container):
            keys.setdefault(name, {})[key] = None
            readers.setdefault(name, {})[container["name"]] = None
    for entry in pod.get("imagePullSecrets", []):
        keys.setdefault(str(entry["name"]), {})[".dockerconfigjson"] = None
        readers.setdefault(str(entry["name"]), {})["image pulls"] = None
    return tuple(Secret(name, tuple(keys[name]), tuple(readers[name])) for name in keys)


def _read(container: Json) -> Iterator[tuple[str, str]]:
    for variable in container.get("env", []):
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if ref:
            yield str(ref["name"]), str(ref["key"])
    for source in container.get("envFrom", []):
        if source.get("secretRef"):
            yield str(source["secretRef"]["name"]), "all keys"


def tracker_places(spec: JobSpec, directory: str) -> tuple[str, ...]:
    """A line for each tracker; `directory` is that of the run."""
    tracking = spec.tracking
    found = (
        _mlflow(tracking.mlflow) if tracking.mlflow else None,
        _tensorboard(spec, directory) if tracking.tensorboard else None,
        _wandb(tracking.wandb, directory) if tracking.wandb else None,
        _swanlab(tracking.swanlab, directory) if tracking.swanlab else None,
    )
    return tuple(line for line in found if line) or ("in the log",)


def _mlflow(server: Mlflow) -> str:
    return f"MLflow at {server.uri}, experiment {server.experiment}"


def _tensorboard(spec: JobSpec, directory: str) -> str:
    """Transformers 4 reads an argument, transformers 5 an environment variable."""
    by_argument = release.facts(release.nearest(spec.trainer)).reads_logging_dir
    given = chosen(spec).get("logging_dir") if by_argument else spec.env.get("TENSORBOARD_LOGGING_DIR")
    return f"tensorboard --logdir {given or f'{directory}/{OUTPUT}/runs'}"


def _wandb(account: WeightsAndBiases, directory: str) -> str:
    if account.mode == "offline":
        return f"Weights & Biases: wandb sync {directory}/wandb/offline-run-*"
    return f"Weights & Biases at {account.base_url or 'https://wandb.ai'}, project {account.project}"


def _swanlab(account: SwanLab, directory: str) -> str:
    if account.mode == "local":
        return f"SwanLab: swanlab watch {directory}/swanlog"
    return f"SwanLab at {account.api_host or 'https://swanlab.cn'}, project {account.project}"


_MIB, _GIB = 1 << 20, 1 << 30
# Defaults of LLaMA-Factory 0.9.3 to 0.9.5 and transformers 4.51 to 5.6, for arguments that train.yaml does not set.
_PER_DEVICE, _ACCUMULATION, _CUTOFF, _EPOCHS = 8, 1, 2048, 3.0


def summary(spec: JobSpec, run: RunPlan, target: OfTarget) -> Summary:
    """Summarize a run; never fails on a validated spec."""
    directory = f"{spec.storage.workspace.mount_path.rstrip('/')}/{run.object_name}"
    pod = with_fragments(run)["spec"]
    topology = _topology(spec, run, target)
    return Summary(
        name=run.object_name,
        namespace=run.namespace,
        queue=run.queue,
        what=_what(spec),
        versions=msgspec.to_builtins(spec.trainer) if spec.trains else {},
        topology=topology,
        batch=_batch(spec),
        memory=_memory(spec),
        host=_host(spec),
        containers=_containers(pod),
        run_as_user=pod.get("securityContext", {}).get("runAsUser"),
        service_account=pod.get("serviceAccountName"),
        shm=_shm(pod),
        run_directory=directory,
        volumes=files.volumes(spec.storage),
        fetches=files.fetched(spec, run),
        environment=_environment(spec, topology, run, directory),
        stages=_stages(spec, run, directory),
        seconds=timeouts(spec, pod, target),
        restarts=run.restarts,
        on_failure=target.on_failure,
        defaults=target.defaults,
        secrets=secrets(pod),
        requires=requires(spec, pod, secrets(pod), target.queue),
        node=_node(spec, pod),
        metrics=tracker_places(spec, directory),
    )


def _what(spec: JobSpec) -> str:
    if isinstance(spec.launcher, Command):
        return " ".join((*spec.launcher.command, *spec.launcher.args))
    if spec.tuned is None:
        return "nothing: a model, a dataset or a method is missing"
    model, dataset, method = spec.tuned
    how = method_words(spec, method)
    evaluated = f", evaluated on {', '.join(names(dataset.evaluated))}" if dataset.evaluation else ""
    return f"{how} of {model.id} (template {model.template}) on {', '.join(names(dataset.trained))}{evaluated}"


def _topology(spec: JobSpec, run: RunPlan, target: OfTarget) -> Topology:
    several = spec.nodes > 1
    return Topology(
        nodes=spec.nodes,
        min_nodes=run.min_nodes,
        gang=target.gang,
        devices=spec.devices,
        processes=spec.processes,
        resource=spec.hardware.device.resource if spec.hardware.device else None,
        launcher=kind(spec.launcher),
        engine=_engine(spec.engine),
        master=target.master if several else "127.0.0.1",
        rank_0=target.rank_0,
        port=spec.master_port,
    )


def _environment(spec: JobSpec, topology: Topology, run: RunPlan, directory: str) -> dict[str, str]:
    """The variables that ftc sets for a user's program."""
    if spec.trains:
        return {}
    ranks = f"0 to {spec.nodes - 1}, the index of the pod" if spec.nodes > 1 else "0"
    return {
        "NNODES": str(spec.nodes),
        "NODE_RANK": ranks,
        "NPROC_PER_NODE": str(spec.devices),
        "MASTER_ADDR": topology.master,
        "MASTER_PORT": str(topology.port),
        "RUN_DIR": directory,
        **{fetch.variable(fetched.name): fetch.read_directory(spec, fetched) for fetched in run.fetches},
    }


def _engine(engine: Engine) -> str:
    match engine:
        case Ddp():
            return "ddp"
        case DeepSpeed():
            return f"deepspeed ZeRO-{engine.stage}{' with offload' if engine.offload else ''}"
        case Fsdp():
            return f"fsdp{engine.version}{' with offload' if engine.offload else ''}"
        case _:
            assert_never(engine)


def _batch(spec: JobSpec) -> Batch | None:
    """Read the batch from the trainer's arguments; None if a command replaces the trainer, or they are not numbers."""
    if not spec.trains or spec.method is None:
        return None
    arguments = chosen(spec)
    per_device = _whole(arguments, "per_device_train_batch_size", _PER_DEVICE)
    accumulation = _whole(arguments, "gradient_accumulation_steps", _ACCUMULATION)
    length = _whole(arguments, "cutoff_len", _CUTOFF)
    if per_device is None or accumulation is None or length is None:
        return None
    processes = spec.processes
    sequences = per_device * accumulation * processes
    steps = _whole(arguments, "max_steps", None)
    epochs = arguments.get("num_train_epochs", _EPOCHS)
    rows = _rows(spec, arguments)
    counted = None if steps or type(epochs) not in (int, float) or not math.isfinite(epochs) else float(epochs)
    per_epoch = None if rows is None else math.ceil(rows / sequences)  # rounded up as the trainer does
    return Batch(
        per_device=per_device,
        accumulation=accumulation,
        processes=processes,
        sequences=sequences,
        cutoff_length=length,
        packed=_is_packed(spec, arguments),
        epochs=counted,
        steps=steps,
        rows=rows,
        steps_per_epoch=per_epoch,
        steps_at_most=None if counted is None or per_epoch is None else math.ceil(per_epoch * counted),
    )


def steps_per_epoch(spec: JobSpec, rows: int) -> int | None:
    """The steps that the rows make; None if they are packed, or if the batch is unknown."""
    batch = _batch(spec)
    return None if batch is None or batch.packed else math.ceil(rows / batch.sequences)


def _rows(spec: JobSpec, arguments: Json) -> int | None:
    """The rows that the trainer reads at most; None if a dataset has an unknown number, or rows are packed."""
    if spec.dataset is None or _is_packed(spec, arguments):
        return None
    most = _whole(arguments, "max_samples", None)
    if most is None and "max_samples" in arguments:
        return None
    counts = [one.rows.get(name, most) for one in spec.dataset.trained.values() for name in one.used]
    known = [min(count, most or count) for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _is_packed(spec: JobSpec, arguments: Json) -> bool:
    """Whether rows are joined or cut into sequences; in stage pt they are unless it is disabled (hparams/parser.py)."""
    if arguments.get("neat_packing") is True:
        return True
    given = arguments.get("packing")
    return given is True or (given is None and spec.method is not None and spec.method.stage == "pt")


def _whole(arguments: Json, name: str, default: int | None) -> int | None:
    value = arguments.get(name, default)
    return value if type(value) is int and value > 0 else None


def _memory(spec: JobSpec) -> DeviceMemory:
    device, training = spec.hardware.device, read(spec)
    if device is None:
        return DeviceMemory(device_mib=None, unknown="no device requested")
    if isinstance(training, Unknown):
        return DeviceMemory(device_mib=device.memory_mib, unknown=training.reason)
    memory = estimate(training)
    terms = {name: getattr(memory, name) // _MIB for name in memory.__struct_fields__}
    total, reading = memory.total // _MIB, assumed(training)
    return DeviceMemory(device_mib=device.memory_mib, total_mib=total, terms_mib=terms, assumed=reading)


def _host(spec: JobSpec) -> HostMemory | None:
    need = max(needs(spec), key=lambda need: need.size, default=None)
    return None if need is None else HostMemory(need.size // _MIB, need.purpose)


def _containers(pod: Json) -> tuple[Container, ...]:
    return tuple(
        Container(
            name=container["name"],
            image=str(container.get("image", "")),
            limits={name: str(value) for name, value in container.get("resources", {}).get("limits", {}).items()},
        )
        for container in containers(pod)
    )


def _node(spec: JobSpec, pod: Json) -> NodeUse | None:
    """The requests of a pod, next to what a usual node has."""
    node = spec.hardware.node
    if node is None:
        return None
    found = [container.get("resources", {}).get("limits", {}) for container in pod["containers"]]
    cpu = sum(quantity(limits.get("cpu", 0)) for limits in found)
    memory = sum(quantity(limits.get("memory", 0)) for limits in found)
    return NodeUse(cpu=node.cpu, memory_gib=node.memory_gib, pod_cpu=float(cpu), pod_memory_gib=float(memory / _GIB))


def _shm(pod: Json) -> str | None:
    sizes = [volume["emptyDir"].get("sizeLimit") for volume in pod["volumes"] if volume["name"] == "shm"]
    return str(sizes[0]) if sizes and sizes[0] else None


def _stages(spec: JobSpec, run: RunPlan, directory: str) -> tuple[Stage, ...]:
    everywhere = files.EVERY_NODE
    stages = [
        Stage(step.name, files.fetching(spec, fetch.source), " ".join(step.command), fetch.directory)
        for step, fetch in zip(run.fetch_steps, run.fetches, strict=True)
    ]
    if not spec.trains:
        return (*stages, Stage(NAME, everywhere, _what(spec), directory))
    setup = "; ".join(" ".join(command) for command in spec.setup)
    stages += [Stage("setup", everywhere, setup, None)] if setup else []
    launcher = kind(spec.launcher)
    return (*stages, Stage(NAME, everywhere, launcher, f"{directory}/{OUTPUT}"), *files.results(spec, directory))
