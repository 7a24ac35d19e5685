"""`ftc.why`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.api.cluster import answers
from ftc.api.refused import RefusedError
from ftc.cluster import saved
from ftc.cluster.diagnose import diagnose, result
from ftc.cluster.gather import gather
from ftc.cluster.server import Server
from ftc.cluster.snapshot import group_of
from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.cluster.cause import Cause, Diagnosis, Remedy
    from ftc.cluster.snapshot import Snapshot


@dataclass(frozen=True, repr=False)
class Diagnosed:
    """Why a job does not run. A notebook shows the text."""

    name: str
    namespace: str
    state: str
    """`refused`, `unknown`, `pending`, `running`, `completed` or `failed`."""
    causes: tuple[Cause, ...]
    """The causes; the first one has to be removed first. Empty if nothing is wrong."""
    unseen: tuple[str, ...]
    """A sentence for each kind that you may not list."""
    _diagnosis: Diagnosis
    _snapshot: Snapshot

    @property
    def data(self) -> dict[str, Any]:
        """Everything, as `ftc why --json` prints it."""
        found: dict[str, Any] = msgspec.to_builtins(self._diagnosis)
        return found

    @property
    def text(self) -> str:
        """The lines that the command prints."""
        return "".join(f"{line}\n" for line in _rendered(self._diagnosis, result(self._snapshot)))

    def save(self, directory: str | Path) -> None:
        """Write what was read, without secrets, for `paths` or for a platform team.

        Raises:
            OSError: the directory is not empty, or the system refuses.

        """
        saved.save(self._snapshot, Path(directory))

    def __repr__(self) -> str:
        return f"<why {self.name}: {self.causes[0].kind if self.causes else self.state}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_text  # noqa: PLC0415 - notebooks only

        return of_text(self.text)


def why(
    name: str | None = None,
    *,
    paths: Sequence[str | Path] = (),
    namespace: str | None = None,
    context: str | None = None,
) -> Diagnosed:
    """Say why a job does not run.

    Args:
        name: The name of a VolcanoJob, Job, JobSet or TrainJob, or of one of its pods. A saved situation may omit it.
        paths: A saved situation instead of a cluster: a directory with objects.json, or files with objects.
        namespace: The namespace; by default that of the context.
        context: The context of the kubeconfig; by default the current one.

    Raises:
        RefusedError: a saved situation cannot be read, or the package kubernetes is missing.
        ClusterRefusedError: the cluster refuses, or does not answer.
        ValueError: neither a name nor a saved situation is given.

    """
    snapshot = _saved(paths, name, namespace) if paths else _read(name, namespace, context)
    found = _checked(diagnose(snapshot), snapshot)
    return Diagnosed(found.name, found.namespace, found.state, found.causes, found.unseen, found, snapshot)


def _saved(paths: Sequence[str | Path], name: str | None, namespace: str | None) -> Snapshot:
    try:
        return saved.read([Path(path) for path in paths], name, namespace)
    except saved.NotReadableError as error:
        raise RefusedError(str(error)) from None


def _read(name: str | None, namespace: str | None, context: str | None) -> Snapshot:
    if name is None:
        raise ValueError("name the job; `kubectl get vcjob,job` lists them")
    with answers():
        return gather(Server(context, namespace), name)


def _checked(found: Diagnosis, snapshot: Snapshot) -> Diagnosis:
    """Without the overrides that do not compile; for a job that ftc did not write, without overrides."""
    target = "job" if snapshot.workload and group_of(snapshot.workload) == "batch" else "volcano"

    def kept(remedy: Remedy) -> Remedy:
        fits = not remedy.override or (snapshot.by_ftc and compiles(remedy.override, target))
        return remedy if fits else msgspec.structs.replace(remedy, override="")

    causes = tuple(msgspec.structs.replace(one, remedies=tuple(map(kept, one.remedies))) for one in found.causes)
    return msgspec.structs.replace(found, causes=causes)


def compiles(override: str, target: str = "volcano") -> bool:
    """Whether ftc accepts the words of a remedy for a target: overrides, or `-t` and another target."""
    words = shlex.split(override)
    if words[0] == "-t":
        _, target, *words = words
    return not has_errors(compile_job(Request(tuple(words), targets=(target,))).diagnostics)


def _rendered(found: Diagnosis, well: str) -> Iterator[str]:
    """The first line is the cause, or that nothing is wrong."""
    if not found.causes:
        yield f"Nothing is wrong: {_STATES.get(found.state, found.state)}{f'; {well}' if well else ''}."
    for number, one in enumerate(found.causes):
        if number:
            yield "\nThen:" if number == 1 else ""
        yield from _cause(one)
    yield from (f"note: {one}" for one in found.unseen)


_STATES = {
    "completed": "the job has completed",
    "running": "all pods run",
    "pending": "the job is starting, and no component reports a problem",
}


def _cause(one: Cause) -> Iterator[str]:
    yield one.text
    for seen in one.evidence:
        yield f"  seen: {seen}"
    for remedy in one.remedies:
        words = remedy.override or remedy.command
        yield f"  do:   {remedy.text}{f': {words}' if words else ''}"
