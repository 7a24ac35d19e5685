"""What kind of object a document is, misspellings of its kind and group included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.lint.objects import Kind, written

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath

_SIMPLE_KINDS = {kind.value: kind for kind in (Kind.SERVICE, Kind.CLAIM, Kind.CONFIG_MAP)}
_SIMPLE = {name.casefold(): kind for name, kind in _SIMPLE_KINDS.items()}
_OF_JOBS = ("CronJob", "JobFlow", "JobTemplate")
_INNER: KeyPath = ("spec", "template")
# Volcano's own, which makes VolcanoJobs.
_CRON = ("batch.volcano.sh/v1alpha1", "CronJob")
_IN_CRON: KeyPath = ("spec", "jobTemplate")
_TEMPLATES: dict[str, KeyPath] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", *_INNER),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), _INNER),
}


def kind_of(data: Any) -> tuple[Kind | None, KeyPath]:
    """What an object is, and where its typed part lies; None for what is no object of ours."""
    if not isinstance(data, dict):
        return None, ()
    group, kind = str(data.get("apiVersion", "")), str(data.get("kind", ""))
    if (group, kind) == _CRON and written(data, (*_IN_CRON, "spec", "tasks")) is not None:
        return Kind.VOLCANO, _IN_CRON
    found = _simple(group, kind) or _job(group.partition("/")[0], kind, data.get("spec"))
    path = _TEMPLATES.get(kind)
    if found is None and path is not None and _is_template(written(data, path)):
        return Kind.POD, path
    return found, ()


def typed(data: Any, inner: KeyPath) -> Any:
    """The part of an object that is typed; a job that another object makes has that one's group, namespace and name."""
    part = written(data, inner)
    if inner != _IN_CRON:
        return part
    named = data["metadata"] if isinstance(data.get("metadata"), dict) else {}
    made = {"generateName": f"{named.get('name', 'job')}-"} | {k: v for k, v in named.items() if k == "namespace"}
    own = part["metadata"] if isinstance(part.get("metadata"), dict) else {}
    return {**part, "apiVersion": data["apiVersion"], "kind": "Job", "metadata": {**made, **own}}


def _simple(group: str, kind: str) -> Kind | None:
    """A Service, a claim or a ConfigMap: right in its version, or else in its kind's letters."""
    found = _SIMPLE.get(kind.casefold().removesuffix("s")) if group == "v1" else _SIMPLE_KINDS.get(kind)
    return found if group == "v1" or re.fullmatch(r"|v[0-9]\w*|core/v1", group) else None


def _job(group: str, kind: str, spec: Any) -> Kind | None:
    keys = spec.keys() if isinstance(spec, dict) else set()
    if "volcano" in group and not group.startswith("batch"):
        return Kind.VOLCANO if "tasks" in keys else None
    of_volcano = bool(keys & {"tasks", "minAvailable"})
    if group == "batch" and kind not in _OF_JOBS and not of_volcano and (kind == "Job" or "template" in keys):
        return Kind.BATCH
    if kind.casefold() not in ("job", "jobs", "vcjob", "volcanojob") and "tasks" not in keys:
        return None
    if group.startswith("batch.") or of_volcano:
        return Kind.VOLCANO if kind not in _OF_JOBS else None
    return Kind.BATCH if re.fullmatch(r"batch||v[0-9]\w*", group) and "template" in keys else None


def _is_template(data: Any) -> bool:
    spec = data.get("spec") if isinstance(data, dict) else None
    return isinstance(spec, dict) and isinstance(spec.get("containers"), list)
