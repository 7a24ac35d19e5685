"""Each key of the spec changes the output or the findings of a target, or is listed as unused, with a reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml

from ftc.diagnostics.model import Position, has_errors
from ftc.driver import Request, compile_job
from ftc.explain.origins import changed, plain, variations
from ftc.plan.build import plan
from ftc.rules.check import check
from ftc.rules.given import Origins
from ftc.spec.job import JobSpec
from ftc.targets import TARGETS, bound

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath

# Target, then reason, then patterns of keys: an index is a 0, any name in a map is `added`.
UNUSED: dict[str, dict[str, list[str]]] = yaml.safe_load(Path(__file__).with_name("unused_keys.yaml").read_text())
IMAGE = "image=registry.example.com/team/llamafactory:0.9.5"
# Together they have most of the keys; some matter only for one of them.
RUNS = (
    (),
    ("storage=job-lifetime",),
    (
        *("hardware=ascend", "nodes=2", "devices=8", "launcher=torchrun", "engine=deepspeed-z3"),
        "cluster.gang_jobs=true",
    ),
    (
        "naming=fixed",
        "publish=git",
        "publish.url=https://git.example.com/x",
        "publish.credentials.secret=git",
    ),
    ("storage=per-pod", "tracking=tensorboard", "source@model.source=s3", "model.source.bucket=models"),
    ("publish=git", "publish.url=https://git.example.com/x", "publish.credentials.secret=git", "method.merge=null"),
    ("source@method.adapter=s3", "method.adapter.bucket=adapters"),
    ("source@model.source=s3", "model.source.bucket=models"),
)


def said(spec: JobSpec, target: str) -> tuple[str, object]:
    """The output and the findings, as if the run had set every key; a digest of the spec in a name is not an effect."""
    one = TARGETS[target]
    run = msgspec.structs.replace(plan(spec, one.places) if one.places else plan(spec), fixed_name="run")
    origins = Origins(
        spec, lambda _: Position("given"), lambda _: 1, lambda _: True, lambda _: (), lambda _: {}, (target,)
    )
    pods = bound(run, (target,))
    found = check(origins, run, pods)
    text = "" if has_errors(found) else one.text(pods.get(target, run))
    return text, [(d.code, d.path, d.message) for d in found]


def written(path: KeyPath) -> str:
    return ".".join("0" if isinstance(part, int) else part for part in path)


def unused(target: str) -> frozenset[str]:
    """The keys that change nothing in any of the runs."""
    everything: set[str] = set()
    used: set[str] = set()
    for overrides in RUNS:
        spec = compile_job(Request((*overrides, IMAGE), targets=(target,))).spec
        assert spec is not None, overrides
        before, data = said(spec, target), plain(spec)
        for variation in variations(data, ""):
            key = written(variation.path)
            everything.add(key)
            if key not in used and said(msgspec.convert(changed(data, variation), JobSpec), target) != before:
                used.add(key)
    return frozenset(everything - used)


def reasons(target: str) -> dict[str, str]:
    listed = UNUSED["every target"] | UNUSED.get(target, {})
    return {pattern: reason for reason, patterns in listed.items() for pattern in patterns}


@pytest.mark.parametrize("target", TARGETS)
def test_a_key_has_an_effect_or_is_listed_with_a_reason(target: str) -> None:
    found, listed = unused(target), reasons(target)
    missing = [key for key in found if not any(fnmatchcase(key, pattern) for pattern in listed)]
    stale = [pattern for pattern in listed if not any(fnmatchcase(key, pattern) for key in found)]
    assert (sorted(missing), stale) == ([], [])


def test_every_reason_is_given_for_a_target() -> None:
    assert UNUSED.keys() - {"every target"} <= TARGETS.keys()
