"""`ftc logs` with the real `kubernetes` client and a small server whose connections break."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

import ftc
from ftc.cluster import log_lines, logs
from ftc.cluster.log_lines import LogLine, collapsed, ranges, stamped, whole_lines
from ftc.cluster.metrics import charts, metrics
from ftc.cluster.snapshot import parsed
from unit.cluster.api_server import Answers, serving
from unit.cluster.situations import (
    claim,
    container,
    ended,
    job,
    node,
    pod,
    pod_group,
    snapshot,
    unscheduled,
    vcjob,
    waiting,
)
from unit.cluster.test_status import OVER, RUNS, STARTED, TURN, running
from unit.compiling import Said
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftc.cluster.snapshot import Object, Snapshot

ONE = vcjob("Running", 1)
ONE_RUNS = snapshot(ONE, running(0, ONE))
ONE_ENDED = snapshot(
    vcjob("Completed", 1), pod(0, ONE, phase="Succeeded", containerStatuses=[container("train", OVER)])
)
TWO_RUN = snapshot(RUNS, running(0), running(1))


def at(second: float, text: str) -> str:
    """A line as the kubelet writes it."""
    return f"2026-05-04T11:50:{second:012.9f}Z {text}"


class Logs(Answers):
    """Answers with logs (by `POD.CONTAINER`), whose next connections break after some bytes.

    `then` is the state of the cluster after a log was followed to its end.
    """

    def __init__(self, situation: Snapshot, **lines: list[str]) -> None:
        super().__init__(situation)
        self.lines = {name.replace("__", ".").replace("_", "-"): found for name, found in lines.items()}
        self.breaks: list[int] = []
        self.then: Snapshot | None = None

    def pieces(self, path: str) -> Iterator[bytes] | None:
        parts = urlsplit(path)
        if not parts.path.endswith("/log") or self.faults.get("log"):
            return None
        self.asked.append(path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        return self._sent(self._body(parts.path.split("/")[-2], query), is_followed="follow" in query)

    def _body(self, name: str, query: dict[str, str]) -> bytes:
        found = self.lines.get(f"{name}.{query['container']}", [])
        since = query.get("sinceTime")
        kept = [line for line in found if since is None or parsed(line.split(" ", 1)[0]) >= parsed(since)]
        kept = kept[-int(query.get("tailLines", len(kept) + 1)) :]
        shown = kept if "timestamps" in query else [line.split(" ", 1)[1] for line in kept]
        return "".join(f"{line}\n" for line in shown).encode()

    def _sent(self, body: bytes, *, is_followed: bool) -> Iterator[bytes]:
        stop = self.breaks.pop(0) if self.breaks else None
        sent = body[:stop]
        yield from (sent[start : start + 7] for start in range(0, len(sent), 7))
        if stop is not None:
            raise ConnectionResetError
        if is_followed and self.then is not None:
            self.snapshot = self.then


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "pause", lambda _: None)
    monkeypatch.setattr(logs, "_LOOK", 0.0)
    monkeypatch.setattr(logs, "_QUIET", 0.05)


def read(answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    with serving(answers, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        return command("logs", "sft", *arguments)


def test_the_training_of_rank_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(TWO_RUN, sft_0__train=[at(1, "a"), at(2, "b")], sft_1__train=[at(1, "c")])
    said = read(answers, tmp_path, monkeypatch)
    assert (said.stdout, said.stderr, said.exit_code) == ("node-0 | a\nnode-0 | b\n", "", 0)


def test_another_node_and_another_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(TWO_RUN, sft_1__train=[at(1, "c")], sft_1__fetch_model=[at(1, "ftc: ready")])
    assert read(answers, tmp_path, monkeypatch, "--node", "1").stdout == "node-1 | c\n"
    said = read(answers, tmp_path, monkeypatch, "--node", "1", "-c", "fetch-model", "--since", "1h30m")
    assert said.stdout == "node-1 | ftc: ready\n"
    assert "sinceSeconds=5400" in answers.asked[-1]


def test_all_nodes_by_time_with_identical_lines_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(
        TWO_RUN,
        sft_0__train=[at(1, "loading"), at(3, "only here"), at(9, "end")],
        sft_1__train=[at(1.2, "loading"), at(2, "only there"), at(9.5, "end")],
    )
    assert read(answers, tmp_path, monkeypatch, "--all").stdout.splitlines() == [
        "node-0..1 | loading",
        "node-1 | only there",
        "node-0 | only here",
        "node-0..1 | end",
    ]


@pytest.mark.parametrize(
    ("states", "name"),
    [
        ([container("fetch-model", STARTED), container("fetch-dataset", TURN)], "fetch-model"),
        ([container("fetch-model", OVER), container("fetch-dataset", STARTED)], "fetch-dataset"),
    ],
)
def test_the_init_container_that_runs(
    states: list[Object], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = snapshot(ONE, pod(0, ONE, node="a", initContainerStatuses=states))
    answers = Logs(situation)
    answers.lines = {f"sft-0.{name}": [at(1, "ftc: downloading")]}
    assert read(answers, tmp_path, monkeypatch).stdout == "node-0 | ftc: downloading\n"


def failed(number: int, second: int) -> Object:
    return pod(number, RUNS, node="a", **ended(1, at=f"2026-05-04T11:50:{second}Z"))


def test_the_first_error_of_the_first_node_is_at_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 ends first, because the connection to rank 1 broke."""
    answers = Logs(
        snapshot(vcjob("Failed"), failed(0, 20), failed(1, 40)),
        sft_0__train=[at(1, "step"), at(15, "torch.distributed.DistBackendError: NCCL error"), at(16, "ftc: end")],
        sft_1__train=[at(1, "step"), at(14, "ValueError: tokens out of range"), at(39, "ChildFailedError: x")],
    )
    said = read(answers, tmp_path, monkeypatch)
    top, *others = said.stdout.splitlines()
    assert top == "node-1 | ftc: failed first (train, exit code 1): ValueError: tokens out of range"
    assert others[0].endswith(" | step")


def test_a_known_error_wins_over_what_follows_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one node too: rank 3 runs out of memory, the others lose their connection."""
    log = [
        at(14, "[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.27 GiB."),
        at(15, "[rank0]: torch.distributed.DistBackendError: NCCL communicator was aborted"),
        at(16, "ftc: error: train ended with status 1 on node 0: the lines above say why"),
    ]
    answers = Logs(snapshot(vcjob("Failed", 1), pod(node="a", **ended(1))), sft_0__train=log)
    top = read(answers, tmp_path, monkeypatch).stdout.splitlines()[0]
    assert top.startswith("node-0 | ftc: failed first (train, exit code 1): [rank3]: torch.OutOfMemoryError")


def test_a_pod_that_waits_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "0/1 nodes are unavailable: 1 Insufficient nvidia.com/gpu."
    lost = snapshot(vcjob("Pending", 1), unscheduled(said, of=ONE), pod_group("Inqueue"), node("a", gpus=None), claim())
    for arguments in ((), ("--all",)):
        shown = read(Logs(lost), tmp_path, monkeypatch, *arguments)
        assert shown.exit_code == 0
        assert shown.stdout.startswith("node-0 | ftc: waits: ")
        assert "nvidia.com/gpu" in shown.stdout
        assert shown.stdout.count("\n") == 1


def test_a_container_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = 'failed to pull and unpack image "x:1": not found'
    situation = snapshot(ONE, pod(0, ONE, node="a", **waiting("ImagePullBackOff", message)), node("a"), claim())
    shown = read(Logs(situation), tmp_path, monkeypatch)
    assert shown.stdout.startswith("node-0 | ftc: waits: The image hiyouga/llamafactory:0.9.5 does not exist")


def test_no_line_moves_the_cursor_or_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_" + "a1" * 20
    lines = [
        "\x1b[2J\x1b]0;title\x07 gone",
        "::error::injected",
        "##[add-mask]x",
        f"token {token}",
        "\x1b[31mred\x1b[0m",
        "a\tb\u202ec",
        "  1%|x| 1/9 [00:01]\r 50%|x| 5/9 [00:05]",
        "-----BEGIN PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        "-----END PRIVATE KEY-----",
        "after",
    ]
    answers = Logs(ONE_RUNS, sft_0__train=[at(number, line) for number, line in enumerate(lines)])
    said = read(answers, tmp_path, monkeypatch)
    assert all(line.isprintable() for line in said.stdout.splitlines())
    shown = [line.removeprefix("node-0 | ") for line in said.stdout.splitlines()]
    assert token not in said.stdout
    assert "MIIEvQ" not in said.stdout
    assert "##[" not in said.stdout
    assert not any(line.startswith("::") for line in said.stdout.splitlines())
    assert shown[4:7] == ["red", "a   b\\u202ec", " 50%|x| 5/9 [00:05]"]
    assert shown[-1] == "after"


LINES = [at(second / 4, f"line {second}") for second in range(80)]
# Two lines of one moment, and one of stderr that comes late.
LINES[40:40] = [at(10.0, "twin a"), at(10.0, "twin b"), at(9.9, "late")]


@pytest.mark.parametrize("broken", [[0], [1], [35], [36, 0, 0], [1000, 900, 1], [1999, 7, 300, 300], [2700], [100] * 4])
def test_a_followed_log_has_each_line_once(broken: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(ONE_RUNS, sft_0__train=LINES)
    answers.breaks, answers.then = [*broken], ONE_ENDED
    said = read(answers, tmp_path, monkeypatch, "-f")
    assert said.stdout.splitlines() == [f"node-0 | {line.split(' ', 1)[1]}" for line in LINES]
    assert answers.breaks == []


class Growing(Logs):
    """A log that has some more lines at each connection."""

    def _body(self, name: str, query: dict[str, str]) -> bytes:
        if "follow" in query and len(self.lines["sft-0.train"]) < len(LINES):
            self.lines["sft-0.train"] = LINES[: len(self.lines["sft-0.train"]) + 9]
            self.breaks = [10**6]
        return super()._body(name, query)


def test_lines_that_come_later_are_printed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Growing(ONE_RUNS, sft_0__train=LINES[:2])
    answers.then = ONE_ENDED
    said = read(answers, tmp_path, monkeypatch, "-f")
    assert said.stdout.splitlines() == [f"node-0 | {line.split(' ', 1)[1]}" for line in LINES]


def test_following_begins_with_the_init_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = [container("fetch-model", STARTED)]
    answers = Logs(
        snapshot(ONE, pod(0, ONE, node="a", initContainerStatuses=states)),
        sft_0__fetch_model=[at(1, "ftc: downloading")],
        sft_0__train=[at(5, "training")],
    )
    ended_now = snapshot(vcjob("Completed", 1), running(0, ONE, container("train", OVER)))
    answers.then = ended_now
    said = read(answers, tmp_path, monkeypatch, "-f")
    assert said.stdout.splitlines() == ["node-0 | ftc: downloading", "node-0 | training"]


def test_a_server_that_fails_for_a_while_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(ONE_RUNS, sft_0__train=[at(1, "a")])
    answers.then = ONE_ENDED
    answers.breaks = [3]
    kept = answers.pieces

    def pieces(path: str) -> Iterator[bytes] | None:
        if "follow" in path and not answers.breaks and not answers.faults:
            answers.faults["log"] = [(500, "dial tcp: i/o timeout")] * 2
        elif "log" in answers.faults and not answers.faults["log"]:
            return kept(path)
        return kept(path)

    answers.pieces = pieces  # type: ignore[method-assign] # this test only
    assert read(answers, tmp_path, monkeypatch, "-f").stdout == "node-0 | a\n"


@pytest.mark.parametrize("code", [400, 403, 404, 500])
def test_a_log_that_cannot_be_read_is_a_line(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(ONE_RUNS)
    answers.faults["log"] = [(code, "no\x1b[31m")]
    said = read(answers, tmp_path, monkeypatch)
    assert said.stdout == "node-0 | ftc: cannot read the log: no\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--node", "2"], "has the nodes 0..1, not 2"),
        (["-c", "main"], "has the containers fetch-model, train, not main"),
    ],
)
def test_what_does_not_exist_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = read(Logs(TWO_RUN), tmp_path, monkeypatch, *arguments)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 1, 1)
    assert words in said.stderr


def test_a_run_that_does_not_exist_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = read(Logs(snapshot(job())), tmp_path, monkeypatch)
    assert said.exit_code == 0
    with serving(Logs(snapshot(job())), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        said = command("logs", "stf")
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 1, 1)
    assert 'does not contain a job "stf"' in said.stderr


@pytest.mark.parametrize("code", [401, 403, 409, 500])
def test_a_server_that_refuses_is_one_line(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Logs(TWO_RUN)
    answers.faults["pods"] = [(code, "no\x1b[31m")]
    said = read(answers, tmp_path, monkeypatch)
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "\x1b" not in said.stderr


@pytest.mark.parametrize("given", ["10", "m", "1m1h", "-5m", "0s", ""])
def test_a_time_that_is_not_a_duration_is_refused(given: str) -> None:
    said = command("logs", "sft", "--since", given)
    assert (said.exit_code, said.stdout) == (2, "")


def test_a_log_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line is there before the server has sent the second one."""
    arrived = threading.Event()

    class Slow(Logs):
        def _sent(self, body: bytes, *, is_followed: bool) -> Iterator[bytes]:  # noqa: ARG002 - as in the base
            yield f"{at(1, 'first')}\n".encode()
            assert arrived.wait(20)
            yield f"{at(2, 'second')}\n".encode()

    with serving(Slow(ONE_RUNS), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        found = ftc.logs("sft")
        assert next(found).text == "first"
        arrived.set()
        assert [one.text for one in found] == ["second"]


def test_the_python_api_has_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Logs(TWO_RUN, sft_1__train=[at(1, "c")]), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        (line,) = ftc.logs("sft", node=None)
        assert isinstance(line, ftc.LogLine)
        assert (line.node, line.container, line.text) == (1, "train", "c")
        with pytest.raises(AttributeError):
            line.text = ""  # type: ignore[misc] # what a user may try
        with pytest.raises(ftc.RefusedError, match="has the nodes"):
            next(ftc.logs("sft", node=7))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_do_not_depend_on_the_pieces(size: int) -> None:
    text = b"one\n\ntwo\xe4\xb8\xad\nthree"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(whole_lines(pieces)) == [b"one", b"", b"two\xe4\xb8\xad", b"three"]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    bar = b"2026-05-04T11:50:01Z " + b"\r 1%|x| 1/9 [x]" * 10_000
    (line,) = whole_lines([bar, b"\r 2%|x| 2/9 [x]\n"])
    assert len(line) < 100
    assert stamped(line).text == " 2%|x| 2/9 [x]"
    endless = [b"x" * 65536] * 50
    (line,) = whole_lines([*endless, b"\n"])
    assert len(line) <= 2 * 65536


def line(number: int, text: str, seconds: float = 0.0) -> LogLine:
    return LogLine(number, "train", text, seconds)


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        # Ranks of one node.
        ([line(0, f"[rank{rank}]: boom") for rank in range(8)], ["node-0 | [rank0..7]: boom"]),
        # The same rank prints a line of a traceback twice: both are shown.
        (
            [line(0, text) for text in ("call()", "other()", "call()")],
            ["node-0 | call()", "node-0 | other()", "node-0 | call()"],
        ),
        # The same line again and again.
        ([line(0, "retrying")] * 3, ["node-0 | retrying (3 times)"]),
        # Two ranks with the same traceback, interleaved.
        (
            [line(0, "a"), line(1, "a"), line(0, "b"), line(0, "a"), line(1, "b"), line(1, "a")],
            ["node-0..1 | a", "node-0..1 | b", "node-0..1 | a"],
        ),
        # A second apart is not the same.
        ([line(0, "a", 1), line(1, "a", 5)], ["node-0 | a", "node-1 | a"]),
        ([line(0, "a"), None, line(1, "a")], ["node-0 | a", "node-1 | a"]),
    ],
)
def test_identical_lines_of_ranks_are_one(lines: list[LogLine | None], shown: list[str]) -> None:
    assert list(collapsed(lines)) == shown


def test_many_nodes_are_ranges() -> None:
    assert ranges([0, 1, 2, 4, 6, 7]) == "0..2,4,6..7"


def test_the_metrics_of_a_training_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = "{'loss': '2.5', 'grad_norm': '1.25', 'learning_rate': '1e-04', 'epoch': '0.1'}"  # transformers 5
    old = "\r 50%|###  | 1/2 [00:01<00:01]{'loss': 0.5, 'grad_norm': nan, 'learning_rate': 0.0, 'epoch': 0.2}"
    rest = ["ftc: train: started on node 0", "{'eval_loss': '9.0', 'epoch': '0.2'}"]
    lines = [at(number, text) for number, text in enumerate([rest[0], new, old, rest[1]])]
    said = read(Logs(ONE_RUNS, sft_0__train=lines), tmp_path, monkeypatch, "--metrics")
    assert (said.stderr, said.exit_code) == ("", 0)
    assert [line for line in said.stdout.splitlines() if " -> " in line] == [
        "loss: 2.5 -> 0.5, 2 values",
        "learning_rate: 0.0001 -> 0, 2 values",
        "grad_norm: 1.25 -> 1.25, 1 value",
    ]
    assert "       2.5 █" in said.stdout
    assert "       0.5 █▁" in said.stdout


def test_a_log_without_metrics_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = read(Logs(ONE_RUNS, sft_0__train=[at(1, "a")]), tmp_path, monkeypatch, "--metrics")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert said.stderr.startswith("ftc: the log of sft has no metrics")
    assert command("logs", "sft", "--metrics", "-f").exit_code == 2


def test_a_chart_fits_the_terminal() -> None:
    found = list(charts({"loss": [1 / number for number in range(1, 2000)]}, 60))
    assert max(map(len, found)) <= 60
    assert found[1].startswith("         1 ") or found[1].startswith("    0.")


@pytest.mark.parametrize("values", [["1e999", "2"], ["9" * 400, "2"], ["1e308", "-1e308"], ["1.7e308"] * 300])
def test_values_that_are_too_large_for_a_chart_are_left_out(values: list[str]) -> None:
    found = metrics(f"{{'loss': {value}, 'grad_norm': 1.5}}" for value in values)
    assert found.get("loss") == ([2.0] if "2" in values else None)
    assert len(found["grad_norm"]) == len(values)
    assert list(charts(found, 80))


def test_a_line_of_beginnings_is_read_in_one_pass() -> None:
    began = time.process_time()
    assert metrics(["{'loss': " * 100_000] * 10) == {}
    assert time.process_time() - began < 5
