"""The first error of a run: that of the node that failed first, because the others only report a broken connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.cluster.cause import safe
from ftc.cluster.containers import last_error
from ftc.cluster.log_errors import SUMMARY, known_errors
from ftc.cluster.log_lines import LogLine, stamped
from ftc.cluster.ranks import current, ranks
from ftc.cluster.server import ServerError
from ftc.cluster.snapshot import name_of, parsed, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object, Snapshot

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
