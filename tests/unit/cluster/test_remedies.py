"""The remedies of `ftc why` fit the pods, and its input is named as users name it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftc.cluster.diagnose import diagnose
from ftc.cluster.saved import read
from unit.cluster.situations import (
    BY_FTC,
    claim,
    event,
    job,
    node,
    object_of,
    pod,
    pod_group,
    pod_spec,
    snapshot,
    unscheduled,
    vcjob,
    waiting,
)
from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.cluster.cause import Cause
    from ftc.cluster.snapshot import Object, Snapshot

MEMORY = "volcano.sh/vgpu-memory"
SLICES = {"volcano.sh/vgpu-number": "1", MEMORY: "8192", "volcano.sh/vgpu-cores": "50"}
FULL = "0/2 nodes are available: 2 Insufficient {}."
CLAIM = {"name": "w", "persistentVolumeClaim": {"claimName": "data"}}


def first(one: Snapshot) -> Cause:
    return diagnose(one).causes[0]


def words(one: Snapshot) -> str:
    return " ".join(f"{remedy.text} {remedy.override} {remedy.command}" for remedy in first(one).remedies)


def unplaced(resource: str, requests: Object, *nodes: Object) -> Snapshot:
    spec = pod_spec(requests=requests)
    one = vcjob(replicas=1, spec=spec)
    return snapshot(one, unscheduled(FULL.format(resource), of=one, spec=spec), claim(), *nodes)


def test_a_missing_claim_is_created_under_its_name_in_the_namespace() -> None:
    spec = pod_spec(volumes=[CLAIM])
    one = vcjob(replicas=1, spec=spec)
    said = unscheduled('persistentvolumeclaim "data" not found', of=one, spec=spec)
    expected = "ftc compile -t storage storage.workspace.claim=data | kubectl create -n team -f -"
    assert expected in words(snapshot(one, said, claim("other")))


def test_a_missing_secret_is_created_with_every_key_that_the_pod_reads() -> None:
    keys = [
        {"name": name.upper(), "valueFrom": {"secretKeyRef": {"name": "git", "key": name}}}
        for name in ("user", "token")
    ]
    other = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "other"}}}
    one = vcjob(replicas=1)
    said = waiting("CreateContainerConfigError", 'secret "git" not found')
    found = snapshot(
        one, pod(of=one, node="a", spec=pod_spec(train={"env": [*keys, other]}), **said), node("a"), claim()
    )
    assert "kubectl create secret generic git -n team --from-literal=user=… --from-literal=token=…" in words(found)
    assert "other" not in words(found)


@pytest.mark.parametrize(
    "one",
    [
        unplaced("nvidia.com/gpu", {"nvidia.com/gpu": "1"}, node("a", 1), node("b", 1)),
        unplaced(MEMORY, SLICES, node("a", None, offers=SLICES), node("b", None, offers=SLICES)),
        unplaced(MEMORY, SLICES, node("a", None, offers=SLICES | {MEMORY: "4096"})),
    ],
)
def test_a_pod_with_one_device_is_not_told_to_use_fewer(one: Snapshot) -> None:
    assert "devices=" not in words(one)
    assert first(one).remedies


def test_a_quota_on_the_memory_of_slices_asks_for_a_smaller_slice() -> None:
    text = f"exceeded quota: q, requested: requests.{MEMORY}=8192, used: requests.{MEMORY}=0, "
    text += f"limited: requests.{MEMORY}=4096"
    one = vcjob(replicas=1, spec=pod_spec(requests=SLICES))
    found = words(snapshot(one, event(one, "FailedCreate", text), pod_group("Inqueue")))
    assert "smaller slice" in found
    assert "devices=" not in found


def test_slices_that_no_node_offers_are_not_renamed() -> None:
    found = unplaced("volcano.sh/vgpu-number", SLICES, node("a"))
    assert first(found).kind == "resource-unknown"
    assert "hardware.device.resource" not in words(found)


def saved(folder: Path, *objects: Object) -> str:
    (folder / "objects.json").write_text(json.dumps({"items": objects}))
    return str(folder)


def test_a_pending_volcano_job_alone_does_not_pass_as_well(tmp_path: Path) -> None:
    shown = ftc("why", "sft", "--from", saved(tmp_path, vcjob())).stdout
    assert "Nothing is wrong" not in shown
    assert "neither a PodGroup, a queue nor a node" in shown
    assert "kubectl get vcjob,job,pod,podgroup,queue,pvc,event,node -n team" in shown


@pytest.mark.parametrize("name", ["sft", "vcjob/sft", "vcjob.batch.volcano.sh/sft", "sft-0", "pod/sft-0"])
def test_a_job_is_named_with_its_kind_or_by_a_pod(name: str, tmp_path: Path) -> None:
    saved(tmp_path, vcjob(), pod())
    assert read([tmp_path], name).name == "sft"


@pytest.mark.parametrize("name", ["job/sft", "pod/sft-0"])
def test_a_batch_job_too(name: str, tmp_path: Path) -> None:
    saved(tmp_path, one := job(), pod(of=one))
    assert read([tmp_path], name).name == "sft"


def test_the_namespace_is_that_of_the_objects_or_the_given_one(tmp_path: Path) -> None:
    saved(tmp_path, vcjob(), object_of("Secret", "hub", metadata={"labels": BY_FTC}))
    assert read([tmp_path], "unknown").namespace == "team"
    assert read([tmp_path], "sft", "given").namespace == "given"
