"""`ftc submit`, `ftc why` and `ftc delete` as on any cluster: `make cluster` runs these tests on a real one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ftc.cluster.origin import Manifest, Origin
from ftc.cluster.submit import Refused
from ftc.cluster.submit import submit as create
from unit.cluster.places import place
from unit.cluster.situations import Object, object_of
from unit.compiling import Said, ftc
from unit.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from unit.cluster.places import Place

REAL = bool(os.environ.get("FTC_CLUSTER"))
CPU = ("-t", "job", "hardware=cpu")
FIXED = ("naming=fixed", "name=mine")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
CLAIM = object_of(
    "PersistentVolumeClaim",
    "workspace",
    spec={"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
)
QUOTA = object_of("ResourceQuota", "few", spec={"hard": {"requests.cpu": "1"}})
RANGE = object_of("LimitRange", "small", spec={"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]})


def submit(there: Place, *arguments: str) -> Said:
    return ftc("submit", *CPU, *arguments, "-n", there.namespace)


class Fault(NamedTuple):
    """Objects of the namespace, overrides, and the problem."""

    objects: tuple[Object, ...]
    overrides: tuple[str, ...]
    problem: str
    labels: Object = {}  # noqa: RUF012 - nothing changes it


FAULTS = {
    "claim": Fault((), (), "error[claim-missing]"),
    "Secret": Fault((CLAIM,), ("model.source.token={secret: hub, key: pass}",), "error[secret-missing]"),
    "ConfigMap": Fault((CLAIM,), ("cluster.ca_bundle.config_map=ca",), "error[config-map-missing]"),
    "ServiceAccount": Fault((CLAIM,), ("cluster.service_account=trainer",), "error[service-account-missing]"),
    "PriorityClass": Fault((CLAIM,), ("cluster.priority_class=ftc-test-none",), "error[priority-class-missing]"),
    "Pod Security": Fault((CLAIM,), (), "error[pod-security]", RESTRICTED),
    "quota": Fault((CLAIM, QUOTA), (), "error[quota-exceeded]"),
    "LimitRange": Fault((CLAIM, RANGE), (), "error[limit-range]"),
    "no node": Fault(
        (CLAIM,), ("hardware=nvidia", "hardware.device.resource=example.com/none"), "error[resource-unknown]"
    ),
    "no room": Fault((CLAIM,), ("hardware.cpu_per_device=100000",), "error[pod-larger-than-any-node]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_nothing_is_left(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    with place(tmp_path, monkeypatch, real=REAL, labels=fault.labels) as there:
        for one in fault.objects:
            there.put(one)
        said = submit(there, *fault.overrides)
        assert (said.stdout, said.exit_code) == ("", 3), said
        assert fault.problem in said.stderr
        assert there.left() == []


def test_a_run_is_created_diagnosed_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(tmp_path, monkeypatch, real=REAL, labels={}) as there:
        there.put(CLAIM)
        tried = submit(there, *FIXED, "--ignore-preflight", "--dry-run")
        assert (tried.exit_code, there.left()) == (0, []), tried
        made = submit(there, *FIXED, "--ignore-preflight")
        assert (made.exit_code, there.left()) == (0, ["mine"]), made
        again = submit(there, *FIXED, "--ignore-preflight")
        assert again.exit_code == 3
        assert "error[name-taken]" in again.stderr
        why = ftc("why", "mine", "-n", there.namespace)
        assert (why.exit_code, "does not contain a job" in why.stdout) == (0, False)
        done = ftc("delete", "mine", "-n", there.namespace)
        assert done.stdout == f'deleted jobs.batch/mine in namespace {there.namespace}\nkept the claim "workspace"\n'
        assert there.left() == []


def test_an_unknown_field_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(tmp_path, monkeypatch, real=REAL, labels={}) as there:
        there.put(CLAIM)
        job = load(ftc("compile", *CPU).stdout)
        job["spec"]["template"]["spec"]["unknownField"] = True
        with pytest.raises(Refused) as refused:
            create(there.server, [Manifest(job, lambda *_: Origin())], dry_run=False, despite=True)
        ((_, problem),) = refused.value.found
        assert problem.cause.kind == "field-unknown"
        assert problem.place == ("spec", "template", "spec", "unknownField")
        assert there.left() == []
