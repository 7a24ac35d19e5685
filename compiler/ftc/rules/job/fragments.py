"""Rules on the user's fragment of the job's object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import dotted
from ftc.output.verify import schema
from ftc.plan.merge import merge
from ftc.plan.types import BoundRun
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan


_OF_THE_RUN = {("metadata", "name"), ("metadata", "generateName"), ("metadata", "namespace"), ("spec", "network")}


def fragment_keeps_fields(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment of the job does not change a field that ftc sets.

    These fields depend on each other: with another number of replicas, for example, the gang and the world size are
    wrong. A list is one field. The name and the namespace are keys of the run, and the pods of a JobSet find each other
    by the host names of its network.
    Source: ftc, which sets these fields.

    Wrong: nodes=2 'job.volcano={spec: {minAvailable: 1}}'
    Right: nodes=2 'job.volcano={spec: {networkTopology: {mode: hard}}}'
    """
    if not isinstance(run, BoundRun):
        return
    for path in _changed(*_object(run)):
        where = ("job", run.target, *path)
        yield Finding(where, f"ftc sets {dotted(path)}", "remove it; other keys of the run decide it", at_key=True)


def fragment_is_valid(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment of the job has the fields of the object, in the cluster's version.

    The API server rejects or drops a field that it does not know.
    Source: the schemas of Kubernetes, Volcano, JobSet and Kubeflow Trainer.

    Wrong: 'job.volcano={spec: {activeDeadlineSeconds: 60}}'
    Right: 'job.volcano={spec: {networkTopology: {mode: soft}}}'
    """
    if not isinstance(run, BoundRun):
        return
    own, fragment = _object(run)
    if not fragment or any(_changed(own, fragment)):
        return
    for error in schema(own, spec.cluster).iter_errors(merge(own, fragment)):
        place = _inside(fragment, tuple(error.absolute_path))
        help_ = f"kubectl explain {own['kind'].lower()}s.{own['apiVersion'].partition('/')[0]} shows the fields"
        yield Finding(("job", run.target, *place), error.message[:200], help_)


def _object(run: BoundRun) -> tuple[Any, Any]:
    """The job's object as ftc makes it, and the fragment; both empty without a fragment."""
    target = POD_TARGETS[run.target]
    fragment = target.fragment(run)
    return (target.own(run)[-1], fragment) if fragment else ({}, {})


def _changed(own: Any, fragment: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths at which a fragment has another value than the object."""
    for key, value in fragment.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(own.get(key), dict):
            yield from _changed(own[key], value, here)
        elif here in _OF_THE_RUN or (key in own and own[key] != value):
            yield here


def _inside(fragment: Any, path: KeyPath) -> KeyPath:
    """The part of a path that the fragment has."""
    found: list[str | int] = []
    for step in path:
        if not isinstance(fragment, dict) or step not in fragment:
            break
        fragment = fragment[step]
        found.append(step)
    return tuple(found)


RULES: tuple[Rule, ...] = (
    Rule("FTC595", "job-fragment-changes-own-field", fragment_keeps_fields, JobSpec, needed=True),
    Rule("FTC596", "job-fragment-invalid", fragment_is_valid, JobSpec, needed=True),
)
