"""What the other rules take for granted: versions that have schemas, and fragments that fit them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.checks.given import containers, fragments
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import did_you_mean, type_words
from ftc.output_schemas import kubernetes_versions, pod_fragment, volcano_versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_SIZE = re.compile(r"([0-9.]+)\s*([KMGTP])i?b?", re.IGNORECASE)


def versions_are_supported(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The versions of the cluster are ones that ftc has schemas for.

    They choose the schemas that fragments and manifests are held against.

    Wrong: cluster.kubernetes=1.20
    Right: cluster.kubernetes=1.31
    """
    known = {"kubernetes": kubernetes_versions(), "volcano": volcano_versions()}
    for name, versions in known.items():
        have = getattr(spec.cluster, name)
        if have not in versions:
            span = f"{versions[0]} to {versions[-1]}"
            help_ = f"ftc knows {span}: take the nearest that is not newer than yours"
            yield Finding(("cluster", name), f"{have} is not known", help_)


def fragments_are_pods(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment is a piece of a PodTemplate.

    The API server drops or refuses what it does not know: a misspelt nodeSelector is no selector. It refuses names,
    fields, paths and counts that are none (Kubernetes, pkg/apis/core/validation).

    Wrong: 'pod={spec: {nodeSelecto: {disk: ssd}}}'
    Right: 'pod={spec: {nodeSelector: {disk: ssd}}}'
    """
    if list(versions_are_supported(spec, run)):
        return
    schema = pod_fragment(spec.cluster.volcano, spec.cluster.kubernetes)
    for path, fragment in fragments(spec):
        for error in schema.iter_errors(fragment) if fragment else ():
            yield from _fragment_findings(error, path)


def _fragment_findings(error: ValidationError, path: tuple[str, ...]) -> Iterator[Finding]:
    inner = (*path, *error.absolute_path)
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        for key in [key for key in error.instance if key not in known]:  # type: ignore[union-attr] # a mapping
            help_ = did_you_mean(key, known)
            yield Finding((*inner, key), "is no field of a PodTemplate there", help_, at_key=True)
    elif error.validator == "pattern" and "[KMGTPE]i" in str(error.validator_value):
        sized = _SIZE.fullmatch(str(error.instance))
        help_ = f"did you mean '{sized[1]}{sized[2].upper()}i'?" if sized else "write a size as 10Gi, a share as 500m"
        yield Finding(inner, "is no quantity: a number and one of m, k, M, G, T, Ki, Mi, Gi, Ti", help_)
    elif error.validator == "pattern" and "description" in schema:
        yield Finding(inner, "is nothing that the API server takes there", schema["description"])
    else:
        yield Finding(inner, f"does not fit a PodTemplate: {_misfit(error)}", "see `kubectl explain pod`")


def _misfit(error: ValidationError) -> str:
    """What the schema says, without the value, which may be long or a secret."""
    wanted: Any = error.validator_value
    if error.validator == "type":
        return f"must be {type_words([wanted] if isinstance(wanted, str) else wanted)}"
    return error.message.replace(repr(error.instance), "it")[:200]


def containers_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container of a fragment is one of ftc's, or brings its own image.

    A fragment changes a container by its name, among the containers or among the init containers. One with another name
    is a new container, which the API server refuses without an image (`image: Required value`).

    Wrong: 'pod={spec: {containers: [{name: sidecar, command: [tail]}]}}'
    Right: 'pod={spec: {containers: [{name: sidecar, command: [tail], image: busybox}]}}'
    """
    body = run.template["spec"]
    ours = {field: {container["name"] for container in body.get(field, [])} for field in _OTHER}
    for path, container in containers(spec):
        field, name = str(path[-2]), container["name"]
        if name in ours[_OTHER[field]]:
            message = f"'{name}' is ftc's own, and is in {_OTHER[field]}"
            yield Finding(path, message, f"move it to {_OTHER[field]}, or choose another name")
        elif name not in ours[field] and "image" not in container:
            message = f"the pod has no container '{name}', and a new one needs an image"
            yield Finding(path, message, f"containers of ftc: {', '.join(sorted(ours[field])) or 'none'}")


_OTHER = {"initContainers": "containers", "containers": "initContainers"}
RULES = (
    Rule("FTC505", versions_are_supported, needed=True),
    Rule("FTC506", fragments_are_pods, needed=True),
)
# They read fragments that fit the schema; the other rules read pods that these let through.
RULES_OF_CONTAINERS = (Rule("FTC502", containers_fit, needed=True),)
