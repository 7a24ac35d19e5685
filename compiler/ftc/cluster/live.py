"""The runs of a namespace as they change: lists that watches of the API server keep up to date."""

from __future__ import annotations

import json
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.cluster.kinds import KINDS
from ftc.cluster.log_lines import pause, whole_lines
from ftc.cluster.server import FORBIDDEN, GONE, MISSING, BrokenError, ServerError
from ftc.cluster.snapshot import Object, Snapshot, at, uid_of
from ftc.cluster.status import MOST_LOGS, Runs, has_progress, run, served, snapshots, with_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.server import Server
    from ftc.cluster.status import Run


# Seconds between two looks at the logs, of which the API has no watch.
_LOGS = 10.0
# Seconds without a change after which those before are shown together, and the most that a change waits.
_SETTLED, _MOST = 0.2, 1.0


class _Seen(NamedTuple):
    """A change of a list, or the error that ended its watch."""

    path: str
    change: Change | ServerError


def changes(server: Server, name: str = "") -> Iterator[Runs]:
    """The runs of the namespace, or the run of this name, at first and after each change; without an end.

    Raises ServerError if the server refuses or does not answer.
    """
    place = f"/namespaces/{server.namespace}"
    pods = f"/api/v1{place}/pods"
    paths = [pods, *(f"{kind.path}{place}/{kind.plural}" for kind in served(server))]
    queue: Queue[_Seen] = Queue()
    for path in paths:
        Thread(target=_watch, args=(server, path, queue), daemon=True).start()
    lists: dict[str, dict[str, Object]] = {}
    unseen: list[str] = []
    shown = _Shown(server, name)
    while True:
        for seen in _settled(queue):
            if isinstance(seen.change, ServerError):
                unseen += _refused(seen.path, seen.change)
                lists.setdefault(seen.path, {})
            else:
                _apply(lists.setdefault(seen.path, {}), seen.change)
        if len(lists) == len(paths):
            jobs = [one for path in paths[1:] for one in lists[path].values()]
            yield Runs(server.namespace, shown.runs(jobs, list(lists[pods].values())), tuple(unseen))


def _watch(server: Server, path: str, queue: Queue[_Seen]) -> None:
    kind = next((one for one in KINDS if path.startswith(f"{one.path}/")), None)
    stated = {"kind": kind.kind, "apiVersion": kind.path.removeprefix("/apis/")} if kind else {"kind": "Pod"}
    try:
        for change in watched(server, path):
            queue.put(_Seen(path, Change(change.kind, [one | stated for one in change.objects])))
    except ServerError as error:
        queue.put(_Seen(path, error))


def _settled(queue: Queue[_Seen]) -> Iterator[_Seen]:
    """What has changed, at most until the logs have to be read again."""
    try:
        yield queue.get(timeout=_LOGS)
        began = monotonic()
        while monotonic() - began < _MOST:
            yield queue.get(timeout=_SETTLED)
    except Empty:
        return


def _refused(path: str, error: ServerError) -> list[str]:
    """A sentence about a list that the user may not read."""
    plural = path.rpartition("/")[2]
    if error.status == FORBIDDEN:
        return [f"you may not list and watch {plural}: they are not shown"]
    if error.status != MISSING:
        raise error
    return []


def _apply(known: dict[str, Object], change: Change) -> None:
    if change.kind == "LISTED":
        known.clear()
    for one in change.objects:
        if change.kind == "DELETED":
            known.pop(uid_of(one), None)
        else:
            known[uid_of(one)] = one


class _Shown:
    """The lines of runs, whose logs are read from time to time."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name
        self._logs: dict[str, dict[str, str]] = {}
        self._read_at = 0.0

    def runs(self, jobs: list[Object], pods: list[Object]) -> tuple[Run, ...]:
        """The lines of all runs, or of the one that is wanted."""
        found = [one for one in snapshots(self._server.namespace, jobs, pods) if self._name in ("", one.name)]
        if monotonic() - self._read_at >= _LOGS:
            running = [one for one in found if has_progress(one)][:MOST_LOGS]
            self._logs = {one.name: with_log(self._server, one).logs for one in running}
            self._read_at = monotonic()
        return tuple(run(self._with_log(one)) for one in found)

    def _with_log(self, one: Snapshot) -> Snapshot:
        return msgspec.structs.replace(one, logs=self._logs.get(one.name, {}))


# Seconds after which the server ends a watch, and after which a silent connection counts as broken.
_LONGEST, _SILENCE = 300, 330.0
# An object of etcd has at most 1.5 MiB, and JSON may take more.
_LONGEST_EVENT = 16 * 1024 * 1024
_WAITS = (0.5, 1, 2, 4, 8)
_REFUSED = (401, 403, 404)


class Change(NamedTuple):
    """`LISTED`: the objects replace those that were there; `ADDED`, `MODIFIED`, `DELETED`: one object."""

    kind: str
    objects: list[Object]


def watched(server: Server, path: str) -> Iterator[Change]:
    """The objects of a list, then their changes, forever.

    A watch that ends or breaks continues from the last version; if the server no longer has it, the list is read again.
    Raises ServerError if the server refuses, or does not answer for some seconds.
    """
    failures, version = 0, ""
    while True:
        try:
            if not version:
                objects, version = server.listing(path)
                yield Change("LISTED", objects)
            for change, reached in _events(server, path, version):
                failures, version = 0, reached
                if change is not None:
                    yield change
        except BrokenError:
            pass
        except ServerError as error:
            if error.status == GONE:
                version = ""
            elif error.status in _REFUSED or failures == len(_WAITS):
                raise
            else:
                failures += 1
        pause(_WAITS[max(failures - 1, 0)])


def _events(server: Server, path: str, version: str) -> Iterator[tuple[Change | None, str]]:
    """The changes after a version, each with its own version; None for a bookmark."""
    query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": _LONGEST}
    for line in whole_lines(server.stream(path, query, _SILENCE), _LONGEST_EVENT):
        try:
            event = json.loads(line)
        except ValueError:
            raise BrokenError("the watch has sent something that is not JSON") from None
        kind, one = at(event, "type"), at(event, "object")
        if kind == "ERROR":
            code = at(one, "code")
            raise ServerError(str(at(one, "message")), code if isinstance(code, int) else 0)
        reached = str(at(one, "metadata", "resourceVersion") or version)
        yield (Change(kind, [one]) if kind in ("ADDED", "MODIFIED", "DELETED") else None), reached
