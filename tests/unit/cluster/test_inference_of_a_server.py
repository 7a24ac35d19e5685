"""`ftc inference --run` with the real `kubernetes` client; a small server takes the place of the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

import ftc
from unit.cluster.api_server import Answers, serving
from unit.cluster.situations import job, snapshot, vcjob
from unit.cluster.test_result import JOB, VOLCANO, run_of
from unit.compiling import Said
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.cluster.snapshot import Object

SERVED = ("model=qwen3-8b", "hardware=a100-80gb")
COMPLETE = [{"type": "Complete", "status": "True"}]


def answers(target: str, labels: dict[str, str], workload: Object, *overrides: str) -> Answers:
    """A run of a manifest, in the state of its workload."""
    (_, made) = run_of(target, labels, *overrides).objects
    return Answers(snapshot(workload | {"metadata": workload["metadata"] | {"name": "sft-x7k2p"}}, made))


def volcano(phase: str, *overrides: str) -> Answers:
    return answers("volcano", VOLCANO, vcjob(phase), *overrides)


def serve(found: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "sft-x7k2p") -> Said:
    with serving(found, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        return command("inference", "--run", name, *SERVED)


@pytest.mark.parametrize(
    ("found", "uri"),
    [
        (volcano("Completed"), "pvc://workspace/sft-x7k2p/merged"),
        (volcano("Completed", "method=full-sft"), "pvc://workspace/sft-x7k2p/output"),
        (volcano("Completed", "scripts=configmap"), "pvc://workspace/sft-x7k2p/merged"),
        (answers("job", JOB, job(COMPLETE)), "pvc://workspace/sft-x7k2p/merged"),
    ],
    ids=["merged", "full", "configmap", "job"],
)
def test_the_result_of_a_run_is_served(
    found: Answers, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = serve(found, tmp_path, monkeypatch)
    assert said.exit_code == 0, said.stderr
    service: Any = yaml.safe_load(said.stdout)
    assert service["kind"] == "InferenceService"
    assert service["spec"]["predictor"]["model"]["storageUri"] == uri
    assert "ftc: to try it:" in said.stderr
    assert len(found.asked) <= 12


def test_a_pod_of_the_run_names_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "pvc://workspace/sft-x7k2p/merged" in serve(volcano("Completed"), tmp_path, monkeypatch, "sft-0").stdout


@pytest.mark.parametrize(
    ("found", "name", "words"),
    [
        (volcano("Completed"), "sft-x7k2q", 'does not contain a job "sft-x7k2q"'),
        (volcano("Running"), "sft-x7k2p", "has not finished"),
        (volcano("Failed"), "sft-x7k2p", "has failed"),
        (volcano("Completed", "method.merge=null"), "sft-x7k2p", "its result is an adapter"),
        (volcano("Completed", "storage=per-pod"), "sft-x7k2p", "publish the result"),
        (Answers(snapshot(vcjob("Completed"))), "sft", "its pods have been deleted"),
    ],
    ids=["unknown", "running", "failed", "adapter", "volume", "pods"],
)
def test_a_run_without_a_model_to_serve_is_refused_in_one_line(
    found: Answers, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = serve(found, tmp_path, monkeypatch, name)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 1, 1)
    assert words in said.stderr


@pytest.mark.parametrize("of", ["sft-x7k2p", "pods"])
def test_a_namespace_that_may_not_be_read_is_a_refusal_of_the_cluster(
    of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = volcano("Completed")
    found.faults[of] = [(403, 'jobs is forbidden: User "u" cannot get resource in the namespace "team"')] * 9
    said = serve(found, tmp_path, monkeypatch)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "is forbidden" in said.stderr


def test_the_python_api_gives_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ftc.api.inference import of_run  # noqa: PLC0415 - not a part of the documented API

    with serving(volcano("Completed"), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        assert of_run("sft-x7k2p", namespace="team") == "pvc://workspace/sft-x7k2p/merged"
        with pytest.raises(ftc.RefusedError, match="the run other: "):
            of_run("other")
