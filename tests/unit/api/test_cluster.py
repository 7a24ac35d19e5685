"""`ftc.submit`, `ftc.why` and `ftc.delete`: what a program gets, with the real `kubernetes` client."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import ftc
from unit.cluster.api_server import serving
from unit.cluster.situations import claim, node, object_of, vcjob
from unit.cluster.writable import Cluster, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "qwen3-0-6b-lora-sft-x7k2p"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    one = Cluster(object_of("Namespace", "team"), claim(), node("a"))
    with serving(one, tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        yield one


def test_submit_returns_what_was_created(cluster: Cluster) -> None:
    found = ftc.submit("devices=8")
    assert (found.name, found.namespace, found.directory) == (JOB, "team", f"/workspace/{JOB}")
    assert found.next[0] == f"ftc status {JOB}"
    assert f"created jobs.batch.volcano.sh/{JOB}" in found.text
    assert JOB in found._repr_html_()
    assert repr(found) == f"<submitted: {JOB}>"
    assert len(cluster.created) == 1


def test_manifests_need_not_be_files(cluster: Cluster) -> None:
    found = ftc.submit(texts={"mine": ftc.compile(targets=["job"]).text}, namespace="team", context="team")
    assert found.objects == (f"jobs.batch/{JOB}",)
    assert found.next[0] == f"ftc status {JOB} --context team"
    assert len(cluster.created) == 1


def test_a_refusal_of_the_cluster_has_findings_at_their_places(cluster: Cluster) -> None:
    cluster.refusals = [Refusal("Job", 422, "Job is invalid: …", ("spec.queue", "Invalid value"))]
    with pytest.raises(ftc.ClusterRefusedError, match=r"spec\.queue: Invalid value") as refused:
        ftc.submit("cluster.queue=default")
    error = refused.value.findings[0]
    assert (error.rule, error.path) == ("invalid", ("cluster", "queue"))
    assert str(error.position) == "override 'cluster.queue=default'"
    assert isinstance(refused.value, ftc.RefusedError)


def test_a_wrong_configuration_is_not_the_refusal_of_a_cluster(cluster: Cluster) -> None:
    with pytest.raises(ftc.RefusedError) as refused:
        ftc.submit("nodes=two")
    assert not isinstance(refused.value, ftc.ClusterRefusedError)
    assert cluster.asked == []


def test_overrides_and_files_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="not both"):
        ftc.submit("nodes=2", files=["job.yaml"])
    with pytest.raises(ValueError, match="unknown target"):
        ftc.submit(target="jobb")


def test_delete_returns_what_was_deleted(cluster: Cluster) -> None:
    cluster.created.append(vcjob())
    found = ftc.delete("sft")
    assert (found.objects, found.kept) == (("jobs.batch.volcano.sh/sft",), ("workspace",))
    assert "kept the claim" in found.text
    with pytest.raises(ftc.ClusterRefusedError, match="does not contain a job"):
        ftc.delete("sft")


def test_why_returns_the_causes(cluster: Cluster, tmp_path: Path) -> None:
    cluster.created.append(vcjob("Aborted"))
    found = ftc.why("sft")
    assert (found.state, found.causes[0].kind) == ("pending", "job-aborted")
    assert found.text.startswith("The VolcanoJob was aborted")
    assert found.data["causes"][0]["kind"] == "job-aborted"
    found.save(tmp_path / "saved")
    assert ftc.why(paths=[tmp_path / "saved"]).text == found.text


def test_why_needs_a_name_or_a_situation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name the job"):
        ftc.why()
    (tmp_path / "objects.json").write_text(json.dumps({"items": [1]}))
    with pytest.raises(ftc.RefusedError, match="not an object"):
        ftc.why(paths=[tmp_path])


def test_neither_the_import_nor_a_compile_loads_the_client() -> None:
    program = "import sys, ftc; ftc.compile(); ftc.submit; ftc.delete; ftc.why; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("call", ["ftc.submit()", "ftc.delete('x')", "ftc.why('x')"])
def test_without_the_extra_one_line_says_what_to_install(call: str) -> None:
    program = f"import sys; sys.modules['kubernetes'] = None\nimport ftc\ntry:\n    {call}\n"
    program += "except ftc.RefusedError as error:\n    print(error)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "asking a cluster needs the package kubernetes: pip install 'ftc[cluster]'\n"
