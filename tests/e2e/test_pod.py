"""The stand-in for controller and kubelet behaves like them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from e2e.pod import Cluster, Image, Json, expand
from e2e.volcano import VolcanoJob
from e2e.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster whose image is this machine's /usr."""
    image = Image((), {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    return Cluster(tmp_path / "cluster", image, secrets={"login": {"password": "p$(X)"}})


def manifest(script: str, *, replicas: int = 1, plugins: bool = True, **job: object) -> Json:
    """A job whose pods run a script in an init container and again in a container."""
    container = {
        "image": "any",
        "command": ["bash", "-c", script],
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}, {"name": "own", "mountPath": "/own"}],
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "initContainers": [{"name": "first", **container}],
        "containers": [{"name": "train", **container}],
        "volumes": [
            {"name": "shared", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "own", "emptyDir": {}},
        ],
    }
    task = {"name": "worker", "replicas": replicas, "template": {"metadata": {}, "spec": pod}}
    spec = {"plugins": {"svc": [], "env": []} if plugins else {}, "tasks": [task], "maxRetry": 3, **job}
    return {"metadata": {"generateName": "job-"}, "spec": spec}


def run(cluster: Cluster, job: Json) -> VolcanoJob:
    """Run a job to its end."""
    return VolcanoJob(job, cluster).start().wait(60)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "a"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$(B)", "$(B)"),
        ("$A $ $(A", "$A $ $(A"),
        ("$$", "$"),
        ("$(A)$$(A)$(A)", "a$(A)a"),
    ],
)
def test_variables_are_expanded_as_the_kubelet_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "a"}) == expanded


def test_variables_come_from_the_manifest_the_secret_the_labels_and_the_plugins(cluster: Cluster) -> None:
    job = manifest("true")
    container = job["spec"]["tasks"][0]["template"]["spec"]["containers"][0]
    container["env"] = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "JOB", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['volcano.sh/job-name']"}}},
        {"name": "BOTH", "value": "$(JOB):$(PASSWORD):$(VC_TASK_INDEX)"},
        {"name": "VC_TASK_INDEX", "value": "overwritten"},
    ]
    container["command"] = ["bash", "-c", 'printf "%s\\n" "$BOTH" "$VC_WORKER_HOSTS" "$VC_TASK_INDEX" "$1"', "$(JOB)"]
    container["args"] = ["$(VC_TASK_INDEX)"]
    done = run(cluster, job)
    assert done.succeeded, done.log
    host = f"{done.name}-worker-0.{done.name}"
    assert done.log.splitlines() == [f"{done.name}:p$(X):$(VC_TASK_INDEX)", host, "0", "0"]


def test_pods_share_a_claim_and_keep_an_empty_directory_to_themselves(cluster: Cluster) -> None:
    script = 'echo "$HOSTNAME" >>/shared/names; echo "$HOSTNAME" >>/own/names; cat /own/names'
    done = run(cluster, manifest(script, replicas=2))
    assert done.succeeded, done.log
    assert len((cluster.claim("data") / "names").read_text().splitlines()) == 4
    for pod in done.pods:
        assert pod.log("train").splitlines() == [pod.identity.name] * 2


def test_files_of_the_downward_api_are_the_annotations(cluster: Cluster) -> None:
    job = manifest("cat /etc/ftc/file; ls -l /etc/ftc/file; touch /etc/hosts 2>/dev/null || echo read-only")
    template = job["spec"]["tasks"][0]["template"]
    template["metadata"]["annotations"] = {"ftc.dev/file": "as it is: $(X) $$ `id` é\n"}
    item = {"path": "file", "fieldRef": {"fieldPath": "metadata.annotations['ftc.dev/file']"}}
    template["spec"]["volumes"].append({"name": "ftc", "downwardAPI": {"items": [item]}})
    template["spec"]["containers"][0]["volumeMounts"].append({"name": "ftc", "mountPath": "/etc/ftc"})
    template["spec"]["initContainers"][0]["command"] = ["true"]
    done = run(cluster, job)
    assert done.log.splitlines()[0] == "as it is: $(X) $$ `id` é"
    assert done.log.splitlines()[1].startswith("-rw-r--r--")
    assert done.log.splitlines()[2] == "read-only"


@pytest.mark.parametrize("plugins", [True, False])
def test_pods_resolve_each_other_only_with_the_svc_plugin(cluster: Cluster, plugins: bool) -> None:  # noqa: FBT001
    job = manifest("getent hosts ${HOSTNAME%-*}-1.${HOSTNAME%-worker-*}", replicas=2, plugins=plugins)
    assert run(cluster, job).succeeded == plugins


def test_a_volume_of_the_job_is_not_there_in_init_containers(cluster: Cluster) -> None:
    volume = {"mountPath": "/results", "volumeClaim": {"accessModes": ["ReadWriteMany"]}}
    done = run(cluster, manifest("test -d /results && echo there || echo missing", volumes=[volume]))
    assert done.log.splitlines() == ["missing", "there"]


def test_a_failed_pod_restarts_the_whole_job_one_time_less_than_max_retry(cluster: Cluster) -> None:
    script = "[[ $VC_TASK_INDEX == 1 ]] && exit 7; exec sleep 60"
    job = manifest(script, replicas=2, policies=[{"event": "PodFailed", "action": "RestartJob"}])
    for task in job["spec"]["tasks"]:
        del task["template"]["spec"]["initContainers"]
    done = run(cluster, job)
    assert not done.succeeded
    assert [[pod.status for pod in pods] for pods in done.attempts] == [
        [137, 7]
    ] * 3  # as first process, sleep ignores SIGTERM


def test_a_signal_reaches_the_first_process_of_a_container(cluster: Cluster) -> None:
    job = manifest('trap "echo caught; exit 3" TERM; echo ready; while true; do sleep 0.1; done')
    del job["spec"]["tasks"][0]["template"]["spec"]["initContainers"]
    running = VolcanoJob(job, cluster).start()
    wait_until(lambda: "ready" in running.log)
    running.pods[0].signal(signal.SIGTERM)
    assert running.wait(10).pods[0].status == 3
    assert "caught" in running.log


def secured(script: str, pod: Json, container: Json) -> Json:
    """The job with security contexts, without an init container."""
    job = manifest(script)
    spec = job["spec"]["tasks"][0]["template"]["spec"]
    del spec["initContainers"]
    spec["securityContext"] = pod
    spec["containers"][0]["securityContext"] = container
    return job


def test_a_container_runs_as_its_user_in_its_groups(cluster: Cluster) -> None:
    pod = {"runAsUser": 4711, "runAsGroup": 4712, "fsGroup": 4713, "supplementalGroups": [4714]}
    script = "id -u; id -g; id -G; touch /own/a /shared/a && echo written"
    done = run(cluster, secured(script, pod, {"runAsUser": 4715}))
    assert done.log.splitlines() == ["4715", "4712", "4712 4713 4714", "written"]
    assert (cluster.claim("data") / "a").stat().st_uid == 4715
    assert (cluster.claim("data") / "a").stat().st_gid == 4713


def test_without_the_group_a_user_cannot_write_to_a_volume_of_root(cluster: Cluster) -> None:
    done = run(cluster, secured("touch /shared/a", {"runAsUser": 4711}, {}))
    assert not done.succeeded
    assert "Permission denied" in done.log


def test_dropped_capabilities_and_escalation_are_gone(cluster: Cluster) -> None:
    script = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status"
    status = run(cluster, secured(script, {}, {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}))
    values = dict(line.split(":\t") for line in status.log.splitlines())
    assert {values[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert values["NoNewPrivs"] == "1"
    assert "CapEff:\t0000000000000000" not in run(cluster, secured(script, {}, {})).log


def test_a_read_only_root_is_read_only_and_volumes_are_not(cluster: Cluster) -> None:
    script = "touch /own/a && ! touch /tmp/a && ! touch /a && ! touch /usr/a && echo right"
    assert "right" in run(cluster, secured(script, {}, {"readOnlyRootFilesystem": True})).log
    assert "right" not in run(cluster, secured(script, {}, {})).log
