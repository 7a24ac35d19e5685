"""Situations in which nothing is wrong, hostile objects, and remedies that compile."""

from __future__ import annotations

import copy
import json
import random
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from ftc.api.diagnosis import compiles
from ftc.cluster.diagnose import diagnose, result
from ftc.cluster.log_errors import known_errors
from ftc.cluster.snapshot import Snapshot
from unit.cluster.situations import (
    NOW,
    claim,
    container,
    ended,
    event,
    job,
    kueue_workload,
    node,
    object_of,
    pod,
    pod_group,
    said,
    snapshot,
    vcjob,
)
from unit.cluster.test_causes import ROWS
from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.cluster.snapshot import Object

RUNNING = vcjob("Running")
RUNS = container("train", {"running": {"startedAt": "2026-05-04T11:50:00Z"}})
FETCHES = container("fetch-model", {"running": {"startedAt": "2026-05-04T11:58:00Z"}})
NEW = "2026-05-04T11:59:40Z"
PLACED = "0/2 tasks in gang unschedulable: pod group is ready, 2 Binding, 2 minAvailable"


def young(one: Object) -> Object:
    """The same object, created a moment ago."""
    return one | {"metadata": one["metadata"] | {"creationTimestamp": NEW}}


HEALTHY = {
    "running, after old warnings of the gang": snapshot(
        RUNNING,
        pod(0, RUNNING, phase="Running", node="a", containerStatuses=[RUNS]),
        pod(1, RUNNING, phase="Running", node="b", containerStatuses=[RUNS]),
        group := pod_group("Running"),
        event(group, "Unschedulable", PLACED),
        event(pod(0, RUNNING), "FailedScheduling", "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."),
        node("a"),
        node("b"),
        claim(),
    ),
    "a download that takes a while": snapshot(
        RUNNING, pod(0, RUNNING, node="a", initContainerStatuses=[FETCHES]), pod_group("Running"), node("a"), claim()
    ),
    "just created": snapshot(young(vcjob()), young(pod_group(None))),
    "a batch Job, just created": snapshot(one := young(job()), young(pod(of=one)), claim()),
    "a claim that waits for its first pod": snapshot(
        young(job()),
        claim(phase="Pending", storage_class="local"),
        object_of("StorageClass", "local", "storage.k8s.io/v1", volumeBindingMode="WaitForFirstConsumer"),
    ),
    "a container that failed once and runs again": snapshot(
        RUNNING,
        pod(
            0,
            RUNNING,
            phase="Running",
            node="a",
            containerStatuses=[RUNS | {"lastState": {"terminated": {"exitCode": 1}}}],
        ),
        node("a"),
        claim(),
    ),
    "completed": snapshot(vcjob("Completed"), pod(of=RUNNING, phase="Succeeded", node="a")),
    "a batch Job that completed after a failed attempt": snapshot(
        job([said("Complete", "True", "CompletionsReached", "")]), pod(of=job(), node="a", **ended(1))
    ),
    "admitted by Kueue": snapshot(
        one := job(labels={"kueue.x-k8s.io/queue-name": "team"}),
        pod(of=one, phase="Running", node="a", containerStatuses=[RUNS]),
        kueue_workload(one, said("Admitted", "True", "Admitted", "")),
        node("a"),
        claim(),
    ),
}


@pytest.mark.parametrize("situation", HEALTHY.values(), ids=HEALTHY)
def test_nothing_is_wrong(situation: Snapshot) -> None:
    assert [one.text for one in diagnose(situation).causes] == []


def test_a_completed_job_names_its_result() -> None:
    log = {"sft-0.train": "ftc: all done: /workspace/sft/merged"}
    one = snapshot(vcjob("Completed"), pod(of=RUNNING, **ended(0)), logs=log)
    assert result(one) == "the result is in /workspace/sft/merged"


@pytest.mark.parametrize("seed", range(40))
def test_objects_of_any_shape_end_in_a_diagnosis(seed: int) -> None:
    """A server, a proxy or an attacker may put any value anywhere."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for _, situation, _, _ in ROWS:
        objects = tuple(copy.deepcopy(one) for one in situation.objects)
        for one in objects:
            for _ in range(chance.randrange(4)):
                _spoil(one, chance)
        spoiled = Snapshot(situation.namespace, situation.name, NOW, objects, situation.logs, {}, situation.refusal)
        for found in diagnose(spoiled).causes:
            assert found.text.isprintable()


def _spoil(one: Any, chance: random.Random) -> None:
    """Replace a value somewhere in an object."""
    while True:
        keys = list(one) if isinstance(one, dict) else list(range(len(one)))
        if not keys:
            return
        key = chance.choice(keys)
        if not isinstance(one[key], dict | list) or chance.random() < 0.3:
            one[key] = chance.choice([None, 7, -1, True, "", "x", "\x1b[31m", [], ["x"], [{}], {}, {"x": []}, "9" * 50])
            return
        one = one[key]


@pytest.mark.parametrize(
    "override",
    sorted({remedy.override for known in known_errors() for remedy in known.remedies if remedy.override}),
)
def test_the_remedy_of_a_known_error_compiles(override: str) -> None:
    assert compiles(override)


EVIL = "a'; touch pwned; echo $(id) \x1b[31m"


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_a_remedy_to_paste_runs_only_what_it_shows(row: tuple[str, Snapshot, str, str]) -> None:
    """Names of the cluster are words of the command, whatever they contain."""
    one = row[1]
    evil = Snapshot("team" + EVIL, one.name, one.now, tuple(map(_evil, one.objects)), one.logs, {}, one.refusal)
    shown = [remedy.override or remedy.command for cause in diagnose(evil).causes for remedy in cause.remedies]
    for words in filter(None, shown):
        assert words.isprintable()
        operators = [word for word in shlex.shlex(words, posix=True, punctuation_chars=True) if word in OPERATORS]
        assert operators in ([], ["|"], [">"]), words


OPERATORS = {";", "&", "&&", "||", "|", ">", "<", "(", ")", "`", "$"}
# Names by which objects refer to each other; a name in a text of a controller is covered by those of the objects.
REFERENCES = {"claimName", "nodeName", "storageClassName", "queue", "subdomain", "serviceAccountName", "dedicated"}


def _evil(value: Any, key: str = "") -> Any:
    """An object whose references are hostile; the names of the objects themselves stay, so that the situation does."""
    if isinstance(value, dict):
        return {name: _evil(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_evil(inner, key) for inner in value]
    if isinstance(value, str) and key in ("message", "value") and value:
        return re.sub(r'"([^"]+)"', lambda found: f'"{found[1]}{EVIL}"', value)
    return f"{value}{EVIL}" if isinstance(value, str) and key in REFERENCES else value


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_the_remedies_of_a_situation_compile(row: tuple[str, Snapshot, str, str]) -> None:
    overrides = [one.override for cause in diagnose(row[1]).causes for one in cause.remedies if one.override]
    batch = (row[1].workload or {}).get("apiVersion") == "batch/v1"
    assert [one for one in overrides if not compiles(one, "job" if batch else "volcano")] == []


def test_text_of_the_cluster_is_made_safe(tmp_path: Path) -> None:
    file = tmp_path / "objects.json"
    hostile = "\x1b[31m::error::hf_" + "a1" * 20
    one = job() | {"metadata": {"name": "sft", "uid": "u"}}
    items = [one, event(one, "FailedCreate", hostile)]
    file.write_text(json.dumps({"items": items}))
    shown = ftc("why", "--from", str(file))
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "hf_a1" not in shown.stdout


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("objects.json", "{", "cannot read"),
        ("objects.json", '{"items": 3}', "not an object of Kubernetes"),
        ("objects.json", "[]", "not an object of Kubernetes"),
        ("objects.yaml", "a: [", "cannot read"),
        ("objects.yaml", "kind: Pod\nmetadata: {name: x}\n", "name the job"),
    ],
)
def test_a_file_that_cannot_be_judged_is_one_line(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    shown = ftc("why", "--from", str(tmp_path / name))
    assert (shown.stdout, shown.exit_code, shown.stderr.count("\n")) == ("", 1, 1)
    assert words in shown.stderr


def test_a_job_that_ftc_did_not_write_gets_no_overrides() -> None:
    one = vcjob(queue="night") | {"metadata": {"name": "sft", "uid": "u"}}
    assert not snapshot(one).by_ftc
