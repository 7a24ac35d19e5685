"""Rules on the schemas of the API server: the keys, types and values of an object or a fragment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ftc.constraints import FIELDS
from ftc.diagnostics.model import KeyPath, Severity, and_others, did_you_mean, first_keys, nearest, type_words
from ftc.diagnostics.printable import on_a_line
from ftc.manifests.objects import UNVALIDATED, Kind, Mismatch, Object
from ftc.manifests.steps import Step
from ftc.manifests.subjects import Pod
from ftc.output_schemas import kubernetes_versions, pod_fragment, volcano_versions
from ftc.rules.given import containers, fragments
from ftc.rules.pod.contents import toleration_of
from ftc.rules.pod.contradictions import annotation_errors, contradictions
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from ftc.plan.types import RunPlan

# Rules on a spec.


_SIZE = re.compile(r"([0-9.]+)\s*([KMGTP])i?b?", re.IGNORECASE)


def versions_are_supported(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The versions of the cluster have schemas in ftc.

    The versions select the schemas that fragments and manifests are validated against.
    Source: ftc, which packages one schema for each version.

    Wrong: cluster.kubernetes=1.20
    Right: cluster.kubernetes=1.31
    """
    known = {"kubernetes": kubernetes_versions(), "volcano": volcano_versions()}
    for name, versions in known.items():
        have = getattr(spec.cluster, name)
        if have not in versions:
            span = f"{versions[0]} to {versions[-1]}"
            help_ = f"ftc supports {span}: use the nearest version that is not newer than yours"
            yield Finding(("cluster", name), f"{have} is not supported", help_)


def fragments_match_pod_template(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment is a valid part of a PodTemplate.

    The API server drops or rejects unknown fields: a misspelled nodeSelector does not select anything. It rejects
    invalid names, fields, paths and counts.
    Source: Kubernetes, pkg/apis/core/validation.

    Wrong: 'pod={spec: {nodeSelecto: {disk: ssd}}}'
    Right: 'pod={spec: {nodeSelector: {disk: ssd}}}'
    """
    if list(versions_are_supported(spec, run)):
        return
    schema = pod_fragment(spec.cluster.volcano, spec.cluster.kubernetes)
    for path, fragment in fragments(spec):
        for error in schema.iter_errors(fragment) if fragment else ():
            yield from fragment_findings(error, (*path, *error.absolute_path))


def fragment_findings(error: ValidationError, inner: KeyPath) -> Iterator[Finding]:
    """The findings for an error of the schema at a place in a fragment."""
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        reported, others = first_keys(key for key in error.instance if key not in known)  # type: ignore[union-attr] # a mapping
        for key in reported:
            help_ = did_you_mean(key, known)
            yield Finding((*inner, key), "is not a field of a PodTemplate here", help_, at_key=True)
        if others:
            yield Finding((*inner, others[0]), and_others(others), at_key=True)
    elif error.validator == "pattern" and "[KMGTPE]i" in str(error.validator_value):
        sized = _SIZE.fullmatch(str(error.instance))
        help_ = (
            f"did you mean '{sized[1]}{sized[2].upper()}i'?"
            if sized
            else "write a size like 10Gi, a fraction like 500m"
        )
        yield Finding(inner, "is not a quantity: a number and one of m, k, M, G, T, Ki, Mi, Gi, Ti", help_)
    elif isinstance(schema, dict) and "description" in schema:
        yield Finding(inner, "is not a value that the API server accepts here", schema["description"])
    else:
        yield Finding(inner, *_problem(error))


def _problem(error: ValidationError) -> tuple[str, str]:
    """The message and the help, without the value, which may be long or a secret."""
    wanted: Any = error.validator_value
    message = f"does not match a PodTemplate: {error.message.replace(repr(error.instance), 'it')[:200]}"
    help_ = "see `kubectl explain pod`"
    match error.validator:
        case "required":
            missing = " and ".join(key for key in wanted if key not in error.instance)  # type: ignore[operator] # a mapping
            message, help_ = f"needs {missing}", f"set {missing}"
        case "type":
            words = type_words([wanted] if isinstance(wanted, str) else wanted)
            message, help_ = f"must be {words}", f"write {words}"
        case "enum" | "const":
            choices = [str(one) for one in (wanted if error.validator == "enum" else [json.dumps(wanted)]) if one != ""]
            message = "is not a value that the API server accepts here"
            help_ = did_you_mean(str(error.instance), choices)
        case "minimum" | "maximum":
            words = f"at {'least' if error.validator == 'minimum' else 'most'} {wanted}"
            message, help_ = f"must be {words}", f"write a number that is {words}"
        case "minLength" | "minItems":
            message, help_ = "must not be empty", "add a value, or remove the field"
        case "maxLength" | "maxItems" if wanted == 0:
            message, help_ = "must be empty", "remove it"
    return message, help_


def new_container_has_an_image(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container has an image.

    The API server rejects a container without one (`image: Required value`). A fragment changes a container of ftc by
    its name, among the containers or the init containers. Any other name adds a container, which needs an image.
    Source: Kubernetes, pkg/apis/core/validation (validateContainers).

    Wrong: 'pod={spec: {containers: [{name: sidecar, command: [tail]}]}}'
    Right: 'pod={spec: {containers: [{name: sidecar, command: [tail], image: busybox}]}}'
    """
    body = run.template["spec"]
    ours = {field: {container["name"] for container in body.get(field, [])} for field in _OTHER_FIELD}
    for path, container in containers(spec):
        field, name = str(path[-2]), container["name"]
        if name in ours[_OTHER_FIELD[field]]:
            message = f"'{name}' is a container of ftc in {_OTHER_FIELD[field]}"
            yield Finding(path, message, f"move it to {_OTHER_FIELD[field]}, or choose another name")
        elif name not in ours[field] and "image" not in container:
            help_ = f"set image, or use the name of a container of ftc: {', '.join(sorted(ours[field]))}"
            yield Finding(path, _lacks_image(name), help_ if ours[field] else "set image")


def _lacks_image(container: str) -> str:
    return f"container '{container}' does not have an image"


_OTHER_FIELD = {"initContainers": "containers", "containers": "initContainers"}


# Rules on manifests.


def container_has_an_image(step: Step) -> Iterator[Finding]:
    """A container of a manifest has an image; a TrainJob sets that of its runtime."""
    if step.pod.job.kind in (Kind.RUNTIME, Kind.CLUSTER_RUNTIME):
        return
    if not step.container.image and step.pod.raw(step.field, step.index, "image") in (None, ""):
        place = step.at("image") if step.pod.has(step.field, step.index, "image") else step.at()
        yield Finding(place, _lacks_image(step.container.name), "set image")


def no_unknown_field(manifest: Object) -> Iterator[Finding]:
    """An object has only fields that its kind defines.

    kubectl rejects an unknown field. With a client that does not validate (Python's, GitOps with validation off) the
    API server drops it silently: a misspelled `replicas` does not create pods.
    Source: Volcano's resource definitions; Kubernetes' OpenAPI documents.

    Wrong: tests/corpus/bad/FTC801-misspelled-key.yaml
    Right: tests/corpus/good/FTC801-annotation-of-any-name.yaml
    """
    for mismatch in _mismatches(manifest, "additionalProperties"):
        known = list(mismatch.schema.get("properties", {}))
        reported, others = first_keys(key for key in mismatch.instance if key not in known)
        for key in reported:
            message = f"'{key}' is not a field of {_owner(mismatch, manifest)}"
            yield Finding(manifest.at(*mismatch.path, key), message, did_you_mean(key, known))
        if others:
            yield Finding(manifest.at(*mismatch.path, others[0]), f"'{others[0]}' {and_others(others)}")


def _owner(mismatch: Mismatch, manifest: Object) -> str:
    names = [part for part in mismatch.path if isinstance(part, str)]
    item = "an item of " if mismatch.path and isinstance(mismatch.path[-1], int) else ""
    return f"{item}`{names[-1]}`" if names else f"a {manifest.kind}"


def no_missing_field(manifest: Object) -> Iterator[Finding]:
    """An object has the fields that its kind requires.

    The API server rejects an object without them.
    Source: Volcano's resource definitions; Kubernetes' OpenAPI documents (`required`).

    Wrong: tests/corpus/bad/FTC802-container-without-name.yaml
    Right: tests/corpus/good/FTC802-no-optional-key.yaml
    """
    for mismatch in [one for one in _mismatches(manifest, "required") if toleration_of(one, manifest) is None]:
        for key in [key for key in mismatch.wanted if key not in mismatch.instance]:
            message = f"{_owner(mismatch, manifest)} needs the field '{key}'"
            yield Finding(manifest.at(*mismatch.path, key), message, nearest(key, mismatch.instance))


def field_values_are_valid(manifest: Object) -> Iterator[Finding]:
    """A field has a valid type and value.

    The API server rejects any other value. In YAML a plain `8` or `true` is not a string: quote it in environment
    variables, annotations and arguments.
    Source: Volcano's resource definitions; Kubernetes, validation of quantities, names and enumerations.

    Wrong: tests/corpus/bad/FTC803-number-for-a-string.yaml
    Right: tests/corpus/good/FTC803-quoted-number.yaml
    """
    for mismatch in manifest.mismatches:
        if mismatch.validator not in ("additionalProperties", "required") and toleration_of(mismatch, manifest) is None:
            severity = Severity.NOTE if mismatch.validator == UNVALIDATED else None
            yield Finding(manifest.at(*mismatch.path), _message(mismatch), _help(mismatch), severity=severity)


def parts_of_a_pod_agree(pod: Pod) -> Iterator[Finding]:
    """The parts of a pod do not contradict each other.

    The API server rejects a pod whose fields are valid but contradict each other: two ports with one hostPort, a sleep
    that is longer than the time to terminate, huge pages without a limit.
    Source: Kubernetes, pkg/apis/core/validation.

    Wrong: tests/corpus/bad/FTC518-duplicate-host-port.yaml
    Right: tests/corpus/good/FTC518-host-ports-of-two-protocols.yaml
    """
    if pod.job.object.mismatches:
        return
    for one in contradictions(pod.raw() or {}):
        yield Finding(pod.at(*one.path), one.message, one.help)
    for one in annotation_errors(pod.job.object.raw(*pod.crew.path) or {}):
        yield Finding(pod.job.at(*pod.crew.path, *one.path), one.message, one.help)


def entries_are_unique(manifest: Object) -> Iterator[Finding]:
    """The ports of a Service and the keys of a ConfigMap have unique names.

    The API server rejects the object (`Duplicate value`). A key of `data` must not be in `binaryData` too.
    Source: Kubernetes, pkg/apis/core/validation (ValidateService, ValidateConfigMap).

    Wrong: tests/corpus/bad/FTC519-key-in-data-and-binary-data.yaml
    Right: tests/corpus/good/FTC519-keys-of-their-own.yaml
    """
    if manifest.kind is Kind.CONFIG_MAP and not manifest.mismatches:
        for key in (manifest.raw("data") or {}).keys() & (manifest.raw("binaryData") or {}).keys():
            yield Finding(manifest.at("binaryData", key), f"'{key}' is also a key of data", "choose another key")
    if manifest.kind is Kind.SERVICE and not manifest.mismatches:
        names = [port.get("name") for port in manifest.raw("spec", "ports") or []]
        for index, name in enumerate(names):
            if name and name in names[:index]:
                yield Finding(manifest.at("spec", "ports", index), f"the port '{name}' is a duplicate", "rename one")


def _mismatches(manifest: Object, validator: str) -> list[Mismatch]:
    return [mismatch for mismatch in manifest.mismatches if mismatch.validator == validator]


def _message(mismatch: Mismatch) -> str:
    shown, wanted = on_a_line(mismatch.instance), mismatch.wanted
    if mismatch.validator == "type":
        return f"is {shown}, but must be {type_words([wanted] if isinstance(wanted, str) else wanted)}"
    if mismatch.validator == "enum":
        return f"is {shown}, but must be one of {', '.join(str(choice) for choice in wanted if choice != '')}"
    if mismatch.validator == "maxLength" and wanted == 0:
        return f"is {shown}, but must be empty"
    if mismatch.validator == "maxLength":
        return f"has {len(mismatch.instance)} characters, but at most {wanted} are allowed"
    texts = {
        "const": f"is {shown}, but must be {wanted}",
        "minimum": f"is {shown}, but must be at least {wanted}",
        "maximum": f"is {shown}, but must be at most {wanted}",
        "minItems": "must not be empty",
        "maxItems": f"has more than {wanted} entries",
        UNVALIDATED: f"has more than {wanted} entries; lint does not read the rest of the object",
        "minLength": "must not be empty",
        "pattern": f"is {shown}, which is malformed{_format(mismatch)}",
    }
    if isinstance(mismatch.schema, dict) and "description" in mismatch.schema:
        return f"is {shown}, which the API server refuses: {mismatch.schema['description']}"
    return texts.get(mismatch.validator, f"{shown} is invalid: {mismatch.message[:100]}")


def _format(mismatch: Mismatch) -> str:
    """The expected format, by a part of the pattern that identifies it."""
    pattern = str(mismatch.wanted)
    if "[KMGTPE]i" in pattern:
        return ": a quantity is a number and one of m, k, M, G, T, Ki, Mi, Gi, Ti"
    if "(ns|us|ms|s|m|h)" in pattern:
        return ": a duration is like 1h30m"
    for mark, form in _FORMATS:
        if mark in pattern:
            return f": {form}"
    if "[-a-z0-9]*[a-z0-9]" in pattern:
        return ": lower-case letters, digits and '-', beginning and ending with a letter or digit"
    return ""


_FORMATS = (
    ("podIPs", "a field is metadata.name, status.podIP or similar"),
    ("hugepages-", "a resource is cpu, memory, ephemeral-storage, hugepages-… or domain/name"),
    ("[/$]", "a directory begins with '/'"),
    ("(/|$)", "a path must not contain '..' here"),
)


def _help(mismatch: Mismatch) -> str:
    instance, wanted = mismatch.instance, mismatch.wanted
    if isinstance(instance, float) and "resources" in mismatch.path and "/" in str(mismatch.path[-1]):
        return "request whole devices, or a share under its own resource name"
    if mismatch.validator == "type" and "string" in wanted and isinstance(instance, bool | int | float):
        return f'write it in quotes: "{json.dumps(instance)}"'
    if mismatch.validator == "type" and isinstance(instance, str) and _wants_number(mismatch):
        return f"write it without quotes: {instance}"
    if mismatch.validator in ("enum", "const"):
        return nearest(str(instance), [str(word) for word in (wanted if mismatch.validator == "enum" else [wanted])])
    if mismatch.validator == "pattern" and isinstance(instance, str):
        return nearest(instance, _corrections(instance, str(wanted)))
    mode = mismatch.validator == "maximum" and mismatch.path[-1] in ("mode", "defaultMode")
    return f"a mode is octal: 0{instance}" if mode else ""


def _corrections(text: str, pattern: str) -> tuple[str, ...]:
    """Corrections of a text that does not match a pattern."""
    if "[KMGTPE]i" in pattern:
        return (re.sub(r"(?i)([kmgtpe])(i?)b$", lambda m: f"{m[1].upper()}{m[2]}", text),)
    return FIELDS if "podIPs" in pattern else ()


def _wants_number(mismatch: Mismatch) -> bool:
    return mismatch.wanted in ("integer", "number") and mismatch.instance.removeprefix("-").isdecimal()


OF_FRAGMENTS = (
    Rule("FTC505", "unsupported-cluster-version", versions_are_supported, JobSpec, needed=True),
    Rule("FTC506", "invalid-pod-fragment", fragments_match_pod_template, JobSpec, needed=True),
)
OF_CONTAINERS = (
    Rule(
        "FTC502",
        "container-needs-image",
        new_container_has_an_image,
        JobSpec,
        needed=True,
        in_manifests=(container_has_an_image, Step),
    ),
)
RULES = (
    Rule("FTC518", "contradictory-pod", parts_of_a_pod_agree, Pod),
    Rule("FTC519", "duplicate-entry-in-object", entries_are_unique, Object),
    Rule("FTC801", "unknown-field", no_unknown_field, Object),
    Rule("FTC802", "missing-field", no_missing_field, Object),
    Rule("FTC803", "invalid-field-value", field_values_are_valid, Object),
)
