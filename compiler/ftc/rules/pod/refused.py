"""Rules on the pod with all fragments: what the API server and Volcano's webhook refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.output_schemas import pod_template
from ftc.plan.pod import recorded, with_fragments
from ftc.rules.pod.contents import container_settings_are_consistent, tolerations_are_complete
from ftc.rules.pod.contradictions import annotation_errors, contradictions, port_names
from ftc.rules.pod.devices import extended_resources_are_valid
from ftc.rules.pod.schema import fragment_findings
from ftc.rules.pod.settings import pod_settings_are_consistent
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan


def server_accepts_the_pod(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The server accepts the pod with all fragments.

    A fragment has valid fields, but the pod may combine them in a way that the API server refuses: a probe of an init
    container, a variable from two sources, an affinity without terms.
    Source: Kubernetes, pkg/apis/core/validation.

    Wrong: 'pod={spec: {dnsPolicy: None}}'
    Right: 'pod={spec: {dnsPolicy: Default}}'
    """
    found = list(_refused(spec, run, webhook=False))
    specific = {one.where for check in _SPECIFIC for one in check(spec, run)} if found else set()
    yield from (one for one in found if not any(one.where[: len(place)] == place for place in specific))
    pod = with_fragments(run)
    if found:
        return
    of_spec = (
        one._replace(path=("spec", *one.path)) for one in (*contradictions(pod["spec"]), *port_names(pod["spec"]))
    )
    for one in (*of_spec, *annotation_errors(pod)):
        place = _set_by(run, one.path)
        if place is not None:
            yield Finding(place, one.message, one.help)


# Rules with better messages for the same mistakes: their findings replace those of the schema at the same place.
_SPECIFIC = (
    container_settings_are_consistent,
    extended_resources_are_valid,
    pod_settings_are_consistent,
    tolerations_are_complete,
)


def webhook_accepts_the_pod(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Volcano's webhook accepts the pod with all fragments.

    The webhook validates pods with the code of an older Kubernetes, which refuses more than a recent server: a
    restartPolicy of a container, a variable whose name begins with a digit.
    Source: Volcano, pkg/webhooks/admission/jobs/validate.

    Wrong: 'pod={spec: {containers: [{name: train, env: [{name: 1A, value: x}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, env: [{name: A1, value: x}]}]}}'
    """
    if not list(_refused(spec, run, webhook=False)):
        yield from _refused(spec, run, webhook=True)


def _refused(spec: JobSpec, run: RunPlan, *, webhook: bool) -> Iterator[Finding]:
    pod = with_fragments(run)
    version = spec.cluster.volcano, spec.cluster.kubernetes
    if pod_template(*version, webhook=True).is_valid(pod):
        return  # the webhook's schema is the server's with more constraints, and each takes a while to compile
    schema = pod_template(*version, webhook=webhook)
    for error in schema.iter_errors(pod):
        place = _set_by(run, _place(error))
        if place is not None:
            yield from fragment_findings(error, place)


def _place(error: ValidationError) -> KeyPath:
    """The place of an error in the pod; that of a key which is refused is the key, not the mapping."""
    of_key = "propertyNames" in error.absolute_schema_path
    return (*error.absolute_path, str(error.instance)) if of_key else tuple(error.absolute_path)


def _set_by(run: RunPlan, path: KeyPath) -> KeyPath | None:
    """The key of a fragment that set a field of the pod, or else a part of what contains it."""
    pod = recorded(run)
    for length in range(len(path), 0, -1):
        keys = [source.key for source in pod.at(path[:length]).sources() if source.key]
        if keys:
            return keys[-1]
    return None


RULES = (
    Rule("FTC516", "pod-refused-by-server", server_accepts_the_pod, JobSpec),
    Rule("FTC517", "pod-refused-by-volcano", webhook_accepts_the_pod, JobSpec, target="volcano"),
)
