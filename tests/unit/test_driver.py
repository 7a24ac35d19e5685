"""The program from end to end: what a request gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ftc import driver
from ftc.conf_tree import search_path
from ftc.diagnostics.model import Severity
from ftc.driver import Request, compile_job
from ftc.output.verify import BugError
from ftc.plan.pod import with_fragments
from ftc.rules import check
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import TARGETS
from unit.compiling import ROOT, compiled, conf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftc.compose import Conf
    from ftc.plan.types import RunPlan


def test_a_manifest_that_its_schema_refuses_never_reaches_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = msgspec.structs.replace(TARGETS["volcano"], objects=lambda _: [{"apiVersion": "v1", "kind": "Job"}])
    monkeypatch.setitem(TARGETS, "volcano", broken)
    with pytest.raises(BugError, match="VolcanoJob"):
        compile_job(Request())


def test_an_error_ends_the_compile_before_anything_is_emitted() -> None:
    for overrides in (("nodes=two",), ("devices=9",)):
        state = compile_job(Request(overrides))
        assert state.diagnostics
        assert state.outputs == {}


def test_only_the_targets_that_are_asked_for_are_emitted() -> None:
    assert compile_job(Request(targets=("llamafactory",))).outputs.keys() == {"llamafactory"}
    assert compile_job(Request()).outputs.keys() == {"volcano"}


def test_the_users_trees_come_before_the_shipped_one_and_are_named_as_they_were_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    path = search_path((ROOT / "mine", ROOT.parent / "others"))
    assert [name for _, name in path] == ["mine", str(ROOT.parent / "others"), "conf"]


def test_a_compile_does_not_change_what_the_next_one_sees() -> None:
    before = compiled("nodes=2").outputs
    compile_job(Request(("pod={spec: {containers: [{name: train, env: [{name: A, value: b}]}]}}", "env={X: y}")))
    compile_job(Request(("nodes=two",)))
    assert compiled("nodes=2").outputs == before


def test_a_conf_of_the_users_is_read_by_each_compile_unless_it_is_given(tmp_path: Path) -> None:
    conf(tmp_path, {"run": "defaults: [config, _self_]\nnodes: 2\n"})
    request, read = driver.Request((), (tmp_path,), "run"), driver.conf_of((tmp_path,))

    def nodes(given: Conf | None = None) -> int:
        spec = driver.compile_job(request, given).spec
        assert spec is not None
        return spec.nodes

    assert (nodes(), nodes(read)) == (2, 2)
    conf(tmp_path, {"run": "defaults: [config, _self_]\nnodes: 3\n"})
    assert (nodes(), nodes(read)) == (3, 2)


def test_each_compile_that_reads_an_invalid_file_reports_it(tmp_path: Path) -> None:
    conf(tmp_path, {"run": "defaults: [config, _self_]\nnodes: ${oc.env:HOME}\n"})
    read = driver.conf_of((tmp_path,))
    told = [driver.compile_job(driver.Request((), (tmp_path,), "run"), read).diagnostics for _ in range(2)]
    assert told[0] == told[1]
    assert told[0][0].code == "FTC006"


def test_a_finding_of_several_targets_is_reported_once() -> None:
    overrides = ("pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /workspace}]}]}}",)
    one = compile_job(Request(overrides, targets=("volcano",))).diagnostics
    both = compile_job(Request(overrides, targets=("volcano", "job"))).diagnostics
    assert one
    told = [(d.code, d.path, d.message) for d in both]
    assert len(told) == len(set(told))
    assert {(d.code, d.path, d.message) for d in one} <= set(told)


def test_a_finding_that_only_some_targets_have_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_master(_: object, run: RunPlan) -> Iterator[Finding]:
        env = with_fragments(run)["spec"]["containers"][0]["env"]
        if any(variable["name"] == "MASTER_ADDR" for variable in env):
            yield Finding(("nodes",), "the target sets MASTER_ADDR")

    rule = Rule("FTC999", "rule-of-a-test", on_master, JobSpec, Severity.WARNING)
    monkeypatch.setattr(check, "ON_SPECS", (rule,))
    monkeypatch.setattr(check, "_CODES_ON_PODS", frozenset({"FTC999"}))
    monkeypatch.setattr(check, "_of_specs", lambda _: (rule,))
    both = compile_job(Request(("nodes=2",), targets=("volcano", "job"))).diagnostics
    assert [d.message for d in both if d.code == "FTC999"] == ["the target sets MASTER_ADDR (target job)"]
    alone = compile_job(Request(("nodes=2",), targets=("job",))).diagnostics
    assert [d.message for d in alone if d.code == "FTC999"] == ["the target sets MASTER_ADDR"]


def test_a_target_without_a_pod_has_no_findings_on_one() -> None:
    overrides = ("pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /workspace}]}]}}",)
    for target in ("image", "storage", "llamafactory"):
        found = compile_job(Request(overrides, targets=(target,)))
        assert found.pods == {}
        assert [d for d in found.diagnostics if d.path[:1] == ("pod",)] == [], target


def test_a_target_that_runs_the_steps_without_a_pod_keeps_the_rules_on_what_it_runs() -> None:
    found = compile_job(Request(("env.HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzabcdefgh",), targets=("script",)))
    assert "FTC601" in {d.code for d in found.diagnostics}


def test_the_reference_of_an_image_is_checked_for_the_target_that_builds_it() -> None:
    found = compile_job(Request(("image=https://registry.example.com/a:1",), targets=("image",)))
    assert "FTC541" in {d.code for d in found.diagnostics}
