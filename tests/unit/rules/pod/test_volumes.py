"""Volumes that a fragment mounts exist and do not hide files."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

OWN = "storage=job-lifetime"
MORE = "'storage.more.data={kind: claim, claim: data, mount_path: /data, access_mode: ReadOnlyMany}'"


def mount(name: str, path: str, more: str = "", container: str = "train") -> str:
    field = "containers" if container == "train" else "initContainers"
    inner = f"{{name: {container}, volumeMounts: [{{name: {name}, mountPath: {path}{more}}}]}}"
    return f"'pod={{spec: {{{field}: [{inner}]}}}}'"


PAIRS = (
    Pair("FTC586", f"{OWN} naming=fixed", OWN, "storage.workspace"),
    Pair(
        "FTC221",
        f"{OWN} ttl_seconds_after_finished=60",
        "storage=shared ttl_seconds_after_finished=60",
        "ttl_seconds_after_finished",
    ),
    Pair(
        "FTC222",
        f"{OWN} storage.workspace.size=1G storage.min_free_gib=1",
        f"{OWN} storage.workspace.size=1Gi storage.min_free_gib=1",
        "storage.workspace.size",
    ),
    Pair(
        "FTC223",
        f"{OWN} storage.cache.mount_path=/usr/lib",
        f"{OWN} storage.cache.mount_path=/usr/share/models",
        "storage.cache.mount_path",
    ),
    Pair(
        "FTC223",
        "'storage.more.tools={kind: claim, claim: tools, mount_path: /usr/local, access_mode: ReadOnlyMany}'",
        "'storage.more.tools={kind: claim, claim: tools, mount_path: /opt/tools, access_mode: ReadOnlyMany}'",
        "storage.more.tools.mount_path",
    ),
    Pair(
        "FTC223",
        mount("workspace", "/etc/"),
        mount("workspace", "/etc/localtime", ", subPath: localtime"),
        "pod.spec.containers.0.volumeMounts.0",
    ),
    Pair(
        "FTC224",
        mount("worksapce", "/data"),
        mount("workspace", "/data"),
        "pod.spec.containers.0.volumeMounts.0",
    ),
    Pair("FTC224", f"{OWN} {mount('workspace', '/a')}", f"{OWN} {mount('cache', '/a')}", "pod.spec.containers.0"),
    Pair(
        "FTC225",
        mount("shm", "/etc/ftc", container="fetch-model"),
        mount("workspace", "/workspace", ", readOnly: false", "fetch-model"),
        "pod.spec.initContainers.0.volumeMounts.0",
    ),
    Pair(
        "FTC225",
        f"{MORE} {mount('shm', '/data')}",
        f"{MORE} {mount('shm', '/other')}",
        "pod.spec.containers.0",
    ),
    Pair("FTC225", f"nodes=2 {mount('shm', '/etc/volcano')}", mount("shm", "/etc/volcano"), "pod.spec.containers.0"),
    Pair(
        "FTC225",
        "cluster.ca_bundle.config_map=ca 'pod={spec: {volumes: [{name: ca, emptyDir: {}}]}}'",
        "'pod={spec: {volumes: [{name: ca, emptyDir: {}}]}}'",
        "pod.spec.volumes.0",
    ),
    Pair(
        "FTC225",
        "'pod={spec: {volumes: [{name: ftc, emptyDir: {}}]}}'",
        "'pod={spec: {volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 16Gi}}]}}'",
        "pod.spec.volumes.0",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_bad_mount_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_good_mount_passes(pair: Pair) -> None:
    passes(pair)
