"""`ftc.logs`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.api.cluster import answers
from ftc.api.refused import RefusedError
from ftc.cluster.cause import safe
from ftc.cluster.find import UnknownRunError
from ftc.cluster.log_lines import LogLine
from ftc.cluster.logs import Choice, NoSuchLogError
from ftc.cluster.logs import logs as read
from ftc.cluster.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("LogLine", "logs")

_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_UNITS = (86400, 3600, 60, 1)


def logs(  # noqa: PLR0913 - the options of the command
    name: str,
    *,
    node: int | None = 0,
    container: str = "",
    since: str = "",
    follow: bool = False,
    namespace: str | None = None,
    context: str | None = None,
) -> Iterator[LogLine]:
    """Read the log of a run, line by line: `node`, `container`, `text`, `seconds`, `is_note`.

    Secrets are redacted, and control characters are escaped. The first lines are notes if the run has failed (the error
    of the node that failed first) or waits.

    Args:
        name: The run, or a pod of it.
        node: The rank of the node; None for all nodes, by time.
        container: The container; by default the one that trains, or the init container that runs or failed.
        since: Only lines of the last time: `10m`, `1h30m`.
        follow: Whether to wait for more lines until the run has ended.
        namespace: The namespace; by default that of the context.
        context: The context of the kubeconfig; without a kubeconfig, the ServiceAccount of the pod is used.

    Raises:
        RefusedError: the run, node or container does not exist; when the first line is read.
        ClusterRefusedError: the API server refuses or does not answer; when the first line is read.
        ValueError: `since` is not a duration.

    """
    choice = Choice(node, container, seconds(since) if since else 0)
    found = lines(name, choice, follow=follow, namespace=namespace, context=context)
    return (line for line in found if line is not None)


def lines(
    name: str, choice: Choice, *, follow: bool, namespace: str | None, context: str | None
) -> Iterator[LogLine | None]:
    """The same for the command; None if no line has come for a while."""
    with answers():
        try:
            yield from read(Server(context, namespace), name, choice, follow=follow)
        except (NoSuchLogError, UnknownRunError) as error:
            raise RefusedError(safe(str(error))) from None


def seconds(duration: str) -> int:
    """The seconds of a duration such as `1h30m`; at least 1."""
    found = _DURATION.fullmatch(duration)
    total = sum(int(number or 0) * unit for number, unit in zip(found.groups(), _UNITS, strict=True)) if found else 0
    if not total:
        raise ValueError(f"{duration!r} is not a duration such as 10m or 1h30m")
    return total
