"""`ftc.status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftc.api.cluster import answers
from ftc.api.refused import RefusedError
from ftc.cluster.cause import safe
from ftc.cluster.server import Server
from ftc.cluster.status import every_run, one_run, table

if TYPE_CHECKING:
    from ftc.cluster.cause import Cause
    from ftc.cluster.status import Run, Runs


@dataclass(frozen=True, repr=False)
class Status:
    """The runs of a namespace. A notebook shows them as a table."""

    runs: tuple[Run, ...]
    """The runs, the newest first: `name`, `phase`, `nodes_ready`, `nodes`, `step`, `progress`, `age`, `queue`,
    `verdict`, `evaluation`.
    """
    cause: Cause | None = None
    """Why the run that was asked for does not run: the first cause that `ftc why` names."""
    unseen: tuple[str, ...] = ()
    """What you may not list, in sentences."""

    @property
    def text(self) -> str:
        """The table as the command prints it to a file."""
        return "".join(f"{line}\n" for line in lines(self))

    def __repr__(self) -> str:
        return f"<status: {', '.join(f'{one.name} {one.phase}' for one in self.runs) or 'no runs'}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_runs  # noqa: PLC0415 - notebooks only

        return of_runs(self.runs, _below(self))


def status(name: str | None = None, *, namespace: str | None = None, context: str | None = None) -> Status:
    """Show the runs of a namespace: VolcanoJobs, Jobs, JobSets and TrainJobs.

    Args:
        name: One run, or a pod of it; by default all runs.
        namespace: The namespace; by default that of the context.
        context: The context of the kubeconfig; without a kubeconfig, the ServiceAccount of the pod is used.

    Raises:
        RefusedError: the run does not exist, or the package kubernetes is missing.
        ClusterRefusedError: the API server refuses or does not answer.

    """
    with answers():
        return shown(Server(context, namespace), name)


def shown(server: Server, name: str | None) -> Status:
    """The runs of a server's namespace. Raises ServerError, or RefusedError if the run does not exist."""
    found = one_run(server, name) if name else every_run(server)
    if name and not found.runs:
        raise RefusedError(found.cause.text if found.cause else f"the namespace does not contain a job {safe(name)}")
    return of_runs(found)


def of_runs(found: Runs) -> Status:
    """The result for the runs that were read."""
    return Status(found.runs, found.cause, found.unseen)


def lines(found: Status, columns: int | None = None) -> list[str]:
    """The table, and the sentences below it."""
    return [*table(found.runs, columns), *_below(found)]


def _below(found: Status) -> list[str]:
    """The verdicts on the results, their numbers, why the run does not run, and the kinds that may not be listed."""
    said = [f"{one.name}: {line}" for one in found.runs for line in (one.verdict, one.evaluation) if line]
    return [*said, *([found.cause.text] if found.cause else []), *(f"note: {one}" for one in found.unseen)]
