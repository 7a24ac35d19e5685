"""Paths, servers and jobs that the configuration names exist."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses

FROM_PATH = "source@dataset.source=path dataset.source.path"
MODEL = "source@model.source=path model.source.path=/models/qwen"
RANKS = "hardware=ascend-910b-rank-table"
PAIRS = (
    Pair("FTC228", f"{FROM_PATH}=/data/alpaca", f"{FROM_PATH}=/workspace/data/alpaca", "dataset.source.path"),
    Pair(
        "FTC228",
        f"{FROM_PATH}=/workspace2/alpaca",
        f"{FROM_PATH}=/datasets/alpaca storage=several-claims",
        "dataset.source.path",
    ),
    Pair(
        "FTC228",
        MODEL,
        f"{MODEL} 'pod={{spec: {{containers: [{{name: train, volumeMounts: [{{name: m, mountPath: /models}}]}}],"
        " volumes: [{name: m, hostPath: {path: /models}}]}}'",
        "model.source.path",
    ),
    Pair(
        "FTC228",
        f"{MODEL} 'method.quantize={{bits: 4, dataset: /texts/a.jsonl}}'",
        f"{MODEL} 'method.quantize={{bits: 4, dataset: /texts/a.jsonl}}'"
        " 'storage.more={a: {kind: nfs, mount_path: /texts, server: 10.0.0.5, path: /a},"
        " b: {kind: nfs, mount_path: /models, server: 10.0.0.5, path: /b}}'",
        "m",
    ),
    Pair(
        "FTC228",
        "dataset.info.alpaca.file_name=/home/me/x.jsonl",
        "dataset.info.alpaca.file_name=/workspace/x.jsonl",
        "dataset.info.alpaca.file_name",
    ),
    Pair("FTC230", "storage=nfs", "storage=nfs storage.workspace.server=10.0.0.5", "storage.workspace.server"),
    Pair(
        "FTC230",
        "'storage.more={a: {kind: nfs, mount_path: /a, server: Example.org, path: /a}}'",
        "'storage.more={a: {kind: nfs, mount_path: /a, server: nfs.example.internal, path: /a}}'",
        "storage.more.a.server",
    ),
    Pair("FTC350", f"{RANKS} naming=fixed name=other", f"{RANKS} naming=fixed name=run", "hardware.pod.spec.volumes"),
    Pair("FTC350", f"{RANKS} name=run", "hardware=ascend-910b-mindcluster name=run", "hardware.pod.spec.volumes"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_missing_name_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_existing_name_passes(pair: Pair) -> None:
    passes(pair)


def test_the_fixed_name_of_another_job_is_named() -> None:
    (reported,) = [one for one in found(*RANKS.split(), "naming=fixed", "name=other") if one.code == "FTC350"]
    assert "the rank table of the job 'run', but the name of this job is other" in reported.message
