"""The processes of a pod have enough CPUs and shared memory."""

from __future__ import annotations

import pytest

from unit.compiling import ROOT, found
from unit.rules.pairs import Pair, pages, passes, refuses

LIMITS = "resources: {limits: {cpu: %s}, requests: {cpu: %s}}"


def cpu(count: str) -> str:
    return f"'pod={{spec: {{containers: [{{name: train, {LIMITS % (count, count)}}}]}}}}'"


def shm(size: str) -> str:
    return f"'pod={{spec: {{volumes: [{{name: shm, emptyDir: {{medium: Memory, sizeLimit: {size}}}}}]}}}}'"


PAIRS = (
    Pair("FTC631", "train.preprocessing_num_workers=9", "train.preprocessing_num_workers=8", "train.preprocessing"),
    Pair(
        "FTC631",
        "devices=2 train.dataloader_num_workers=9",
        "devices=2 train.dataloader_num_workers=8",
        "train.dataloader_num_workers",
    ),
    Pair("FTC631", f"train.preprocessing_num_workers=8 {cpu('4')}", cpu("16"), "train.preprocessing_num_workers"),
    Pair("FTC632", "env.OMP_NUM_THREADS=9", "env.OMP_NUM_THREADS=8", "env.OMP_NUM_THREADS"),
    Pair("FTC302", shm("64Gi"), shm("63Gi"), "pod.spec.volumes"),
    Pair(
        "FTC633",
        "'pod={spec: {volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 56Gi}}], "
        "containers: [{name: train, volumeMounts: [{name: m, mountPath: /m}]}]}}'",
        "'pod={spec: {volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 56Gi}}]}}'",
        "pod.spec.volumes",
    ),
    Pair(
        "FTC633",
        "storage=in-memory storage.workspace.size=60Gi",
        "storage=in-memory storage.workspace.size=55Gi",
        "storage.workspace.size",
    ),
    Pair(
        "FTC634",
        "devices=2 hardware.shm_gib_per_device=1",
        "devices=4 hardware.shm_gib_per_device=1",
        "hardware.shm_gib_per_device",
    ),
    Pair(
        "FTC634",
        "hardware.shm_gib_per_device=0 train.dataloader_num_workers=2",
        "hardware.shm_gib_per_device=0",
        "hardware.shm_gib_per_device",
    ),
    Pair(
        "FTC634",
        "devices=2 hardware.shm_gib_per_device=0",
        "devices=2 hardware.shm_gib_per_device=0 pod.spec.hostIPC=true",
        "hardware.shm_gib_per_device",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_too_few_resources_are_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_enough_resources_pass(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize("option", sorted(file.stem for file in (ROOT / "conf" / "hardware").glob("*.yaml")))
def test_shipped_hardware_has_enough_cpus(option: str) -> None:
    assert [d.message for d in found(f"hardware={option}") if d.code.startswith("FTC63")] == []
