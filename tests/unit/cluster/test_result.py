"""The address of a run's result follows from its pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftc.cluster.find import NoResultError, address
from ftc.cluster.snapshot import Snapshot
from ftc.driver import Request, compile_job
from unit.cluster.situations import NOW, pod, vcjob
from unit.loading import load_all

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_of(target: str, labels: dict[str, str], *overrides: str) -> Snapshot:
    """A run with a pod that the cluster has made from its manifest."""
    text = compile_job(Request(overrides, targets=(target,))).outputs[target]
    body = next(one for one in map(template, load_all(text)) if one)
    about = {"labels": {**body["metadata"]["labels"], **labels}}
    about["annotations"] = {**body["metadata"]["annotations"], "scheduling.k8s.io/group-name": "sft-uid"}
    return Snapshot("team", "sft", NOW, (vcjob("Completed"), pod(metadata=about, spec=body["spec"])))


def template(manifest: Any) -> Any:
    """The pod template of an object, if it has one."""
    return next(iter(templates(manifest)), None)


def templates(node: Any) -> Iterator[Any]:
    """The pod templates in an object."""
    if isinstance(node, dict):
        if "containers" in node.get("spec", {}):
            yield node
        for value in node.values():
            yield from templates(value)
    elif isinstance(node, list):
        for item in node:
            yield from templates(item)


VOLCANO = {"volcano.sh/job-name": "sft-x7k2p"}
JOB = {"batch.kubernetes.io/job-name": "sft-x7k2p", "batch.kubernetes.io/controller-uid": "uid"}


@pytest.mark.parametrize(
    ("target", "labels", "overrides", "uri"),
    [
        ("volcano", VOLCANO, (), "pvc://workspace/sft-x7k2p/merged"),
        ("volcano", VOLCANO, ("method=full-sft",), "pvc://workspace/sft-x7k2p/output"),
        ("volcano", VOLCANO, ("naming=fixed", "name=sft"), "pvc://workspace/sft-uid/merged"),
        ("job", JOB, ("storage.workspace.sub_path=runs",), "pvc://workspace/runs/sft-x7k2p/merged"),
        ("job", JOB, ("naming=fixed", "name=sft"), "pvc://workspace/sft-uid/merged"),
    ],
)
def test_the_result_of_a_run(target: str, labels: dict[str, str], overrides: tuple[str, ...], uri: str) -> None:
    assert address(run_of(target, labels, *overrides)) == uri


def test_a_workspace_that_ends_with_the_pod_has_no_address() -> None:
    with pytest.raises(NoResultError, match="publish the result"):
        address(run_of("volcano", VOLCANO, "storage=per-pod"))


def test_a_run_without_pods_has_no_address() -> None:
    with pytest.raises(NoResultError, match="pods have been deleted"):
        address(Snapshot("team", "sft", NOW, (vcjob("Completed"),)))
