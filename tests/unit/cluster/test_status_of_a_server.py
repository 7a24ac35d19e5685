"""`ftc status` with the real `kubernetes` client; a small server stands for the API server, which cannot run here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import ftc
from ftc.cluster import server
from unit.cluster.api_server import Answers, serving
from unit.cluster.situations import claim, job, node, pod_group, snapshot, unscheduled, vcjob
from unit.cluster.test_status import JOB_SET, LINES, RUNS, TRAINING, running
from unit.compiling import Said
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.cluster.snapshot import Object, Snapshot

WITHOUT = "import sys; sys.modules['kubernetes'] = None; "
SIXTY_FOUR = vcjob(replicas=64)
NO_ROOM = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
PENDING = snapshot(
    SIXTY_FOUR,
    *(unscheduled(NO_ROOM, number, SIXTY_FOUR) for number in range(64)),
    pod_group("Inqueue"),
    node("a"),
    claim(),
)
LARGE = snapshot(
    SIXTY_FOUR | {"status": {"state": {"phase": "Running"}}},
    *(running(number, SIXTY_FOUR) for number in range(64)),
    pod_group("Running"),
    *(node(f"gpu-{number}") for number in range(64)),
    claim(),
    logs={"sft-0.train": TRAINING},
)


def named(name: str, one: Object, made: str) -> Object:
    return one | {"metadata": {"name": name, "uid": name, "creationTimestamp": made}}


SEVERAL = snapshot(
    named("old", job(suspend=True), "2026-05-03T11:00:00Z"),
    RUNS,
    running(0),
    running(1),
    named("new", vcjob(queue="research"), "2026-05-04T11:59:00Z"),
    logs={"sft-0.train": TRAINING},
)


def status(answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    with serving(answers, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        return command("status", *arguments)


def test_all_runs_the_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(SEVERAL), tmp_path, monkeypatch)
    assert (said.stderr, said.exit_code) == ("", 0)
    rows = [line.split() for line in said.stdout.splitlines()]
    assert [row[:3] for row in rows] == [
        ["NAME", "PHASE", "NODES"],
        ["new", "pending", "0/2"],
        ["sft", "running", "2/2"],
        ["old", "suspended", "0/1"],
    ]
    assert rows[2][3:5] == ["train", "340/1200"]
    assert rows[1][-1] == "research"


@pytest.mark.parametrize("situation", [PENDING, LARGE], ids=["pending", "running"])
def test_a_job_of_64_pods_takes_at_most_twelve_requests(
    situation: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in ((), ("sft",)):
        answers = Answers(situation)
        assert status(answers, tmp_path, monkeypatch, *arguments).exit_code == 0
        assert len(answers.asked) <= 12


def test_many_runs_take_at_most_twelve_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [named(f"run-{number}", RUNS, f"2026-05-04T11:{number:02}:00Z") for number in range(40)]
    pods = [
        one | {"metadata": {"name": f"run-{number}-0", "labels": {"volcano.sh/job-name": f"run-{number}"}}}
        for number, one in enumerate([running()] * 40)
    ]
    answers = Answers(snapshot(*jobs, *pods))
    said = status(answers, tmp_path, monkeypatch)
    assert said.stdout.count("running") == 40
    assert len(answers.asked) <= 12


def test_lists_are_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(LARGE, page=10), tmp_path, monkeypatch)
    assert "64/64" in said.stdout


def test_a_job_that_does_not_run_ends_with_the_first_line_of_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = status(Answers(PENDING), tmp_path, monkeypatch, "sft")
    header, line, why = said.stdout.splitlines()
    assert header.startswith("NAME")
    assert line.split()[:3] == ["sft", "pending", "0/64"]
    assert why.startswith("The gang needs 64 nodes with 8 nvidia.com/gpu free")


def test_a_job_that_runs_has_only_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(LARGE), tmp_path, monkeypatch, "sft")
    assert said.stdout.splitlines()[1].split()[:5] == ["sft", "running", "64/64", "train", "340/1200"]
    assert len(said.stdout.splitlines()) == 2


@pytest.mark.parametrize("columns", ["80", "120"])
def test_it_fits_the_terminal(columns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    long = named(
        "qwen3-0-6b-lora-sft-" + "long-" * 8 + "x7k2p", vcjob(queue="a-queue-with-a-long-name"), "2026-05-04T11:00:00Z"
    )
    said = status(Answers(snapshot(long)), tmp_path, monkeypatch)
    assert max(map(len, said.stdout.splitlines())) <= int(columns)


def test_json_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(PENDING), tmp_path, monkeypatch, "sft", "--json")
    found = json.loads(said.stdout)
    assert found["runs"][0]["name"] == "sft"
    assert (found["runs"][0]["nodes_ready"], found["runs"][0]["nodes"]) == (0, 64)
    assert found["cause"]["text"].startswith("The gang needs 64 nodes")
    assert (
        json.loads(status(Answers(SEVERAL), tmp_path, monkeypatch, "--json").stdout)["runs"][1]["progress"]
        == "340/1200"
    )


def test_a_run_that_does_not_exist_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(SEVERAL), tmp_path, monkeypatch, "stf")
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 1, 1)
    assert 'does not contain a job "stf"' in said.stderr


@pytest.mark.parametrize(("name", "exit_code"), [("stf", 1), ("sft", 0)])
def test_why_of_a_run_that_does_not_exist_is_an_error(
    name: str, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Answers(SEVERAL), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        said, as_json = command("why", name), command("why", name, "--json")
    assert (said.exit_code, as_json.exit_code) == (exit_code, exit_code)
    assert ('does not contain a job "stf"' in said.stdout) == (name == "stf")
    assert (json.loads(as_json.stdout)["state"] == "unknown") == (name == "stf")


def test_a_namespace_without_runs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(snapshot()), tmp_path, monkeypatch)
    assert (said.stdout, said.exit_code) == ("", 0)
    assert "has no runs" in said.stderr


@pytest.mark.parametrize("code", [401, 409, 500])
def test_a_server_that_refuses_is_one_line(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(SEVERAL)
    answers.faults["pods"] = [(code, "no\x1b[31m")]
    said = status(answers, tmp_path, monkeypatch)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "\x1b" not in said.stderr


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(SEVERAL)
    answers.faults["pods"] = [(code, "busy")]
    assert "2/2" in status(answers, tmp_path, monkeypatch).stdout


def test_a_server_cannot_make_a_command_wait_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 0.05)
    answers = Answers(SEVERAL)
    answers.faults["pods"], answers.retry_after = [(429, "too many requests")] * 9, "3600"
    said = status(answers, tmp_path, monkeypatch)
    assert (said.exit_code, said.stderr) == (3, "ftc: the API server: too many requests\n")


def test_a_server_that_is_too_slow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Answers):
        def answer(self, path: str) -> tuple[int, bytes]:
            threading.Event().wait(0.5)
            return super().answer(path)

    monkeypatch.setattr(server, "_TIMEOUT", (5.0, 0.05))
    monkeypatch.setattr(server, "_TRIES", 1)
    said = status(Slow(SEVERAL), tmp_path, monkeypatch)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "does not answer" in said.stderr


def test_a_missing_permission_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(SEVERAL)
    answers.faults["pods"] = [(403, "pods is forbidden")]
    said = status(answers, tmp_path, monkeypatch)
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-1] == "note: you may not list pods: the nodes and steps of runs are not shown"


@pytest.mark.parametrize("code", [400, 403, 404, 500])
def test_a_log_that_cannot_be_read_costs_only_the_progress(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(SEVERAL)
    answers.faults["log"] = [(code, "container not found")]
    said = status(answers, tmp_path, monkeypatch)
    assert said.exit_code == 0
    assert said.stdout.splitlines()[2].split()[:4] == ["sft", "running", "2/2", "train"]


def test_the_python_api_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answers(SEVERAL), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        found = ftc.status()
        assert found.text == command("status").stdout
        assert [one.name for one in found.runs] == ["new", "sft", "old"]
        assert "<th>NAME</th>" in found._repr_html_()
        with pytest.raises(AttributeError):
            found.runs = ()  # type: ignore[misc] # what a user may try
        with pytest.raises(ftc.RefusedError, match='does not contain a job "stf"'):
            ftc.status("stf")


def test_a_job_set_is_one_more_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(Answers(LINES["a JobSet of four pods in a queue of Kueue"][0]), tmp_path, monkeypatch)
    assert said.stdout.splitlines()[1].split()[:3] == ["sft", "running", "2/4"]
    assert JOB_SET["kind"] == "JobSet"


def test_without_the_extra_one_line_says_what_to_install() -> None:
    program = WITHOUT + "from ftc.cli.main import main; sys.argv = ['ftc', 'status']; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'ftc[cluster]'" in done.stderr


def test_the_names_of_the_api_do_not_import_the_client() -> None:
    program = "import sys, ftc; ftc.status; ftc.compile; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
