"""The objects that a workload names must exist: claims, Secrets, ConfigMaps, accounts, classes and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.cluster import queues
from ftc.cluster.admission import has, judged, nearest_of
from ftc.cluster.before import Before, Problem, kueue_queue, named, references
from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.limits import written
from ftc.cluster.snapshot import NOTHING, Object, Snapshot, at, requests, uid_of
from ftc.cluster.volumes import reference, unusable
from ftc.plan.kubernetes import KUEUE_QUEUE, VOLCANO_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from ftc.diagnostics.model import KeyPath


def namespace(before: Before) -> Iterator[Problem]:
    """The namespace itself."""
    name = before.seen.namespace
    if ("Namespace", name) in before.absent:
        yield Problem(judged(f'namespaces "{name}" not found', before.seen), ("metadata", "namespace"), ("namespace",))


def in_namespace(before: Before) -> Iterator[Problem]:
    """Claims, Secrets and ConfigMaps, each once."""
    found: set[tuple[str, str]] = set()
    for pods in before.pods:
        _, seen = before.with_pod(pods)
        for one in references(pods.spec, (*pods.place, "spec")):
            about: Cause | None = None
            if one.kind == "PersistentVolumeClaim" and one.kind in before.listed:
                about = unusable(one.name, "", seen)
            elif (one.kind, one.name) in before.absent:
                about = reference(f'{one.kind.lower()} "{one.name}" not found', [], seen)
            if about and (one.kind, one.name) not in found:
                found.add((one.kind, one.name))
                yield Problem(about, one.place)


# The words of admission for an object that does not exist (Kubernetes, plugin/pkg/admission).
_WORDS = {
    "ServiceAccount": 'serviceaccount "{}" not found',
    "PriorityClass": "no PriorityClass with name {} was found",
    "RuntimeClass": 'RuntimeClass "{}" not found',
}


def in_cluster(before: Before) -> Iterator[Problem]:
    """The ServiceAccount and the classes."""
    for one in named(before.job, before.pods):
        built_in = one.kind == "PriorityClass" and one.name.startswith("system-")
        if one.kind in before.listed and before.seen.named(one.kind, one.name) is None and not built_in:
            yield Problem(judged(_WORDS[one.kind].format(one.name), before.seen), one.place)


def in_queue(before: Before) -> Iterator[Problem]:
    """The LocalQueue of Kueue, or the queue of Volcano."""
    local = kueue_queue(before.job)
    if local:
        about = _local_queue(before, local)
        yield from [Problem(about, ("metadata", "labels", KUEUE_QUEUE))] if about else []
    elif "Queue" in before.unknown:
        yield Problem(judged('no matches for kind "Queue"', before.seen))
    elif "Queue" in before.listed:
        place = _place_of_queue(before)
        yield from (Problem(one, place) for one in queues.volcano(_with_group(before)))


def _local_queue(before: Before, name: str) -> Cause | None:
    if "LocalQueue" in before.unknown:
        text = f'The job waits in the LocalQueue "{name}", and Kueue is not installed: no component would start it.'
        return cause("kueue-not-running", text, [], [Remedy("do without Kueue", "cluster.kueue_queue=null")])
    if "LocalQueue" not in before.listed:
        return None
    queue, known = before.seen.named("LocalQueue", name), before.seen.names("LocalQueue")
    if queue is None:
        text = f'The LocalQueue "{name}" does not exist in the namespace{has(name, known)}.'
        near = [Remedy("use one that exists", shell(f"cluster.kueue_queue={one}")) for one in nearest_of(name, known)]
        return cause("kueue-local-queue-missing", text, [], near or [Remedy("ask the operator to create it")])
    stopped = queues.not_admitting(before.seen, queue)
    return cause("kueue-queue-stopped", stopped, [], [Remedy("ask the operator to start it")]) if stopped else None


def _place_of_queue(before: Before) -> KeyPath:
    if at(before.job, "spec", "queue"):
        return ("spec", "queue")
    return (*before.pods[0].place, "metadata", "annotations", VOLCANO_QUEUE) if before.pods else ()


def _with_group(before: Before) -> Snapshot:
    """The snapshot with the PodGroup that Volcano would make: a queue may be too small for it."""
    total: dict[str, Decimal] = {}
    for pods in before.pods:
        for name, value in requests(pods.spec).items():
            total[name] = total.get(name, NOTHING) + pods.together * value
    group: Object = {
        "apiVersion": "scheduling.volcano.sh/v1beta1",
        "kind": "PodGroup",
        "metadata": {"name": before.seen.name, "ownerReferences": [{"uid": uid_of(before.seen.workload)}]},
        "spec": {
            "minMember": sum(pods.together for pods in before.pods),
            "minResources": {name: written(name, value) for name, value in total.items()},
            "queue": at(before.job, "spec", "queue"),
        },
        "status": {"phase": "Pending"},
    }
    return msgspec.structs.replace(before.seen, objects=(*before.seen.objects, group))
