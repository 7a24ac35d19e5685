"""Rules on the commands that start a training: they know how many pods and devices there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step
from ftc.lint.subjects import MANY, Job
from ftc.lint.world import given_once, number_in, spot_of, worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.launch import Launch
    from ftc.lint.shell.script import Word
    from ftc.lint.text import Spot


_NODES = {"torchrun": ("nnodes",), "accelerate": ("num_machines",), "deepspeed": ("num_nodes",)}


_PROCESSES = {"torchrun": ("nproc_per_node",), "deepspeed": ("num_gpus", "num_accelerators")}


def all_nodes_take_part(run: Run) -> Iterator[Finding]:
    """The launcher is told as many nodes as the job has pods.

    With more it waits for pods that do not exist until the rendezvous times out; with fewer the rest is left over.
    Source: torchrun, --nnodes; accelerate, --num_machines; LLaMA-Factory, launcher.py (NNODES).

    Wrong: tests/corpus/bad/FTC840-three-nodes-of-two.yaml
    Right: tests/corpus/good/FTC840-as-many-as-replicas.yaml
    """
    possible = worlds(run)
    for step, launch in run.launches if possible else ():
        for word, low, high in _told_nodes(step, launch):
            if not any(low <= world <= high for world in possible or ()):
                said = str(low) if low == high else f"{low} to {high}"
                message = f"{launch.tool} is told {said} nodes, and the job has {run.job.total} pods"
                yield Finding(spot_of(step, word), message, f"write {run.job.total}, or change the replicas")


def _told_nodes(step: Step, launch: Launch) -> Iterator[tuple[Word, int, int]]:
    word = launch.option(*_NODES.get(launch.tool, ()))
    text = step.value(word) if word is not None else None
    if word is not None and text is not None:
        low, _, high = text.partition(":")
        first, last = number_in(low), number_in(high or low)
        if first is not None and last is not None:
            yield word, first, last


def devices_are_used(step: Step) -> Iterator[Finding]:
    """There are as many processes in a pod as it has devices.

    With more a process finds no device (invalid device ordinal), with fewer some stand idle.
    Source: torchrun, --nproc_per_node; LLaMA-Factory, launcher.py (NPROC_PER_NODE).

    Wrong: tests/corpus/bad/FTC841-eight-processes-four-devices.yaml
    Right: tests/corpus/good/FTC841-a-process-a-device.yaml
    """
    devices = step.devices
    for launch in step.launches if devices else ():
        word = launch.option(*_PROCESSES.get(launch.tool, ()))
        processes = number_in(step.value(word)) if word is not None else None
        if word is not None and processes is not None and processes != devices:
            yield _unequal(spot_of(step, word), processes, devices or 0)
        yield from _idle(step, launch)
        nodes = launch.option("num_machines")
        total = launch.option("num_processes")
        count = number_in(step.value(total)) if total is not None and launch.tool == "accelerate" else None
        machines = 1 if nodes is None else number_in(step.value(nodes))
        alone = total is None or count is None or not machines or (nodes is None and "config_file" in launch.options)
        right = (machines or 0) * (devices or 0)
        if total is not None and not alone and count != right:
            message = f"{count} processes on {machines} nodes, and each has {devices} devices"
            yield Finding(spot_of(step, total), message, f"num_processes counts all nodes: {right}")


def _idle(step: Step, launch: Launch) -> Iterator[Finding]:
    """Torchrun starts one process where nothing is said of their number."""
    said = launch.partly or "nproc_per_node" in launch.options or _given(step, launch, "PET_NPROC_PER_NODE")
    if launch.tool == "torchrun" and not said and (step.devices or 0) >= MANY:
        message = f"torchrun starts one process, and the container has {step.devices} devices"
        help_ = f"add --nproc_per_node={step.devices}"
        yield Finding(spot_of(step, launch.command.words[0]), message, help_, Severity.WARNING)


def _unequal(spot: Spot, processes: int, devices: int) -> Finding:
    severity = Severity.ERROR if processes > devices else Severity.WARNING
    message = f"{processes} processes for {devices} devices of the container"
    return Finding(spot, message, f"write {devices}, or change the limit", severity)


_CLI = ("NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


def launchers_know_of_the_others(run: Run) -> Iterator[Finding]:
    """A launcher in several pods is told that there are others, who they are and where they meet.

    torchrun without --nnodes, accelerate without --num_machines and llamafactory-cli without FORCE_TORCHRUN or NNODES
    train alone in each pod, and end without an error. Without MASTER_PORT each node takes a port of its own choice.
    Source: LLaMA-Factory, launcher.py; torchrun's defaults; accelerate, commands/launch.py.

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
        if missing:
            message = f"{launch.tool} runs in {run.job.total} pods without {' and '.join(missing)}"
            kept = [name for name in missing if any(one.name == name for one in step.script.assignments)]
            help_ = f"the script sets it for itself: export {' '.join(kept)}" if kept else _complete(run.job, launch)
            yield Finding(spot_of(step, launch.command.words[0]), message, help_)


def _missing(step: Step, launch: Launch) -> list[str]:
    options = launch.options
    if launch.tool == "llamafactory":
        return _missing_variables(step, launch)
    if launch.tool == "torchrun":
        if "nnodes" not in options and not _given(step, launch, "PET_NNODES"):
            return ["--nnodes"]
        alone = "rdzv_endpoint" not in options and not _given(step, launch, "PET_NODE_RANK")
        return [f"--{name}" for name in ("node_rank", "master_addr") if name not in options] if alone else []
    if launch.tool == "accelerate" and "config_file" not in options:
        return [f"--{name}" for name in ("num_machines", "machine_rank", "main_process_ip") if name not in options]
    return []


def _missing_variables(step: Step, launch: Launch) -> list[str]:
    elastic = _given(step, launch, "RDZV_ID")
    missing = [name for name in _CLI if not _given(step, launch, name) and not (elastic and name == "NODE_RANK")]
    forced = step.devices != 1 or _given(step, launch, "FORCE_TORCHRUN")
    return missing if "NNODES" in missing or forced else ["FORCE_TORCHRUN=1", *missing]


def _given(step: Step, launch: Launch, name: str) -> bool:
    own = any(setting.name == name for setting in launch.command.settings)
    return own or name in step.environment or step.script.exports(name)


def _complete(job: Job, launch: Launch) -> str:
    index = "$JOB_COMPLETION_INDEX" if job.batch else "$VC_TASK_INDEX"
    if launch.tool == "llamafactory":
        values = f"NNODES={job.total} NODE_RANK={index} MASTER_ADDR=… MASTER_PORT=29500"
        return f"set FORCE_TORCHRUN=1 {values}"
    if launch.tool == "torchrun":
        return f"add --nnodes={job.total} --node_rank={index} --master_addr=… --master_port=29500"
    return f"add --num_machines {job.total} --machine_rank {index} --main_process_ip … --main_process_port 29500"


def switches_are_on(step: Step) -> Iterator[Finding]:
    """A switch of LLaMA-Factory is written 1, true or y.

    It takes any other word for off: FORCE_TORCHRUN=yes starts no torchrun.
    Source: LLaMA-Factory, extras/misc.py (is_env_enabled).

    Wrong: tests/corpus/bad/FTC845-yes-is-no.yaml
    Right: tests/corpus/good/FTC845-one-is-yes.yaml
    """
    for launch in step.launches:
        if launch.tool != "llamafactory":
            continue
        word = given_once(step, launch, "FORCE_TORCHRUN")
        variable = step.environment.get("FORCE_TORCHRUN")
        text = step.value(word) if word is not None else variable.value if variable is not None else None
        if text is not None and text.lower() in ("yes", "on", "t", "enable", "enabled"):
            index = variable.index if variable is not None else None
            place = spot_of(step, word) if word is not None else step.at("env", index or 0)
            yield Finding(place, f"llamafactory-cli takes FORCE_TORCHRUN={text} for off", "write FORCE_TORCHRUN=1")


_PORTS = range(1, 65536)


def nodes_meet_at_one_port(run: Run) -> Iterator[Finding]:
    """All nodes of a training are told the same port.

    A task that is told another one, or none where that is not the launcher's own, waits until the rendezvous times out.
    Source: torchrun, --master_port, 29500 where it is not given; accelerate, --main_process_port.

    Wrong: tests/corpus/bad/FTC849-two-ports.yaml
    Right: tests/corpus/good/FTC849-one-port.yaml
    """
    told: dict[str, tuple[str, str]] = {}
    for step, launch in run.launches:
        word = launch.option("master_port", "main_process_port")
        text = step.value(word) if word is not None else _PORT if launch.tool == "torchrun" else None
        nodes = launch.option(*_NODES.get(launch.tool, ()))
        alone = nodes is None or step.value(nodes) == "1" or launch.meets or launch.partly
        if alone or text is None or (word is None and _given(step, launch, "PET_MASTER_PORT")):
            continue
        port, name = told.setdefault(launch.tool, (text, step.pod.crew.name))
        if port != text and name != step.pod.crew.name:
            place = spot_of(step, word or launch.command.words[0])
            yield Finding(place, f"meets at port {text}, and the pods of '{name}' at {port}", f"write {port}")


_PORT = "29500"


def ports_are_ports(step: Step) -> Iterator[Finding]:
    """The port that the nodes meet at is one.

    The launcher stops at once, or waits until its time-out.
    Source: torchrun, --master_port; accelerate, --main_process_port; LLaMA-Factory, launcher.py (MASTER_PORT).

    Wrong: tests/corpus/bad/FTC848-port-of-six-digits.yaml
    Right: tests/corpus/good/FTC848-port-of-five-digits.yaml
    """
    for launch in step.launches:
        word = launch.option("master_port", "main_process_port") or given_once(step, launch, "MASTER_PORT")
        text = step.value(word) if word is not None else None
        if word is not None and text is not None and number_in(text) not in _PORTS:
            yield Finding(spot_of(step, word), f"'{text}' is no port", "use 1024 to 65535: 29500")


RULES = (
    Rule("FTC840", all_nodes_take_part, Run),
    Rule("FTC841", devices_are_used, Step),
    Rule("FTC844", launchers_know_of_the_others, Run),
    Rule("FTC845", switches_are_on, Step),
    Rule("FTC848", ports_are_ports, Step),
    Rule("FTC849", nodes_meet_at_one_port, Run),
)
