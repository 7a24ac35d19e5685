"""The local script runs the same steps as the pod, and no user's value becomes code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.waiting import wait_until
from unit.compiling import COMMAND, conf, ftc, refused

HOSTILE = (
    "$(touch hurt)",
    "`touch hurt`",
    "'; touch hurt; '",
    '"; touch hurt; "',
    "${HOME}",
    "$$",
    "a\nb",
    "end of x",
    "",
)
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


def script(*arguments: str) -> str:
    said = ftc("compile", "-t", "script", *arguments)
    assert said.exit_code == 0, said.stderr
    return said.stdout


def run(directory: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash"],
        input=text,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def written(text: str) -> str:
    """A text escaped for a conf file, so that it contains no reference."""
    return text.replace("${", "\\${")


def test_a_command_gets_hostile_texts_as_they_are(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "defaults": ["config", {"override launcher": "command"}, "_self_"],
        "launcher": {"command": [sys.executable, "-c", SHOW], "args": [written(text) for text in HOSTILE]},
        "env": {f"V{index}": written(text) for index, text in enumerate(HOSTILE)},
        "storage": {"min_free_gib": 0},
    }
    text = script("--config-dir", conf(tmp_path / "conf", {"run": yaml.safe_dump(config)}), "-c", "run")
    done = run(tmp_path, text)
    assert done.returncode == 0, done.stderr
    arguments, environment = json.loads(done.stdout.splitlines()[-1])
    assert arguments == list(HOSTILE)
    assert [environment[f"V{index}"] for index in range(len(HOSTILE))] == list(HOSTILE)
    assert (environment["NNODES"], environment["NODE_RANK"], environment["MASTER_ADDR"]) == ("1", "0", "127.0.0.1")
    assert not list(tmp_path.rglob("hurt"))


def test_a_script_creates_its_own_run_directory(tmp_path: Path) -> None:
    text = script(*COMMAND[:1], "launcher.command=['true']", "name=a-run", "storage.min_free_gib=0")
    assert run(tmp_path, text, JOB_NAME="one").returncode == 0
    assert run(tmp_path, text, JOB_NAME="two", FTC_RUNS=str(tmp_path / "runs")).returncode == 0
    assert (tmp_path / "ftc-runs" / "one").is_dir()
    assert (tmp_path / "runs" / "two").is_dir()


def test_the_directory_of_a_run_keeps_the_spec(tmp_path: Path) -> None:
    words = (*COMMAND[:1], "launcher.command=['true']", "name=a-run", "storage.min_free_gib=0", "env.X='a \"b\" $c'")
    text = script(*words)
    for _ in range(2):
        assert run(tmp_path, text, JOB_NAME="one").returncode == 0
    kept = tmp_path / "ftc-runs" / "one"
    assert [file.name for file in kept.glob("*spec*")] == ["spec.yaml"]
    assert kept.joinpath("spec.yaml").read_bytes().endswith(b"}\n")
    assert kept.joinpath("spec.yaml").read_text().count("\n") == 1
    assert script("--config-dir", str(kept), "-c", "spec") == text


@pytest.mark.parametrize("key", ["a$(touch hurt)", "a`touch hurt`", 'a"; touch hurt; "', "a}; touch hurt; #"])
def test_the_name_of_a_secret_or_its_key_is_never_code(tmp_path: Path, key: str) -> None:
    source = {"kind": "git", "url": "https://git.example.com/m", "credentials": {"secret": "s", "password_key": key}}
    config = {"defaults": ["config", "_self_"], "model": {"source": source}}
    config = {**config, "model": {"id": "a/b", "template": "qwen3", "source": source}}
    tree = conf(tmp_path / "conf", {"run": yaml.safe_dump(config)})
    said = ftc("compile", "-t", "script", "--config-dir", tree, "-c", "run", "model=none", "dataset=none", *COMMAND)
    if said.exit_code == 0:
        run(tmp_path, said.stdout)
    assert not list(tmp_path.rglob("hurt"))


def test_a_secret_that_is_not_exported_is_asked_for(tmp_path: Path) -> None:
    text = script(
        "source@model.source=git", "model.source.url=https://x.invalid/m", "model.source.credentials={secret: s}"
    )
    done = run(tmp_path, text)
    assert done.returncode != 0
    assert "GIT_USER" in done.stderr
    assert not (tmp_path / "ftc-runs").exists()


def test_several_nodes_do_not_fit_on_one_machine() -> None:
    assert "error[FTC507 script-target-needs-one-node]: nodes: " in refused("-t", "script", "nodes=2")


# A training like torchrun's: a process in its own session, which inherits only the standard descriptors.
TRAINING = """
import os, pathlib, signal, subprocess, sys, time
if len(sys.argv) == 1:
    sys.exit(subprocess.Popen([sys.executable, __file__, "worker"], start_new_session=True).wait())
def stop(*_):
    time.sleep(0.5)
    pathlib.Path("saved").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("worker.tmp").write_text(str(os.getpid()))
os.rename("worker.tmp", "worker")
while not pathlib.Path("end").exists():
    time.sleep(0.05)
"""


def start(directory: Path, text: str) -> subprocess.Popen[str]:
    """Start the script of a run called `one`."""
    file = directory / "run.sh"
    file.write_text(text, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "JOB_NAME": "one"}
    # bash cannot trap a signal that is ignored when it starts; `make check &` ignores SIGINT, `nohup` SIGHUP.
    return subprocess.Popen(
        ["bash", file],
        cwd=directory,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_signals,  # noqa: PLW1509 - this process has one thread
    )


def _heed_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def training(tmp_path: Path) -> str:
    """The script of a training that runs until the file `end` exists."""
    program = tmp_path / "training.py"
    program.write_text(TRAINING, encoding="utf-8")
    command = f"launcher.command=[{sys.executable},{program}]"
    return script(*COMMAND[:1], command, "storage.min_free_gib=0")


def worker(run: Path) -> int:
    """The process that trains, once it has started."""
    wait_until((run / "worker").exists)
    return int((run / "worker").read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_script_waits(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "one.py"
    program.write_text(TRAINING.replace("len(sys.argv) == 1", "False"), encoding="utf-8")
    command = f"launcher.command=[{sys.executable},{program}]"
    running = start(tmp_path, script(*COMMAND[:1], command, "storage.min_free_gib=0"))
    pid = worker(tmp_path / "ftc-runs" / "one")
    running.send_signal(number)
    assert running.wait(600) == 143
    assert (tmp_path / "ftc-runs" / "one" / "saved").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_run_is_not_started_twice(tmp_path: Path, training: str) -> None:
    running = start(tmp_path, training)
    worker(tmp_path / "ftc-runs" / "one")
    before = (tmp_path / "ftc-runs" / "one" / "files").stat().st_mtime_ns
    second = run(tmp_path, training, JOB_NAME="one")
    assert second.returncode == 1
    assert second.stderr.startswith("ftc: error: the run one is in use: stop its processes ")
    assert (tmp_path / "ftc-runs" / "one" / "files").stat().st_mtime_ns == before
    (tmp_path / "ftc-runs" / "one" / "end").touch()
    assert running.wait(600) == 0
    assert run(tmp_path, training, JOB_NAME="one").returncode == 0


def test_a_run_whose_script_was_killed_is_in_use_until_its_last_process_has_ended(
    tmp_path: Path, training: str
) -> None:
    running = start(tmp_path, training)
    pid = worker(tmp_path / "ftc-runs" / "one")
    launcher = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    for process in (running.pid, launcher):
        os.kill(process, signal.SIGKILL)
    running.wait(600)
    wait_until(lambda: not Path(f"/proc/{launcher}").exists() or "Z (" in Path(f"/proc/{launcher}/status").read_text())
    assert Path(f"/proc/{pid}").exists()
    assert "the run one is in use" in run(tmp_path, training, JOB_NAME="one").stderr
    os.kill(pid, signal.SIGKILL)
    (tmp_path / "ftc-runs" / "one" / "end").touch()
    wait_until(lambda: run(tmp_path, training, JOB_NAME="one").returncode == 0)


def test_a_trace_of_the_script_shows_no_credential(tmp_path: Path) -> None:
    text = script(
        "source@model.source=git", "model.source.url=https://x.invalid/m", "model.source.credentials={secret: s}"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_USER": "user", "GIT_TOKEN": "secret-token"}
    stub = 'run_step() { echo "would run $*"; }\nmain "$@"\n'
    traced = text.removesuffix('main "$@"\n') + stub
    done = subprocess.run(
        ["bash", "-x"], input=traced, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "would run" in done.stdout
    assert "+ main" in done.stderr
    assert "secret-token" not in done.stdout + done.stderr
