"""Rules on the claims and ConfigMaps that a pod names, where the input holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step
from ftc.lint.subjects import Job

if TYPE_CHECKING:
    from collections.abc import Iterator


def files_are_there(step: Step) -> Iterator[Finding]:
    """A key of a ConfigMap that a pod uses is one of its keys.

    The pod stays in ContainerCreating (references non-existent config key), or its container in
    CreateContainerConfigError.
    Source: Kubernetes, pkg/volume/configmap; pkg/kubelet (makeEnvironmentVariables).

    Wrong: tests/corpus/bad/FTC856-no-such-key.yaml
    Right: tests/corpus/good/FTC856-key-of-the-config-map.yaml
    """
    scene, find = step.pod.job.scene, step.pod.job.find
    for index, variable in enumerate(step.container.env):
        ref = variable.value_from.config_map_key_ref if variable.value_from else None
        found = scene.config_map(find(ref.name)) if ref is not None else None
        if ref is not None and found is not None and ref.key not in found[1].data:
            message = f"ConfigMap '{ref.name}' has no key '{ref.key}'"
            yield Finding(step.at("env", index), message, did_you_mean(ref.key, found[1].data))
    for index, mount in enumerate(step.container.volume_mounts):
        volume = next((v for v in step.pod.spec.volumes if v.name == mount.name), None)
        source = volume.config_map if volume is not None else None
        found = scene.config_map(find(source.name)) if source is not None else None
        if source is None or found is None or source.optional:
            continue
        keys = {item.path: item.key for item in source.items} or {key: key for key in found[1].data}
        wanted = [key for key in keys.values() if key not in found[1].data and not _binary(found[0].data, key)]
        wanted += [mount.sub_path] if mount.sub_path and mount.sub_path.split("/")[0] not in _tops(keys) else []
        for key in wanted:
            message = f"ConfigMap '{source.name}' has no key '{key}'"
            yield Finding(step.at("volumeMounts", index), message, did_you_mean(key, found[1].data))


def _tops(paths: dict[str, str]) -> set[str]:
    return {path.split("/")[0] for path in paths}


def _binary(data: object, key: str) -> bool:
    binary = data.get("binaryData") if isinstance(data, dict) else None
    return isinstance(binary, dict) and key in binary


def names_are_spelt_right(job: Job) -> Iterator[Finding]:
    """A claim or a ConfigMap that a pod names is called so.

    The pod waits for one of that name for ever (persistentvolumeclaim not found). Said where the input has one of
    another namespace, or one that is called nearly so, and that nobody names; any other may be on the cluster.
    Source: Kubernetes, pkg/scheduler (volumebinding); pkg/volume/configmap.

    Wrong: tests/corpus/bad/FTC859-claim-misspelt.yaml
    Right: tests/corpus/good/FTC859-claim-of-the-cluster.yaml
    """
    scene = job.scene
    for path, kind, name in job.volumes:
        here = scene.claims if kind == "claim" else scene.config_maps
        if job.find(name) not in here:
            space, _ = job.find(name)
            for other_space in sorted({one for one, other in here if other == name}):
                message = f"{kind} '{name}' is of namespace '{other_space}', and the job of '{space}'"
                yield Finding(job.at(*path), message, "put both into one namespace")
            free = [other for space, other in here if job.find(other) == (space, other)]
            help_ = nearest(name, [other for other in free if job.find(other) not in scene.mounted])
            if help_:
                yield Finding(job.at(*path), f"no {kind} here is called '{name}'", help_)


RULES = (
    Rule("FTC856", files_are_there, Step),
    Rule("FTC859", names_are_spelt_right, Job, Severity.WARNING),
)
