"""Volumes that a fragment mounts exist and do not hide files."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

OWN = "storage=job-lifetime"
MORE = "'storage.more.data={kind: claim, claim: data, mount_path: /data, access_mode: ReadOnlyMany}'"

PUBLISH = "publish=git publish.url=https://git.example.com/o"


def mount(name: str, path: str, more: str = "", container: str = "train") -> str:
    field = "containers" if container in ("train", "publish") else "initContainers"
    inner = f"{{name: {container}, volumeMounts: [{{name: {name}, mountPath: {path}{more}}}]}}"
    return f"'pod={{spec: {{{field}: [{inner}]}}}}'"


def volume(name: str) -> str:
    return f"'{{spec: {{volumes: [{{name: {name}, emptyDir: {{}}}}]}}}}'"


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
    *(
        Pair("FTC225", f"{storage} {group}={volume(name)}", f"{storage} {group}={volume('scratch')}", group)
        for storage, name in (
            ("storage=existing-claim", "workspace"),
            (OWN, "workspace"),
            (OWN, "cache"),
            (MORE, "more-data"),
        )
        for group in ("pod", "cluster.pod", "hardware.pod", "network.pod")
    ),
    Pair("FTC225", mount("workspace", "/workspace", ", subPath: a"), mount("workspace", "/workspace"), "pod.spec"),
    Pair("FTC225", mount("workspace", "/workspace/", ", subPathExpr: a"), mount("workspace", "/w"), "pod.spec"),
    Pair("FTC225", mount("workspace", "/workspace", ", readOnly: true"), mount("workspace", "/workspace"), "pod.spec"),
    Pair(
        "FTC225",
        mount("workspace", "/workspace", ", readOnly: true", "fetch-model"),
        mount("workspace", "/workspace", ", readOnly: false", "fetch-model"),
        "pod.spec",
    ),
    Pair("FTC225", f"{OWN} {mount('cache', '/cache', ', subPath: b')}", f"{OWN} {mount('cache', '/cache')}", "pod"),
    Pair("FTC225", mount("shm", "/a/../etc/ftc"), mount("shm", "/a/../etc/fta"), "pod.spec.containers.0"),
    Pair("FTC225", f"{PUBLISH} {mount('ftc-home', '/h', ', subPath: publish')}", mount("shm", "/h"), "pod.spec"),
    Pair("FTC225", f"{PUBLISH} {mount('ftc-lock', '/l', container='fetch-model')}", mount("shm", "/l"), "pod.spec"),
    Pair("FTC225", mount("shm", "/etc/ftc/train.sh"), mount("shm", "/etc/ftca"), "pod.spec.containers.0"),
    Pair(
        "FTC225",
        f"naming=fixed name=one {mount('shm', '/workspace/one/output')}",
        f"naming=fixed name=one {mount('shm', '/workspace/data')}",
        "pod.spec.containers.0",
    ),
    Pair(
        "FTC225",
        f"{PUBLISH} {mount('workspace', '/workspace', ', readOnly: false', 'publish')}",
        f"{PUBLISH} {mount('workspace', '/workspace', ', readOnly: true', 'publish')}",
        "pod.spec.containers.0",
    ),
    Pair(
        "FTC225",
        f"{PUBLISH} {mount('shm', '/run/ftc-lock/x')}",
        mount("shm", "/run/ftc-lock/x"),
        "pod.spec.containers.0",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_bad_mount_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_good_mount_passes(pair: Pair) -> None:
    passes(pair)
