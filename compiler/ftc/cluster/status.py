"""The state of runs, one line for each (phase, nodes, step, age, queue), and the table of `ftc status`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from ftc.cluster.cause import Cause, safe
from ftc.cluster.diagnose import diagnose, state_of
from ftc.cluster.gather import gather
from ftc.cluster.kinds import KINDS, kind_of, queue_of
from ftc.cluster.ranks import CHECKED, EVALUATED, current, is_ready, ranks, step_of, telling, verdict_of
from ftc.cluster.server import FORBIDDEN, MISSING, ServerError
from ftc.cluster.snapshot import Object, Snapshot, at, labels, name_of, owners, parsed, rows, uid_of
from ftc.diagnostics.columns import padded, width
from ftc.diagnostics.printable import escaped, inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftc.cluster.kinds import Kind
    from ftc.cluster.server import Server


_LOG_LINES = 100
# Requests: the groups, the kinds and the pods are six, and the log of each of the newest runs is one.
MOST_LOGS = 6
# What the status of a VolcanoJob states.
_PHASES = {"Aborted": "aborted", "Aborting": "aborted", "Restarting": "restarting"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Run(msgspec.Struct, frozen=True):
    """A run: what `ftc status` prints on its line."""

    name: str
    namespace: str
    kind: str
    """`VolcanoJob`, `Job`, `JobSet` or `TrainJob`."""
    phase: str
    """`pending`, `queued`, `suspended`, `running`, `restarting`, `aborted`, `completed`, `failed` or `deleting`."""
    nodes_ready: int
    nodes: int
    """The nodes that the run wants."""
    step: str
    """`fetch`, `train`, `merge`, `check`, `evaluate`, `push`, `done`, or the container of another run; empty before the
    first step.
    """
    progress: str
    """How far the step is: `340/1200`; empty if the log does not say."""
    created: datetime | None
    age: str
    """The time since the creation: `45s`, `22m`, `4h`, `3d`."""
    queue: str
    verdict: str = ""
    """The result of the check of the chat template; empty without the check or before the end of the container."""
    evaluation: str = ""
    """The numbers of the evaluation, or why it failed; empty without one or before the end of the container."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in ("completed", "failed")


class Runs(msgspec.Struct, frozen=True):
    """The runs of a namespace, the newest first; `unseen` says in sentences what the user may not list.

    `cause` says why a run that was asked for by its name does not run, if it does not.
    """

    namespace: str
    runs: tuple[Run, ...]
    unseen: tuple[str, ...] = ()
    cause: Cause | None = None


def every_run(server: Server) -> Runs:
    """All runs of the namespace. Raises ServerError if the server does not answer."""
    unseen: list[str] = []
    known = served(server)
    paths = {kind.name: f"{kind.path}/namespaces/{server.namespace}/{kind.plural}" for kind in known}
    found = [one for name, path in paths.items() for one in _listed(server, path, f"{name}s: they", unseen)]
    pods = _listed(server, f"/api/v1/namespaces/{server.namespace}/pods", "pods: the nodes and steps of runs", unseen)
    seen = snapshots(server.namespace, found, pods)
    logs_left = MOST_LOGS
    lines = []
    for one in seen:
        if logs_left and has_progress(one):
            logs_left -= 1
            lines.append(run(with_log(server, one)))
        else:
            lines.append(run(one))
    return Runs(server.namespace, tuple(lines), tuple(unseen))


def one_run(server: Server, name: str) -> Runs:
    """The run of this name, and why it does not run.

    Raises ServerError if the server does not answer; without such a run, `runs` is empty and `cause` says so.
    """
    snapshot = gather(server, name)
    causes = diagnose(snapshot).causes
    # A diagnosis reads the logs of the failures only, and a container may run again after one.
    shown = with_log(server, snapshot) if has_progress(snapshot) and not snapshot.logs else snapshot
    found = (run(shown),) if snapshot.workload else ()
    return Runs(server.namespace, found, snapshot.unseen, next(iter(causes), None))


def served(server: Server) -> list[Kind]:
    """The kinds whose API group the server has: it would refuse the others to a user without permissions."""
    try:
        groups = {str(one.get("name")) for one in rows(server.get("/apis"), "groups")}
    except ServerError as error:
        if error.status not in (FORBIDDEN, MISSING):
            raise
        return list(KINDS)
    return [kind for kind in KINDS if kind.group in groups]


def _listed(server: Server, path: str, what: str, unseen: list[str]) -> list[Object]:
    try:
        return server.pages(path)
    except ServerError as error:
        if error.status == FORBIDDEN:
            unseen.append(f"you may not list {what} are not shown")
        elif error.status != MISSING:  # the cluster does not know this kind
            raise
    return []


def snapshots(namespace: str, workloads: Iterable[Object], pods: Iterable[Object]) -> list[Snapshot]:
    """A snapshot for each workload that no other one owns, the newest first."""
    jobs = list(workloads)
    uids = {uid_of(one) for one in jobs}
    keys: dict[str, list[Object]] = {}
    for pod in pods:
        names = {labels(pod)[kind.found_by] for kind in KINDS if kind.found_by in labels(pod)}
        for key in (*owners(pod), *names):
            keys.setdefault(key, []).append(pod)
    now = datetime.now(UTC)
    tops = [one for one in jobs if not uids & set(owners(one))]
    tops.sort(key=lambda one: str(at(one, "metadata", "creationTimestamp") or ""), reverse=True)
    return [
        Snapshot(namespace, name_of(one), now, (one, *_once(keys.get(uid_of(one), []), keys.get(name_of(one), []))))
        for one in tops
    ]


def _once(*pods: list[Object]) -> list[Object]:
    return list({name_of(pod): pod for found in pods for pod in found}.values())


def has_progress(one: Snapshot) -> bool:
    """Whether the log of a run changes its line."""
    found = telling(one)
    return found is not None and found[1].is_running and state_of(one) != "completed"


def with_log(server: Server, one: Snapshot) -> Snapshot:
    """With the end of the log that says how far the run is."""
    found = telling(one)
    if found is None:
        return one
    pod, container = name_of(found[0]), found[1].name
    try:
        path = f"/api/v1/namespaces/{one.namespace}/pods/{pod}/log"
        text = server.text(path, container=container, tailLines=_LOG_LINES)
    except ServerError as error:
        if not error.status:
            raise
        return one  # the pod or its node has just gone, or the log may not be read
    return msgspec.structs.replace(one, logs={f"{pod}.{container}": text}, previous={})


def run(snapshot: Snapshot) -> Run:
    """The line of a run."""
    job = snapshot.workload or {}
    kind = kind_of(job)
    state = state_of(snapshot)
    step = step_of(snapshot, state)
    nodes = ranks(snapshot)
    created = at(job, "metadata", "creationTimestamp")
    return Run(
        name=snapshot.name,
        namespace=snapshot.namespace,
        kind=kind.name if kind else "",
        phase=_phase(snapshot, state),
        nodes_ready=sum(map(is_ready, nodes)),
        nodes=(kind.nodes(job) if kind else 0) or len(nodes),
        step=safe(step.name),
        progress=step.progress,
        created=parsed(created) if snapshot.age(created) else None,
        age=_age(snapshot.age(created)),
        queue=safe(queue_of(job)),
        verdict=verdict_of(snapshot, CHECKED),
        evaluation=verdict_of(snapshot, EVALUATED),
    )


def _phase(snapshot: Snapshot, state: str) -> str:
    """The phase in one word; `state` is that of the diagnosis."""
    job = snapshot.workload
    if at(job, "metadata", "deletionTimestamp"):
        return "deleting"
    if state in ("completed", "failed"):
        return state
    stated = _PHASES.get(str(at(job, "status", "state", "phase")), "")
    if stated:
        return stated
    if at(job, "spec", "suspend") is True:
        return "queued" if queue_of(job or {}) else "suspended"
    pods = ranks(snapshot)
    if any(one.waits == "CrashLoopBackOff" for one in filter(None, map(current, pods))):
        return "restarting"
    # Attempts that failed before do not count.
    runs = pods and all(at(pod, "status", "phase") in ("Running", "Succeeded") for pod in pods)
    return "running" if runs else state


def _age(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{max(int(seconds), 0)}s"
    if seconds < 3 * _HOUR:
        return f"{int(seconds / _MINUTE)}m"
    return f"{int(seconds / _HOUR)}h" if seconds < 2 * _DAY else f"{int(seconds / _DAY)}d"


HEADER = ("NAME", "PHASE", "NODES", "STEP", "AGE", "QUEUE")
_GAP = "  "
# The columns that a narrow terminal cuts, with the least that they keep.
_CUT = ((0, 20), (3, 12), (5, 8))


def cells(run: Run) -> tuple[str, ...]:
    """The cells of a run's line."""
    step = f"{run.step} {run.progress}".strip()
    found = (run.name, run.phase, f"{run.nodes_ready}/{run.nodes}", step, run.age, run.queue)
    return tuple(inert(escaped(one)) or "-" for one in found)


def table(runs: Sequence[Run], columns: int | None = None) -> list[str]:
    """The header and one line for each run, which fit a terminal of this width; without one, no name is cut."""
    lines = [HEADER, *map(cells, runs)]
    wide = [max(map(width, column)) for column in zip(*lines, strict=True)]
    for number, least in _CUT if columns else ():
        over = sum(wide) + len(_GAP) * (len(wide) - 1) - (columns or 0)
        if over > 0:
            wide[number] = min(wide[number], max(wide[number] - over, least))
    shown = ((padded(_cut(cell, room), room) for cell, room in zip(line, wide, strict=True)) for line in lines)
    return [_GAP.join(line).rstrip() for line in shown]


def _cut(text: str, columns: int) -> str:
    """A text without its middle: the end of a name tells runs apart. Names of Kubernetes are ASCII."""
    if width(text) <= columns:
        return text
    tail = columns // 2
    return f"{text[: columns - tail - 1]}…{text[-tail:]}"
