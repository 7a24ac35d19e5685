"""`ftc why NAME` with the real `kubernetes` client; a small server stands for the API server, which cannot run here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from unit.cluster.api_server import Answers, serving
from unit.cluster.situations import claim, ended, node, object_of, pod, pod_group, snapshot, unscheduled, vcjob
from unit.compiling import Said, ftc

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT = "import sys; sys.modules['kubernetes'] = None; "
NO_ROOM = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
SIXTY_FOUR = vcjob(replicas=64)
LARGE = snapshot(
    SIXTY_FOUR,
    *(unscheduled(NO_ROOM, number, SIXTY_FOUR) for number in range(64)),
    pod_group("Inqueue"),
    node("a"),
    claim(),
)
OOM = "torch.OutOfMemoryError: CUDA out of memory."
FAILED = snapshot(
    vcjob("Failed", 1), pod(of=vcjob(), node="a", **ended(1)), node("a"), claim(), logs={"sft-0.train": OOM}
)


def why(answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    with serving(answers, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        return ftc("why", "sft", *arguments)


def test_a_job_of_64_pods_takes_at_most_twelve_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(LARGE)
    said = why(answers, tmp_path, monkeypatch)
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith("The gang needs 64 nodes with 8 nvidia.com/gpu free")
    assert len(answers.asked) <= 12


def test_the_log_of_the_failed_container_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why(Answers(FAILED), tmp_path, monkeypatch).stdout.startswith("The device ran out of memory")


def test_lists_are_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = why(Answers(LARGE, page=10), tmp_path, monkeypatch, "--json")
    assert json.loads(said.stdout)["causes"][0]["text"].startswith("The gang needs 64 nodes")


def test_a_list_that_expires_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(LARGE)
    answers.faults["pods"] = [(410, "The provided continue parameter is too old")]
    assert why(answers, tmp_path, monkeypatch).stdout.startswith("The gang needs 64 nodes")


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(LARGE)
    answers.faults["pods"] = [(429, "too many requests"), (503, "try again")]
    assert why(answers, tmp_path, monkeypatch).stdout.startswith("The gang needs 64 nodes")


def test_a_missing_permission_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(LARGE)
    answers.faults["nodes"] = [(403, 'nodes is forbidden: User "ann" cannot list resource "nodes"')]
    said = why(answers, tmp_path, monkeypatch)
    assert said.exit_code == 0
    assert "note: you may not list nodes" in said.stdout


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_is_one_line(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(LARGE)
    answers.faults["jobs"] = [(status, "no\x1b[31m")]
    said = why(answers, tmp_path, monkeypatch)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "\x1b" not in said.stderr


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answers(LARGE), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
    said = ftc("why", "sft")
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "does not answer" in said.stderr


def test_a_context_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = why(Answers(LARGE), tmp_path, monkeypatch, "--context", "prod")
    assert said.exit_code == 3
    assert "does not contain the context 'prod'; it has team" in said.stderr


def test_what_was_saved_gives_the_same_answer_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + "a1" * 20
    objects = [*FAILED.objects, object_of("Secret", "hf", data={"token": "aHVudGVyMg=="})]
    one = snapshot(*objects, logs={"sft-0.train": f"token {token}\n{OOM}"})
    said = why(Answers(one), tmp_path, monkeypatch, "--save", str(tmp_path / "saved"))
    assert ftc("why", "--from", str(tmp_path / "saved")).stdout == said.stdout
    written = "".join(file.read_text() for file in (tmp_path / "saved").rglob("*") if file.is_file())
    assert token not in written
    assert "secret-of-the-user" not in written


def test_without_the_extra_one_line_says_what_to_install() -> None:
    program = WITHOUT + "from ftc.cli.main import main; sys.argv = ['ftc', 'why', 'x']; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'ftc[cluster]'" in done.stderr


def test_a_compile_does_not_import_the_client() -> None:
    program = WITHOUT + "from ftc.cli.main import main; sys.argv = ['ftc', 'compile']; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:10]) == (0, "apiVersion")
