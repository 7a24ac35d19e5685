"""train.sh is killed before each of its commands: a restart loses no checkpoint and repeats no finished step.

The trainer is a stand-in, because hundreds of trainings with the real one would take hours. It finds its checkpoint and
refuses an output directory as LLaMA-Factory does (hparams/parser.py), and writes file by file, so that it can be killed
in the middle of a checkpoint, of its result, and of a merged model.
"""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ftc.resources import directory
from unit.scripts.checkpoints import KINDS, safetensors, write
from unit.scripts.kill_points import NEVER, PATH, Attempt, attempt

if TYPE_CHECKING:
    from pathlib import Path

STEPS, EVERY = 4, 2
SHARES = 24
TRAINER = f"""#!/bin/bash
set -eu
put() {{ # put DIRECTORY FILE: in two pieces
  mkdir -p "$1"
  head -c 5 "$PARTS/$2" >"$1/$2"
  cp "$PARTS/$2" "$1/$2"
}}
if [[ $1 == export ]]; then
  cmp "$PARTS/adapter_model.safetensors" output/adapter_model.safetensors
  echo export >>"$CALLS"
  [[ ! -e merged ]] || {{ echo "merged is there already"; exit 4; }}
  put merged model.safetensors
  put merged config.json
  exit
fi
last=0
for found in output/checkpoint-*/; do
  name=${{found%/}} step=${{name##*-}}
  if [[ -d $found ]] && ((step > last)); then last=$step; fi
done
if ((last == 0)) && [[ -e output/adapter_model.safetensors ]]; then echo "Output directory already exists"; exit 3; fi
for file in adapter_model.safetensors optimizer.pt scheduler.pt trainer_state.json; do
  if ((last > 0)); then cmp "$PARTS/$file" "output/checkpoint-$last/$file"; fi
done
echo "train from $last" >>"$CALLS"
for ((step = last + 1; step <= {STEPS}; step++)); do
  echo "step $step" >>"$CALLS"
  if ((step % {EVERY} == 0)); then
    for file in adapter_model.safetensors optimizer.pt scheduler.pt trainer_state.json; do
      put "output/checkpoint-$step" "$file"
    done
  fi
done
put output adapter_model.safetensors
echo trained >>"$CALLS"
"""


def _load_checker() -> Any:
    spec = importlib.util.spec_from_file_location("check_checkpoints", directory("scripts") / "check_checkpoints.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLAW = _load_checker().flaw


class Run:
    """The files of a pod that trains and merges."""

    def __init__(self, root: Path) -> None:
        """Lay them out."""
        self.root = root
        self.directory = root / "workspace" / "run"
        pod, tools = root / "ftc", root / "bin"
        pod.mkdir(parents=True)
        tools.mkdir()
        package = directory("scripts")
        for source in [*package.glob("*.sh"), *package.glob("*.py")]:
            shutil.copyfile(source, pod / source.name)
        for name, source_name in {
            "rendezvous.sh": "rendezvous_single.sh",
            "launch.sh": "launch_llamafactory-cli.sh",
        }.items():
            shutil.copyfile(package / source_name, pod / name)
        for name in ("train.yaml", "merge.yaml"):
            (pod / name).write_text("{}\n", encoding="utf-8")
        write(root / "parts", KINDS["lora"] | {"model.safetensors": safetensors(a=1000), "config.json": b'{"a": 1}'})
        (tools / "llamafactory-cli").write_text(TRAINER, encoding="utf-8")
        (tools / "llamafactory-cli").chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:{PATH}",
            "HOME": str(root),
            "CALLS": str(root / "calls"),
            "PARTS": str(root / "parts"),
            "WORKSPACE": str(root / "workspace"),
            "JOB_NAME": "run",
            "NNODES": "1",
            "NPROC_PER_NODE": "1",
            "MASTER_PORT": "29500",
            "MIN_FREE_MIB": "1",
            "REQUIRED_TOOLS": "llamafactory-cli",
        }

    def attempt(self, kill_at: int = NEVER) -> Attempt:
        """Run it until it ends or is killed."""
        return attempt(["bash", str(self.root / "ftc" / "train.sh")], self.environment, self.root, kill_at)

    def calls(self) -> list[str]:
        """The actions of the trainer since the last call."""
        file = self.root / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def is_done(self, step: str) -> bool:
        """Whether a step has its marker."""
        marker = self.directory / f"{step}.done"
        return marker.exists() and marker.stat().st_size > 0

    def last(self) -> int:
        """The step of the last complete checkpoint."""
        found = (self.directory / "output").glob("checkpoint-*")
        return max((int(place.name.rpartition("-")[2]) for place in found if FLAW(place) is None), default=0)

    def holds_the_same(self, place: str, *names: str) -> bool:
        """Whether files of the run are the ones that the trainer writes."""
        return all(
            (self.directory / place / name).read_bytes() == (self.root / "parts" / name).read_bytes() for name in names
        )


def test_a_run_that_is_not_killed_counts_its_points(tmp_path: Path) -> None:
    run = Run(tmp_path)
    whole = run.attempt()
    assert (whole.status, whole.killed_before) == (0, None), whole.log
    assert whole.points > 100
    assert run.calls() == ["train from 0", *(f"step {step + 1}" for step in range(STEPS)), "trained", "export"]


# A sample of the points is quick; the long tests cover all of them, split for several processes.
@pytest.mark.parametrize("share", [0, *(pytest.param(share, marks=pytest.mark.slow) for share in range(1, SHARES))])
def test_a_restart_after_a_kill_at_any_point_ends_right(tmp_path: Path, share: int) -> None:
    number = share + 1
    while True:
        root = tmp_path / str(number)
        run = Run(root)
        killed = run.attempt(kill_at=number)
        if killed.killed_before is None:
            assert killed.status == 0, killed.log
            return
        run.calls()
        at = f"killed before command {number}, {killed.killed_before}"
        done, last = {step for step in ("train", "merge") if run.is_done(step)}, run.last()
        restarted = run.attempt()
        assert restarted.status == 0, f"{at}\n{restarted.log}"
        calls = run.calls()
        assert ("train" in done) == ("trained" not in calls), at
        assert ("merge" in done) == ("export" not in calls), at
        if "train" not in done:
            assert calls[0] == f"train from {last}", at
        assert run.holds_the_same("output", "adapter_model.safetensors"), at
        assert run.holds_the_same("merged", "model.safetensors", "config.json"), at
        assert run.is_done("train"), at
        assert run.is_done("merge"), at
        assert len(list((run.directory / "incomplete").glob("*"))) <= 1, at
        shutil.rmtree(root)
        number += SHARES
