"""`ftc.delete`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ftc.api.cluster import answers
from ftc.api.refused import ClusterRefusedError
from ftc.cluster.cause import safe
from ftc.cluster.delete import NotDeletedError
from ftc.cluster.delete import delete as delete_from
from ftc.cluster.server import Server
from ftc.cluster.snapshot import quoted


@dataclass(frozen=True, repr=False)
class Deleted:
    """A job that was deleted."""

    name: str
    namespace: str
    objects: tuple[str, ...]
    """The deleted objects, as kubectl writes them: `jobs.batch.volcano.sh/NAME`."""
    kept: tuple[str, ...]
    """The claims of the pods, which stay with all results."""
    removed: tuple[str, ...]
    """The claims that were made for the job, which are deleted with it: their names, or where they were mounted."""

    @property
    def data(self) -> dict[str, Any]:
        """Everything, as `ftc delete --json` prints it."""
        return {name: getattr(self, name) for name in ("name", "namespace", "objects", "kept", "removed")}

    @property
    def text(self) -> str:
        """The lines that the command prints."""
        lines = [f"deleted {one} in namespace {self.namespace}" for one in self.objects]
        lines += [f"kept {_claims(self.kept)}"] if self.kept else []
        lines += [f"deleted with the job: {_claims(self.removed)}"] if self.removed else []
        return "".join(f"{safe(line)}\n" for line in lines)

    def __repr__(self) -> str:
        return f"<deleted: {self.name}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_text  # noqa: PLC0415 - notebooks only

        return of_text(self.text)


def _claims(names: tuple[str, ...]) -> str:
    return f"the claim{'s' if names[1:] else ''} {quoted(names)}"


def delete(name: str, *, namespace: str | None = None, context: str | None = None) -> Deleted:
    """Delete a job and its Service; the claims of its pods stay.

    Args:
        name: The name of a VolcanoJob, Job, JobSet or TrainJob; `KIND/NAME` if there are several of the name.
        namespace: The namespace; by default that of the context.
        context: The context of the kubeconfig; by default the current one.

    Raises:
        RefusedError: the package kubernetes is missing.
        ClusterRefusedError: the job does not exist, or the cluster refuses.

    """
    with answers():
        server = Server(context, namespace)
        try:
            done = delete_from(server, name)
        except NotDeletedError as error:
            raise ClusterRefusedError(str(error)) from None
    return Deleted(done.name, server.namespace, done.objects, done.kept, done.removed)
