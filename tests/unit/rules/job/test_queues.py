"""Rules on queues and priorities, and on the labels of a batch Job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit.compiling import ftc
from unit.rules.pairs import Pair, pages, passes, refuses

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = (
    Pair("FTC587", "cluster.kueue_queue=team", "cluster.queue=team", "cluster.kueue_queue"),
    Pair(
        "FTC584",
        ("labels={kueue.x-k8s.io/queue-name:a}",),
        ("cluster.kueue_queue=a",),
        "labels.kueue.x-k8s.io/queue-name",
    ),
    Pair("FTC581", ("labels.job-name=a",), ("labels.name=a",), "labels.job-name"),
    Pair(
        "FTC581",
        ("pod.metadata.labels={batch.kubernetes.io/controller-uid: a}",),
        ("pod.metadata.labels={example.com/controller-uid: a}",),
        "pod.metadata.labels",
    ),
    Pair("FTC582", ("cluster.queue=a",), ("cluster.queue=a", "cluster.gang_jobs=true"), "cluster.queue"),
    Pair("FTC583", ("suspend=true", "cluster.kueue_queue=a"), ("suspend=true",), "suspend"),
)
ALL = (*PAIRS, *pages(PAIRS))


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)


def test_a_queue_that_the_cluster_option_sets_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "ours.yaml").write_text("defaults: [generic, _self_]\nkueue_queue: team\n")
    said = ftc("compile", "--config-dir", str(tmp_path), "cluster=ours")
    assert said.exit_code == 0
    assert "note[FTC587 " in said.stderr
    assert "FTC587" not in ftc("compile", "--config-dir", str(tmp_path), "cluster=ours", "-t", "job").stderr


def test_a_batch_job_has_the_queue() -> None:
    said = ftc("compile", "-t", "job", "cluster.kueue_queue=team")
    assert (said.exit_code, said.stderr) == (0, "")
    assert "kueue.x-k8s.io/queue-name: team" in said.stdout
