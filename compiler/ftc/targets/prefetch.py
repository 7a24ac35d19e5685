"""A batch/v1 Job without devices that fills the cache, so that no device waits for the downloads of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.plan import fetch, image, jobs, pod
from ftc.plan.kubernetes import lifetime, metadata
from ftc.plan.merge import Fragment, merge
from ftc.plan.types import Script
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

NAME = "prefetch"
# The API server accepts names of Jobs up to 63 characters.
_LONGEST = 63 - len(f"-{NAME}")
# The others are about the devices and the network of the training.
_FRAGMENTS = ("cluster.pod", "pod")


def emit(run: RunPlan) -> str:
    """The Job. The training then finds the markers in the cache and downloads nothing."""
    fetching = _renamed(run)
    added = {**jobs.kueue_queue(run), **({"annotations": run.made_from} if run.made_from else {})}
    return dump(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": merge(metadata(fetching, None if run.generate_name else fetching.name), added),
            "spec": {
                "backoffLimit": run.restarts,
                "podReplacementPolicy": "Failed",
                **lifetime(run),
                "template": pod.with_fragments(fetching),
            },
        }
    )


def _renamed(run: RunPlan) -> RunPlan:
    """The run with the downloads only, under its own name, so that no one takes its pod for that of the training."""
    name = f"{run.name[:_LONGEST].rstrip('-')}-{NAME}"
    labels = {**run.labels, "app.kubernetes.io/instance": name, "app.kubernetes.io/component": NAME}
    own = tuple(_of_downloads(run, fragment) for fragment in run.fragments if fragment.name in _FRAGMENTS)
    return msgspec.structs.replace(run, name=name, labels=labels, template=_template(run, labels), fragments=own)


def _downloads(run: RunPlan) -> list[str]:
    """The containers that download, in order; the rules reject a run without any."""
    return [f"fetch-{one.name}" for one in run.fetches if fetch.is_download(one)]


def _template(run: RunPlan, labels: dict[str, str]) -> Json:
    """The pod of the training with its downloads: the last one is the main container, because a pod must have one."""
    body = run.template["spec"]
    wanted = _downloads(run)
    *first, last = [_alone(one) for one in body["initContainers"] if one["name"] in wanted]
    mounted = {mount["name"] for one in (*first, last) for mount in one["volumeMounts"]}
    volumes = [one for one in body["volumes"] if one["name"] in mounted and one["name"] != pod.FILES_VOLUME]
    inits = {"initContainers": first} if first else {}
    others = {key: value for key, value in body.items() if key not in ("initContainers", "containers", "volumes")}
    own = {"metadata": {"labels": labels}, "spec": {**others, **inits, "containers": [last], "volumes": []}}
    return merge(merge(own, pod.carry_scripts(_scripts(run), run.config_map)), {"spec": {"volumes": volumes}})


def _scripts(run: RunPlan) -> tuple[Script, ...]:
    names = dict.fromkeys(name for one in run.fetches if fetch.is_download(one) for name in fetch.scripts(one))
    return tuple(Script(name, name) for name in (*names, image.CHECK_SCRIPT))


def _alone(container: Json) -> Json:
    """The container for one pod, whatever the number of nodes."""
    env = [{**one, "value": "1"} if one["name"] == "NNODES" else one for one in container["env"]]
    return {**container, "env": env}


def _of_downloads(run: RunPlan, fragment: Fragment) -> Fragment:
    """The fragment without its changes to other containers of ftc; those to the last download follow it."""
    body = fragment.content.get("spec", {})
    *first, last = _downloads(run)
    ours = {step.name for step in run.steps} - set(first)
    given = body.get("initContainers", [])
    inits = [one for one in given if one["name"] not in ours]
    main = [one for one in given if one["name"] == last]
    kept = {key: value for key, value in body.items() if key not in ("initContainers", "containers")}
    lists = {"initContainers": inits, "containers": main}
    spec = {**kept, **{key: value for key, value in lists.items() if value}}
    return Fragment(fragment.name, {**fragment.content, "spec": spec}, fragment.key)
