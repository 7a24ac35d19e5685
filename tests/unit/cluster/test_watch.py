"""`ftc status --watch`: watches that expire, break and are refused."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ftc.cluster import live
from ftc.cluster.status import run
from unit.cluster.api_server import Answers, serving
from unit.cluster.situations import ended, pod, snapshot, vcjob
from unit.cluster.test_status import RUNS, running
from unit.compiling import Said
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftc.cluster.snapshot import Object, Snapshot

PENDING = snapshot(vcjob("Pending"), pod(0), pod(1))
COMPLETED = snapshot(vcjob("Completed"), pod(0, phase="Succeeded"), pod(1, phase="Succeeded"))
FAILED = snapshot(vcjob("Failed"), pod(0, node="a", **ended(1, "OOMKilled")), pod(1))
GONE = {"kind": "Status", "code": 410, "message": "too old resource version: 1 (9)"}


def event(kind: str, one: Object, version: int) -> bytes:
    """An event of a watch."""
    about = one["metadata"] | {"resourceVersion": str(version)} if "metadata" in one else {}
    return json.dumps({"type": kind, "object": one | ({"metadata": about} if about else {})}).encode() + b"\n"


class Watches(Answers):
    """Answers to watches: for each connection its pieces, or GONE; BREAK breaks it, WAIT keeps it open.

    LATER waits a moment, SHOWN until the command has shown the runs once; a number is a version of the cluster, which
    the lists have from then on.
    """

    BREAK, WAIT, SHOWN, LATER, GONE = "break", "wait", "shown", "later", "gone"

    def __init__(self, *versions: Snapshot, **connections: list[Any]) -> None:
        super().__init__(versions[0])
        self.versions, self.connections = versions, connections
        self.closed, self.shown = threading.Event(), threading.Event()

    def pieces(self, path: str) -> Iterator[bytes] | None:
        parts = urlsplit(path)
        plural = parts.path.rpartition("/")[2]
        if "watch" not in parse_qs(parts.query) or self.faults.get(plural):
            return None
        self.asked.append(path)
        if plural == "jobs" and "volcano" not in parts.path:
            return self._sent([self.WAIT])
        left = self.connections.get(plural, [])
        pieces = left.pop(0) if left else [self.WAIT]
        if pieces == self.GONE:
            self.faults[plural] = [(410, "Expired")]
            return None
        return self._sent(pieces)

    def _sent(self, pieces: list[Any]) -> Iterator[bytes]:
        for one in pieces:
            if one == self.BREAK:
                raise ConnectionResetError
            if one == self.WAIT:
                self.closed.wait(20)
            elif one == self.SHOWN:
                self.shown.wait(20)
            elif one == self.LATER:
                self.closed.wait(0.5)  # longer than changes that are shown together
            elif isinstance(one, int):
                self.snapshot = self.versions[one]
            else:
                yield one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "pause", lambda _: threading.Event().wait(0.01))
    monkeypatch.setattr(live, "_SETTLED", 0.05)


def status(answers: Watches, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    with serving(answers, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))

        def shown(one: Snapshot) -> Any:
            answers.shown.set()
            return run(one)

        monkeypatch.setattr(live, "run", shown)
        try:
            return command("status", "sft", "--watch", *arguments)
        finally:
            answers.closed.set()


def phases(said: Said) -> list[tuple[str, ...]]:
    """The phase and the nodes of each line after the header."""
    header, *lines = said.stdout.splitlines()
    assert header.startswith("NAME")
    return [tuple(line.split()[1:3]) for line in lines]


def of_pods(situation: Snapshot, version: int = 5) -> list[bytes]:
    return [event("MODIFIED", one, version) for one in situation.of("Pod")]


def of_job(situation: Snapshot, version: int = 6) -> bytes:
    return event("MODIFIED", situation.of("Job")[0], version)


def test_each_change_is_a_line_until_the_run_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running_now = snapshot(RUNS, running(0), running(1))
    bookmark = event("BOOKMARK", {"metadata": {}}, 7)
    answers = Watches(
        PENDING,
        COMPLETED,
        pods=[[Watches.SHOWN, *of_pods(running_now), Watches.WAIT]],
        jobs=[[Watches.SHOWN, bookmark, of_job(running_now), Watches.LATER, 1, of_job(COMPLETED, 8), Watches.WAIT]],
    )
    said = status(answers, tmp_path, monkeypatch)
    assert (said.stderr, said.exit_code) == ("", 0)
    assert phases(said) == [("pending", "0/2"), ("running", "2/2"), ("completed", "2/2")]


BROKEN: list[Any] = [Watches.SHOWN, 1, Watches.BREAK]
EXPIRED: list[Any] = [Watches.SHOWN, 1, event("ERROR", GONE, 0)]


@pytest.mark.parametrize("connections", [[BROKEN, Watches.GONE], [EXPIRED]], ids=["status", "event"])
def test_a_version_that_has_expired_is_listed_again(
    connections: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Watches(PENDING, COMPLETED, jobs=[*connections], pods=[*connections])
    said = status(answers, tmp_path, monkeypatch)
    assert phases(said)[0] == ("pending", "0/2")
    assert phases(said)[-1] == ("completed", "2/2")
    assert said.exit_code == 0


def test_a_watch_that_breaks_continues_from_its_last_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = event("MODIFIED", RUNS, 41)
    answers = Watches(
        PENDING,
        COMPLETED,
        jobs=[
            [whole, of_job(COMPLETED, 77)[:50], Watches.BREAK],
            [Watches.BREAK],
            [1, of_job(COMPLETED, 78), Watches.WAIT],
        ],
        pods=[[*of_pods(COMPLETED), Watches.WAIT]],
    )
    said = status(answers, tmp_path, monkeypatch)
    assert phases(said)[-1] == ("completed", "2/2")
    watches = [
        parse_qs(urlsplit(one).query)["resourceVersion"][0]
        for one in answers.asked
        if "volcano" in one and "watch" in one
    ]
    assert watches[:3] == ["1", "41", "41"]


def test_a_watch_that_ends_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Watches(PENDING, COMPLETED, jobs=[[], [], [1, of_job(COMPLETED)]], pods=[of_pods(COMPLETED)])
    assert phases(status(answers, tmp_path, monkeypatch))[-1] == ("completed", "2/2")


def test_a_run_that_fails_ends_with_the_first_line_of_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Watches(PENDING, FAILED, jobs=[[1, of_job(FAILED)]], pods=[of_pods(FAILED)])
    said = status(answers, tmp_path, monkeypatch)
    assert said.stdout.splitlines()[-1].startswith("The container train ran out of memory")


def test_json_has_a_line_for_each_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Watches(PENDING, COMPLETED, jobs=[[Watches.SHOWN, 1, of_job(COMPLETED)]])
    said = status(answers, tmp_path, monkeypatch, "--json")
    found = [json.loads(line)["phase"] for line in said.stdout.splitlines()]
    assert (found[0], found[-1]) == ("pending", "completed")


def test_a_list_that_may_not_be_watched_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Watches(PENDING, COMPLETED, jobs=[[1, of_job(COMPLETED)]])
    answers.faults["jobsets"] = [(403, "no")] * 2
    said = status(answers, tmp_path, monkeypatch)
    assert phases(said)[-1][0] == "completed"
    assert said.stderr == "note: you may not list and watch jobsets: they are not shown\n"


@pytest.mark.parametrize("code", [401, 500])
def test_a_server_that_refuses_is_one_line(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Watches(PENDING)
    answers.faults["trainjobs"] = [(code, "no")] * 20
    said = status(answers, tmp_path, monkeypatch)
    assert (said.exit_code, said.stderr) == (3, "ftc: the API server: no\n")


def test_a_large_object_is_one_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts of ftc travel in annotations."""
    large = COMPLETED.of("Job")[0]
    large = large | {"metadata": large["metadata"] | {"annotations": {"ftc.dev/x": "x" * 900_000}}}
    answers = Watches(PENDING, COMPLETED, jobs=[[1, event("MODIFIED", large, 9)]])
    assert phases(status(answers, tmp_path, monkeypatch))[-1][0] == "completed"
