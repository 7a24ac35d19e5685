"""`ftc plan --format mermaid`: Mermaid itself reads the graph, and shows every text as it is."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest

import ftc
from ftc.summary.mermaid import markdown, mermaid
from unit.compiling import ROOT
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.summary.types import Summary

HOSTILE = "<b>\"`'|]})#35;;&%% _end_ --> 中文 @team www.example.com"


@cache
def planned() -> Summary:
    credentials = ("source@model.source=git", "model.source.credentials.secret=git-token")
    where = "model.source.url=https://git.example.com/qwen"
    return ftc.plan("nodes=2", "devices=8", "storage=shared", where, *credentials).summary


def labels(graph: str, directory: Path) -> list[str]:
    """The texts that Mermaid shows."""
    if not (ROOT / "tests" / "node" / "node_modules" / "mermaid").is_dir():
        pytest.skip("Mermaid is not installed: npm ci --prefix tests/node")
    file = directory / "graph.mmd"
    file.write_text(graph, encoding="utf-8")
    node = ["node", str(ROOT / "tests" / "node" / "mermaid.mjs"), str(file)]
    found: list[str] = json.loads(subprocess.run(node, capture_output=True, text=True, check=True).stdout)
    return found


def test_the_graph_has_the_queue_the_nodes_the_steps_the_claim_and_the_secret(tmp_path: Path) -> None:
    found = labels(mermaid(planned()), tmp_path)
    for text in ("queue default", "node 0, rank 0: 8 x nvidia.com/gpu", "node 1: 8 x nvidia.com/gpu", "fetch-model"):
        assert text in found
    assert found.count("fetch-dataset") == 1
    assert found.count("fetch-datasetwaits for node 0") == 1
    assert found.count("merge") == 1
    assert "workspace: claim workspace/workspace, kept" in found
    assert "Secret git-tokenusername, password" in found


def test_many_nodes_are_counted(tmp_path: Path) -> None:
    summary = msgspec.structs.replace(planned(), topology=msgspec.structs.replace(planned().topology, nodes=16))
    assert "and 12 more nodes" in labels(mermaid(summary), tmp_path)


def test_a_text_of_a_user_is_shown_as_it_is(tmp_path: Path) -> None:
    volume = msgspec.structs.replace(planned().volumes[0], name="v", path="/p", holds=HOSTILE)
    summary = msgspec.structs.replace(planned(), name=HOSTILE, queue=HOSTILE, namespace=None, volumes=(volume,))
    graph = mermaid(summary)
    found = labels(graph, tmp_path)
    assert {HOSTILE, f"queue {HOSTILE}", f"v: {HOSTILE}/p, kept"} <= set(found)
    assert "<b>" not in graph
    assert "www." not in graph


def test_markdown_is_the_graph_and_a_table_that_no_text_breaks() -> None:
    summary = msgspec.structs.replace(planned(), name=HOSTILE)
    head, graph, rest = markdown(summary).partition(mermaid(summary))
    assert (head, graph[:12]) == ("```mermaid\n", "flowchart TB")
    rows = [line for line in rest.splitlines() if line.startswith("| run |")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 3


@pytest.mark.parametrize("form", ["mermaid", "markdown"])
def test_the_command_prints_it(form: str) -> None:
    said = command("plan", "nodes=2", "storage=shared", "--format", form)
    plan = ftc.plan("nodes=2", "storage=shared")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == (plan.mermaid if form == "mermaid" else plan.markdown)


@pytest.mark.parametrize("form", ["mermaid", "markdown"])
def test_findings_stay_on_stderr(form: str) -> None:
    said = command("plan", "nodez=2", "--format", form)
    assert (said.exit_code, said.stdout) == (1, "")
    assert "FTC010" in said.stderr
