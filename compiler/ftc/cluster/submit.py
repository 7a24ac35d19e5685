"""Create a workload and its companions, or nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.cluster.admission import judged
from ftc.cluster.before import Problem, named
from ftc.cluster.cause import Cause, Remedy, cause, safe, shell
from ftc.cluster.origin import Manifest, fields, located
from ftc.cluster.preflight import preflight
from ftc.cluster.server import ServerError
from ftc.cluster.snapshot import at, group_of, name_of, rows, uid_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.cluster.before import Before
    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object
    from ftc.diagnostics.model import KeyPath

_UNKNOWN_USER, _FORBIDDEN, _MISSING, _CONFLICT, _LOST = 401, 403, 404, 409, 500
_MOST_FIELDS = 20
_STRICT = {"fieldValidation": "Strict"}
_WORKLOADS = ("batch", "batch.volcano.sh", "jobset.x-k8s.io", "trainer.kubeflow.org")


class Refused(Exception):  # noqa: N818 - a refusal is not an error of ftc
    """The workload would not run, or the API server does not accept it; nothing was created, unless `left` says so."""

    def __init__(self, found: Sequence[tuple[Manifest, Problem]], notes: tuple[str, ...], left: str = "") -> None:
        super().__init__("; ".join(one.cause.text for _, one in found))
        self.found, self.notes, self.left = tuple(found), notes, left


class Created(NamedTuple):
    """The objects that were made, the workload last, and what preflight could not check."""

    objects: tuple[Object, ...]
    resources: tuple[str, ...]
    notes: tuple[str, ...]


class _Place(NamedTuple):
    """The collection of a kind: its path, and its name with the group, as kubectl writes it."""

    path: str
    plural: str
    group: str

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def is_workload(one: Object) -> bool:
    """Whether an object runs pods."""
    return group_of(one) in _WORKLOADS and one.get("kind") in ("Job", "JobSet", "TrainJob")


def submit(server: Server, manifests: Sequence[Manifest], *, dry_run: bool, despite: bool) -> Created:
    """Create the companions, then the workload; after a refusal, delete what was created.

    `despite` creates the workload although preflight finds a problem. A ConfigMap for several runs may exist already.
    """
    missing = [one for one in manifests if not _serves_already(server, one)]
    ordered = sorted(missing, key=lambda one: is_workload(one.content))
    places = [_place(server, one) for one in ordered]
    unsure = [note for place in dict.fromkeys(places) for note in _may_create(server, place, ordered[-1])]
    *companions, job = [one.content for one in ordered]
    before = preflight(server, job, companions)
    notes = (*unsure, *before.notes)
    if before.problems and not despite:
        raise Refused([(ordered[-1], one) for one in before.problems], notes)
    notes = (*notes, *(one.cause.text for one in before.problems))
    return _create(server, list(zip(ordered, places, strict=True)), _Making(before.before, notes, dry_run))


def _serves_already(server: Server, manifest: Manifest) -> bool:
    """Whether an immutable ConfigMap exists; another content under its name is refused."""
    content = manifest.content
    if content.get("kind") != "ConfigMap" or content.get("immutable") is not True:
        return False
    try:
        found = server.get(f"/api/v1/namespaces/{server.namespace}/configmaps/{name_of(content)}")
    except ServerError as error:
        if error.status != _MISSING:
            raise
        return False
    if found.get("data") == content.get("data"):
        return True
    text = f'The ConfigMap "{name_of(content)}" exists in the namespace, and its content is another one.'
    delete = shell("kubectl", "delete", "configmap", name_of(content), "-n", server.namespace)
    remedies = [
        Remedy("carry the scripts in the manifest", "scripts=embedded"),
        Remedy("delete it if no run uses it", command=delete),
    ]
    raise Refused([(manifest, Problem(cause("config-map-differs", text, [], remedies), ("data",), ("scripts",)))], ())


def _place(server: Server, manifest: Manifest) -> _Place:
    """Where objects of the kind are."""
    content = manifest.content
    version, kind, group = str(content.get("apiVersion")), str(content.get("kind")), group_of(content)
    root = f"/apis/{version}" if group else f"/api/{version}"
    plural = _plural(server, root, kind)
    if not plural:
        name = "VolcanoJob" if group == "batch.volcano.sh" else kind
        remedy = Remedy("use a batch Job, which every cluster knows", "-t job")
        text = f"The cluster does not know {name} ({version}): its controller, or this version of it, is not installed."
        found = cause("kind-unknown", text, [], [remedy] if group == "batch.volcano.sh" else [])
        raise Refused([(manifest, Problem(found, ("apiVersion",)))], ())
    return _Place(f"{root}/namespaces/{server.namespace}/{plural}", plural, group)


def _plural(server: Server, root: str, kind: str) -> str:
    """The plural of a kind, by the server's list of kinds; empty if the server does not know the kind."""
    try:
        known = rows(server.get(root), "resources")
        names = [str(one.get("name")) for one in known if one.get("kind") == kind]
        return next((one for one in names if "/" not in one), "")
    except ServerError as error:
        if error.status not in (_FORBIDDEN, _MISSING):
            raise
        if kind not in _PLURALS:
            if error.status == _MISSING:
                return ""
            raise
    # Some clusters do not show the list to every user.
    try:
        server.get(f"{root}/namespaces/{server.namespace}/{_PLURALS[kind]}", limit=1)
    except ServerError as error:
        if error.status not in (_FORBIDDEN, _MISSING):
            raise
        return "" if error.status == _MISSING else _PLURALS[kind]
    return _PLURALS[kind]


_PLURALS = {"Job": "jobs", "Service": "services", "JobSet": "jobsets", "TrainJob": "trainjobs"}


def _may_create(server: Server, place: _Place, manifest: Manifest) -> Iterator[str]:
    """Refuse if the user may not create objects of a kind; a sentence if the server does not say."""
    asked = {"namespace": server.namespace, "verb": "create", "group": place.group, "resource": place.plural}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    try:
        answer = server.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    except ServerError as error:
        if error.status in (0, _UNKNOWN_USER) or error.status >= _LOST:
            raise
        yield f"the server does not say whether you may create {place.resource}"
        return
    if at(answer, "status", "allowed") is not True:
        text = f"You may not create {place.resource} in the namespace {server.namespace}."
        command = shell("kubectl", "auth", "can-i", "create", place.resource, "-n", server.namespace)
        remedy = Remedy("ask for a Role with it", command=command)
        raise Refused([(manifest, Problem(cause("permission-missing", text, [], [remedy])))], ())


class _Making(NamedTuple):
    """How objects are made, and what is known before."""

    before: Before
    notes: tuple[str, ...]
    dry_run: bool


def _create(server: Server, ordered: list[tuple[Manifest, _Place]], making: _Making) -> Created:
    """Try and create one object after the other."""
    made: list[tuple[Object, _Place]] = []
    notes = list(making.notes)
    for manifest, place in ordered:
        try:
            answer, unsure = _made(server, manifest.content, place, making)
        except (ServerError, KeyboardInterrupt) as error:
            left = _undone(server, [] if making.dry_run else made)
            if isinstance(error, KeyboardInterrupt):
                raise
            if error.status == 0:
                raise ServerError(f"{error}{f'; left over: {left}' if left else ''}") from None
            problems = refusal(error, manifest, making.before)
            notes.append(f"the API server: {safe(str(error))}")
            raise Refused([(manifest, one) for one in problems], tuple(notes), left) from None
        notes += unsure
        made.append((answer, place))
    resources = tuple(f"{place.resource}/{name_of(one)}" for one, place in made)
    return Created(tuple(one for one, _ in made), resources, tuple(notes))


def _made(server: Server, content: Object, place: _Place, making: _Making) -> tuple[Object, list[str]]:
    """The answer to a creation, after one that changes nothing."""
    unsure: list[str] = []
    answer: Object = {}
    try:
        answer = server.create(place.path, content, dryRun="All", **_STRICT)
    except ServerError as error:
        if "does not support dry run" not in str(error):
            raise
        unsure = ["a webhook does not support a dry run, so the server did not check the object before its creation"]
    if making.dry_run:
        return answer, unsure
    try:
        return server.create(place.path, content, **_STRICT), unsure
    except ServerError as error:
        is_lost = error.status == 0 or (error.status >= _LOST and "webhook" not in str(error))
        if not is_lost:
            raise
        made = _there(server, content, place)
        if made is None:
            command = shell("kubectl", "get", place.resource, "-n", server.namespace)
            raise ServerError(f"{error}; it may exist nevertheless, and this command shows it: {command}") from None
        return made, unsure


def _there(server: Server, content: Object, place: _Place) -> Object | None:
    """The object if it was created although the answer was lost; the dry run has shown that it did not exist."""
    name = name_of(content)
    with suppress(ServerError):
        return server.get(f"{place.path}/{name}") if name else None
    return None


def _undone(server: Server, made: list[tuple[Object, _Place]]) -> str:
    """Delete what was created, the last first; the commands for what is left."""
    left = []
    for one, place in reversed(made):
        try:
            server.delete(f"{place.path}/{name_of(one)}", uid_of(one))
        except ServerError:
            left.append(shell("kubectl", "delete", place.resource, name_of(one), "-n", server.namespace))
    return "; ".join(left)


def refusal(error: ServerError, manifest: Manifest, before: Before) -> list[Problem]:
    """The problems that the API server states, with the fields that they are about."""
    found = judged(str(error), before.seen)
    if found.kind == "name-taken" or error.status == _CONFLICT:
        return [Problem(_taken(manifest, before), ("metadata", "name"))]
    place, key = _about(found, before)
    if place or key:
        return [Problem(found, place, key)]
    said = error.fields[:_MOST_FIELDS] or tuple((one, "") for one in dict.fromkeys(fields(str(error))))
    rows_ = [(located(manifest.content, field), field, message) for field, message in said]
    problems = [Problem(_of_field(found, field, message), path) for path, field, message in rows_ if path]
    return problems or [Problem(found)]


def _of_field(found: Cause, field: str, message: str) -> Cause:
    """One cause for each field that the server names."""
    return msgspec.structs.replace(found, text=safe(f"{field}: {message}")) if message else found


def _taken(manifest: Manifest, before: Before) -> Cause:
    kind, name = manifest.content.get("kind"), name_of(manifest.content)
    text = f'The {kind} "{name}" already exists in the namespace.'
    remedies = [
        Remedy("let the API server choose the name", "naming=generate"),
        Remedy("delete the old one", command=shell("ftc", "delete", name, "-n", before.seen.namespace)),
    ]
    if not is_workload(manifest.content) and kind != "Service":
        remedies = [Remedy("omit it from the files, if it is the same")]
    return cause("name-taken", text, [], remedies)


_QUEUES = ("queue-missing", "queue-closed", "queue-capability")
_RESOURCES = ("quota-exceeded", "quota-needs-requests", "limit-range")
_NAMED = {
    "service-account-missing": "ServiceAccount",
    "priority-class-missing": "PriorityClass",
    "runtime-class-missing": "RuntimeClass",
}


def _about(found: Cause, before: Before) -> tuple[KeyPath, KeyPath]:
    """The field, or the key of the spec, that a refusal of a known kind is about."""
    if found.kind in _QUEUES:
        return ("spec", "queue"), ()
    if found.kind in _NAMED:
        every = named(before.job, before.pods)
        return next((one.place for one in every if one.kind == _NAMED[found.kind]), ()), ()
    if found.kind in _RESOURCES and before.pods:
        return (*before.pods[0].place, "spec", "containers", 0, "resources", "limits"), ()
    return (), (("cluster", "security") if found.kind == "pod-security" else ())
