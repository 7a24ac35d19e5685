"""Files that another program completes before they reach a cluster: templates, and patches of kustomize."""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.objects import Object
    from ftc.source import Document

# A placeholder for a YAML value or line in a template of Helm or Jinja.
_LINE = re.compile(rb"^\s*(?:-\s+)?(?:[\w./-]+:\s+)?[\"']?(?:\{\{|\{%)", re.MULTILINE)
# Helm's syntax only: other programs have braces in texts too.
_HELM = re.compile(rb"\{\{-?\s*(?:\.[A-Z]|\$\.|include |template |toYaml |range |if |with )")
_HELM_VALUE = re.compile(rb"\{\{-?\s*(?:\w+\s+)?\$?\.(?:Values|Release|Chart|Capabilities)\b")
_BRACES = re.compile(r"\{\{.*\}\}")
# A placeholder of envsubst or Flux; Kubernetes expands only `$(NAME)`.
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*(?:[:=+?-][^}]*)?\}|^\$[A-Za-z_]\w*$")
# Programs in a pod replace placeholders in these fields themselves.
_TEXTS = {"command", "args", "env", "data", "stringData", "binaryData", "annotations", "exec", "postStart", "preStop"}


def template_place(raw: bytes, manifests: Iterable[Object], *, broken: bool) -> tuple[Position | None, str]:
    """The place that makes a file a template, or None, and the command that renders it.

    `broken` says that the file is not valid YAML, as a template often is not.
    """
    found = tuple(manifests)
    name = next((one.document.source for one in found), "")
    line = _LINE.search(raw)
    helm = line if line and (broken or (found and _HELM.search(raw))) else (broken or found) and _HELM_VALUE.search(raw)
    if helm:
        return Position(name, raw.count(b"\n", 0, helm.end()) + 1, 1), "helm template …"
    for manifest in found:
        for path, text in _strings(manifest.data, ()):
            if _BRACES.search(text):
                return manifest.at(*path).position(), "helm template …"
        for path, text in _invalid(manifest):
            if _VARIABLE.search(text):
                return manifest.at(*path).position(), f"envsubst < {name}"
    return None, ""


def _invalid(manifest: Object) -> Iterator[tuple[KeyPath, str]]:
    """The strings of an object that the API server would refuse, and its name, which rules check."""
    yield from ((one.path, one.instance) for one in manifest.mismatches if isinstance(one.instance, str))
    for key in ("name", "generateName"):
        yield ("metadata", key), str(manifest.raw("metadata", key))


def _strings(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The strings of an object outside of the texts of programs, with their paths."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in _TEXTS:
                yield from _strings(value, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _strings(item, (*path, index))


_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def patches(documents: Iterable[Document]) -> dict[str, str]:
    """The files that kustomizations of the input name as patches, each with the directory to build."""
    found: dict[str, str] = {}
    for document in documents:
        data = document.data
        if document.source.rpartition("/")[2] in _KUSTOMIZATIONS and isinstance(data, dict):
            here = dirname(document.source)
            for name in _named(data):
                found.setdefault(normpath(join(here, name)), here or ".")
    return found


def _named(kustomization: dict[Any, Any]) -> Iterator[str]:
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        given = kustomization.get(key)
        for entry in given if isinstance(given, list) else ():
            name = entry.get("path") if isinstance(entry, dict) else entry
            if isinstance(name, str) and "\n" not in name:
                yield name


def is_patch(data: Any) -> bool:
    """Whether a document has a directive of a strategic merge patch, which no object has."""
    if isinstance(data, dict):
        return "$patch" in data or any(map(is_patch, data.values()))
    return isinstance(data, list) and any(map(is_patch, data))
