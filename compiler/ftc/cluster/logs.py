"""The logs of a run: of one node or of all, now or as they come, and the first error.

The first error is that of the node that failed first, because the others only report a broken connection.
"""

from __future__ import annotations

import heapq
from contextlib import ExitStack
from queue import Empty, Queue
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.cause import safe
from ftc.cluster.containers import last_error
from ftc.cluster.diagnose import diagnose, state_of
from ftc.cluster.find import UnknownRunError, again, find
from ftc.cluster.gather import gather
from ftc.cluster.kinds import kind_of
from ftc.cluster.log_errors import SUMMARY, known_errors
from ftc.cluster.log_lines import LogLine, Reader, Source, ranges, stamped
from ftc.cluster.ranks import Current, current, ranks
from ftc.cluster.server import ServerError
from ftc.cluster.snapshot import at, containers, name_of, parsed, rows, uid_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object, Snapshot


# Lines that may wait to be printed, and seconds between two looks at a pod that waits.
_WAITING, _LOOK = 1000, 2.0
# Seconds without a line after which held lines are printed.
_QUIET = 0.5


class Choice(NamedTuple):
    """Which logs: of a node or (None) of all nodes, of a container or of the one that matters now, of some seconds."""

    node: int | None = 0
    container: str = ""
    since: int = 0


class NoSuchLogError(Exception):
    """The run does not have such a node or container; the message says what it has."""


def logs(server: Server, name: str, choice: Choice, *, follow: bool = False) -> Iterator[LogLine | None]:
    """The first error of a run that failed, then the lines; None if no line has come for a while.

    Raises NoSuchLogError, ServerError, and UnknownRunError.
    """
    run = find(server, name)
    nodes = _chosen(run, choice)
    error = first_error(server, run)
    if error:
        yield error
    readers: dict[int, Reader] = {}
    for node in nodes:
        one = _container(run, node, choice)
        if one is not None and one.has_started:
            source = Source(node, name_of(ranks(run)[node]), one.name)
            readers[node] = Reader(server, source, choice.since)
    waiting = [node for node in nodes if node not in readers]
    if waiting:
        why = waits(server, run)
        yield from (LogLine(node, "", f"waits: {why}", is_note=True) for node in waiting)
    yield from _merged(list(readers.values()))
    if follow:
        yield from _Followers(server, run, choice).lines(nodes, readers)


def _chosen(run: Snapshot, choice: Choice) -> list[int]:
    """The nodes to read; one without a pod waits."""
    kind = kind_of(run.workload or {})
    count = max(len(ranks(run)), kind.nodes(run.workload or {}) if kind else 0, 1)
    if choice.node is not None and choice.node >= count:
        raise NoSuchLogError(f"the run {run.name} has the nodes {ranges(range(count))}, not {choice.node}")
    return [choice.node] if choice.node is not None else list(range(count))


def _container(run: Snapshot, node: int, choice: Choice) -> Current | None:
    """The container to read; None if the pod does not exist, or the kubelet has not reported its containers."""
    pods = ranks(run)
    if node >= len(pods):
        return None
    if not choice.container:
        return current(pods[node])
    names = [str(one.get("name")) for key in ("initContainers", "containers") for one in rows(pods[node], "spec", key)]
    if choice.container not in names:
        raise NoSuchLogError(f"the pod has the containers {', '.join(names)}, not {choice.container}")
    return next((Current(name, one) for name, one in containers(pods[node]) if name == choice.container), None)


def waits(server: Server, run: Snapshot) -> str:
    """Why the pods of a run have no logs yet, in one line."""
    found = diagnose(gather(server, run.name))
    if found.causes:
        return found.causes[0].text
    return "the containers start, and no component reports a problem" if run.pods else "the pods do not exist yet"


def _merged(readers: list[Reader]) -> Iterator[LogLine]:
    """The lines that are there now, in the order of their times."""
    if len(readers) == 1:
        yield from _told(readers[0])
    else:
        yield from heapq.merge(*map(_told, readers), key=lambda line: line.seconds)


def _told(reader: Reader) -> Iterator[LogLine]:
    """The lines of a node; if its log cannot be read, one that says so, so that the others are still shown."""
    try:
        yield from reader.lines()
    except ServerError as error:
        yield _cannot(reader.source.node, error)


def _cannot(node: int, error: ServerError) -> LogLine:
    from ftc.cluster.cause import safe  # noqa: PLC0415 - for an error only

    return LogLine(node, "", safe(f"cannot read the log: {error}"), is_note=True)


class _Followers:
    """A thread for each node, which puts the lines into one queue as they come."""

    def __init__(self, server: Server, run: Snapshot, choice: Choice) -> None:
        self._server, self._run, self._choice = server, run, choice
        self._seen_at = monotonic()
        self._lines: Queue[LogLine | None] = Queue(_WAITING)
        self._lock, self._stopped = Lock(), Event()

    def lines(self, nodes: list[int], readers: dict[int, Reader]) -> Iterator[LogLine | None]:
        """The lines of all nodes until their pods have ended."""
        with ExitStack() as stack:
            stack.callback(self._stopped.set)
            for node in nodes:
                Thread(target=self._follow, args=(node, readers.get(node)), daemon=True).start()
            left = len(nodes)
            while left:
                try:
                    line = self._lines.get(timeout=_QUIET)
                except Empty:
                    yield None
                    continue
                left -= line is None
                if line is not None:
                    yield line

    def _follow(self, node: int, reader: Reader | None) -> None:
        """Follow the containers of a node one after the other; None in the queue is the end."""
        try:
            for line in self._of_node(node, reader):
                if self._stopped.is_set():
                    return
                self._lines.put(line)
        except ServerError as error:
            self._lines.put(_cannot(node, error))
        except UnknownRunError as error:
            self._lines.put(LogLine(node, "", str(error), is_note=True))
        finally:
            self._lines.put(None)

    def _of_node(self, node: int, reader: Reader | None) -> Iterator[LogLine]:
        done: set[tuple[str, str, int]] = set()
        while not self._stopped.is_set():
            run = self._look()
            pods = ranks(run)
            one = _container(run, node, self._choice)
            pod = pods[node] if node < len(pods) else None
            if pod is not None and one is not None and one.has_started and _key(pod, one) not in done:
                key = _key(pod, one)
                done.add(key)
                source = Source(node, name_of(pod), one.name)
                if reader is None or reader.source != source:
                    reader = Reader(self._server, source)
                yield from reader.followed(lambda key=key: self._is_running(node, key))  # type: ignore[misc]
            elif state_of(run) in ("completed", "failed") or _has_ended(pod, one, self._choice):
                return
            else:
                self._stopped.wait(_LOOK)

    def _is_running(self, node: int, key: tuple[str, str, int]) -> bool:
        run = self._look()
        pods, one = ranks(run), _container(run, node, self._choice)
        return node < len(pods) and one is not None and one.is_running and _key(pods[node], one) == key

    def _look(self) -> Snapshot:
        """The run as it is now, read at most once in some seconds for all nodes."""
        with self._lock:
            if monotonic() - self._seen_at >= _LOOK:
                self._run = again(self._server, self._run)
                self._seen_at = monotonic()
            return self._run


def _key(pod: Object, one: Current) -> tuple[str, str, int]:
    """A run of a container: a restart is another one."""
    restarts = one.status.get("restartCount")
    return uid_of(pod), one.name, restarts if isinstance(restarts, int) else 0


def _has_ended(pod: Object | None, one: Current | None, choice: Choice) -> bool:
    """Whether no other container will follow in this pod, nor another pod."""
    chosen = bool(choice.container) and at(one and one.status, "state", "terminated") is not None
    return chosen or at(pod, "status", "phase") == "Succeeded"


_LOG_LINES, _MOST_LOGS = 200, 16
# SIGKILL and SIGTERM: another process ended the container, unless it ran out of memory.
_ENDED = (137, 143)


def first_error(server: Server, run: Snapshot) -> LogLine | None:
    """A line that names the node and its error; None if no container has failed."""
    found = [
        (str(one.failed.get("finishedAt") or ""), node, name_of(pod), one.name, one.failed)
        for node, pod in enumerate(ranks(run))
        if (one := current(pod)) is not None and one.failed is not None
    ]
    found.sort(key=lambda row: row[:2])
    errors = [(_error(server, pod, name, state), node, name, state) for _, node, pod, name, state in found[:_MOST_LOGS]]
    if not errors:
        return None
    (_, seconds, said), node, name, state = min(errors, key=lambda row: row[:2])
    how = "OOMKilled" if state.get("reason") == "OOMKilled" else f"exit code {whole(state.get('exitCode'), 1)}"
    text = f"failed first ({name}, {how}){f': {said}' if said else ''}"
    return LogLine(node, name, safe(text), seconds, is_note=True)


def _error(server: Server, pod: str, name: str, state: Object) -> tuple[bool, float, str]:
    """Whether the error only follows from that of another node, its time, and its line."""
    lines = list(_tail(server, pod, name))
    texts = [text for _, text in lines]
    own = [text for text in texts if not SUMMARY.search(text)]
    hits = [(one.follows, hit[0]) for one in known_errors() if (hit := one.found(own))]
    was_ended = not hits and whole(state.get("exitCode"), 1) in _ENDED
    follows, said = min(hits, key=lambda hit: hit[0], default=(was_ended, last_error(texts)))
    seconds = next((seconds for seconds, text in lines if text == said), 0.0) or _end(state)
    return follows and state.get("reason") != "OOMKilled", seconds, said


def _tail(server: Server, pod: str, name: str) -> Iterator[tuple[float, str]]:
    path = f"/api/v1/namespaces/{server.namespace}/pods/{pod}/log"
    try:
        text = server.text(path, container=name, tailLines=_LOG_LINES, timestamps="true")
    except ServerError as error:
        if not error.status:
            raise
        return  # the log is gone with its node, or may not be read
    for line in text.encode().split(b"\n"):
        found = stamped(line)
        if found.text:
            yield found.seconds, found.text


def _end(state: Object) -> float:
    try:
        return parsed(str(state.get("finishedAt"))).timestamp()
    except ValueError:
        return 0.0
