"""A server that objects can be created in and deleted from, as far as `ftc submit` and `ftc delete` need it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from unit.cluster.api_server import Answers
from unit.cluster.situations import Object, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

# Group version: plural: kind.
SERVED = {
    "v1": {
        "pods": "Pod",
        "services": "Service",
        "secrets": "Secret",
        "configmaps": "ConfigMap",
        "serviceaccounts": "ServiceAccount",
        "persistentvolumeclaims": "PersistentVolumeClaim",
        "resourcequotas": "ResourceQuota",
        "limitranges": "LimitRange",
        "namespaces": "Namespace",
        "nodes": "Node",
        "events": "Event",
    },
    "batch/v1": {"jobs": "Job"},
    "batch.volcano.sh/v1alpha1": {"jobs": "Job"},
    "scheduling.volcano.sh/v1beta1": {"queues": "Queue", "podgroups": "PodGroup"},
    "scheduling.k8s.io/v1": {"priorityclasses": "PriorityClass"},
    "kueue.x-k8s.io/v1beta1": {"localqueues": "LocalQueue", "clusterqueues": "ClusterQueue"},
    "storage.k8s.io/v1": {"storageclasses": "StorageClass"},
}
_PATH = re.compile(r"/(?:api|apis)/(?P<version>v1|[^/]+/[^/]+)(?:/namespaces/(?P<space>[^/]+)(?=/))?(?:/(?P<rest>.*))?")
_REVIEW = "selfsubjectaccessreviews"


class Refusal:
    """The answer to the creation of a kind: a status, a message, and the fields that it names."""

    def __init__(self, kind: str, status: int, message: str, *fields: tuple[str, str]) -> None:
        self.kind, self.status, self.message, self.fields = kind, status, message, fields
        self.at: tuple[bool, ...] = (True, False)

    def only(self, *, dry: bool) -> Refusal:
        """The same for a dry run only, or for a creation only."""
        self.at = (dry,)
        return self


class Cluster(Answers):
    """The namespace `team` with objects; `created` are those that were created and still exist."""

    def __init__(self, *objects: Object, without: tuple[str, ...] = ()) -> None:
        super().__init__(snapshot(*objects))
        self.served = {version: kinds for version, kinds in SERVED.items() if version not in without}
        self.denied: set[tuple[str, str]] = set()
        self.refusals: list[Refusal] = []
        self.created: list[Object] = []
        self.dry: list[Object] = []
        self.deleted: list[tuple[str, Any]] = []
        self.hides_kinds = False
        self.busy = 0
        self.loses = ""
        self.on_create: Callable[[Object], None] = lambda _: None

    @property
    def objects(self) -> list[Object]:
        return [*self.snapshot.objects, *self.created]

    def answer(self, path: str) -> tuple[int, bytes]:  # noqa: PLR0911 - one for each kind of request
        if path == "/apis":
            groups = {version.partition("/")[0] for version in self.served if "/" in version}
            return 200, json.dumps({"groups": [{"name": name} for name in sorted(groups)]}).encode()
        version, plural, name, space = self._parsed(path)
        self.asked.append(path)
        if fault := self._fault(plural):
            return _status(*fault)
        if name.endswith("/log"):
            return 200, self._log(name.removesuffix("/log"), path)
        kinds = self.served.get(version, {})
        if plural not in kinds:
            return (404, b"404 page not found") if plural else self._known(kinds, path)
        if ("get" if name else "list", plural) in self.denied:
            return _status(403, f'{plural} is forbidden: User "ann" cannot list resource "{plural}"')
        assert plural != "secrets" or "PartialObjectMetadata" in self.accept, "the values of a Secret are read"
        found = [one for one in self.objects if (one["kind"], one["apiVersion"]) == (kinds[plural], version)]
        found = [one for one in found if not space or one["metadata"].get("namespace", space) == space]
        if name:
            named = [one for one in found if one["metadata"]["name"] == name]
            return (200, json.dumps(named[0]).encode()) if named else _status(404, f'{plural} "{name}" not found')
        items = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in found]
        return 200, json.dumps({"kind": f"{kinds[plural]}List", "apiVersion": version, "items": items}).encode()

    def _known(self, kinds: dict[str, str], path: str) -> tuple[int, bytes]:
        """The list of kinds of a group version."""
        if self.hides_kinds:
            return _status(403, f'forbidden: User "ann" cannot get path "{path}"')
        rows = [{"name": one, "kind": kind, "namespaced": True} for one, kind in kinds.items()]
        answer = json.dumps({"kind": "APIResourceList", "resources": rows}).encode()
        return (200, answer) if kinds else (404, b"404 page not found")

    def _log(self, pod: str, path: str) -> bytes:
        container = parse_qs(urlsplit(path).query)["container"][0]
        return self.snapshot.logs.get(f"{pod}.{container}", "").encode()

    def change(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        version, plural, name, space = self._parsed(path)
        self.asked.append(f"{method} {path}")
        if plural == _REVIEW:
            asked = body["spec"]["resourceAttributes"]
            allowed = (asked["verb"], asked["resource"]) not in self.denied
            return 201, json.dumps({**body, "status": {"allowed": allowed}}).encode()
        if method == "DELETE":
            return self._delete(plural, name, body)
        if self.busy:
            self.busy -= 1
            return _status(429, "too many requests, please try again later")
        query = parse_qs(urlsplit(path).query)
        assert query["fieldValidation"] == ["Strict"], path
        assert (version, space) == (body["apiVersion"], "team"), path
        return self._create(body, dry=query.get("dryRun") == ["All"])

    def _parsed(self, path: str) -> tuple[str, str, str, str]:
        """The group version, the plural, the name and the namespace of a path."""
        found = _PATH.fullmatch(urlsplit(path).path)
        assert found, path
        plural, _, name = (found["rest"] or "").partition("/")
        return found["version"], plural, name, found["space"] or ""

    def _create(self, body: Object, *, dry: bool) -> tuple[int, bytes]:
        metadata = body["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}x7k2p"
        for one in self.refusals:
            if one.kind == body["kind"] and dry in one.at:
                return _status(one.status, one.message, one.fields)
        if any(one["kind"] == body["kind"] and one["metadata"]["name"] == name for one in self.objects):
            return _status(409, f'jobs.batch "{name}" already exists')
        template = body.get("spec", {}).get("template", {})
        if "unknownField" in template.get("spec", {}):
            field = "spec.template.spec.unknownField"
            return _status(
                400, f'Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field "{field}"'
            )
        made = {**body, "metadata": {**metadata, "name": name, "namespace": "team", "uid": f"uid-{name}"}}
        (self.dry if dry else self.created).append(made)
        if not dry:
            self.on_create(made)
            if self.loses == body["kind"]:
                return _status(504, "Timeout: request did not complete within the allotted timeout")
        return 201, json.dumps(made).encode()

    def _delete(self, plural: str, name: str, body: Any) -> tuple[int, bytes]:
        if ("delete", plural) in self.denied:
            return _status(403, f'{plural} "{name}" is forbidden: User "ann" cannot delete resource "{plural}"')
        uid = body["preconditions"]["uid"]
        found = [one for one in self.objects if one["metadata"]["name"] == name and one["metadata"]["uid"] == uid]
        if not found:
            return _status(404, f'{plural} "{name}" not found')
        self.deleted.append((f"{plural}/{name}", body))
        # The garbage collector deletes what the object owns.
        gone = {one["metadata"]["uid"] for one in found}
        owned = [
            one for one in self.created for row in one["metadata"].get("ownerReferences", []) if row["uid"] in gone
        ]
        self.created = [one for one in self.created if one not in (*found, *owned)]
        return 200, b'{"kind": "Status", "status": "Success"}'


def _status(code: int, message: str, fields: tuple[tuple[str, str], ...] = ()) -> tuple[int, bytes]:
    causes = [{"field": field, "message": said} for field, said in fields]
    body = {"kind": "Status", "status": "Failure", "message": message, "code": code, "details": {"causes": causes}}
    return code, json.dumps(body).encode()
