"""Rules on the schemas of the API server: the keys, types and values of an object or a fragment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ftc.constraints import FIELDS
from ftc.diagnostics.many import and_others, first_keys
from ftc.diagnostics.model import Severity, did_you_mean, nearest, type_words
from ftc.diagnostics.redact import on_a_line
from ftc.manifests.objects import UNSEEN, Mismatch, Object
from ftc.output_schemas import kubernetes_versions, pod_fragment, volcano_versions
from ftc.rules.given import containers, fragments
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from ftc.plan.types import RunPlan

# Rules on a spec.


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
        reported, others = first_keys(key for key in error.instance if key not in known)  # type: ignore[union-attr] # a mapping
        for key in reported:
            help_ = did_you_mean(key, known)
            yield Finding((*inner, key), "is no field of a PodTemplate there", help_, at_key=True)
        if others:
            yield Finding((*inner, others[0]), and_others(others), at_key=True)
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


# Rules on manifests.


def no_unknown_key(manifest: Object) -> Iterator[Finding]:
    """An object has no key that its kind does not have.

    kubectl refuses it; a client that does not validate (Python's, GitOps with validation off) has it dropped without a
    word, so that a misspelt `replicas` makes no pods.
    Source: Volcano's resource definition and Kubernetes' OpenAPI documents, which are closed.

    Wrong: tests/corpus/bad/FTC801-misspelt-key.yaml
    Right: tests/corpus/good/FTC801-annotation-of-any-name.yaml
    """
    for mismatch in _of(manifest, "additionalProperties"):
        known = list(mismatch.schema.get("properties", {}))
        reported, others = first_keys(key for key in mismatch.instance if key not in known)
        for key in reported:
            message = f"'{key}' is no key of {_owner(mismatch, manifest)}"
            yield Finding(manifest.at(*mismatch.path, key), message, did_you_mean(key, known))
        if others:
            yield Finding(manifest.at(*mismatch.path, others[0]), f"'{others[0]}' {and_others(others)}")


def _owner(mismatch: Mismatch, manifest: Object) -> str:
    names = [part for part in mismatch.path if isinstance(part, str)]
    item = "an item of " if mismatch.path and isinstance(mismatch.path[-1], int) else ""
    return f"{item}`{names[-1]}`" if names else f"a {manifest.kind}"


def nothing_is_missing(manifest: Object) -> Iterator[Finding]:
    """An object has the keys that its kind needs.

    The API server refuses the object without them.
    Source: Volcano's resource definition and Kubernetes' OpenAPI documents (`required`).

    Wrong: tests/corpus/bad/FTC802-container-without-name.yaml
    Right: tests/corpus/good/FTC802-no-optional-key.yaml
    """
    for mismatch in _of(manifest, "required"):
        for key in [key for key in mismatch.wanted if key not in mismatch.instance]:
            message = f"{_owner(mismatch, manifest)} needs the key '{key}'"
            yield Finding(manifest.at(*mismatch.path, key), message, nearest(key, mismatch.instance))


def values_fit(manifest: Object) -> Iterator[Finding]:
    """A value is of the type and the words that its key takes.

    The API server refuses another one. A plain `8` or `true` in YAML is no text: environment variables, annotations and
    arguments want quotes.
    Source: Volcano's resource definition and Kubernetes' validation of quantities, names and closed lists of words.

    Wrong: tests/corpus/bad/FTC803-number-for-a-text.yaml
    Right: tests/corpus/good/FTC803-quoted-number.yaml
    """
    for mismatch in manifest.mismatches:
        if mismatch.validator not in ("additionalProperties", "required"):
            severity = Severity.NOTE if mismatch.validator == UNSEEN else None
            yield Finding(manifest.at(*mismatch.path), _message(mismatch), _help(mismatch), severity=severity)


def _of(manifest: Object, validator: str) -> list[Mismatch]:
    return [mismatch for mismatch in manifest.mismatches if mismatch.validator == validator]


def _message(mismatch: Mismatch) -> str:
    shown, wanted = on_a_line(mismatch.instance), mismatch.wanted
    if mismatch.validator == "type":
        return f"is {shown}, and must be {type_words([wanted] if isinstance(wanted, str) else wanted)}"
    if mismatch.validator == "enum":
        return f"is {shown}, and must be one of {', '.join(str(choice) for choice in wanted if choice != '')}"
    if mismatch.validator == "maxLength" and wanted == 0:
        return f"is {shown}, and must be empty"
    if mismatch.validator == "maxLength":
        return f"is {len(mismatch.instance)} characters long, and {wanted} are allowed"
    texts = {
        "const": f"is {shown}, and must be {wanted}",
        "minimum": f"is {shown}, and must be at least {wanted}",
        "maximum": f"is {shown}, and must be at most {wanted}",
        "minItems": "must not be empty",
        "maxItems": f"has more than {wanted} entries",
        UNSEEN: f"has more than {wanted} entries, and lint looks no further into the object",
        "minLength": "must not be empty",
        "pattern": f"is {shown}, which is not well formed{_form(mismatch)}",
    }
    return texts.get(mismatch.validator, f"{shown} does not fit: {mismatch.message[:100]}")


def _form(mismatch: Mismatch) -> str:
    """What is meant by well formed, by a mark of the pattern."""
    pattern = str(mismatch.wanted)
    if "[KMGTPE]i" in pattern:
        return ": a quantity is a number and one of m, k, M, G, T, Ki, Mi, Gi, Ti"
    if "(ns|us|ms|s|m|h)" in pattern:
        return ": a duration is like 1h30m"
    for mark, form in _FORMS:
        if mark in pattern:
            return f": {form}"
    if "[-a-z0-9]*[a-z0-9]" in pattern:
        return ": lower-case letters, digits and '-', beginning and ending with a letter or digit"
    return ""


_FORMS = (
    ("podIPs", "a field is metadata.name, status.podIP and the like"),
    ("hugepages-", "a resource is cpu, memory, ephemeral-storage, hugepages-… or domain/name"),
    ("[/$]", "a directory begins with '/'"),
    ("(/|$)", "a path has no '..' there"),
)


def _help(mismatch: Mismatch) -> str:
    instance, wanted = mismatch.instance, mismatch.wanted
    if isinstance(instance, float) and "resources" in mismatch.path and "/" in str(mismatch.path[-1]):
        return "ask for whole devices, or for a share by its own name"
    if mismatch.validator == "type" and "string" in wanted and isinstance(instance, bool | int | float):
        return f'write it in quotes: "{json.dumps(instance)}"'
    if mismatch.validator == "type" and isinstance(instance, str) and _wants_number(mismatch):
        return f"write it without quotes: {instance}"
    if mismatch.validator in ("enum", "const"):
        return nearest(str(instance), [str(word) for word in (wanted if mismatch.validator == "enum" else [wanted])])
    if mismatch.validator == "pattern" and isinstance(instance, str):
        return nearest(instance, _well_formed(instance, str(wanted)))
    mode = mismatch.validator == "maximum" and mismatch.path[-1] in ("mode", "defaultMode")
    return f"a mode is octal: 0{instance}" if mode else ""


def _well_formed(text: str, pattern: str) -> tuple[str, ...]:
    """What may have been meant instead of a text that a pattern does not take."""
    if "[KMGTPE]i" in pattern:
        return (re.sub(r"(?i)([kmgtpe])(i?)b$", lambda m: f"{m[1].upper()}{m[2]}", text),)
    return FIELDS if "podIPs" in pattern else ()


def _wants_number(mismatch: Mismatch) -> bool:
    return mismatch.wanted in ("integer", "number") and mismatch.instance.removeprefix("-").isdecimal()


OF_FRAGMENTS = (
    Rule("FTC505", "unsupported-cluster-version", versions_are_supported, JobSpec, needed=True),
    Rule("FTC506", "invalid-pod-fragment", fragments_are_pods, JobSpec, needed=True),
)
OF_CONTAINERS = (Rule("FTC502", "container-needs-image", containers_fit, JobSpec, needed=True),)
RULES = (
    Rule("FTC801", "unknown-field", no_unknown_key, Object),
    Rule("FTC802", "missing-field", nothing_is_missing, Object),
    Rule("FTC803", "invalid-field-value", values_fit, Object),
)
