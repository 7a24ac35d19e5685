"""Rules on volumes, and the volumes of each kind in the pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftc.diagnostics.model import Severity
from unit.compiling import COMMAND, found, ftc, pod, refused
from unit.rules.pairs import Pair, passes, refuses

if TYPE_CHECKING:
    from collections.abc import Sequence

ALONE = ("storage=job-lifetime", "storage.workspace.access_mode=ReadWriteMany")
PAIRS = (
    Pair("FTC241", ("storage.workspace.size=null",), ("storage.workspace.size=9Gi",), "storage.workspace.size"),
    Pair("FTC241", ("storage=per-pod",), ("storage=job-lifetime",), "storage"),
    Pair(
        "FTC243",
        ("model=qwen3-8b", "storage.model_in_memory_gib=15"),
        ("model=qwen3-8b", "storage.model_in_memory_gib=16"),
        "storage.model_in_memory_gib",
    ),
    Pair(
        "FTC243",
        ("model=none", "dataset=none", "method=none", *COMMAND, "storage.model_in_memory_gib=1"),
        ("model=none", "dataset=none", "method=none", *COMMAND, "storage.model_in_memory_gib=0"),
        "storage.model_in_memory_gib",
    ),
    Pair("FTC242", ("storage.workspace.read_only=true",), ("storage=several-claims",), "storage.workspace"),
    Pair(
        "FTC242",
        ("storage=node-cache", "storage.cache.read_only=true"),
        (
            *("storage=node-cache", "storage.cache.read_only=true", "source@model.source=path"),
            *("source@dataset.source=path", "model.source.path=/cache/m", "dataset.source.path=/cache/d"),
        ),
        "storage.cache",
    ),
    Pair("FTC242", ("storage.workspace.access_mode=ReadOnlyMany",), (), "storage.workspace"),
    Pair("FTC201", ("nodes=2", "storage=per-pod"), ("nodes=1", "storage=per-pod"), "storage.workspace"),
    Pair("FTC201", ("nodes=2", "storage=existing-claim"), ("nodes=2", "storage=shared"), "storage.workspace"),
    Pair("FTC201", ("nodes=2", "storage=job-lifetime"), ("nodes=2", *ALONE), "storage.workspace"),
    Pair(
        "FTC202", ("nodes=2", *ALONE, "storage.cache.access_mode=ReadWriteOnce"), ("nodes=2", *ALONE), "storage.cache"
    ),
    Pair("FTC202", (*COMMAND, "nodes=2", "storage=existing-claim"), (*COMMAND, "nodes=2"), "storage.workspace"),
    Pair(
        "FTC203", ("storage.cache.path=/elsewhere",), ("storage.cache.path=/workspace/elsewhere",), "storage.cache.path"
    ),
    Pair("FTC203", ("storage.cache.path=/workspaces/a",), ("storage.cache.path=/workspace",), "storage.cache.path"),
    Pair(
        "FTC204",
        ("storage=job-lifetime", "storage.cache.mount_path=/workspace"),
        ("storage=job-lifetime", "storage.cache.mount_path=/workspace2"),
        "storage.cache.mount_path",
    ),
    Pair("FTC204", ("storage.workspace.mount_path=/etc/ftc",), ("storage.workspace.mount_path=/etc/ft",), "storage"),
    Pair("FTC204", ("storage.workspace.mount_path=/dev/shm",), ("storage.workspace.mount_path=/shm",), "storage"),
    Pair(
        "FTC205",
        ("storage=job-lifetime", "source@model.source=path", "model.source.path=/workspace/m"),
        ("storage=job-lifetime", "source@model.source=path", "model.source.path=/cache/m"),
        "model.source.path",
    ),
    Pair(
        "FTC205",
        ("storage=job-lifetime", "source@dataset.source=path", "dataset.source.path=/workspace"),
        ("storage=shared", "source@dataset.source=path", "dataset.source.path=/workspace"),
        "dataset.source.path",
    ),
    Pair("FTC206", ("nodes=2", "train.overwrite_cache=true"), ("train.overwrite_cache=true",), "train.overwrite_cache"),
    Pair(
        "FTC209",
        ("storage=per-pod",),
        ("storage=per-pod", "publish=git", "publish.url=https://a.b/c"),
        "storage.workspace",
    ),
    Pair("FTC209", ("storage=per-pod",), ("storage=per-pod", *COMMAND), "storage.workspace"),
    Pair(
        "FTC205",
        ("storage=job-lifetime", "method.quantize={bits: 4, dataset: /workspace/texts.jsonl}"),
        ("storage=job-lifetime", "method.quantize={bits: 4, dataset: /cache/texts.jsonl}"),
        "method.quantize.dataset",
    ),
    Pair(
        "FTC205",
        ("storage=per-pod", "source@model.source=path", "model.source.path=/workspace/m"),
        ("storage=per-pod", "source@model.source=path", "model.source.path=/opt/m"),
        "model.source.path",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize(
    ("overrides", "source"),
    [
        (("storage=nfs",), {"nfs": {"server": "nfs.example.com", "path": "/exports/workspace"}}),
        (("storage=in-memory",), {"emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}),
        (("storage=per-pod",), {"emptyDir": {"sizeLimit": "100Gi"}}),
        (
            ("storage=per-pod-claim", "cluster.storage_class=fast"),
            {
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "storageClassName": "fast",
                            "resources": {"requests": {"storage": "100Gi"}},
                        }
                    }
                }
            },
        ),
    ],
)
def test_a_workspace_of_each_kind(overrides: Sequence[str], source: dict[str, Any]) -> None:
    (volume,) = [v for v in pod(*overrides)["volumes"] if v["name"] == "workspace"]
    assert volume == {"name": "workspace", **source}


def test_a_cache_on_the_node_is_filled_by_every_node() -> None:
    made = pod("storage=node-cache", "nodes=2")
    (volume,) = [v for v in made["volumes"] if v["name"] == "cache"]
    assert volume["hostPath"] == {"path": "/var/cache/ftc", "type": "DirectoryOrCreate"}
    for init in made["initContainers"]:
        assert {"name": "SHARED_CACHE", "value": "false"} in init["env"]
        assert {"name": "cache", "mountPath": "/cache"} in init["volumeMounts"]


def test_several_claims_are_mounted_where_sources_can_name_them() -> None:
    sources = ("source@model.source=path", "model.source.path=/models/qwen3")
    made = pod("storage=several-claims", *sources)
    for container in (*made["initContainers"], *made["containers"]):
        assert {"name": "more-models", "mountPath": "/models", "readOnly": True} in container["volumeMounts"]


def test_the_claims_of_a_run_are_created_on_request() -> None:
    said = ftc("compile", "-t", "storage", "storage=several-claims", "cluster.shared_storage_class=nfs", "namespace=a")
    made = {claim["metadata"]["name"]: claim for claim in yaml.safe_load_all(said.stdout)}
    assert made.keys() == {"workspace", "models", "datasets"}
    assert made["models"]["metadata"]["namespace"] == "a"
    assert made["models"]["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "nfs",
        "resources": {"requests": {"storage": "500Gi"}},
    }


def test_one_claim_for_one_node_is_refused_with_several_nodes() -> None:
    more = "storage.more.models={kind: claim, claim: m, mount_path: /m, access_mode: ReadWriteOnce}"
    (told,) = [d for d in found(more, "nodes=2") if d.severity is Severity.ERROR]
    assert told.code == "FTC202"
    assert told.path == ("storage", "more", "models")


def test_volumes_at_one_path_are_all_reported() -> None:
    more = "storage.more.models={kind: nfs, server: a, path: /b, mount_path: /workspace}"
    assert [d.code for d in found(more) if d.severity is Severity.ERROR] == ["FTC204"]


# The runtime mounts /proc, /sys and /dev in each container (OCI runtime-spec, config-linux.md, "Default
# Filesystems"); a volume over them, or below them, hides the files of the kernel or of the device plugin.
@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/sys", "/sys/fs/cgroup", "/dev", "/dev/shm", "/etc/ftc"])  # noqa: S108 - a path in a container
@pytest.mark.parametrize("key", ["workspace", "cache"])
def test_a_volume_does_not_hide_a_directory_of_the_pod(place: str, key: str) -> None:
    (told,) = [d for d in found("storage=job-lifetime", f"storage.{key}.mount_path={place}") if d.code == "FTC204"]
    assert told.path == ("storage", key, "mount_path")
    assert told.severity is Severity.ERROR


@pytest.mark.parametrize("place", ["/process", "/system", "/devices", "/etc/ftc-data", "/data/proc"])
def test_a_path_with_the_same_prefix_is_not_a_conflict(place: str) -> None:
    assert "FTC204" not in {d.code for d in found("storage=job-lifetime", f"storage.cache.mount_path={place}")}


def test_several_nodes_on_a_claim_for_one_node_are_refused() -> None:
    said = refused("nodes=2", "storage=existing-claim")
    assert "ReadWriteOnce" in said
    assert "'workspace'" in said
    assert "ReadWriteMany" in said.partition("help: ")[2]


def test_two_mistakes_in_one_storage_are_reported_once_each() -> None:
    told = [d.code for d in found("nodes=2", "storage=existing-claim")]
    assert told == ["FTC201"]
