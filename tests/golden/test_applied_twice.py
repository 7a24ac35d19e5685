"""With naming=fixed, `kubectl apply` of the same manifest changes nothing, no matter how often it is done."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from golden import api_server
from golden.test_pod_security import OVERRIDES
from unit.loading import load_all

FIXED = ("naming=fixed", "name=one")
# Their claim is created with the job; `ignore` shows what the rule prevents.
MAKES_A_CLAIM = [name for name, words in OVERRIDES.items() if any(word == "storage=job-lifetime" for word in words)]


def manifests(name: str, target: str, *more: str) -> list[Any]:
    """The objects of a case; empty if the target refuses it."""
    state = compile_job(Request((*OVERRIDES[name], *FIXED, *more), targets=(target,)))
    if target == "volcano":
        assert not has_errors(state.diagnostics), state.diagnostics
    return load_all(state.outputs.get(target, ""))


@pytest.mark.parametrize("name", [name for name in OVERRIDES if name not in MAKES_A_CLAIM])
def test_a_volcano_job_applied_again_is_unchanged(name: str) -> None:
    (manifest,) = manifests(name, "volcano")
    assert manifest["metadata"]["name"] == "one"
    live = api_server.create_volcano(manifest)
    for _ in range(2):
        assert api_server.apply_volcano(live, manifest) == live


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_batch_job_and_its_service_applied_again_are_unchanged(name: str) -> None:
    for manifest in manifests(name, "job"):
        live = api_server.create_builtin(manifest)
        assert api_server.apply_builtin(live, manifest) == live


def test_most_cases_compile_to_a_batch_job_too() -> None:
    some = list(OVERRIDES)[::6]
    made = [name for name in some if manifests(name, "job")]
    assert len(made) > len(some) * 3 // 4, sorted(set(some) - set(made))


def test_a_job_with_the_host_network_applied_again_is_unchanged() -> None:
    (manifest,) = manifests("model/qwen3-0.6b", "volcano", "pod.spec.hostNetwork=true")
    live = api_server.create_volcano(manifest)
    assert api_server.apply_volcano(live, manifest) == live


@pytest.mark.parametrize("name", MAKES_A_CLAIM)
def test_a_claim_created_with_the_job_is_refused_because_applying_again_would_create_another(name: str) -> None:
    state = compile_job(Request((*OVERRIDES[name], *FIXED), targets=("volcano",)))
    (found,) = [diagnostic for diagnostic in state.diagnostics if diagnostic.code == "FTC586"]
    assert found.path == ("storage", "workspace")
    assert not state.outputs
    (manifest,) = manifests(name, "volcano", "ignore=[FTC586]")
    live = api_server.create_volcano(manifest)
    again = api_server.apply_volcano(live, manifest)
    assert again["spec"]["volumes"][0]["volumeClaimName"] != live["spec"]["volumes"][0]["volumeClaimName"]


@pytest.mark.parametrize("field", ["maxRetry", "minAvailable"])
def test_the_fake_server_removes_what_its_webhook_added(field: str) -> None:
    """As the real server does to a task that lacks the field."""
    (manifest,) = manifests("model/qwen3-0.6b", "volcano")
    less = copy.deepcopy(manifest)
    del less["spec"]["tasks"][0][field]
    live = api_server.create_volcano(less)
    assert live["spec"]["tasks"][0][field] == manifest["spec"]["tasks"][0][field]
    if field == "maxRetry":
        with pytest.raises(api_server.RefusedError, match="may not change fields"):
            api_server.apply_volcano(live, less)
    else:
        assert field not in api_server.apply_volcano(live, less)["spec"]["tasks"][0]


def test_the_fake_server_refuses_changes_of_immutable_fields() -> None:
    (manifest,) = manifests("model/qwen3-0.6b", "volcano")
    (job,) = manifests("model/qwen3-0.6b", "job")
    other = copy.deepcopy(manifest)
    other["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["image"] = "other:1"
    with pytest.raises(api_server.RefusedError):
        api_server.apply_volcano(api_server.create_volcano(manifest), other)
    changed = copy.deepcopy(job)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "other:1"
    with pytest.raises(api_server.RefusedError, match="template"):
        api_server.apply_builtin(api_server.create_builtin(job), changed)
