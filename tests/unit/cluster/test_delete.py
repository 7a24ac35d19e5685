"""`ftc delete` with the real `kubernetes` client and a small server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from unit.cluster.api_server import serving
from unit.cluster.situations import BY_FTC, Object, job, object_of, pod, pod_spec, vcjob
from unit.cluster.writable import Cluster
from unit.compiling import Said, ftc

if TYPE_CHECKING:
    from pathlib import Path

SERVICE = object_of(
    "Service", "sft", metadata={"labels": BY_FTC}, spec={"selector": {"batch.kubernetes.io/job-name": "sft"}}
)
VOLCANO = "jobs.batch.volcano.sh/sft"


def delete(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    with serving(cluster, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        return ftc("delete", *arguments)


def names(cluster: Cluster) -> list[str]:
    return [name for name, _ in cluster.deleted]


@pytest.mark.parametrize("name", ["sft", "vcjob/sft", "job.batch.volcano.sh/sft", VOLCANO])
def test_a_job_is_deleted_and_its_claim_stays(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(vcjob())
    said = delete(cluster, tmp_path, monkeypatch, name)
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == f'deleted {VOLCANO} in namespace team\nkept the claim "workspace"\n'
    ((_, options),) = cluster.deleted
    assert options["propagationPolicy"] == "Background"
    assert options["preconditions"] == {"uid": "Job-sft"}


def test_the_service_of_ftc_is_deleted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(job(), SERVICE)
    assert delete(cluster, tmp_path, monkeypatch, "sft").exit_code == 0
    assert names(cluster) == ["jobs/sft", "services/sft"]


def test_a_service_that_its_job_left_behind_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(SERVICE)
    assert delete(cluster, tmp_path, monkeypatch, "sft").exit_code == 0
    assert names(cluster) == ["services/sft"]


@pytest.mark.parametrize("change", [{"metadata": {}}, {"spec": {"selector": {"app": "sft"}}}])
def test_a_service_of_others_stays(change: Object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {
        **SERVICE,
        **change,
        "metadata": {"name": "sft", "namespace": "team", "uid": "s", **change.get("metadata", {})},
    }
    cluster = Cluster(job(), other)
    assert delete(cluster, tmp_path, monkeypatch, "sft").exit_code == 0
    assert names(cluster) == ["jobs/sft"]


def test_a_claim_that_was_made_for_the_job_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = vcjob(spec=pod_spec(volumes=[]))
    one["spec"]["volumes"] = [{"mountPath": "/workspace", "volumeClaim": {}, "volumeClaimName": "sft-pvc-1"}]
    said = delete(Cluster(one), tmp_path, monkeypatch, "sft", "--json")
    found = json.loads(said.stdout)
    assert (found["kept"], found["removed"]) == ([], ["sft-pvc-1"])


def refused(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    said = delete(cluster, folder, monkeypatch, *arguments)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    return said.stderr


def test_an_unknown_name_is_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(Cluster(vcjob()), tmp_path, monkeypatch, "sftt")
    assert 'the namespace team does not contain a job "sftt" (there is "sft")' in said


def test_the_name_of_a_pod_does_not_delete_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(vcjob(), pod(metadata={"labels": {"volcano.sh/job-name": "sft"}}))
    assert "ftc delete sft deletes the job" in refused(cluster, tmp_path, monkeypatch, "sft-0")
    assert cluster.deleted == []


def test_one_of_several_kinds_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(vcjob(), job())
    assert "write vcjob/sft or job/sft" in refused(cluster, tmp_path, monkeypatch, "sft")
    assert cluster.deleted == []


def test_an_unknown_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'pod' is not a kind of job" in refused(Cluster(vcjob()), tmp_path, monkeypatch, "pod/sft")


def test_what_a_controller_would_create_again_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = job()
    one["metadata"]["ownerReferences"] = [{"kind": "JobSet", "name": "train", "uid": "x", "controller": True}]
    cluster = Cluster(one)
    assert 'belongs to the JobSet "train"' in refused(cluster, tmp_path, monkeypatch, "sft")
    assert cluster.deleted == []


def test_a_service_that_may_not_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(job(), SERVICE)
    cluster.denied = {("delete", "services")}
    said = refused(cluster, tmp_path, monkeypatch, "sft")
    assert "jobs.batch/sft is deleted, but not its Service" in said
    assert "kubectl delete service sft -n team" in said


def test_a_missing_permission_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(vcjob())
    cluster.denied = {("delete", "jobs")}
    assert 'cannot delete resource "jobs"' in refused(cluster, tmp_path, monkeypatch, "sft")
