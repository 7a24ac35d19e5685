"""Mounted files whose content is in the input: keys of ConfigMaps, annotations of the pod."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.manifests.text import Text

if TYPE_CHECKING:
    from ftc.manifests.manifest import Container, Volume
    from ftc.manifests.subjects import Pod


def mounted_text(pod: Pod, container: Container, path: str) -> Text | None:
    """The text of a file that is mounted from a ConfigMap of the input or an annotation of the pod."""
    for mount in container.volume_mounts:
        volume = pod.volume(mount.name)
        if volume is None or not PurePosixPath(path).is_relative_to(mount.mount_path):
            continue
        inside = str(PurePosixPath(path).relative_to(mount.mount_path))
        name = mount.sub_path if inside == "." else inside
        found = _from_config_map(pod, volume, name) or _from_annotation(pod, volume, name)
        if found is not None:
            return found
    return None


def _from_config_map(pod: Pod, volume: Volume, name: str) -> Text | None:
    source = volume.config_map
    found = pod.job.scene.config_map(pod.job.find(source.name)) if source is not None else None
    if source is None or found is None:
        return None
    key = next((item.key for item in source.items if item.path == name), name)
    held, config_map = found
    if key not in config_map.data:
        return None
    return Text(held.document, (*held.path, "data", key), config_map.data[key])


def _from_annotation(pod: Pod, volume: Volume, name: str) -> Text | None:
    items = volume.downward_api.items if volume.downward_api is not None else ()
    field = next((i.field_ref.field_path for i in items if i.path == name and i.field_ref is not None), "")
    key = field.removeprefix("metadata.annotations['").removesuffix("']")
    value = pod.crew.template.metadata.annotations.get(key)
    if value is None:
        return None
    path = (*pod.job.object.path, *pod.crew.path, "metadata", "annotations", key)
    return Text(pod.job.object.document, path, value)
