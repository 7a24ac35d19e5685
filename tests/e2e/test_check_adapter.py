"""The source of an adapter is fetched or checked, and then must be an adapter."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import PodScripts, pod_scripts
from e2e.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    return pod_scripts(tmp_path / "ftc", {})


def test_an_adapter_passes_and_another_source_does_not(scripts: PodScripts, model_files: Path) -> None:
    config = model_files / "checkpoint-9" / "adapter_config.json"
    command = ("bash", "check_path.sh")
    settings = {"TARGET_DIR": str(model_files), "ADAPTER_CONFIG": str(config)}
    done = scripts.run("check_adapter.sh", *command, **settings)
    assert done.status == 1
    assert done.says(f"{config} is missing: is it the right source, and the right directory in it?")
    config.parent.mkdir()
    config.write_text("{}", encoding="utf-8")
    done = scripts.run("check_adapter.sh", *command, **settings)
    assert (done.status, done.log) == (0, "")


def test_the_status_and_the_reason_are_those_of_a_command_that_fails(scripts: PodScripts, tmp_path: Path) -> None:
    command = ("bash", "-c", "echo reason; exit 7")
    done = scripts.run("check_adapter.sh", *command, ADAPTER_CONFIG=str(tmp_path / "adapter_config.json"))
    assert (done.status, done.log) == (7, "reason\n")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_download(scripts: PodScripts, tmp_path: Path, sent: signal.Signals) -> None:
    code = f"trap 'echo > {tmp_path}/ended; exit' TERM; echo > {tmp_path}/begun; sleep 9 & wait"
    started = scripts.start(
        "check_adapter.sh", "bash", "-c", code, ADAPTER_CONFIG=str(tmp_path / "adapter_config.json")
    )
    wait_until((tmp_path / "begun").exists)
    started.process.send_signal(sent)
    assert started.end().status == 143
    assert (tmp_path / "ended").exists()
