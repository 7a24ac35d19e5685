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
from ftc.rules.launch.world_size import NODES, is_set
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.method import DeepSpeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import Position
    from ftc.manifests.launch import Launch
    from ftc.plan.types import RunPlan

# Rules on a spec.


def pods_need_cluster_dns(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods resolve each other's names through the cluster DNS.

    With `Default` they use the name server of the node, which cannot resolve pods. Every node then waits for rank 0 and
    fails after 300 seconds.
    Source: Kubernetes, DNS for Services and Pods (Pod's DNS Policy).

    Wrong: nodes=2 pod.spec.dnsPolicy=Default
    Right: nodes=2 pod.spec.dnsPolicy=ClusterFirst
    """
    if spec.nodes > 1 and with_fragments(run)["spec"].get("dnsPolicy") == "Default":
        message = f"the name server of the node cannot resolve the {spec.nodes} pods"
        yield Finding(set_by(run, "spec", "dnsPolicy"), message, "leave it out", (("nodes",),))


def rendezvous_port_in_use(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other container of the pod listens on the port of rank 0.

    The containers of a pod share its ports, so torchrun fails with EADDRINUSE.
    Source: Kubernetes, Pods (Pod networking).

    Wrong: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 29500}]}]}}'
    Right: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 9090}]}]}}'
    """
    alone = spec.processes == 1 and not isinstance(spec.engine, DeepSpeed)
    for path, container in containers(spec) if not alone else ():
        stays_running = path[-2] == "containers" or container.get("restartPolicy") == "Always"
        for index, port in enumerate(container.get("ports", []) if stays_running else ()):
            same = port["containerPort"] == spec.master_port and port.get("protocol", "TCP") == "TCP"
            if same and container["name"] != NAME:
                message = f"{container['name']} listens on {spec.master_port}, the port of rank 0"
                yield Finding((*path, "ports", index), message, "choose another port, or another master_port")


_STRING_LIMIT = 120_000


def host_list_too_long(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of all hosts fit into one variable.

    Volcano's svc plugin writes them into VC_WORKER_HOSTS, and Linux limits one string to 128 KiB (MAX_ARG_STRLEN). The
    containers would not start.
    Source: Volcano, pkg/controllers/job/plugins/svc; Linux, execve(2).

    Wrong: nodes=5000
    Right: nodes=1000
    """
    host = len(run.object_name) * 2 + len(f"-worker-{run.nodes}.,")
    if run.nodes * host > _STRING_LIMIT:
        message = f"the names of {run.nodes} nodes do not fit into one variable"
        yield Finding(("nodes",), message, f"use {_STRING_LIMIT // host} nodes at most, or a shorter name")


# Rules on manifests.


_RANK = {"torchrun": ("node_rank",), "accelerate": ("machine_rank",), "deepspeed": ("node_rank",)}


_ADDRESS = {
    "torchrun": ("master_addr", "rdzv_endpoint"),
    "accelerate": ("main_process_ip",),
    "deepspeed": ("master_addr",),
}


_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0", "::1")  # noqa: S104 - what users write


def duplicate_or_missing_node_rank(run: Run) -> Iterator[Finding]:
    """Each node has a different rank, and one of them is 0.

    If a template gives every pod the same constant, all of them have that rank: they hang, or fail with EADDRINUSE.
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
            who = f"{pods} pods have" if pods >= MANY else f"the pods of '{seen[text].pod.crew.name}' also have"
            yield Finding(spot_of(step, word), f"{who} rank {text}", _use_index(run.job))
        if text is not None:
            seen.setdefault(text, step)
    yield from _overlapping_ranks(run)


def _overlapping_ranks(run: Run) -> Iterator[Finding]:
    """Tasks that compute ranks from their pods' indexes: the ranges must not overlap, and one must start at 0."""
    numbers: dict[str, range] = {}
    words: list[tuple[Step, Word]] = []
    for step, launch in run.launches:
        word = launch.option(*_RANK.get(launch.tool, ())) or given_once(step, launch, "NODE_RANK")
        first = _first_rank(step, word) if word is not None else None
        if word is None or first is None or step.pod.replicas is None or step.pod.crew.name in numbers:
            return
        numbers[step.pod.crew.name] = range(first, first + step.pod.replicas)
        words.append((step, word))
    if len(numbers) < MANY or len(numbers) < len(run.trains):
        return
    taken: list[tuple[str, range]] = []
    for (step, word), (name, ranks) in zip(words, numbers.items(), strict=True):
        other = next((one for one, used in taken if used.start < ranks.stop and ranks.start < used.stop), "")
        if other and step.value(word) is None:
            message = f"the ranks of '{name}' start at {ranks.start} and overlap those of '{other}'"
            help_ = f"add {max(used.stop for _, used in taken)} to the index of the task"
            yield Finding(spot_of(step, word), message, help_)
        taken.append((name, ranks))
    if all(ranks.start for ranks in numbers.values()):
        step, word = words[0]
        yield Finding(spot_of(step, word), "no pod has rank 0", "start at 0")


_SHIFTED = re.compile(r"\$\(\(\s*\$?\{?V[CK]_TASK_INDEX\}?\s*(?:\+\s*([0-9]{1,6})\s*)?\)\)")


def _first_rank(step: Step, word: Word) -> int | None:
    """The rank of a task's first pod: a number, the index, or the index plus a number."""
    value = _resolved(step, word)
    text = step.value(value)
    if text is not None and step.pod.replicas == 1:
        return number_in(text)
    if set(value.names) & set(INDEX) and len(value.parts) == 1:
        return 0
    shifted = _SHIFTED.fullmatch(value.raw.strip('"'))
    return int(shifted[1] or 0) if shifted else None


def _use_index(job: Job) -> str:
    return f"use ${job.index}, with plugin env" if job.volcano else f"use ${job.index}"


def master_address_is_not_rank_0(run: Run) -> Iterator[Finding]:
    """All nodes use the address of rank 0.

    A pod that uses its own address waits for itself, and the name of a pod in another job or task does not resolve.
    Source: LLaMA-Factory, issues 7326 and 3715; Volcano, plugin svc: `<job>-<task>-0.<job>`.

    Wrong: tests/corpus/bad/FTC843-each-meets-itself.yaml
    Right: tests/corpus/good/FTC843-first-of-the-hosts.yaml
    """
    possible = worlds(run)
    if possible is None or min(possible) < MANY:
        return
    reported: set[Position] = set()
    for step, launch in run.launches:
        word = launch.option(*_ADDRESS.get(launch.tool, ())) or given_once(step, launch, "MASTER_ADDR")
        if word is None:
            continue
        place = spot_of(step, word)
        own = (
            "" if launch.option("hostfile", "H") else _differs_by_pod(step, word)
        )  # over ssh one pod starts the others
        message = own or _not_in_job(run.job, step.value(word)) or _lists_several(step, word)
        message = message or _not_rank_0(run, step, launch, step.value(word))
        if message and place.position() not in reported:
            reported.add(place.position())
            yield Finding(place, message, _use_rank_0(run.job))
    for step in run.steps:
        given = step.environment.get("MASTER_ADDR")
        if given is not None and given.index is not None and given.value is not None and not step.init:
            local = given.value in _LOCAL and (step.pod.replicas or 0) >= MANY
            if message := (f"{given.value} means the pod itself, not rank 0" if local else "") or _not_in_job(
                run.job, given.value
            ):
                yield Finding(step.at("env", given.index), message, _use_rank_0(run.job))


def _differs_by_pod(step: Step, word: Word) -> str:
    """Why an address differs in each pod; the only pod of a template may use its own."""
    text = step.value(word)
    if (step.pod.replicas or 0) < MANY:
        return ""
    if text is not None and re.sub(r":[0-9]+$", "", text) in _LOCAL:
        return f"{text} means the pod itself, not rank 0"
    word = _resolved(step, word)
    if re.search(r"\$\(\s*hostname\b", word.raw) or "HOSTNAME" in word.names:
        return "each pod uses its own name"
    fields = {step.environment.variables[name].field for name in word.names if name in step.environment}
    return "each pod uses its own address" if fields & {"status.podIP", "metadata.name", "status.hostIP"} else ""


def _not_rank_0(run: Run, step: Step, launch: Launch, address: str | None) -> str:
    """Why the address is not that of rank 0, if the ranks are the pods' indexes."""
    rank = launch.option(*_RANK.get(launch.tool, ())) or given_once(step, launch, "NODE_RANK")
    numbered = re.fullmatch(r".*-([0-9]{1,4})", (address or "").partition(".")[0])
    counted = len(run.job.crews) == 1 and rank is not None and _is_index(step, rank)
    if not counted or numbered is None or not (numbered[0]).startswith(run.job.metadata.name or "?"):
        return ""
    return f"{numbered[0]} has rank {int(numbered[1])}, not rank 0" if int(numbered[1]) else ""


def _is_index(step: Step, word: Word) -> bool:
    """Whether a rank is the index of the pod."""
    value = _resolved(step, word)
    return len(value.parts) == 1 and bool({*INDEX, "JOB_COMPLETION_INDEX", "PET_NODE_RANK"} & {*value.names})


def _lists_several(step: Step, word: Word) -> str:
    """Why a variable does not hold one address: it lists several pods."""
    match _resolved(step, word).parts:
        case (Expansion(name=name, operator=""),):
            crews = {f"VC_{variable_part(crew.name)}_HOSTS": crew.replicas or 0 for crew in step.pod.job.crews}
            count = crews.get(name, 0) if name in step.environment else 0
            return f"{name} lists {count} pods, not one address" if count >= MANY else ""
    return ""


def _resolved(step: Step, word: Word) -> Word:
    """The value of `$NAME` if the script sets the variable in one place, otherwise the word itself."""
    found = [one for one in step.script.assignments if one.name in word.names]
    only = found[0].value if len(found) == 1 and len(word.parts) == 1 and not found[0].context.branch else None
    return only if only is not None else word


def _not_in_job(job: Job, address: str | None) -> str:
    """Why an address that looks like a pod of this job does not belong to one."""
    host = re.sub(r":[0-9]+$", "", address or "").split(".")
    name = job.metadata.name or job.metadata.generate_name
    service = _service(job)
    ours = host[0].startswith(name.rstrip("-")) or (len(host) > 1 and host[1] == service)
    if not name or not ours or job.kind is Kind.POD or job.total is None:
        return ""
    if not job.metadata.name:
        return f"{address} is not reliable: the job's name is generated"
    if host[0] not in _pods(job):
        return f"pod {host[0]} is not part of the job"
    if len(host) > 1 and service and host[1] != service:
        return f"pod {host[0]} is in the domain of Service {service}, not {host[1]}"
    return f"{host[0]} does not resolve without its Service: {host[0]}.{service}" if len(host) == 1 and service else ""


def _service(job: Job) -> str:
    """The Service in whose domain the names of the pods are."""
    if job.batch:
        return job.crews[0].template.spec.subdomain
    return (job.job_set.network.subdomain if job.job_set and job.job_set.network else "") or job.metadata.name


_MOST_PODS = 999


def _pods(job: Job) -> set[str]:
    """The names of the pods."""
    prefixes = [(job.metadata.name if job.batch else f"{job.metadata.name}-{crew.name}", crew) for crew in job.crews]
    if job.job_set is not None:
        counts = zip(prefixes, job.job_set.replicated_jobs, strict=True)
        prefixes = [(f"{name}-{i}", crew) for (name, crew), one in counts for i in range(min(one.replicas, _MOST_PODS))]
    return {f"{name}-{i}" for name, crew in prefixes for i in range(min(crew.replicas or 0, _MOST_PODS))}


def _use_rank_0(job: Job) -> str:
    """The remedy: the address of rank 0."""
    if job.batch:
        return "use <job>-0.<subdomain>"
    if job.job_set:
        trained = any(crew.added for crew in job.crews)
        return "use $PET_MASTER_ADDR" if trained else f"use <jobset>-{job.crews[0].name}-0-0.<jobset>"
    return f"use ${{VC_{job.crews[0].name.upper().replace('-', '_')}_HOSTS%%,*}}, with plugin svc"


_PORTS = range(1, 65536)


def master_port_differs_between_nodes(run: Run) -> Iterator[Finding]:
    """All nodes of a training use the same port.

    A task with a different port, or without one if the launcher's default differs, waits until the rendezvous times
    out.
    Source: torchrun, --master_port, 29500 by default; accelerate, --main_process_port.

    Wrong: tests/corpus/bad/FTC849-two-ports.yaml
    Right: tests/corpus/good/FTC849-one-port.yaml
    """
    ports: dict[str, tuple[str, str]] = {}
    for step, launch in run.launches:
        word = launch.option("master_port", "main_process_port")
        text = step.value(word) if word is not None else _PORT if launch.tool == "torchrun" else None
        nodes = launch.option(*NODES.get(launch.tool, ()))
        alone = nodes is None or step.value(nodes) == "1" or launch.meets or launch.partly
        if alone or text is None or (word is None and is_set(step, launch, "PET_MASTER_PORT")):
            continue
        port, name = ports.setdefault(launch.tool, (text, step.pod.crew.name))
        if port != text and name != step.pod.crew.name:
            place = spot_of(step, word or launch.command.words[0])
            yield Finding(place, f"uses port {text}, but the pods of '{name}' use {port}", f"write {port}")


_PORT = "29500"


def invalid_master_port(step: Step) -> Iterator[Finding]:
    """The rendezvous port is a valid port number.

    Otherwise the launcher stops at once, or waits until its timeout.
    Source: torchrun, --master_port; accelerate, --main_process_port; LLaMA-Factory, launcher.py (MASTER_PORT).

    Wrong: tests/corpus/bad/FTC848-port-of-six-digits.yaml
    Right: tests/corpus/good/FTC848-port-of-five-digits.yaml
    """
    for launch in step.launches:
        word = launch.option("master_port", "main_process_port") or given_once(step, launch, "MASTER_PORT")
        text = step.value(word) if word is not None else None
        if word is not None and text is not None and number_in(text) not in _PORTS:
            yield Finding(
                spot_of(step, word), f"'{text}' is not a valid port", "use a port from 1024 to 65535, such as 29500"
            )


RULES = (
    Rule("FTC131", "pods-need-cluster-dns", pods_need_cluster_dns, JobSpec),
    Rule("FTC132", "rendezvous-port-in-use", rendezvous_port_in_use, JobSpec),
    Rule("FTC512", "host-list-too-long", host_list_too_long, JobSpec, target="volcano"),
    Rule("FTC842", "duplicate-or-missing-node-rank", duplicate_or_missing_node_rank, Run),
    Rule("FTC843", "master-address-is-not-rank-0", master_address_is_not_rank_0, Run),
    Rule("FTC848", "invalid-master-port", invalid_master_port, Step),
    Rule("FTC849", "master-port-differs-between-nodes", master_port_differs_between_nodes, Run),
)
