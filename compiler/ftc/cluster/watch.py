"""A list that is kept up to date by a watch of the API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.log_lines import pause, whole_lines
from ftc.cluster.server import GONE, BrokenError, ServerError
from ftc.cluster.snapshot import Object, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.server import Server

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
