"""The step of a run: from its containers, the `ftc:` lines of its log, and the progress bar of the trainer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.cause import safe
from ftc.cluster.ranks import TRAIN, current, main_container, ranks
from ftc.cluster.snapshot import at, name_of, rows

if TYPE_CHECKING:
    from ftc.cluster.ranks import Current
    from ftc.cluster.snapshot import Object, Snapshot

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
