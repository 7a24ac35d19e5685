"""An incomplete checkpoint is moved aside, a complete one is not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ftc.resources import directory
from unit.scripts.checkpoints import ADAPTER, KINDS, SPARE, STATE, safetensors, write

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = directory("scripts") / "check_checkpoints.py"


@pytest.fixture(scope="module")
def checker() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("check_checkpoints", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(run: Path, *words: str) -> str:
    """The output of the script in a run's directory."""
    done = subprocess.run([sys.executable, SCRIPT, *words], cwd=run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_needed(name: str) -> bool:
    return not name.startswith(SPARE)


def has_a_size(name: str) -> bool:
    """Whether a file contains its length."""
    return not name.endswith(("zero_to_fp32.py", "latest"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_trainer_writes_is_complete(checker: Any, kind: str, tmp_path: Path) -> None:
    assert checker.flaw(write(tmp_path / "checkpoint-10", KINDS[kind])) is None


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in KINDS[kind] if is_needed(name)])
def test_a_missing_file_is_a_flaw(checker: Any, kind: str, name: str, tmp_path: Path) -> None:
    checkpoint = write(tmp_path / "checkpoint-10", KINDS[kind])
    (checkpoint / name).unlink()
    if (kind, name) == ("fsdp", "pytorch_model_fsdp.bin") or (kind, name) == ("fsdp", "model.safetensors"):
        return  # either is enough to find the weights
    if kind == "z2" and name == "adapter_model.safetensors":
        return  # DeepSpeed has the weights too
    assert checker.flaw(checkpoint) is not None


@pytest.mark.parametrize("left", [0, 0.5, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_is_a_flaw_and_is_named(checker: Any, kind: str, left: float, tmp_path: Path) -> None:
    for name in filter(has_a_size, KINDS[kind]):
        checkpoint = write(tmp_path / name.replace("/", "-"), KINDS[kind])
        content = (checkpoint / name).read_bytes()
        (checkpoint / name).write_bytes(content[: int(len(content) * left)])
        assert name.rpartition("/")[2] in (checker.flaw(checkpoint) or ""), name


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_in_place_of_a_file_are_a_flaw(checker: Any, kind: str, tmp_path: Path) -> None:
    for name in (name for name in KINDS[kind] if has_a_size(name) and not name.endswith(".distcp")):
        checkpoint = write(tmp_path / name.replace("/", "-"), KINDS[kind])
        (checkpoint / name).write_bytes(bytes((checkpoint / name).stat().st_size))
        assert checker.flaw(checkpoint) is not None, name


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"checkpoint-is-incomplete.txt": b"Checkpoint started"}, "stopped while it saved"),
        ({"model.safetensors": safetensors(v_head__summary__bias=4)}, "value head"),
        ({"global_step10/mp_rank_00_model_states.pt": b"zip"}, "latest"),
        ({"model.safetensors": b"\xff" * 8 + b"{}"}, "cut short"),
        ({"model.safetensors": b"\x02" + bytes(7) + b"[]"}, "header"),
        ({"model.safetensors.index.json": b'{"weight_map": {"a": "../../secret"}}'}, "missing"),
        ({"trainer_state.json": b"[]"}, "not an object"),
        ({"model-00001-of-00002.safetensors": safetensors(a=8)}, "the index"),
        ({"deep.json": b"[" * 100_000}, "deep.json"),
    ],
)
def test_signs_of_an_interruption_are_flaws(checker: Any, more: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    assert reason in checker.flaw(write(tmp_path / "checkpoint-10", STATE | ADAPTER | more))


def test_a_pickle_is_read_without_running_it(checker: Any, tmp_path: Path) -> None:
    files = KINDS["fsdp-sharded"] | {"optimizer_0/.metadata": b"cos\nsystem\n(S'touch hurt'\ntR."}
    assert checker.flaw(write(tmp_path / "checkpoint-10", files)) is not None
    assert not list(tmp_path.rglob("hurt"))


def test_links_are_not_followed(checker: Any, tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", KINDS["lora"])
    checkpoint = write(tmp_path / "run" / "output" / "checkpoint-10", KINDS["lora"])
    (checkpoint / "optimizer.pt").unlink()
    (checkpoint / "optimizer.pt").symlink_to(elsewhere / "optimizer.pt")
    assert "link" in checker.flaw(checkpoint)
    (tmp_path / "run" / "output" / "checkpoint-20").symlink_to(elsewhere)
    (tmp_path / "run" / "incomplete").symlink_to(elsewhere)
    check(tmp_path / "run")
    assert not list((tmp_path / "run" / "output").iterdir())
    assert checker.flaw(elsewhere) is None


def test_only_the_newest_of_what_is_incomplete_is_kept(tmp_path: Path) -> None:
    for step in (10, 20, 100):
        write(tmp_path / "output" / f"checkpoint-{step}", KINDS["lora"] | {"trainer_state.json": b"{"})
    write(tmp_path / "output" / "checkpoint-50", KINDS["lora"])
    assert check(tmp_path, "last") == "output/checkpoint-50\n"
    said = check(tmp_path)
    reason = "is incomplete: trainer_state.json is not valid JSON; it is moved to incomplete/checkpoint"
    assert said.count(reason) == 3
    assert [place.name for place in (tmp_path / "output").iterdir()] == ["checkpoint-50"]
    assert [place.name for place in (tmp_path / "incomplete").iterdir()] == ["checkpoint-100"]
    assert check(tmp_path) == ""


def test_a_result_without_a_checkpoint_is_set_aside_because_the_trainer_refuses_to_start(tmp_path: Path) -> None:
    write(tmp_path / "output", ADAPTER)
    assert "stopped while it wrote its result" in check(tmp_path)
    assert not (tmp_path / "output").exists()
    write(tmp_path / "output", ADAPTER)
    write(tmp_path / "output" / "checkpoint-10", KINDS["lora"])
    assert check(tmp_path) == ""


def test_what_is_not_called_like_a_checkpoint_is_left_alone(tmp_path: Path) -> None:
    for name in ("checkpoint-best", "checkpoint-10.bak", "runs", "xcheckpoint-10"):
        write(tmp_path / "output" / name, STATE)
    assert check(tmp_path) == ""
    assert len(list((tmp_path / "output").iterdir())) == 4


def test_a_fault_of_the_disk_moves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "output" / "checkpoint-10", KINDS["lora"])
    failing = "import builtins, runpy, sys, pathlib\n"
    failing += "def fail(*_): raise OSError(5, 'Input/output error')\npathlib.Path.read_bytes = fail\n"
    failing += f"sys.argv = ['x']; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", failing], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ftc: error: cannot read the checkpoints: ")
    assert (tmp_path / "output" / "checkpoint-10" / "optimizer.pt").exists()


def test_a_checkpoint_that_is_moved_aside_during_the_check_is_not_settled(
    checker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "output" / "checkpoint-10", KINDS["lora"])
    assert checker.settled()
    found = checker.checkpoints()
    (tmp_path / "output" / "checkpoint-10").rename(tmp_path / "aside")
    monkeypatch.setattr(checker, "checkpoints", lambda: found)
    assert not checker.settled()
