"""The trainer's container runs each step once, in order, on the right rank, and stops at a signal."""

# The trainer is a stand-in here, which records its calls; test_training.py has the real one.

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from e2e.pod_scripts import SINGLE, VOLCANO, PodScripts, pod_scripts
from e2e.waiting import wait_until
from unit.scripts.checkpoints import ADAPTER, KINDS, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

TRAINER = """#!/bin/bash
echo "$1" >>"$CALLS"
env >"$CALLS.$1.env"
case $2 in
  */evaluate.yaml)
    set -- evaluate
    env >"$CALLS.$1.env"
    sed -i '$s/.*/evaluate/' "$CALLS"
    mkdir evaluation
    echo '{"predict_bleu-4": 61.2, "predict_rouge-1": 70.041, "predict_rouge-2": 55.5, "predict_rouge-l": 68.91,
      "predict_runtime": 3.1}' >evaluation/predict_results.json
    printf '{"prompt": "a", "predict": "b", "label": "b"}\n%.0s' {1..50} >evaluation/generated_predictions.jsonl
    ;;
esac
case $1 in
  train) mkdir -p output; echo adapter >output/adapter_model.safetensors ;;
  export) mkdir -p merged; echo model >merged/model.safetensors ;;
esac
if [[ -e $CALLS.empty ]]; then : >evaluation/predict_results.json; fi
if [[ -e $CALLS.hang || -e $CALLS.hang-$1 ]]; then
  trap 'echo stopped >>"$CALLS"; exit 0' TERM
  touch "$CALLS.hangs"
  while true; do sleep 0.1; done
fi
[[ ! -e $CALLS.fail-$1 ]]
"""


class Run:
    """A pod that trains with a stand-in for the trainer."""

    def __init__(self, root: Path, rendezvous: dict[str, str]) -> None:
        """Lay out the pod's files."""
        self.root = root
        self.directory = root / "workspace" / "job-1"
        self.calls_file = root / "calls"
        (root / "workspace").mkdir(parents=True)
        (root / "bin").mkdir()
        (root / "bin" / "llamafactory-cli").write_text(TRAINER, encoding="utf-8")
        (root / "bin" / "llamafactory-cli").chmod(0o755)
        names = rendezvous | {"launch.sh": "launch_llamafactory-cli.sh"}
        self.scripts: PodScripts = pod_scripts(
            root / "ftc",
            names,
            PATH=f"{root}/bin:{os.environ['PATH']}",
            CALLS=str(self.calls_file),
            WORKSPACE=str(root / "workspace"),
            JOB_NAME="job-1",
            NNODES="1",
            NPROC_PER_NODE="1",
            MASTER_PORT="29500",
            REQUIRED_TOOLS="llamafactory-cli python3",
        )
        for name in ("train.yaml", "merge.yaml"):
            self.scripts.write(name, "{}\n")

    @property
    def calls(self) -> list[str]:
        """The calls so far, in order."""
        return self.calls_file.read_text(encoding="utf-8").split("\n")[:-1] if self.calls_file.exists() else []

    def environment(self, step: str) -> dict[str, str]:
        """The variables that a step saw."""
        text = self.calls_file.with_name(f"calls.{step}.env").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def switch(self, name: str) -> Path:
        """A file that makes the stand-in hang or fail."""
        return self.calls_file.with_name(f"calls.{name}")

    def markers(self) -> list[str]:
        """The markers in the run's directory."""
        return sorted(file.name for file in self.directory.glob("*.done*"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of one node."""
    return Run(tmp_path, SINGLE)


def test_it_trains_and_merges(run: Run) -> None:
    done = run.scripts.run("train.sh")
    assert done.status == 0, done.log
    assert run.calls == ["train", "export"]
    assert run.markers() == ["merge.done", "train.done"]
    assert (run.directory / "output" / "adapter_model.safetensors").exists()


def test_the_directory_of_the_run_keeps_its_spec(run: Run) -> None:
    run.scripts.write("spec.yaml", "{name: 'a b'}")  # without a line break, as an annotation has it
    (run.directory / "spec.yaml").parent.mkdir()
    (run.directory / ".spec.yaml.new").write_text("{na", encoding="utf-8")  # a pod was killed
    for _ in range(2):
        assert run.scripts.run("train.sh").status == 0
    assert [file.read_text(encoding="utf-8") for file in run.directory.glob("*spec*")] == ["{name: 'a b'}\n"]


def test_only_rank_0_writes_the_spec(tmp_path: Path) -> None:
    run = Run(tmp_path, VOLCANO)
    run.scripts.write("spec.yaml", "{name: a}")
    other = {"NNODES": "2", "VC_TASK_INDEX": "1", "VC_WORKER_HOSTS": "localhost,localhost"}
    run.directory.mkdir()
    (run.directory / "train.done").write_text("done", encoding="utf-8")
    done = run.scripts.run("train.sh", **other)
    assert done.status == 0, done.log
    assert not (run.directory / "spec.yaml").exists()


def test_a_spec_that_cannot_be_written_ends_the_pod(run: Run) -> None:
    run.scripts.write("spec.yaml", "{name: a}")
    (run.directory / ".spec.yaml.new").mkdir(parents=True)
    done = run.scripts.run("train.sh")
    assert done.status == 1
    assert done.says("cannot write spec.yaml in ")


def test_what_was_merged_is_quantized(run: Run) -> None:
    run.scripts.write("quantize.yaml", "{}\n")
    assert run.scripts.run("train.sh").status == 0
    assert run.calls == ["train", "export", "export"]
    assert run.markers() == ["merge.done", "quantize.done", "train.done"]


NUMBERS = "evaluation: bleu-4 61.2, rouge-1 70.04, rouge-2 55.5, rouge-l 68.91 in 50 rows"


@pytest.fixture
def evaluated(run: Run) -> Run:
    """A run of one node that evaluates its result."""
    run.scripts.write("evaluate.yaml", "{}\n")
    return run


def numbers(run: Run) -> Any:
    return json.loads((run.directory / "evaluation.json").read_text(encoding="utf-8"))


def test_the_result_is_evaluated_once_and_the_numbers_are_a_file_of_the_run(evaluated: Run) -> None:
    told = evaluated.root / "termination-log"
    for _ in range(2):
        told.write_text("", encoding="utf-8")
        done = evaluated.scripts.run("train.sh", TERMINATION_LOG=str(told))
        assert done.status == 0, done.log
        assert evaluated.calls == ["train", "export", "evaluate"]
        assert told.read_text(encoding="utf-8") == f"{NUMBERS}\n"
    assert done.says("evaluate: done before")
    assert evaluated.markers() == ["evaluate.done", "merge.done", "train.done"]
    wanted = {"rows": 50, "bleu-4": 61.2, "rouge-1": 70.04, "rouge-2": 55.5, "rouge-l": 68.91}
    assert numbers(evaluated) == wanted


FAILURES = {
    "fail-evaluate": "it ended with status 1: the log of the training container says why",
    "hang": "it took longer than 2 seconds: evaluate fewer rows",
    "empty": "the prediction has no numbers",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_evaluation_is_reported_and_neither_loses_the_result_nor_repeats(evaluated: Run, failure: str) -> None:
    assert evaluated.scripts.run("train.sh").status == 0
    (evaluated.directory / "evaluate.done").unlink()
    evaluated.switch(failure).touch()
    told = evaluated.root / "termination-log"
    told.write_text("", encoding="utf-8")
    for _ in range(2):
        done = evaluated.scripts.run("train.sh", EVALUATE_TIMEOUT="2", TERMINATION_LOG=str(told))
        assert done.status == 0, done.log
    assert evaluated.calls.count("evaluate") == 2
    assert numbers(evaluated).keys() == {"failed"}
    lines = told.read_text(encoding="utf-8").splitlines()
    assert [line.startswith(f"evaluation: failed: {FAILURES[failure]}") for line in lines] == [True, True]


def test_an_evaluation_that_a_signal_stops_begins_again_after_a_restart(evaluated: Run) -> None:
    evaluated.switch("hang-evaluate").touch()
    started = evaluated.scripts.start("train.sh")
    wait_until(evaluated.switch("hangs").exists)
    started.process.send_signal(signal.SIGTERM)
    done = started.end()
    assert done.status == 143
    assert "evaluate: stopped by a signal" in done.log
    assert evaluated.calls == ["train", "export", "evaluate", "stopped"]
    assert evaluated.markers() == ["merge.done", "train.done"]
    assert not (evaluated.directory / "evaluation.json").exists()
    evaluated.switch("hang-evaluate").unlink()
    assert evaluated.scripts.run("train.sh").status == 0
    assert evaluated.calls[-1] == "evaluate"
    assert numbers(evaluated)["rows"] == 50


def test_only_rank_0_evaluates_as_a_world_of_its_devices(tmp_path: Path) -> None:
    run = Run(tmp_path, VOLCANO)
    run.scripts.write("evaluate.yaml", "{}\n")
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "localhost,localhost", "FORCE_TORCHRUN": "1", "RANK": "7"}
    for devices, forced in (("2", "1"), ("1", None)):
        done = run.scripts.run("train.sh", VC_TASK_INDEX="0", NPROC_PER_NODE=devices, **world)
        assert done.status == 0, done.log
        seen = run.environment("evaluate")
        alone = {"NNODES": "1", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "NPROC_PER_NODE": devices}
        assert alone.items() <= seen.items()
        assert (seen.get("FORCE_TORCHRUN"), seen.get("RANK")) == (forced, None)
        (run.directory / "evaluate.done").unlink()
    done = run.scripts.run("train.sh", VC_TASK_INDEX="1", **world)
    assert done.status == 0
    assert run.calls == ["train", "export", "evaluate", "evaluate"]


def test_a_restart_after_all_is_done_does_nothing(run: Run) -> None:
    assert run.scripts.run("train.sh").status == 0
    again = run.scripts.run("train.sh")
    assert again.status == 0
    assert again.says("train: done before")
    assert len(run.calls) == 2


def test_a_failed_training_ends_the_pod_with_its_status_and_is_tried_again(run: Run) -> None:
    run.switch("fail-train").touch()
    failed = run.scripts.run("train.sh")
    assert failed.status == 1
    assert failed.says("train ended with status 1 on node 0")
    assert run.markers() == []
    run.switch("fail-train").unlink()
    assert run.scripts.run("train.sh").status == 0
    assert run.calls == ["train", "train", "export"]


def test_a_checkpoint_that_was_cut_short_is_not_resumed_from(run: Run) -> None:
    output = run.directory / "output"
    write(output / "checkpoint-10", KINDS["lora"])
    write(output / "checkpoint-20", KINDS["lora"] | {"trainer_state.json": b'{"global_st'})
    done = run.scripts.run("train.sh")
    assert done.status == 0, done.log
    assert done.says("output/checkpoint-20 is incomplete: trainer_state.json is not valid JSON; it is moved to ")
    assert sorted(place.name for place in output.glob("checkpoint-*")) == ["checkpoint-10"]
    assert (run.directory / "incomplete" / "checkpoint-20").is_dir()


def test_a_training_that_is_done_keeps_its_result_whatever_the_checkpoints_are(run: Run) -> None:
    write(run.directory / "output", ADAPTER)
    (run.directory / "output" / "checkpoint-20").mkdir()
    (run.directory / "train.done").write_text("done", encoding="utf-8")
    assert run.scripts.run("train.sh").status == 0
    assert run.calls == ["export"]
    assert (run.directory / "output" / "adapter_model.safetensors").exists()


def test_an_empty_marker_does_not_count(run: Run) -> None:
    run.directory.mkdir()
    for step in ("train", "merge"):
        (run.directory / f"{step}.done").touch()
    assert run.scripts.run("train.sh").status == 0
    assert run.calls == ["train", "export"]
    assert all((run.directory / marker).stat().st_size for marker in run.markers())


def test_what_a_step_has_written_is_on_the_disk_before_its_marker(run: Run) -> None:
    for tool in ("sync", "mv"):
        shim = f'#!/bin/bash\necho "{tool} $*" $(ls | grep done) >>"$CALLS"\nexec /bin/{tool} "$@"\n'
        (run.root / "bin" / tool).write_text(shim, encoding="utf-8")
        (run.root / "bin" / tool).chmod(0o755)
    (run.scripts.root / "merge.yaml").unlink()
    assert run.scripts.run("train.sh").status == 0
    assert run.calls == [
        "train",
        "sync -f -- train.done.tmp train.done.tmp",
        "mv -- train.done.tmp train.done train.done.tmp",
        "sync -- . train.done",
    ]


def test_a_recreated_pod_of_another_rank_leaves_alone_what_rank_0_writes(tmp_path: Path) -> None:
    run = Run(tmp_path, VOLCANO)
    written = write(run.directory / "output" / "checkpoint-5", {"model.safetensors": b""})
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "localhost,localhost", "FORCE_TORCHRUN": "1"}
    started = run.scripts.start("train.sh", VC_TASK_INDEX="1", **world)
    wait_until(lambda: run.calls == ["train"])
    assert written.exists()
    (run.directory / "train.done").write_text("done", encoding="utf-8")
    assert started.end().status == 0
    (run.directory / "train.done").unlink()
    assert run.scripts.run("train.sh", VC_TASK_INDEX="0", **world).status == 0
    assert not written.exists()


def test_ranks_other_than_0_only_train(tmp_path: Path) -> None:
    run = Run(tmp_path, VOLCANO)
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "localhost,localhost", "VC_TASK_INDEX": "1", "FORCE_TORCHRUN": "1"}
    started = run.scripts.start("train.sh", **world)
    wait_until(lambda: run.calls == ["train"])
    time.sleep(2)
    assert (
        started.runs()
    )  # until rank 0 has finished, because Kubernetes would not recreate a succeeded pod for another attempt
    assert run.markers() == []
    (run.directory / "train.done").write_text("done", encoding="utf-8")
    done = started.end()
    assert done.status == 0, done.log
    assert run.calls == ["train"]
    seen = run.environment("train")
    expected = {
        "NNODES": "2",
        "NODE_RANK": "1",
        "NPROC_PER_NODE": "1",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "29500",
    }
    assert expected.items() <= seen.items()
    assert run.scripts.run("train.sh", **world).status == 0
    assert run.calls == ["train"]


def test_a_single_process_stays_one_whatever_the_image_sets(run: Run) -> None:
    left = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "RDZV_ID": "old", "USE_RAY": "1"}
    assert run.scripts.run("train.sh", **left).status == 0
    assert not left.keys() & run.environment("train").keys()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_trainer_and_the_pod_ends_unfinished(run: Run, number: signal.Signals) -> None:
    run.switch("hang").touch()
    running = run.scripts.start("train.sh")
    wait_until(run.switch("hangs").exists)
    running.process.send_signal(number)
    done = running.end(limit=30)
    assert done.status == 143
    assert run.calls == ["train", "stopped"]
    assert run.markers() == []
    assert done.says("stopped by a signal")


def test_a_missing_tool_is_one_clear_line_before_anything_is_called(run: Run) -> None:
    done = run.scripts.run("train.sh", REQUIRED_TOOLS="llamafactory-cli git-lfs-missing")
    assert done.status == 1
    assert run.calls == []
    assert done.log == "ftc: error: git-lfs-missing is missing in this image: use an image that has it\n"


def test_a_workspace_that_is_too_small_is_one_clear_line(run: Run) -> None:
    done = run.scripts.run("train.sh", MIN_FREE_MIB="99999999999")
    assert done.status == 1
    assert done.says("MiB free, but this run needs 99999999999")
    assert len(done.log.splitlines()) == 1
    assert run.scripts.run("train.sh", MIN_FREE_MIB="1").status == 0


def test_the_name_of_a_share_may_hold_blanks_and_numbers(run: Run) -> None:
    head = "Filesystem     1048576-blocks   Used Available Capacity Mounted on"
    line = "//nas/my share 1 2 3 4% of it   2000  1500       500      75% /mnt/with a blank"
    (run.root / "bin" / "df").write_text(f"#!/bin/sh\nprintf '%s\\n' '{head}' '{line}'\n", encoding="utf-8")
    (run.root / "bin" / "df").chmod(0o755)
    assert run.scripts.run("train.sh", MIN_FREE_MIB="499").status == 0
    assert run.scripts.run("train.sh", MIN_FREE_MIB="9999").says("has 500 MiB free, but this run needs 9999")


def test_a_workspace_that_is_read_only_is_one_clear_line(run: Run) -> None:
    command = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", *[str(run.directory.parent)] * 2, "--", "bash"]
    script = run.scripts.root / "train.sh"
    done = subprocess.run([*command, script], env=run.scripts.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ftc: error: cannot write to {run.directory}: is the workspace")


def test_setup_commands_run_first_as_argument_lists_without_a_shell(run: Run) -> None:
    show = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr(sys.argv[2:]))"
    hostile = ["$(id)", "`id`", 'a "quoted" word', "two\nlines", "é", "; touch x"]
    run.scripts.write("setup.json", json.dumps([["python3", "-c", show, "shown", *hostile]]))
    done = run.scripts.run("train.sh")
    assert done.status == 0, done.log
    assert (run.directory / "shown").read_text() == repr(hostile)
    assert not (run.directory / "x").exists()


def test_a_failed_setup_command_ends_the_pod(run: Run) -> None:
    run.scripts.write("setup.json", '[["false"], ["touch", "not-reached"]]')
    done = run.scripts.run("train.sh")
    assert done.status == 1
    assert done.says("error: setup: Command '['false']' returned non-zero exit status 1")
    assert run.calls == []
    assert not (run.directory / "not-reached").exists()


def test_setup_may_bring_a_program_and_its_lack_is_reported_before_the_training(run: Run) -> None:
    required = "llamafactory-cli brought-by-setup"
    run.scripts.write("setup.json", '[["true"]]')
    done = run.scripts.run("train.sh", REQUIRED_TOOLS=required)
    assert (done.status, done.says("error: brought-by-setup is missing in this image")) == (1, True), done.log
    assert run.calls == []
    run.scripts.write("setup.json", json.dumps([["ln", "-s", "/bin/true", f"{run.root}/bin/brought-by-setup"]]))
    assert run.scripts.run("train.sh", REQUIRED_TOOLS=required).status == 0


def test_the_vendor_s_environment_script_may_read_what_is_unset_and_fail_a_probe(run: Run, tmp_path: Path) -> None:
    vendor = tmp_path / "set_env.sh"
    vendor.write_text('echo "args:$#"; false; export FROM_VENDOR=$NOT_SET:yes\n', encoding="utf-8")
    scripts = f"/nowhere/set_env.sh:{vendor}"
    done = run.scripts.run("train.sh", ENVIRONMENT_SCRIPTS=scripts)
    assert done.status == 0, done.log
    assert run.environment("train")["FROM_VENDOR"] == ":yes"
    assert "args:0" in done.log


def test_threads_follow_the_cpus_of_the_pod_unless_they_are_set(run: Run) -> None:
    assert run.scripts.run("train.sh", NPROC_PER_NODE="1000").status == 0
    assert run.environment("train")["OMP_NUM_THREADS"] == "1"
    (run.directory / "train.done").unlink()
    assert run.scripts.run("train.sh", OMP_NUM_THREADS="3").status == 0
    assert run.environment("train")["OMP_NUM_THREADS"] == "3"


def test_a_command_of_the_user_gets_its_place_and_its_arguments_unchanged(tmp_path: Path) -> None:
    scripts = pod_scripts(
        tmp_path / "ftc",
        VOLCANO | {"launch.sh": "launch_command.sh"},
        WORKSPACE=str(tmp_path / "workspace"),
        JOB_NAME="job-2",
        NNODES="2",
        NPROC_PER_NODE="4",
        MASTER_PORT="29501",
        VC_WORKER_HOSTS="localhost,localhost",
        VC_TASK_INDEX="1",
    )
    show = "import os, sys, json; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
    hostile = ["$(id)", "`id`", 'a "quoted" word', "two\nlines", "é", "--flag"]
    done = scripts.run("launch.sh", "python3", "-c", show, *hostile)
    assert done.status == 0, done.log
    arguments, environment, directory = json.loads(done.log.splitlines()[-1])
    assert arguments == hostile
    assert directory == os.getcwd()  # noqa: PTH109 - as the program sees it
    expected = {
        "NNODES": "2",
        "NODE_RANK": "1",
        "NPROC_PER_NODE": "4",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "29501",
    }
    assert (expected | {"RUN_DIR": str(tmp_path / "workspace" / "job-2")}).items() <= environment.items()
    assert (tmp_path / "workspace" / "job-2").is_dir()


def test_a_missing_module_is_reported_at_once(run: Run) -> None:
    done = run.scripts.run("train.sh", REQUIRED_MODULES="json not_there")
    assert done.status == 1
    assert done.says("error: Python's not_there is missing in this image")
    assert run.calls == []


def test_llamafactory_meets_an_elastic_world_by_its_own_variables(run: Run) -> None:
    done = run.scripts.run("train.sh", LEAST_NNODES="1", RESTARTS="3", RDZV_ID="left-by-the-image")
    assert done.status == 0, done.log
    wanted = {"RDZV_ID": "job-1", "MIN_NNODES": "1", "MAX_NNODES": "1", "MAX_RESTARTS": "3"}
    assert {name: run.environment("train").get(name) for name in wanted} == wanted
    assert run.scripts.run("train.sh", JOB_NAME="job-2", RDZV_ID="left-by-the-image").status == 0
    assert not wanted.keys() & run.environment("train").keys()


def test_a_node_that_comes_later_leaves_alone_what_the_others_write(tmp_path: Path) -> None:
    run = Run(tmp_path, VOLCANO)
    unfinished = run.directory / "output" / "checkpoint-5"
    unfinished.mkdir(parents=True)
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "localhost,localhost", "LEAST_NNODES": "1", "RESTARTS": "1"}
    running = run.scripts.start("train.sh", VC_TASK_INDEX="1", **world)
    wait_until(lambda: "train" in run.calls)
    assert unfinished.exists()
    (run.directory / "train.done").write_text("done", encoding="utf-8")
    assert running.end().status == 0
    (run.directory / "train.done").unlink()
    assert run.scripts.run("train.sh", VC_TASK_INDEX="0", **world).status == 0
    assert not unfinished.exists()


@pytest.mark.parametrize(("devices", "place"), [(8, {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}), (1, {})])
def test_one_process_of_accelerate_is_one_on_a_machine_with_more_devices(
    tmp_path: Path, devices: int, place: dict[str, str]
) -> None:
    # A stand-in reports the number of devices; LLaMA-Factory refuses to start without RANK.
    tools = tmp_path / "bin"
    (tools / "llamafactory" / "extras").mkdir(parents=True)
    (tools / "llamafactory" / "extras" / "misc.py").write_text(f"def get_device_count():\n    return {devices}\n")
    (tools / "accelerate").write_text('#!/bin/sh\nenv >"$SEEN"\n', encoding="utf-8")
    (tools / "accelerate").chmod(0o755)
    scripts = pod_scripts(tmp_path / "ftc", {}, SEEN=str(tmp_path / "seen"), PYTHONPATH=str(tools), NNODES="1")
    world = {"PATH": f"{tools}:{os.environ['PATH']}", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for processes, wanted in (("1", place), ("2", {})):
        assert scripts.run("launch_accelerate.sh", NPROC_PER_NODE=processes, RANK="7", **world).status == 0
        seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines() if "=" in line)
        assert {name: seen[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK") if name in seen} == wanted
