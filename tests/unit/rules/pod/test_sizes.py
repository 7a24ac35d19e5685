"""Strings that Linux does not pass to a program, and objects that the server does not store."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftc.driver import Request, compile_job
from ftc.lint import Versions, lint
from ftc.output_schemas import kubernetes_versions, volcano_versions
from unit.rules.pairs import Pair, passes, refuses

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic

# execve(2): one string of at most 32 pages of 4 KiB, with the final NUL.
LONGEST = 131_071
LONG = "a" * 70_000
# etcd stores at most 1.5 MiB: 12.6 of these.
PAIRS = (
    Pair("FTC513", f"env.A={LONG} 'env.B=\"$(A)$(A)\"'", f"env.A={LONG} 'env.B=\"$(A)\"'", "env.B"),
    Pair(
        "FTC514",
        tuple(f"env.X{index}={'a' * 125_000}" for index in range(13)),
        tuple(f"env.X{index}={'a' * 125_000}" for index in range(11)),
        "env",
    ),
)
TRAIN = "pod: {spec: {containers: [{name: train, env: [{name: Y, value: %s}]}]}}"
HELPER = "pod: {spec: {initContainers: [{name: x, image: 'a:1', args: [%s]}]}}"
COMMAND = "launcher: {command: [python, %s]}"


def refused(tmp_path: Path, text: str, group: str = "") -> list[tuple[str, str]]:
    """The codes and keys of the findings on size."""
    (tmp_path / "run.yaml").write_text(f"defaults: [config, {group}_self_]\n{text}\n")
    found = compile_job(Request((), (tmp_path,), "run", ("volcano",))).diagnostics
    return [(one.code, ".".join(map(str, one.path))) for one in found if one.code in ("FTC513", "FTC514")]


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("env: {XY: %s}", "XY=", "env.XY"),
        ("cluster: {env: {XY: %s}}", "XY=", "cluster.env.XY"),
        (TRAIN, "Y=", "pod.spec.containers.0.env.0"),
        (HELPER, "", "pod.spec.initContainers.0.args.0"),
        ("setup: [[echo, %s]]", "", "setup.0.1"),
        (COMMAND, "", "launcher.command.1"),
    ],
)
def test_a_string_that_linux_does_not_accept_is_refused(tmp_path: Path, text: str, name: str, key: str) -> None:
    group = "{override launcher: command}, " if text == COMMAND else ""
    longest = "a" * (LONGEST - len(name))
    assert refused(tmp_path, text % longest, group) == []
    assert refused(tmp_path, text % f"{longest}a", group) == [("FTC513", key)]
    assert refused(tmp_path, text % f"{longest[3:]}é€", group) == [("FTC513", key)]


def test_a_variable_is_measured_as_kubernetes_expands_it(tmp_path: Path) -> None:
    assert refused(tmp_path, f"env: {{A: {'a' * 70_000}, B: $(A)$(A)}}") == [("FTC513", "env.B")]
    assert refused(tmp_path, f"env: {{A: {'a' * 70_000}, B: $(A)b}}") == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.code)
def test_it_is_reported_at_its_key(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.code)
def test_a_smaller_one_passes(pair: Pair) -> None:
    passes(pair)


# etcd, server/embed/config.go (DefaultMaxRequestBytes); Kubernetes, pkg/apis/core/types.go (MaxSecretSize).
STORED, DATA = 1_572_864, 1_048_576
NEWEST = Versions(kubernetes_versions()[-1], volcano_versions()[-1])


def linted(*objects: dict[str, Any]) -> list[Diagnostic]:
    """The findings on the size of objects in a stream."""
    text = "---\n".join(yaml.dump(one, sort_keys=False, width=10**9, Dumper=yaml.CSafeDumper) for one in objects)
    return [one for one in lint([("a.yaml", text.encode())], NEWEST) if one.code == "FTC514"]


def sent(kind: str, size: int) -> dict[str, Any]:
    """An object that is sent in so many bytes of JSON."""
    one = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "annotations": {"a": ""}}}
    one["metadata"]["annotations"]["a"] = "a" * (size - len(json.dumps(one, separators=(",", ":"))))  # type: ignore[index] # a mapping
    return one


@pytest.mark.parametrize("kind", ["Secret", "Deployment", "Service"])
def test_a_manifest_that_etcd_does_not_store_is_found(kind: str) -> None:
    assert linted(sent(kind, STORED)) == []
    (found,) = linted(sent("Service", 100), sent(kind, STORED + 1))
    assert f"{kind} has 1572865 bytes" in found.message
    assert found.position is not None
    assert found.position.line == 8


def test_an_item_of_a_list_is_an_object() -> None:
    items = [sent("Service", 100), *(sent("Service", STORED - 10_000) for _ in range(2)), sent("Service", STORED + 1)]
    (found,) = linted({"apiVersion": "v1", "kind": "List", "items": items})
    assert found.path == ("items", 3)


def test_a_job_that_another_object_creates_is_stored_with_it() -> None:
    job = {**sent("Job", STORED), "spec": {"template": {"spec": {"containers": []}}}}
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"}, "spec": {"jobTemplate": job}}
    (found,) = linted(cron)
    assert found.path == ()


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@pytest.mark.parametrize("field", ["binaryData", "data"])
def test_data_that_kubernetes_refuses_is_found(kind: str, field: str) -> None:
    encoded = (kind, field) != ("ConfigMap", "data")
    field = "data" if kind == "Secret" else field

    def holding(size: int) -> dict[str, Any]:
        values = [b"a" * 1000, b"a" * (size - 1000)]
        data = {f"k{index}": (b64encode(one) if encoded else one).decode() for index, one in enumerate(values)}
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, field: data}

    assert linted(holding(DATA)) == []
    (found,) = linted(holding(DATA + 1))
    assert f"data of the {kind} has 1048577 bytes" in found.message


def test_the_data_of_a_secret_may_be_text() -> None:
    texts = {"stringData": {"a": "é" * (DATA // 2), "b": "a"}}
    assert len(linted({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, **texts})) == 1


@pytest.mark.parametrize("target", ["volcano", "job"])
def test_compile_and_lint_measure_the_same_object(tmp_path: Path, target: str) -> None:
    # Two files, because one is at most a megabyte.
    for name, base, some in (("half", "config", range(7)), ("run", "half", range(7, 13))):
        run = {"defaults": [base, "_self_"], "env": {f"X{index}": "é" * 60_000 for index in some}, "nodes": 2}
        (tmp_path / f"{name}.yaml").write_text(
            yaml.dump(run, allow_unicode=True, Dumper=yaml.CSafeDumper), encoding="utf-8"
        )
    state = compile_job(Request((), (tmp_path,), "run", (target,), ("FTC514",)))
    compiled = compile_job(Request((), (tmp_path,), "run", (target,))).diagnostics
    (ours,) = [one.message for one in compiled if one.code == "FTC514"]
    found = lint([("a.yaml", state.outputs[target].encode())], NEWEST)
    assert [one.message for one in found if one.code == "FTC514"] == [ours]
