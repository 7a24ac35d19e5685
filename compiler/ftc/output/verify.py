"""Check emitted manifests against their schemas; an error here is a bug in ftc."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import dotted
from ftc.output_schemas import kubeflow_object, kubernetes_object, volcano_job
from ftc.yaml_text import documents

if TYPE_CHECKING:
    from ftc.output_schemas import Schema
    from ftc.spec.cluster import Cluster


class BugError(Exception):
    """ftc emitted something that it should not have."""


def volcano(text: str, cluster: Cluster) -> None:
    """Raise BugError if the text is not a valid Volcano Job for the cluster's versions."""
    for manifest in documents(text):
        _hold("VolcanoJob", manifest, volcano_job(cluster.volcano, cluster.kubernetes))


def batch(text: str, cluster: Cluster) -> None:
    """Raise BugError if a document is not a valid Kubernetes object for the cluster's version."""
    for manifest in documents(text):
        _hold(manifest["kind"], manifest, kubernetes_object(manifest["kind"], cluster.kubernetes))


def jobset(text: str, cluster: Cluster) -> None:
    """Raise BugError if the text is not a valid JobSet for the cluster's version of Kubernetes."""
    for manifest in documents(text):
        _hold("JobSet", manifest, kubeflow_object("jobset", cluster.kubernetes))


def trainjob(text: str, cluster: Cluster) -> None:
    """Raise BugError if the text is not a valid TrainingRuntime and TrainJob for the cluster's Kubernetes."""
    for manifest in documents(text):
        kind = manifest["kind"]
        _hold(
            kind, manifest, kubeflow_object("trainjob" if kind == "TrainJob" else "trainingruntime", cluster.kubernetes)
        )


def inference_service(text: str, cluster: Cluster) -> None:
    """Raise BugError if the text is not a valid InferenceService of KServe."""
    for manifest in documents(text):
        _hold("InferenceService", manifest, kubeflow_object("inferenceservice", cluster.kubernetes))


def arguments(text: str, _cluster: Cluster) -> None:
    """Raise BugError if a document is not a mapping; the rules check LLaMA-Factory's arguments."""
    for document in documents(text):
        if not isinstance(document, dict):
            raise BugError(f"a file of arguments is a {type(document).__name__} instead of a mapping")


def dockerfile(text: str, _cluster: Cluster) -> None:
    """Raise BugError if an instruction is not one that ftc writes, or the first is not FROM."""
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
    words = [line.split(" ")[0] for line in lines if line]
    if words[:1] != ["FROM"] or not {*words} <= _INSTRUCTIONS:
        raise BugError(f"the Dockerfile has the instructions {' '.join(dict.fromkeys(words))}")


_INSTRUCTIONS = {"FROM", "ARG", "RUN", "ENV"}


def script(text: str, _cluster: Cluster) -> None:
    """Raise BugError if the script is truncated: its last line calls the function that the other lines define."""
    lines = text.splitlines()
    ends = [found[1] for line in lines if (found := re.fullmatch(r"  cat >\S+ <<'(.*)'", line))]
    cut = [end for end in ends if end not in lines]
    if cut or lines[:1] != ["#!/usr/bin/env bash"] or lines[-1] != 'main "$@"':
        raise BugError(f"the script is truncated: {', '.join(cut) or 'its first or last line'} is missing")


def schema(manifest: Any, cluster: Cluster) -> Schema:
    """The schema of an object that runs the pod, for the versions of the cluster."""
    kind = manifest["kind"]
    if kind != "Job":
        return kubeflow_object(kind.lower(), cluster.kubernetes)
    if manifest["apiVersion"] == "batch/v1":
        return kubernetes_object(kind, cluster.kubernetes)
    return volcano_job(cluster.volcano, cluster.kubernetes)


def _hold(kind: str, manifest: Any, schema: Schema) -> None:
    found = [f"{dotted(tuple(error.absolute_path))}: {error.message[:200]}" for error in schema.iter_errors(manifest)]
    if found:
        raise BugError(f"the {kind} does not match its schema: " + "; ".join(found))
