"""From the objects of an input to what rules look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.lint.manifest import BatchJob, Claim, ConfigMap, Service, Task, VolcanoJob
from ftc.lint.pod_manifest import Metadata, Template
from ftc.lint.subjects import Crew, Job, Key, Scene

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.lint.objects import Object


def scene(objects: Iterable[Object]) -> Scene:
    """The objects that others name."""
    every = tuple(objects)
    found = Scene({}, {}, {}, frozenset(job.find(name) for job in jobs(every, Scene()) for _, _, name in job.volumes))
    for manifest in every:
        match manifest.content:
            case Service(metadata=metadata) as content:
                found.services.setdefault(_key(metadata), []).append((manifest, content))
            case Claim(metadata=metadata) as content:
                found.claims.setdefault(_key(metadata), []).append((manifest, content))
            case ConfigMap(metadata=metadata) as content:
                found.config_maps.setdefault(_key(metadata), []).append((manifest, content))
    return found


def _key(metadata: Metadata) -> Key:
    return metadata.namespace or "default", metadata.name


def jobs(objects: Iterable[Object], around: Scene) -> Iterator[Job]:
    """Whatever makes pods."""
    for manifest in objects:
        match manifest.content:
            case VolcanoJob(metadata=metadata, spec=spec):
                yield Job(manifest, metadata, _tasks(spec.tasks), around, volcano=spec)
            case BatchJob(metadata=metadata, spec=spec):
                pods = spec.parallelism if spec.parallelism is not None else 1
                crew = Crew("", pods, spec.template, ("spec", "template"))
                yield Job(manifest, metadata, (crew,), around, batch=spec)
            case Template(metadata=metadata) as template:
                count = 1 if manifest.path[-1:] != ("template",) else None
                yield Job(manifest, metadata, (Crew("", count, template, ()),), around)


def _tasks(tasks: tuple[Task, ...]) -> tuple[Crew, ...]:
    """Volcano calls a task without a name `default` and its index."""
    return tuple(
        Crew(task.name or f"default{index}", task.replicas, task.template, ("spec", "tasks", index, "template"))
        for index, task in enumerate(tasks)
    )
