"""The pods of a run by rank, the container of a pod that matters now, and the step of the run.

The step comes from the containers, the `ftc:` lines of the log, and the progress bar of the trainer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.cause import safe
from ftc.cluster.snapshot import at, condition, containers, group_of, labels, name_of, rows, texts, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.snapshot import Object, Snapshot


# The index of a pod in its task or job, and of its job among those of a JobSet.
_INDEXES = ("volcano.sh/task-index", "batch.kubernetes.io/job-completion-index")
_JOB_INDEX = "jobset.sigs.k8s.io/job-index"
_TASKS = ("volcano.sh/task-spec", "jobset.sigs.k8s.io/replicatedjob-name")
# The jobs of Kubeflow Trainer that fetch the model and the dataset.
_PREPARES = "-initializer"
TRAIN = "train"
# The container waits for others of the pod, which have not failed.
_IN_TURN = ("", "PodInitializing", "ContainerCreating")


class Current(NamedTuple):
    """A container: its name, its status, and whether it has started at least once."""

    name: str
    status: Object

    @property
    def has_started(self) -> bool:
        """Whether it has a log, of this run or of the last one."""
        return any(at(self.status, *path) for path in (("state", "running"), ("state", "terminated"), ("lastState",)))

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return at(self.status, "state", "running") is not None

    @property
    def failed(self) -> Object | None:
        """How it ended, if it failed and has not started again."""
        ended = at(self.status, "state", "terminated") or at(self.status, "lastState", "terminated")
        return ended if isinstance(ended, dict) and ended.get("exitCode") and not self.is_running else None

    @property
    def waits(self) -> str:
        """The reason of the kubelet for which it waits, if it is more than its turn."""
        reason = str(at(self.status, "state", "waiting", "reason") or "")
        return "" if reason in _IN_TURN else reason


def ranks(run: Snapshot) -> list[Object]:
    """The newest pod of each rank: an attempt that failed may have left older ones."""
    tasks = [str(one.get("name")) for key in ("tasks", "replicatedJobs") for one in rows(run.workload, "spec", key)]
    newest: dict[tuple[int, str, int, int, str], Object] = {}
    single = group_of(run.workload or {}) == "batch" and whole(at(run.workload, "spec", "parallelism"), 1) == 1
    for pod in sorted(run.pods, key=lambda one: str(at(one, "metadata", "creationTimestamp") or "")):
        task = next((labels(pod)[key] for key in _TASKS if key in labels(pod)), "")
        index = next((int(value) for key in _INDEXES for value in _numbers(pod, key)), None)
        job = next((int(value) for value in _numbers(pod, _JOB_INDEX)), 0)
        name = "" if index is not None or single else name_of(pod)
        order = tasks.index(task) if task in tasks else int(task.endswith(_PREPARES))
        newest[order, task, job, index or 0, name] = pod
    return [newest[key] for key in sorted(newest)]


def _numbers(pod: Object, key: str) -> Iterator[str]:
    for found in (labels(pod).get(key), texts(pod, "metadata", "annotations").get(key)):
        if found and found.isdecimal() and found.isascii():
            yield found[:9]


def is_ready(pod: Object) -> bool:
    """Whether a pod runs, or has succeeded; one of which a container has finished its part counts as ready."""
    if at(pod, "status", "phase") == "Succeeded" or condition(pod, "Ready").get("status") == "True":
        return True
    states = [at(one, "state") for one in rows(pod, "status", "containerStatuses")]
    finished = [at(one, "terminated") for one in states if at(one, "terminated")]
    runs = all(at(one, "running") is not None or at(one, "terminated", "exitCode") == 0 for one in states)
    return bool(finished) and runs and condition(pod, "DisruptionTarget").get("status") != "True"


def current(pod: Object) -> Current | None:
    """The container that matters now: the init container that runs, waits or failed, else the one that trains.

    None if the kubelet has not reported the containers.
    """
    found = [Current(name, status) for name, status in containers(pod)]
    sidecars = {str(one.get("name")) for one in rows(pod, "spec", "initContainers") if one.get("restartPolicy")}
    init = {str(one.get("name")) for one in rows(pod, "status", "initContainerStatuses")}
    for one in found:
        if one.name in init - sidecars and at(one.status, "state", "terminated", "exitCode") != 0:
            return one
    main = [one for one in found if one.name not in init]
    trains = next((one for one in main if one.name == main_container(pod)), next(iter(main), None))
    finished = trains is not None and at(trains.status, "state", "terminated", "exitCode") == 0
    behind = [one for one in main if one.is_running or one.failed] if finished else []
    return next(iter(behind), trains)


def main_container(pod: Object) -> str:
    """The name of the container that trains."""
    names = [str(one.get("name")) for one in rows(pod, "spec", "containers")]
    noted = texts(pod, "metadata", "annotations").get("kubectl.kubernetes.io/default-container")
    return noted if noted in names else TRAIN if TRAIN in names else next(iter(names), TRAIN)


FETCH, PUSH, DONE = "fetch", "push", "done"
_PUBLISH = "publish"
# The lines of check_chat_template.py and read_evaluation.py.
CHECKED, EVALUATED = "chat template: ", "evaluation: "
# `step NAME` of steps.sh: a step begins, or the training has ended.
_STEPS = re.compile(r"ftc: (?:(?P<step>\w+): started on node|(?P<done>all done): )")
# tqdm: `  28%|██▊       | 340/1200 [12:03<30:29,  2.13s/it]`. A bar with words before it is not that of the training,
# and the bar of an evaluation is below it: tqdm moves the cursor up after it.
_BAR = re.compile(
    r"(?:^|[\r\n])[ \t]*\d+%\|[^|\r\n]*\| *(?P<done>\d+)/(?P<total>\d+) \[[^\]\r\n]*\](?P<below>\x1b\[A)?"
)
_EPOCH = re.compile(r"'epoch': '?(?P<epoch>\d+(?:\.\d+)?)")


class Step(NamedTuple):
    """A step of a run, such as `train`, and how far it is; both are empty before the first step."""

    name: str = ""
    progress: str = ""

    def __str__(self) -> str:
        """`train 340/1200`."""
        return f"{self.name} {self.progress}".strip()


def telling(run: Snapshot) -> tuple[Object, Current] | None:
    """The pod and container that say where a run is: those that failed first, else those of rank 0."""
    found = [(pod, one) for pod in ranks(run) if (one := current(pod)) is not None]
    failed = [(str(one.failed.get("finishedAt") or ""), name_of(pod), pod, one) for pod, one in found if one.failed]
    if failed:
        _, _, pod, one = min(failed, key=lambda row: row[:2])
        return pod, one
    return found[0] if found and name_of(found[0][0]) == name_of(ranks(run)[0]) else None


def verdict_of(run: Snapshot, beginning: str) -> str:
    """The line of a step on the result, which train.sh leaves in the message of the container's end."""
    for pod in ranks(run)[:1]:
        states = [one for one in rows(pod, "status", "containerStatuses") if one.get("name") == main_container(pod)]
        for state in states:
            said = str(at(state, "state", "terminated", "message") or "")
            for line in said.splitlines():
                if line.startswith(beginning):
                    return safe(line)
    return ""


def step_of(run: Snapshot, state: str) -> Step:
    """The step at which a run is, or at which it failed."""
    if state == "completed":
        return Step(DONE)
    found = telling(run)
    if found is None or not found[1].has_started:
        return Step()
    pod, one = found
    if one.name.startswith(f"{FETCH}-"):
        return Step(FETCH, one.name.removeprefix(f"{FETCH}-"))
    if one.name == _PUBLISH:
        return Step(PUSH)
    return in_log(one.name, run.log(pod, one.name))


def in_log(container: str, log: str) -> Step:
    """The step that the end of a log names; a long one may have lost the line with which the training began."""
    begun = [found["step"] or DONE for found in _STEPS.finditer(log)]
    name = begun[-1] if begun else container
    return Step(name, trained(log) if name in (TRAIN, container) else "")


def trained(log: str) -> str:
    """How far the training is: `340/1200` steps, or the epoch if the log has no progress bar."""
    bars = [found for found in _BAR.finditer(log) if not found["below"]]
    if bars:
        return f"{bars[-1]['done']}/{bars[-1]['total']}"
    epochs = _EPOCH.findall(log)
    return f"epoch {epochs[-1]}" if epochs else ""
