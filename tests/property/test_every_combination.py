"""Every combination of hardware, launcher, storage, engine and nodes compiles, or is refused with a reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import product
from typing import TYPE_CHECKING

import pytest

from ftc.diagnostics.model import Severity
from ftc.driver import Request, compile_job
from unit.compiling import ROOT, artifacts, ftc
from unit.loading import load, load_all

if TYPE_CHECKING:
    from pathlib import Path

CONF = ROOT / "conf"
LAUNCHERS, ENGINES = (sorted(file.stem for file in (CONF / group).glob("*.yaml")) for group in ("launcher", "engine"))
# One of each kind; test_pairs_of_options.py has all of them, two by two.
HARDWARE = ("nvidia", "h800", "alauda-vgpu", "ascend", "cpu")
STORAGES = ("shared", "job-lifetime", "existing-claim", "per-pod")
NODES = (1, 2)


def test_the_number_of_combinations() -> None:
    assert set(LAUNCHERS) >= {"llamafactory-cli", "torchrun", "accelerate", "command"}
    assert set(ENGINES) >= {
        "ddp",
        "deepspeed-z2",
        "deepspeed-z3",
        "deepspeed-z2-offload",
        "deepspeed-z3-offload",
        "deepspeed-z0",
        "fsdp",
        "fsdp-offload",
        "fsdp2",
        "fsdp2-offload",
    }
    assert len(list(product(HARDWARE, LAUNCHERS, STORAGES, ENGINES, NODES))) >= 5 * 4 * 4 * 6 * 2


def fits(launcher: str, storage: str, engine: str, nodes: int) -> bool:
    """Whether a combination can run, stated independently of ftc; one device per node is the default."""
    if launcher == "command":
        return engine == "ddp" and (nodes == 1 or storage in ("shared", "per-pod"))
    if nodes > 1 and storage != "shared":
        return False
    if engine.startswith("fsdp"):
        return launcher == "accelerate" and nodes > 1
    return engine == "ddp" or launcher != "accelerate" or nodes > 1


# The hardware without a device and one vendor are enough for each change; `make test-all` has all.
OFTEN = ("nvidia", "cpu")


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    "hardware", [pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.slow]) for name in HARDWARE]
)
def test_a_combination_compiles_to_verified_artifacts_or_is_refused_with_a_reason(hardware: str, launcher: str) -> None:
    walked = 0
    for storage, engine, nodes in product(STORAGES, ENGINES, NODES):
        words = (f"hardware={hardware}", f"launcher={launcher}", f"storage={storage}", f"engine={engine}")
        precision = ("train.bf16=false",) if engine == "deepspeed-z0" else ()  # it trains wrongly in bf16
        command = ("launcher.command=[python]",) if launcher == "command" else ()
        targets = ("volcano", "job") if launcher == "command" else ("volcano", "job", "llamafactory")
        state = compile_job(Request((*words, *precision, f"nodes={nodes}", *command), targets=targets))
        errors = [d for d in state.diagnostics if d.severity is Severity.ERROR]
        drives = hardware != "cpu" or not (engine == "fsdp" or engine.startswith("fsdp-"))  # FSDP1 needs a device
        assert (errors == []) == (drives and fits(launcher, storage, engine, nodes)), (words, nodes, errors)
        assert all(d.help and d.message and d.position for d in errors), errors
        if not errors:
            (manifest,) = load_all(state.outputs["volcano"])
            assert manifest["spec"]["minAvailable"] == nodes
            training = load_all(state.outputs.get("llamafactory", ""))
            assert [document["template"] for document in training] == ([] if launcher == "command" else ["qwen3"] * 2)
            assert {artifact.name for artifact in state.artifacts()} >= {"spec.yaml", "volcano.yaml"}
            *services, made = load_all(state.outputs["job"])
            assert made["spec"].get("completions", 1) == nodes
            assert [service["metadata"]["name"] for service in services] == [made["metadata"].get("name")] * (nodes > 1)
        else:
            assert not state.outputs
        walked += 1
    assert walked >= 4 * 6 * 2


SCENARIOS = sorted(file.parent for file in (ROOT / "golden" / "scenarios").glob("*/case.yaml"))


def overrides(case: Path) -> list[str]:
    words: list[str] = load((case / "case.yaml").read_text())["overrides"]
    return words


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda case: case.name)
def test_stdout_is_one_document_of_yaml(case: Path) -> None:
    (manifest,) = load_all(ftc("compile", *overrides(case)).stdout)
    assert manifest["kind"] == "Job"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not there")
@pytest.mark.parametrize("case", SCENARIOS, ids=lambda case: case.name)
def test_kustomize_builds_a_scenario_with_a_fixed_name(tmp_path: Path, case: Path) -> None:
    words = (*overrides(case), "naming=fixed", "ignore=[FTC586]")  # claims created with the job are built too
    (tmp_path / "volcano.yaml").write_text(artifacts(*words)["volcano.yaml"])
    (tmp_path / "kustomization.yaml").write_text("namespace: team-a\nnamePrefix: p-\nresources: [volcano.yaml]\n")
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    done = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    built = load(done.stdout)
    made = load((tmp_path / "volcano.yaml").read_text())
    assert built["metadata"]["namespace"] == "team-a"
    assert built["metadata"]["name"] == f"p-{made['metadata']['name']}"
    assert built["spec"] == made["spec"]
