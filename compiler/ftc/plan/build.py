"""Make the plan of a run from its spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import fetch, files, image, made, names, pod, publish, security, storage, train
from ftc.plan.merge import Fragment
from ftc.plan.types import Made, Places, RunPlan
from ftc.spec.storage import JobClaim

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


def plan(spec: JobSpec, places: Places | None = None, origin: Made | None = None) -> RunPlan:
    """The plan of the run, in the pod by default; total on a validated spec. `origin` tells what it was made from."""
    places = places or pod.places(spec)
    labels = {**names.labels(spec), **spec.hardware.labels, **spec.labels}
    fetched = fetch.fetches(spec, places)
    compiled, scripts = files.compiled(spec, places, fetched), files.scripts(spec, places, fetched)
    config_map = files.scripts_name() if spec.scripts == "configmap" else None
    made_from, kept = (made.told(spec, origin), made.kept(spec)) if origin else ({}, ())
    train_step = train.step(spec, places, fetched, compiled, made.tags(spec, origin))
    fetching = tuple(fetch.step(spec, one, places) for one in fetched)
    publish_step = publish.step(spec, places)
    main = (train_step, *((publish_step,) if publish_step else ()))
    steps = image.checked_first(spec, places, fetching, main)
    return RunPlan(
        name=names.job_name(spec),
        fixed_name=names.fixed_name(spec),
        generate_name=spec.naming == "generate",
        namespace=spec.namespace,
        labels=labels,
        annotations=spec.annotations,
        origin=origin,
        made_from=made_from,
        nodes=spec.nodes,
        min_nodes=spec.min_nodes or spec.nodes,
        restarts=spec.restarts,
        suspend=spec.suspend,
        ttl_seconds_after_finished=spec.ttl_seconds_after_finished,
        priority_class=spec.cluster.priority_class,
        queue=spec.cluster.queue,
        scheduler=spec.cluster.scheduler,
        gang_jobs=spec.cluster.gang_jobs,
        kueue_queue=spec.cluster.kueue_queue,
        fetches=fetched,
        fetch_steps=steps[: len(fetching)],
        train_step=steps[len(fetching)],
        publish_step=publish_step,
        files=compiled,
        kept=kept,
        scripts=scripts,
        config_map=config_map,
        template=pod.template(spec, steps, pod.carry((*compiled, *kept), scripts, config_map), labels),
        rights=security.of_containers(spec.cluster),
        fragments=_fragments(spec),
        job_claim=spec.storage.workspace if isinstance(spec.storage.workspace, JobClaim) else None,
        job_fragments=spec.job,
        recipe=image.recipe(spec),
        claims=tuple(storage.claims(spec.storage).values()),
    )


def _fragments(spec: JobSpec) -> tuple[Fragment, ...]:
    """The fragments of the groups and the user; a later one takes precedence."""
    return (
        Fragment("cluster.pod", spec.cluster.pod, ("cluster", "pod")),
        Fragment("hardware.pod", spec.hardware.pod, ("hardware", "pod")),
        Fragment("network.pod", spec.network.pod, ("network", "pod")),
        Fragment("pod", spec.pod, ("pod",)),
    )
