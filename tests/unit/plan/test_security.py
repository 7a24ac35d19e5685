"""Containers have the cluster's security context, and a writable directory if they do not run as root."""

from __future__ import annotations

from typing import Any

import pytest

from unit.compiling import COMMAND, compiled, ftc, pod, refused, variables
from unit.loading import load

RESTRICTED = "cluster.security=restricted"
STAGED = ("nodes=2", "publish=none", "storage.model_in_memory_gib=1")


def containers(*overrides: str) -> list[Any]:
    body = pod(*overrides)
    return [*body.get("initContainers", []), *body["containers"]]


@pytest.mark.parametrize("security", ["baseline", "restricted"])
@pytest.mark.parametrize("target", ["volcano", "job"])
def test_no_pod_has_the_token_of_its_service_account(security: str, target: str) -> None:
    said = ftc("compile", "-t", target, f"cluster.security={security}", "cluster.service_account=train")
    spec = load(said.stdout)["spec"]
    body = (spec["tasks"][0]["template"] if "tasks" in spec else spec["template"])["spec"]
    assert body["automountServiceAccountToken"] is False
    assert body["serviceAccountName"] == "train"


def test_a_fragment_asks_for_the_token() -> None:
    assert pod("pod.spec.automountServiceAccountToken=true")["automountServiceAccountToken"] is True


def test_registries_have_their_passwords() -> None:
    body = pod("cluster.image_pull_secrets=[a,b]", "pod.spec.imagePullSecrets=[{name: b}, {name: c}]")
    assert body["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    assert "imagePullSecrets" not in pod()


def test_only_the_container_with_the_gpus_of_amd_may_make_every_system_call() -> None:
    found = pod("hardware=mi300x", "publish=git", "publish.url=https://git.example.com/o")
    of_pod = found["securityContext"]["seccompProfile"]["type"]
    types = {
        container["name"]: container.get("securityContext", {}).get("seccompProfile", {}).get("type", of_pod)
        for container in (*found["initContainers"], *found["containers"])
    }
    assert types.pop("train") == "Unconfined"
    assert types == dict.fromkeys(("fetch-model", "fetch-dataset", "publish"), "RuntimeDefault")


def test_baseline_runs_as_the_user_of_the_image() -> None:
    assert pod()["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert all("HOME" not in variables(container) for container in containers())
    assert "ftc-home" not in {volume["name"] for volume in pod()["volumes"]}


@pytest.mark.parametrize(
    ("overrides", "user"),
    [
        ((RESTRICTED,), 1000),
        ((RESTRICTED, "cluster.run_as_user=4711"), 4711),
        (("cluster.run_as_user=4711",), 4711),
    ],
)
def test_a_user_that_is_not_root_owns_the_volumes_of_the_pod(overrides: tuple[str, ...], user: int) -> None:
    assert pod(*overrides)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize("user", ["0", "-1", "2147483648", "root"])
def test_a_user_is_a_number_and_not_root(user: str) -> None:
    assert "cluster.run_as_user" in refused(f"cluster.run_as_user={user}")


def test_restricted_takes_every_capability_from_every_container() -> None:
    side = "pod={spec: {containers: [{name: side, image: 'a:1'}], initContainers: [{name: pre, image: 'a:1'}]}}"
    found = containers(RESTRICTED, side)
    assert {container["name"] for container in found} >= {"fetch-model", "fetch-dataset", "pre", "train", "side"}
    for container in found:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }, container["name"]


def test_a_fragment_may_add_the_one_capability_that_is_allowed() -> None:
    own = "pod.spec.containers=[{name: train, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}]"
    (train,) = [container for container in containers(RESTRICTED, own) if container["name"] == "train"]
    assert train["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}


@pytest.mark.parametrize("overrides", [(RESTRICTED,), ("cluster.run_as_user=7",), (RESTRICTED, *STAGED)])
def test_every_container_writes_to_its_own_home_and_not_to_the_workspace(overrides: tuple[str, ...]) -> None:
    volumes = {volume["name"]: volume for volume in pod(*overrides)["volumes"]}
    assert volumes["ftc-home"] == {"name": "ftc-home", "emptyDir": {}}
    homes = set()
    for container in containers(*overrides):
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "ftc-home"]
        homes.add(mount["subPath"])
        given = variables(container)
        for name in ("HOME", "HF_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME"):
            assert f"{given[name]}/".startswith(f"{mount['mountPath']}/"), name
    assert len(homes) == len(containers(*overrides))


def test_what_the_user_says_of_a_cache_wins() -> None:
    (train,) = [c for c in containers(RESTRICTED, "env.TRITON_CACHE_DIR=/dev/shm/triton") if c["name"] == "train"]
    assert variables(train)["TRITON_CACHE_DIR"] == "/dev/shm/triton"  # noqa: S108 - a value


def test_a_program_of_the_user_has_a_home_too() -> None:
    (train,) = containers(RESTRICTED, *COMMAND, "model=none", "dataset=none", "method=none")
    assert variables(train)["HOME"] == "/home/ftc"


@pytest.mark.parametrize(
    "fragment",
    [
        "pod={spec: {volumes: [{name: ftc-home, emptyDir: {sizeLimit: 1Gi}}]}}",
        "pod={spec: {containers: [{name: train, volumeMounts: [{name: workspace, mountPath: /home/ftc}]}]}}",
    ],
)
def test_the_home_stays_what_it_is(fragment: str) -> None:
    assert "FTC225" in refused(RESTRICTED, fragment)
    compiled(fragment.replace("ftc-home", "ftc-other"))


def test_a_volume_is_not_mounted_over_the_home() -> None:
    assert "FTC204" in refused(RESTRICTED, "storage.workspace.mount_path=/home/ftc")
    compiled("storage.workspace.mount_path=/home/ftc")


# Kubernetes, pkg/apis/core/validation/validation.go, validateSecurityContext: "cannot set `allowPrivilegeEscalation` to
# false and `privileged` to true", and the same with "`capabilities.Add` CAP_SYS_ADMIN". Runtimes also read SYS_ADMIN.
@pytest.mark.parametrize(
    ("context", "escalates"),
    [
        ("privileged: true", True),
        ("capabilities: {add: [CAP_SYS_ADMIN]}", True),
        ("capabilities: {add: [SYS_ADMIN]}", True),
        ("capabilities: {add: [NET_RAW, CAP_SYS_ADMIN]}", True),
        ("privileged: false", False),
        ("capabilities: {add: [CAP_SYS_PTRACE]}", False),
        ("capabilities: {drop: [CAP_SYS_ADMIN]}", False),
        ("runAsUser: 7", False),
    ],
)
def test_the_server_accepts_what_a_fragment_makes_privileged(context: str, escalates: bool) -> None:  # noqa: FBT001 - a row of the table
    own = (f"pod.spec.containers=[{{name: train, securityContext: {{{context}}}}}]",)
    (train,) = [container for container in containers(*own) if container["name"] == "train"]
    assert train["securityContext"].get("allowPrivilegeEscalation") is (None if escalates else False)
