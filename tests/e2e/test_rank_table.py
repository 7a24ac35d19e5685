"""A training starts when Ascend Operator has completed the rank table; otherwise the log has the reason."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from e2e.instead import instead
from e2e.pod_scripts import PodScripts, Started, pod_scripts
from e2e.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# Ascend/mind-cluster, docs: the ConfigMap before the job, and what Ascend Operator writes.
INITIALIZING = '{"status":"initializing"}'
COMPLETED = '{"status": "completed", "server_count": "1", "version": "1.0", "server_list": [{"server_id": "10.0.0.1"}]}'


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    return pod_scripts(tmp_path / "ftc", {})


def start(scripts: PodScripts, table: Path, *command: str, seconds: int = 600) -> Started:
    """It leaves a file named `waiting` next to the table once it waits."""
    path = instead(table.parent, "sleep", f"touch '{table.parent}/waiting'; exec /bin/sleep 0.1")
    variables = {"RANK_TABLE_FILE": str(table), "RANK_TABLE_TIMEOUT": str(seconds), "PATH": path}
    return scripts.start("wait_rank_table.sh", *command, **variables)


def test_the_training_waits_for_the_table_and_gets_its_arguments(scripts: PodScripts, tmp_path: Path) -> None:
    table, result = tmp_path / "hccl.json", tmp_path / "a 'b\" $c"
    table.write_text(INITIALIZING)
    waiting = start(scripts, table, "bash", "-c", 'touch "$1"; exit 7', "-", str(result))
    wait_until((tmp_path / "waiting").exists)
    assert not result.exists()
    (tmp_path / "new").write_text(COMPLETED)
    (tmp_path / "new").rename(table)  # as the kubelet, which replaces a link
    done = waiting.end()
    assert (done.status, done.says(f"waiting until Ascend Operator completes {table}")) == (7, True), done.log
    assert result.exists()


def test_a_complete_table_is_not_waited_for(scripts: PodScripts, tmp_path: Path) -> None:
    (tmp_path / "hccl.json").write_text(COMPLETED)
    done = start(scripts, tmp_path / "hccl.json", "echo", "trained").end()
    assert (done.status, done.log) == (0, "trained\n")


@pytest.mark.parametrize(
    ("content", "status"),
    [(INITIALIZING, "initializing"), ("", "missing"), (None, "missing"), ('{"completed": "status"}', "missing")],
)
def test_a_table_that_stays_incomplete_ends_the_run(
    scripts: PodScripts, tmp_path: Path, content: str | None, status: str
) -> None:
    table = tmp_path / "hccl.json"
    if content is not None:
        table.write_text(content)
    done = start(scripts, table, "echo", "trained", seconds=1).end()
    assert (done.status, "trained" in done.log) == (1, False)
    assert done.says(f"{table} is not completed after 1 seconds (status: {status}): does Ascend Operator run")


def test_a_signal_ends_the_wait(scripts: PodScripts, tmp_path: Path) -> None:
    waiting = start(scripts, tmp_path / "hccl.json", "echo", "trained")
    wait_until((tmp_path / "waiting").exists)
    waiting.process.send_signal(signal.SIGTERM)
    done = waiting.end(10)
    assert (done.status, "trained" in done.log) == (143, False)
