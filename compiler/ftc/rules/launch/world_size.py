"""Rules on the world size: the numbers of nodes and processes given to launchers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.files import resolved, text_of
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Run, Step, number_in, spot_of, worlds
from ftc.manifests.subjects import MANY, Job
from ftc.manifests.text import Held, Spot, held
from ftc.rules.given import variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.launch import Launch
    from ftc.manifests.shell.script import Word
    from ftc.plan.types import RunPlan

# Rules on a spec.


_ELASTIC = ("RDZV_ID", "MIN_NNODES", "MAX_NNODES", "MAX_RESTARTS")


def no_manual_world_size(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The number of nodes comes from the spec.

    Variables of an elastic launch are ignored: ftc passes the world size in options and in its own variables, and the
    launch script unsets the others for llamafactory-cli.
    Source: ftc, whose launch script sets the world size.

    Wrong: env.MAX_NNODES=4
    Right: nodes=4 min_nodes=2 restarts=3
    """
    for path, name, _value in variables(spec) if spec.trains else ():
        if name in _ELASTIC:
            message = "is ignored: nodes and min_nodes set the number of nodes"
            yield Finding(path, message, "set these and restarts instead")


# Rules on manifests.


NODES = {"torchrun": ("nnodes",), "accelerate": ("num_machines",), "deepspeed": ("num_nodes",)}


_PROCESSES = {"torchrun": ("nproc_per_node",), "deepspeed": ("num_gpus", "num_accelerators")}


def node_count_differs_from_job(run: Run) -> Iterator[Finding]:
    """The number of nodes given to the launcher is the number of pods of the job.

    If it is larger, the launcher waits for missing pods until the rendezvous times out; if it is smaller, some pods are
    left out.
    Source: torchrun, --nnodes; accelerate, --num_machines; LLaMA-Factory, launcher.py (NNODES).

    Wrong: tests/corpus/bad/FTC840-three-nodes-of-two.yaml
    Right: tests/corpus/good/FTC840-as-many-as-replicas.yaml
    """
    possible = worlds(run)
    for step, launch in run.launches if possible else ():
        for word, low, high in _node_counts(step, launch):
            if not any(low <= world <= high for world in possible or ()):
                expected = str(low) if low == high else f"{low} to {high}"
                most, total = max(possible or ()), run.job.total
                pods = f"the job has {total} pods" if most == total else f"only {most} of the {total} pods run it"
                message = f"{launch.tool} expects {expected} nodes, but {pods}"
                yield Finding(spot_of(step, word), message, f"write {most}, or change the replicas")


def _node_counts(step: Step, launch: Launch) -> Iterator[tuple[Word, int, int]]:
    word = launch.option(*NODES.get(launch.tool, ()))
    text = step.value(word) if word is not None else None
    if word is not None and text is not None:
        low, _, high = text.partition(":")
        first, last = number_in(low), number_in(high or low)
        if first is not None and last is not None:
            yield word, first, last


def process_count_differs_from_devices(step: Step) -> Iterator[Finding]:
    """A pod runs one process per device.

    With more processes one fails with `invalid device ordinal`; with fewer some devices are idle.
    Source: torchrun, --nproc_per_node; LLaMA-Factory, launcher.py (NPROC_PER_NODE).

    Wrong: tests/corpus/bad/FTC841-eight-processes-four-devices.yaml
    Right: tests/corpus/good/FTC841-a-process-a-device.yaml
    """
    devices = step.devices
    for launch in step.launches if devices else ():
        word = launch.option(*_PROCESSES.get(launch.tool, ()))
        processes = number_in(step.value(word)) if word is not None else None
        if word is not None and processes is not None and processes != devices:
            yield _mismatch(spot_of(step, word), processes, devices or 0)
        yield from _idle_devices(step, launch)
        nodes = launch.option("num_machines")
        total = launch.option("num_processes")
        count = number_in(step.value(total)) if total is not None and launch.tool == "accelerate" else None
        machines = 1 if nodes is None else number_in(step.value(nodes))
        alone = total is None or count is None or not machines or (nodes is None and "config_file" in launch.options)
        right = (machines or 0) * (devices or 0)
        if total is not None and not alone and count != right:
            message = f"{count} processes on {machines} nodes with {devices} devices each"
            yield Finding(spot_of(step, total), message, f"num_processes counts all nodes: {right}")


def _idle_devices(step: Step, launch: Launch) -> Iterator[Finding]:
    """Torchrun starts one process by default."""
    set_elsewhere = launch.partly or "nproc_per_node" in launch.options or is_set(step, launch, "PET_NPROC_PER_NODE")
    if launch.tool == "torchrun" and not set_elsewhere and (step.devices or 0) >= MANY:
        message = f"torchrun starts one process, but the container has {step.devices} devices"
        help_ = f"add --nproc_per_node={step.devices}"
        yield Finding(spot_of(step, launch.command.words[0]), message, help_, severity=Severity.WARNING)


def _mismatch(spot: Spot, processes: int, devices: int) -> Finding:
    severity = Severity.ERROR if processes > devices else Severity.WARNING
    message = f"{processes} processes, but the container has {devices} devices"
    return Finding(spot, message, f"write {devices}, or change the limit", severity=severity)


_CLI = ("NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


def launcher_needs_rendezvous(run: Run) -> Iterator[Finding]:
    """A launcher that runs in several pods knows the number of nodes, its rank and the master address.

    torchrun without --nnodes, accelerate without --num_machines, deepspeed without a hostfile and llamafactory-cli
    without FORCE_TORCHRUN or NNODES train separately in each pod, and end without an error. torchrun --standalone
    replaces the given address with localhost. Without MASTER_PORT each node chooses a different port.
    Source: LLaMA-Factory, launcher.py; torch/distributed/run.py; DeepSpeed, launcher/runner.py; accelerate,
    commands/launch.py.

    Wrong: tests/corpus/bad/FTC844-each-trains-alone.yaml
    Right: tests/corpus/good/FTC844-all-four-variables.yaml
    """
    possible = worlds(run)
    if possible is None or min(possible) < MANY:
        return
    for step, launch in run.launches:
        if launch.partly or (step.program is not None and step.program.opaque) or not step.environment.complete:
            continue
        missing = _missing(step, launch)
        nodes = launch.option("nnodes")
        if "standalone" in launch.options and (nodes is None or step.value(nodes) != "1"):
            message = f"--standalone starts a separate rendezvous on localhost in each of {run.job.total} pods"
            place = spot_of(step, launch.command.words[0])
            yield Finding(place, message, f"remove --standalone, and {_complete(run.job, launch)}")
        elif missing:
            message = f"{launch.tool} runs in {run.job.total} pods without {' and '.join(missing)}"
            unexported = [name for name in missing if any(one.name == name for one in step.script.assignments)]
            help_ = (
                f"the script sets it without export: export {' '.join(unexported)}"
                if unexported
                else _complete(run.job, launch)
            )
            yield Finding(spot_of(step, launch.command.words[0]), message, help_)


def _missing(step: Step, launch: Launch) -> list[str]:
    options = launch.options
    if launch.tool == "llamafactory":
        return _missing_variables(step, launch)
    if launch.tool == "torchrun":
        if "nnodes" not in options and not is_set(step, launch, "PET_NNODES"):
            return ["--nnodes"]
        alone = "rdzv_endpoint" not in options and not is_set(step, launch, "PET_NODE_RANK")
        return [f"--{name}" for name in ("node_rank", "master_addr") if name not in options] if alone else []
    if launch.tool == "deepspeed":
        reads_hosts = {"hostfile", "H"} & options.keys() or "hostfile" in step.script.value
        return [] if reads_hosts else [f"--{name}" for name in ("no_ssh", "node_rank") if name not in options]
    if launch.tool == "accelerate" and "config_file" not in options:
        return [f"--{name}" for name in ("num_machines", "machine_rank", "main_process_ip") if name not in options]
    return []


def _missing_variables(step: Step, launch: Launch) -> list[str]:
    elastic = is_set(step, launch, "RDZV_ID")
    missing = [name for name in _CLI if not is_set(step, launch, name) and not (elastic and name == "NODE_RANK")]
    forced = step.devices != 1 or is_set(step, launch, "FORCE_TORCHRUN")
    return missing if "NNODES" in missing or forced else ["FORCE_TORCHRUN=1", *missing]


def is_set(step: Step, launch: Launch, name: str) -> bool:
    """Whether a variable reaches a launcher: from its command, its container or its script."""
    own = any(setting.name == name for setting in launch.command.settings)
    return own or name in step.environment or step.script.exports(name)


def _complete(job: Job, launch: Launch) -> str:
    index = f"${job.index}"
    if launch.tool == "llamafactory":
        values = f"NNODES={job.total} NODE_RANK={index} MASTER_ADDR=… MASTER_PORT=29500"
        return f"set FORCE_TORCHRUN=1 {values}"
    nodes = f"--nnodes={job.total} --node_rank={index} --master_addr=… --master_port=29500"
    if launch.tool == "deepspeed":
        return f"use torchrun {nodes}, which starts DeepSpeed too"
    if launch.tool == "torchrun":
        return f"add {nodes}"
    return f"add --num_machines {job.total} --machine_rank {index} --main_process_ip … --main_process_port 29500"


def world_size_variable_differs_from_job(run: Run) -> Iterator[Finding]:
    """Variables that count nodes and processes match the job.

    The launcher, or the program itself, waits for that number.
    Source: LLaMA-Factory, launcher.py; torch.distributed, env://.

    Wrong: tests/corpus/bad/FTC846-world-of-sixteen.yaml
    Right: tests/corpus/good/FTC846-world-of-eight.yaml
    """
    total = run.job.total
    for step in run.steps:
        if step.init or run.job.kind is Kind.POD or not total:
            continue
        pods = worlds(run) or {total}
        for name, place, number in _counts(step):
            devices = step.devices
            right = {
                "NNODES": pods,
                "NPROC_PER_NODE": {devices} if devices else {number},
                "WORLD_SIZE": {*pods, *(count * (devices or 0) for count in pods)} if devices else {number},
            }[name]
            if number not in right:
                have = f"{devices} devices per pod" if name == "NPROC_PER_NODE" else _in_words(pods, total)
                have += f" of {devices} devices" if name == "WORLD_SIZE" else ""
                most = max(one or 0 for one in right)
                severity = Severity.WARNING if name == "NPROC_PER_NODE" and number < most else None
                yield Finding(place, f"{name} is {number}, but the job has {have}", f"write {most}", severity=severity)


def _in_words(pods: set[int], total: int) -> str:
    return f"{total} pods" if total in pods else f"{max(pods)} of {total} pods in the training"


def _counts(step: Step) -> Iterator[tuple[str, Spot, int]]:
    """The numbers that a script or the container gives these variables."""
    names = ("NNODES", "NPROC_PER_NODE", "WORLD_SIZE")
    for name in names:
        given = step.environment.get(name)
        number = number_in(given.value) if given is not None and given.index is not None else None
        if given is not None and given.index is not None and number is not None:
            yield name, step.at("env", given.index), number
    settings = [setting for launch in step.launches for setting in launch.command.settings]
    for assignment in (*step.script.assignments, *settings):
        number = number_in(step.value(assignment.value)) if assignment.value is not None else None
        if assignment.name in names and number is not None and not assignment.context.branch and step.program:
            yield assignment.name, step.program.at(assignment.start), number


def mpi_process_count_differs_from_job(run: Run) -> Iterator[Finding]:
    """Mpirun starts one process per worker, or one per device of the workers.

    With more processes than slots it does not start; with fewer some workers are left out.
    Source: Open MPI, mpirun -np; Volcano, plugin mpi (MPI_HOST lists the workers).

    Wrong: tests/corpus/bad/FTC847-more-than-workers.yaml
    Right: tests/corpus/good/FTC847-a-process-a-worker.yaml
    """
    job = run.job
    if "mpi" not in job.plugins:
        return
    masters = {step.pod.crew.name for step, launch in run.launches if launch.tool == "mpirun"}
    workers = [crew for crew in job.crews if crew.name not in masters]
    pods = None if any(crew.replicas is None for crew in workers) else sum(crew.replicas or 0 for crew in workers)
    devices = {step.devices or 1 for step in run.steps if step.pod.crew.name not in masters and not step.init}
    for step, launch in run.launches:
        word = launch.option("np", "n", "c") if launch.tool == "mpirun" else None
        count = number_in(step.value(word)) if word is not None else None
        if word is None or count is None or not pods:
            continue
        if count not in {pods * number for number in {1, *devices}}:
            message = f"mpirun starts {count} processes, but the job has {pods} workers"
            yield Finding(spot_of(step, word), message, f"write -np {pods * max(devices, default=1)}")


def accelerate_config_differs_from_job(run: Run) -> Iterator[Finding]:
    """The configuration of accelerate matches the nodes and devices of the job.

    Without a distributed_type it starts one process. A rank or a number of nodes in the file is the same in every pod.
    Options of the command override the file.
    Source: accelerate, commands/launch.py and commands/config/config_args.py.

    Wrong: tests/corpus/bad/FTC839-one-process.yaml
    Right: tests/corpus/good/FTC839-processes-of-all.yaml
    """
    for step, launch in run.launches:
        word = launch.option("config_file") if launch.tool == "accelerate" else None
        path = resolved(step, word, launch.command.start) if word is not None else None
        text = text_of(step, path) if path is not None else None
        file = held(text)[0] if text is not None else None
        if file is not None:
            yield from _world(run, step, launch, file)


def _world(run: Run, step: Step, launch: Launch, file: Held) -> Iterator[Finding]:
    possible, devices = worlds(run), step.devices
    several = (possible is not None and min(possible) >= MANY) or (devices or 0) >= MANY
    kinds = {"multi_gpu", "use_deepspeed", "use_fsdp", "use_megatron_lm"} & launch.options.keys()
    if several and file.value("distributed_type") in ("NO", False) and not kinds:
        message = "distributed_type NO starts only one process in each pod"
        yield Finding(
            file.at("distributed_type"), message, "write distributed_type: MULTI_GPU, or the type of the devices"
        )
    if file.value("use_cpu") is True and devices:
        message = f"use_cpu is true, but the container has {devices} devices"
        yield Finding(file.at("use_cpu"), message, "write use_cpu: false", severity=Severity.WARNING)
    nodes, machines = _number_in_file(step, launch, file, "num_machines")
    if possible and machines is not None and machines not in possible and nodes is not None:
        message = f"num_machines is {machines}, but the job has {run.job.total} pods"
        yield Finding(nodes, message, f"write {run.job.total}")
    place, processes = _number_in_file(step, launch, file, "num_processes")
    right = (machines if machines is not None else 1) * (devices or 0)
    if place is not None and processes is not None and right and processes != right:
        message = f"num_processes is {processes} on {machines or 1} nodes with {devices} devices each"
        yield Finding(place, message, f"num_processes counts all nodes: {right}")
    yield from _ranks(run, step, launch, file)


def _ranks(run: Run, step: Step, launch: Launch, file: Held) -> Iterator[Finding]:
    possible = worlds(run)
    if not possible or min(possible) < MANY:
        return
    rank = file.value("machine_rank") if "machine_rank" not in launch.options else None
    if isinstance(rank, int) and (step.pod.replicas or 0) >= MANY:
        message = f"{step.pod.replicas} pods have rank {rank}"
        yield Finding(file.at("machine_rank"), message, "set --machine_rank on the command line, from the index")
    required = ("num_machines", "machine_rank", "main_process_ip")
    missing = [name for name in required if name not in launch.options and name not in file.data]
    if missing and not launch.partly:
        message = f"accelerate runs in {run.job.total} pods without {' and '.join(missing)} in the command or its file"
        options = " ".join(f"--{name} …" for name in missing)
        yield Finding(spot_of(step, launch.command.words[0]), message, f"add {options}")


def _number_in_file(step: Step, launch: Launch, file: Held, name: str) -> tuple[Spot | None, int | None]:
    """A number in the file and its place; without a place if an option overrides it, which another rule checks."""
    word = launch.option(name)
    if word is not None:
        return None, number_in(step.value(word))
    value = file.value(name)
    return (file.at(name), value) if isinstance(value, int) and not isinstance(value, bool) else (None, None)


RULES = (
    Rule("FTC133", "no-manual-world-size", no_manual_world_size, JobSpec, Severity.NOTE),
    Rule("FTC840", "node-count-differs-from-job", node_count_differs_from_job, Run),
    Rule("FTC841", "process-count-differs-from-devices", process_count_differs_from_devices, Step),
    Rule("FTC844", "launcher-needs-rendezvous", launcher_needs_rendezvous, Run),
    Rule("FTC846", "world-size-variable-differs-from-job", world_size_variable_differs_from_job, Run),
    Rule("FTC847", "mpi-process-count-differs-from-job", mpi_process_count_differs_from_job, Run),
    Rule("FTC839", "accelerate-config-differs-from-job", accelerate_config_differs_from_job, Run),
)
