"""Delete a workload and what belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.admission import has
from ftc.cluster.before import pods_of, references
from ftc.cluster.cause import safe, shell
from ftc.cluster.server import ServerError
from ftc.cluster.snapshot import labels, name_of, quoted, rows, texts, uid_of

if TYPE_CHECKING:
    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object

_FORBIDDEN, _MISSING = 403, 404
_POD_LABELS = ("volcano.sh/job-name", "jobset.sigs.k8s.io/jobset-name", "batch.kubernetes.io/job-name")


class _Kind(NamedTuple):
    """A kind of workload: its group version, its plural, its name for people, and its short name for kubectl."""

    version: str
    plural: str
    words: str
    short: str

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.version.partition('/')[0]}"

    def named(self, word: str) -> bool:
        """Whether a word means this kind, as for kubectl: `job` is a batch Job."""
        return word in (self.short, self.resource, self.resource.replace("s.", ".", 1), "")


_KINDS = (
    _Kind("batch.volcano.sh/v1alpha1", "jobs", "VolcanoJob", "vcjob"),
    _Kind("batch/v1", "jobs", "Job", "job"),
    _Kind("jobset.x-k8s.io/v1alpha2", "jobsets", "JobSet", "jobset"),
    _Kind("trainer.kubeflow.org/v1alpha1", "trainjobs", "TrainJob", "trainjob"),
)


class NotDeletedError(Exception):
    """Nothing, or not everything, was deleted; the message says why."""


class Deletion(NamedTuple):
    """The objects that were deleted, the claims that stay, and those that the job had made, which go with it."""

    name: str
    objects: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


def delete(server: Server, asked: str) -> Deletion:
    """Delete the workload that `NAME` or `KIND/NAME` means, in the background, and its Service."""
    word, _, name = asked.rpartition("/")
    kinds = [kind for kind in _KINDS if kind.named(word)]
    if not kinds:
        raise NotDeletedError(f"'{safe(word)}' is not a kind of job: use {', '.join(one.short for one in _KINDS)}")
    every = [(kind, job) for kind in kinds for job in [_read(server, _path(server, kind.version, kind.plural, name))]]
    found = [(kind, job) for kind, job in every if job is not None]
    service = _read(server, _path(server, "v1", "services", name))
    own = service if service is not None and _belongs(service, name) else None
    if not found and own is None:
        raise NotDeletedError(_unknown(server, name))
    if len(found) > 1:
        ways = " or ".join(f"{kind.short}/{name}" for kind, _ in found)
        raise NotDeletedError(f"the namespace has several jobs of this name: write {ways}")
    for kind, job in found:
        _check_owner(kind, job)
        server.delete(_path(server, kind.version, kind.plural, name), uid_of(job))
    deleted = [f"{kind.resource}/{name}" for kind, _ in found]
    if own is not None:
        _delete_service(server, own, deleted)
        deleted.append(f"services/{name}")
    kept, removed = _claims(found[0][1]) if found else ((), ())
    return Deletion(name, tuple(deleted), kept, removed)


def _path(server: Server, version: str, plural: str, name: str = "") -> str:
    root = "api" if version == "v1" else "apis"
    return f"/{root}/{version}/namespaces/{server.namespace}/{plural}{f'/{name}' if name else ''}"


def _read(server: Server, path: str) -> Object | None:
    """An object; None if it, or its kind, does not exist, or the user may not read it."""
    try:
        return server.get(path)
    except ServerError as error:
        if error.status not in (_FORBIDDEN, _MISSING):
            raise
        return None


def _belongs(service: Object, name: str) -> bool:
    """Whether ftc made a Service for the pods of a job: Kubernetes does not delete it with the job."""
    selects = texts(service, "spec", "selector").get("batch.kubernetes.io/job-name") == name
    return selects and labels(service).get("app.kubernetes.io/managed-by") == "ftc"


def _check_owner(kind: _Kind, job: Object) -> None:
    """Refuse to delete what another object would make again."""
    for owner in rows(job, "metadata", "ownerReferences"):
        if owner.get("controller") is True:
            about = f'the {kind.words} belongs to the {owner.get("kind")} "{owner.get("name")}", which would create it'
            raise NotDeletedError(safe(f"{about} again: delete that one"))


def _delete_service(server: Server, service: Object, deleted: list[str]) -> None:
    name = name_of(service)
    try:
        server.delete(_path(server, "v1", "services", name), uid_of(service))
    except ServerError as error:
        before = f"{deleted[0]} is deleted, but not its Service: " if deleted else ""
        command = shell("kubectl", "delete", "service", name, "-n", server.namespace)
        raise NotDeletedError(f"{before}{safe(str(error))}; then: {command}") from None


def _claims(job: Object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The claims that stay, and those that Kubernetes or Volcano made for the job."""
    specs = [pods.spec for pods in pods_of(job)]
    volumes = rows(job, "spec", "volumes")
    named = [one.name for spec in specs for one in references(spec, ()) if one.kind == "PersistentVolumeClaim"]
    named += [str(one["volumeClaimName"]) for one in volumes if one.get("volumeClaimName") and not _made(one)]
    made = [str(one.get("volumeClaimName") or one.get("mountPath")) for one in volumes if _made(one)]
    made += [str(one.get("name")) for spec in specs for one in rows(spec, "volumes") if one.get("ephemeral")]
    return tuple(dict.fromkeys(named)), tuple(dict.fromkeys(made))


def _made(volume: Object) -> bool:
    """Whether Volcano makes the claim of a job's volume, and so owns it (pkg/controllers/job)."""
    return isinstance(volume.get("volumeClaim"), dict)


def _unknown(server: Server, name: str) -> str:
    """The jobs that the namespace has instead."""
    pod = _read(server, _path(server, "v1", "pods", name))
    owner = next((labels(pod)[label] for label in _POD_LABELS if label in labels(pod)), "")
    if owner:
        return f"'{safe(name)}' is a pod of the job {safe(owner)}: {shell('ftc', 'delete', owner)} deletes the job"
    known, unseen = [], []
    for kind in _KINDS:
        try:
            known += [name_of(one) for one in server.pages(_path(server, kind.version, kind.plural))]
        except ServerError as error:
            if error.status == _FORBIDDEN:
                unseen.append(kind.words)
            elif error.status != _MISSING:
                raise
    hidden = f"; you may not list {quoted(unseen)}" if unseen else ""
    return safe(f'the namespace {server.namespace} does not contain a job "{name}"{has(name, sorted(known))}{hidden}')
