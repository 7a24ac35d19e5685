"""The container that publishes waits for the training, however it ends, and trusts only markers."""

# Trainer and server are stand-ins here: test_publish.py has the real server, test_training.py both.

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import SINGLE, VOLCANO, Ended, PodScripts, Started, pod_scripts
from e2e.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

UPLOADER = 'echo "$1 $2 $RESULT_ID" >>"$CALLS"\n[[ ! -e $CALLS.fail ]]\n'
TRAINER = "trap 'exit 0' TERM\nwhile true; do sleep 0.1; done\n"


class Run:
    """A pod that publishes with a stand-in."""

    def __init__(self, root: Path, rendezvous: dict[str, str]) -> None:
        """Lay out the files of the pod."""
        self.directory = root / "workspace" / "job-1"
        self.directory.mkdir(parents=True)
        self.lock = root / "lock"
        self.lock.mkdir()
        self._calls = root / "calls"
        workspace = str(root / "workspace")
        variables = {"CALLS": str(self._calls), "WORKSPACE": workspace, "JOB_NAME": "job-1", "NNODES": "1"}
        self.scripts: PodScripts = pod_scripts(root / "ftc", rendezvous, **variables)
        self.scripts.write("uploader.sh", UPLOADER)
        self.scripts.write("trainer.sh", TRAINER)

    @property
    def calls(self) -> list[str]:
        """The uploaded result."""
        return self._calls.read_text(encoding="utf-8").splitlines() if self._calls.exists() else []

    def finish(self, *steps: str) -> None:
        """Leave the markers of steps."""
        for step in steps:
            (self.directory / f"{step}.done").write_text("done", encoding="utf-8")

    def start(self, **environment: str) -> Started:
        """Start the publishing script."""
        return self.scripts.start("publish.sh", "bash", str(self.scripts.root / "uploader.sh"), **environment)

    def publish(self, **environment: str) -> Ended:
        """Publish without a training to wait for, like `-t script`."""
        return self.start(**environment).end()

    def train(self) -> Started:
        """Start a training that holds the lock."""
        return self.scripts.start(
            "hold_lock.sh", "bash", str(self.scripts.root / "trainer.sh"), LOCK_DIR=str(self.lock)
        )

    def fail(self) -> Path:
        """The file that makes the upload fail."""
        return self._calls.with_name("calls.fail")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one node."""
    return Run(tmp_path, SINGLE)


@pytest.mark.parametrize(("check", "status"), [("fail", 1), (None, 0)])
def test_a_result_whose_chat_template_must_be_equal_is_published_after_its_check(
    run: Run, check: str | None, status: int
) -> None:
    run.finish("train")
    variables = {"CHAT_TEMPLATE_CHECK": check} if check else {}
    done = run.publish(**variables)
    assert done.status == status, done.log
    assert done.says("check did not finish: nothing is published") == (check == "fail")
    run.finish("check")
    assert run.publish(**variables).status == 0


@pytest.mark.parametrize(
    ("configs", "result"),
    [((), "output"), (("merge",), "merged"), (("quantize",), "quantized"), (("merge", "quantize"), "quantized")],
)
def test_the_last_step_makes_the_result_and_every_step_must_have_finished(
    run: Run, configs: tuple[str, ...], result: str
) -> None:
    steps = ("train", *configs)
    for config in configs:
        run.scripts.write(f"{config}.yaml", "{}\n")
    for number, step in enumerate(steps):
        run.finish(*steps[:number])
        done = run.publish()
        assert done.status == 1
        assert done.says(f"{step} did not finish: nothing is published")
    run.finish(*steps)
    assert run.publish().status == 0
    ((_, path, _),) = (line.split() for line in run.calls)
    assert path == f"job-1/{result}"


@pytest.mark.parametrize("kind", ["empty", "link", "directory"])
def test_a_marker_is_a_file_with_content(run: Run, kind: str) -> None:
    marker = run.directory / "train.done"
    match kind:
        case "empty":
            marker.touch()
        case "link":
            marker.symlink_to("/etc/passwd")
        case _:
            marker.mkdir()
    done = run.publish()
    assert done.status == 1
    assert done.says("train did not finish")
    assert run.calls == []


def test_a_result_has_one_name_and_another_run_another(run: Run) -> None:
    run.finish("train")
    os.utime(run.directory / "train.done", (1767323045, 1767323045))
    run.fail().touch()
    failed = run.publish()
    assert failed.status == 1
    assert failed.says("a restart of the job does not train again")
    run.fail().unlink()
    assert run.publish().status == 0
    first, second = (line.split()[2] for line in run.calls)
    assert first == second
    assert first.startswith("20260102-030405-")
    os.rename(run.directory, run.directory.with_name("job-2"))  # noqa: PTH104
    assert run.publish(JOB_NAME="job-2").status == 0
    assert run.calls[-1].split()[2].startswith("20260102-030405-")
    assert run.calls[-1].split()[2] != first


@pytest.mark.parametrize(("finished", "status"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_waits_for_the_end_of_the_training_however_it_ends(
    run: Run, number: signal.Signals, *, finished: bool, status: int
) -> None:
    publishing = run.start(LOCK_DIR=str(run.lock))
    training = run.train()
    wait_until((run.lock / "started").exists)
    if finished:
        run.finish("train")
    time.sleep(2)
    assert publishing.runs()
    assert run.calls == []
    training.process.send_signal(number)
    done = publishing.end()
    assert done.status == status, done.log
    assert len(run.calls) == (1 if finished else 0)


def test_a_training_that_cannot_start_is_not_waited_for_forever(run: Run) -> None:
    run.finish("train")
    done = run.publish(LOCK_DIR=str(run.lock), START_TIMEOUT="1")
    assert done.status == 1
    assert done.says("the container train did not start in 1 seconds")
    assert run.calls == []


def test_a_signal_ends_the_waiting_and_the_upload(run: Run) -> None:
    training = run.train()
    wait_until((run.lock / "started").exists)
    publishing = run.start(LOCK_DIR=str(run.lock))
    time.sleep(1)
    publishing.process.send_signal(signal.SIGTERM)
    assert publishing.end().status == 143
    training.process.terminate()
    training.end()
    run.finish("train")
    run.scripts.write("uploader.sh", "sleep 60 & echo $! >>$CALLS; wait\n")
    publishing = run.start()
    wait_until(lambda: bool(run.calls))
    publishing.process.send_signal(signal.SIGTERM)
    assert publishing.end().status == 143
    wait_until(lambda: not os.path.exists(f"/proc/{run.calls[0]}"))  # noqa: PTH110


def test_ranks_above_0_publish_nothing_and_do_not_wait(tmp_path: Path) -> None:
    run = Run(tmp_path, VOLCANO)
    run.finish("train")
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "a,b"}
    done = run.publish(LOCK_DIR=str(run.lock), VC_TASK_INDEX="1", **world)
    assert done.status == 0
    assert run.calls == []
    assert run.publish(VC_TASK_INDEX="0", **world).status == 0
    assert len(run.calls) == 1


def test_what_is_missing_in_the_image_is_said_before_the_training_ends(run: Run) -> None:
    for missing in ({"REQUIRED_TOOLS": "git-lfs-missing"}, {"REQUIRED_MODULES": "module_that_is_missing"}):
        done = run.publish(LOCK_DIR=str(run.lock), **missing)
        assert done.status == 1
        assert done.says(f"{next(iter(missing.values()))} is missing in this image")


def test_a_trace_of_the_publishing_shows_no_credential_and_the_upload_has_it(run: Run) -> None:
    run.finish("train")
    keys = ("GIT_TOKEN", "PUBLISH_TOKEN", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    run.scripts.write("uploader.sh", 'env >"$CALLS"\n')
    words = ["bash", "-x", str(run.scripts.root / "publish.sh"), "bash", str(run.scripts.root / "uploader.sh")]
    variables = {**os.environ, **run.scripts.environment, **dict.fromkeys(keys, "secret-key")}
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "+ run_child timeout" in done.stderr
    assert "secret-key" not in done.stdout + done.stderr
    assert len([line for line in run.calls if line.endswith("=secret-key")]) == len(keys)
