"""Rules on the rendezvous: node ranks, the address and the port of rank 0."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.manifests.environment import INDEX, variable_part
from ftc.manifests.objects import Kind
from ftc.manifests.shell.script import Expansion, Word
from ftc.manifests.steps import Run, Step, given_once, number_in, spot_of, worlds
from ftc.manifests.subjects import MANY, Job
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.rules.given import containers, set_by
from ftc.rules.launch.world_size import NODES, is_given
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.method import DeepSpeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import Position
    from ftc.manifests.launch import Launch
    from ftc.plan.types import RunPlan

# Rules on a spec.


def names_resolve(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods ask the cluster's name server for each other.

    With `Default` they ask that of the node (Kubernetes, "Pod's DNS Policy"), which knows no pod: every node waits for
    rank 0 and fails after 300 seconds.

    Wrong: nodes=2 pod.spec.dnsPolicy=Default
    Right: nodes=2 pod.spec.dnsPolicy=ClusterFirst
    """
    if spec.nodes > 1 and with_fragments(run)["spec"].get("dnsPolicy") == "Default":
        message = f"the node's name server, which it asks, does not know the {spec.nodes} pods"
        yield Finding(set_by(spec, "spec", "dnsPolicy"), message, "leave it out", (("nodes",),))


def port_is_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other container of the pod listens where rank 0 does.

    The containers of a pod share its ports: torchrun then fails with EADDRINUSE.

    Wrong: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 29500}]}]}}'
    Right: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 9090}]}]}}'
    """
    alone = spec.processes == 1 and not isinstance(spec.engine, DeepSpeed)
    for path, container in containers(spec) if not alone else ():
        runs_beside = path[-2] == "containers" or container.get("restartPolicy") == "Always"
        for index, port in enumerate(container.get("ports", []) if runs_beside else ()):
            same = port["containerPort"] == spec.master_port and port.get("protocol", "TCP") == "TCP"
            if same and container["name"] != NAME:
                message = f"{container['name']} listens on {spec.master_port}, as rank 0 does"
                yield Finding((*path, "ports", index), message, "choose another port, or another master_port")


_STRING_LIMIT = 120_000


def host_list_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of all hosts fit into one variable.

    Volcano's svc plugin puts them into VC_WORKER_HOSTS, and Linux takes 128 KiB in one string (MAX_ARG_STRLEN): no
    container would start.

    Wrong: nodes=5000
    Right: nodes=1000
    """
    host = len(run.object_name) * 2 + len(f"-worker-{run.nodes}.,")
    if run.nodes * host > _STRING_LIMIT:
        message = f"the names of {run.nodes} nodes are too long for one variable"
        yield Finding(("nodes",), message, f"use {_STRING_LIMIT // host} nodes at most, or a shorter name")


# Rules on manifests.


_RANK = {"torchrun": ("node_rank",), "accelerate": ("machine_rank",), "deepspeed": ("node_rank",)}


_ADDRESS = {
    "torchrun": ("master_addr", "rdzv_endpoint"),
    "accelerate": ("main_process_ip",),
    "deepspeed": ("master_addr",),
}


_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0", "::1")  # noqa: S104 - what users write


def nodes_have_ranks(run: Run) -> Iterator[Finding]:
    """Each node has a rank of its own, and one of them is 0.

    The same constant in every pod of a template makes all of them that rank: they hang, or fail with EADDRINUSE.
    Source: torchrun, --node_rank; LLaMA-Factory reads NODE_RANK, not RANK, since 0.9.1 (issues 6015, 9350).

    Wrong: tests/corpus/bad/FTC842-all-are-rank-0.yaml
    Right: tests/corpus/good/FTC842-rank-from-the-index.yaml
    """
    possible = worlds(run)
    if possible is None or max(possible) < MANY:
        return
    seen: dict[str, Step] = {}
    for step, launch in run.launches:
        word = launch.option(*_RANK.get(launch.tool, ()))
        if launch.tool == "llamafactory":
            word = given_once(step, launch, "NODE_RANK")
        text = step.value(word) if word is not None else None
        pods = step.pod.replicas or 0
        if word is not None and text is not None and (pods >= MANY or text in seen):
            who = f"{pods} pods" if pods >= MANY else f"the pods of '{seen[text].pod.crew.name}', too,"
            yield Finding(spot_of(step, word), f"{who} are rank {text}", _index(run.job))
        if text is not None:
            seen.setdefault(text, step)
    yield from _counted_twice(run)


def _counted_twice(run: Run) -> Iterator[Finding]:
    """Where tasks count their pods from numbers of their own: those of two tasks are apart, and begin at 0."""
    numbers: dict[str, range] = {}
    words: list[tuple[Step, Word]] = []
    for step, launch in run.launches:
        word = launch.option(*_RANK.get(launch.tool, ())) or given_once(step, launch, "NODE_RANK")
        first = _first_number(step, word) if word is not None else None
        if word is None or first is None or step.pod.replicas is None or step.pod.crew.name in numbers:
            return
        numbers[step.pod.crew.name] = range(first, first + step.pod.replicas)
        words.append((step, word))
    if len(numbers) < MANY or len(numbers) < len(run.trains):
        return
    taken: list[tuple[str, range]] = []
    for (step, word), (name, ranks) in zip(words, numbers.items(), strict=True):
        other = next((one for one, held in taken if held.start < ranks.stop and ranks.start < held.stop), "")
        if other and step.value(word) is None:
            message = f"the pods of '{name}' count from {ranks.start}, and those of '{other}' have numbers of theirs"
            help_ = f"add {max(held.stop for _, held in taken)} to the index of the task"
            yield Finding(spot_of(step, word), message, help_)
        taken.append((name, ranks))
    if all(ranks.start for ranks in numbers.values()):
        step, word = words[0]
        yield Finding(spot_of(step, word), "no pod is rank 0", "count from 0")


_SHIFTED = re.compile(r"\$\(\(\s*\$?\{?V[CK]_TASK_INDEX\}?\s*(?:\+\s*([0-9]{1,6})\s*)?\)\)")


def _first_number(step: Step, word: Word) -> int | None:
    """The rank of a task's first pod: a number, the index, or the index and a number."""
    held = _set_once(step, word)
    text = step.value(held)
    if text is not None and step.pod.replicas == 1:
        return number_in(text)
    if set(held.names) & set(INDEX) and len(held.parts) == 1:
        return 0
    shifted = _SHIFTED.fullmatch(held.raw.strip('"'))
    return int(shifted[1] or 0) if shifted else None


def _index(job: Job) -> str:
    return "use $JOB_COMPLETION_INDEX" if job.batch else "use $VC_TASK_INDEX, with plugin env"


def all_meet_at_rank_0(run: Run) -> Iterator[Finding]:
    """The address that the nodes meet at is rank 0's, the same for all.

    Each pod that meets at its own address waits for itself; a name of another job or task resolves to nothing.
    Source: LLaMA-Factory issues 7326, 3715; Volcano, plugin svc: `<job>-<task>-0.<job>`.

    Wrong: tests/corpus/bad/FTC843-each-meets-itself.yaml
    Right: tests/corpus/good/FTC843-first-of-the-hosts.yaml
    """
    possible = worlds(run)
    if possible is None or min(possible) < MANY:
        return
    told: set[Position] = set()
    for step, launch in run.launches:
        word = launch.option(*_ADDRESS.get(launch.tool, ())) or given_once(step, launch, "MASTER_ADDR")
        if word is None:
            continue
        place = spot_of(step, word)
        message = _own(step, word) or _elsewhere(run.job, step.value(word)) or _of_many(step, word)
        message = message or _not_first(run, step, launch, step.value(word))
        if message and place.position() not in told:
            told.add(place.position())
            yield Finding(place, message, _first(run.job))
    for step in run.steps:
        given = step.environment.get("MASTER_ADDR")
        if given is not None and given.index is not None and given.value is not None and not step.init:
            local = given.value in _LOCAL and (step.pod.replicas or 0) >= MANY
            if message := (f"{given.value} is each pod itself" if local else "") or _elsewhere(run.job, given.value):
                yield Finding(step.at("env", given.index), message, _first(run.job))


def _own(step: Step, word: Word) -> str:
    """Why an address is another in each pod; where one pod is made of the template, it may give its own."""
    text = step.value(word)
    if (step.pod.replicas or 0) < MANY:
        return ""
    if text is not None and re.sub(r":[0-9]+$", "", text) in _LOCAL:
        return f"{text} is each pod itself"
    word = _set_once(step, word)
    if re.search(r"\$\(\s*hostname\b", word.raw) or "HOSTNAME" in word.names:
        return "each pod gives its own name"
    fields = {step.environment.variables[name].field for name in word.names if name in step.environment}
    return "each pod gives its own address" if fields & {"status.podIP", "metadata.name", "status.hostIP"} else ""


def _not_first(run: Run, step: Step, launch: Launch, address: str | None) -> str:
    """Why a pod of the job is not rank 0: the ranks are the pods' own numbers."""
    rank = launch.option(*_RANK.get(launch.tool, ())) or given_once(step, launch, "NODE_RANK")
    numbered = re.fullmatch(r".*-([0-9]{1,4})", (address or "").partition(".")[0])
    counted = len(run.job.crews) == 1 and rank is not None and _counts_pods(step, rank)
    if not counted or numbered is None or not (numbered[0]).startswith(run.job.metadata.name or "?"):
        return ""
    return f"{numbered[0]} is rank {int(numbered[1])}, and they meet at rank 0" if int(numbered[1]) else ""


def _counts_pods(step: Step, word: Word) -> bool:
    """Whether a rank is the pod's number."""
    held = _set_once(step, word)
    return len(held.parts) == 1 and bool({*INDEX, "JOB_COMPLETION_INDEX"} & {*held.names})


def _of_many(step: Step, word: Word) -> str:
    """Why a variable holds no address: it lists those of several pods."""
    match _set_once(step, word).parts:
        case (Expansion(name=name, operator=""),):
            crews = {f"VC_{variable_part(crew.name)}_HOSTS": crew.replicas or 0 for crew in step.pod.job.crews}
            count = crews.get(name, 0) if name in step.environment else 0
            return f"{name} lists {count} pods, and an address is one" if count >= MANY else ""
    return ""


def _set_once(step: Step, word: Word) -> Word:
    """What a variable is set to, for `$NAME` that the script sets in one place."""
    held = [one for one in step.script.assignments if one.name in word.names]
    only = held[0].value if len(held) == 1 and len(word.parts) == 1 and not held[0].context.branch else None
    return only if only is not None else word


def _elsewhere(job: Job, address: str | None) -> str:
    """Why a name of this job's own form is no pod of it."""
    host = re.sub(r":[0-9]+$", "", address or "").split(".")
    name = job.metadata.name or job.metadata.generate_name
    service = (job.crews[0].template.spec.subdomain or "") if job.batch else job.metadata.name
    ours = host[0].startswith(name.rstrip("-")) or (len(host) > 1 and host[1] == service)
    if not name or not ours or job.kind is Kind.POD:
        return ""
    if not job.metadata.name:
        return f"{address} cannot be known: the job's name is generated"
    crews = [(crew.name, crew.replicas or 0) for crew in job.crews]
    pods = {
        f"{name}-{crew}-{i}" if job.volcano else f"{name}-{i}" for crew, count in crews for i in range(min(count, 999))
    }
    if host[0] not in pods:
        return f"the job has no pod {host[0]}"
    if len(host) > 1 and service and host[1] != service:
        return f"pod {host[0]} is in the domain of Service {service}, not {host[1]}"
    return f"{host[0]} alone is no name of a pod: it is {host[0]}.{service}" if len(host) == 1 and service else ""


def _first(job: Job) -> str:
    """What rank 0 is called."""
    if job.batch:
        return "use <job>-0.<subdomain>"
    return f"use ${{VC_{job.crews[0].name.upper().replace('-', '_')}_HOSTS%%,*}}, with plugin svc"


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
        nodes = launch.option(*NODES.get(launch.tool, ()))
        alone = nodes is None or step.value(nodes) == "1" or launch.meets or launch.partly
        if alone or text is None or (word is None and is_given(step, launch, "PET_MASTER_PORT")):
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
    Rule("FTC131", "pods-need-cluster-dns", names_resolve, JobSpec),
    Rule("FTC132", "rendezvous-port-in-use", port_is_free, JobSpec),
    Rule("FTC512", "host-list-too-long", host_list_fits, JobSpec, target="volcano"),
    Rule("FTC842", "duplicate-or-missing-node-rank", nodes_have_ranks, Run),
    Rule("FTC843", "master-address-is-not-rank-0", all_meet_at_rank_0, Run),
    Rule("FTC848", "invalid-master-port", ports_are_ports, Step),
    Rule("FTC849", "master-port-differs-between-nodes", nodes_meet_at_one_port, Run),
)
