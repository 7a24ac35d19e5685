"""Rules on single objects: keys, types and words, as the API server's schemas have them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ftc.constraints import FIELDS
from ftc.diagnostics.model import Severity, did_you_mean, nearest, type_words
from ftc.diagnostics.redact import on_a_line
from ftc.lint.objects import UNSEEN, Mismatch, Object
from ftc.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        for key in [key for key in mismatch.instance if key not in known][:_MOST_KEYS]:
            message = f"'{key}' is no key of {_owner(mismatch, manifest)}"
            yield Finding(manifest.at(*mismatch.path, key), message, did_you_mean(key, known))


# Who has more of them has taken one object for another.
_MOST_KEYS = 20


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
            yield Finding(manifest.at(*mismatch.path), _message(mismatch), _help(mismatch), severity)


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


RULES = (
    Rule("FTC801", no_unknown_key, Object),
    Rule("FTC802", nothing_is_missing, Object),
    Rule("FTC803", values_fit, Object),
)
