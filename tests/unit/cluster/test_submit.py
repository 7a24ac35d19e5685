"""`ftc submit` with the real `kubernetes` client and a small server: each fault is named, and nothing is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ftc.cluster.origin import fields, located
from unit.cluster.api_server import serving
from unit.cluster.situations import GPU, Object, claim, node, object_of, pod_spec, queue
from unit.cluster.writable import Cluster, Refusal
from unit.compiling import Said, ftc
from unit.loading import load

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = object_of("Namespace", "team")
GOOD = (NAMESPACE, claim(), node("a"), node("b"))
JOB = "qwen3-0-6b-lora-sft-x7k2p"
TWO = ("-t", "job", "nodes=2", "devices=8")


def submit(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    with serving(cluster, folder) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        return ftc("submit", *arguments)


def kinds(objects: list[Object]) -> list[str]:
    return [one["kind"] for one in objects]


def test_a_run_is_created_after_a_dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch)
    assert said.exit_code == 0, said.stderr
    assert said.stdout == (
        f"created jobs.batch.volcano.sh/{JOB} in namespace team\n"
        f"the run writes to /workspace/{JOB}\n"
        f"next:\n  ftc status {JOB}\n  ftc logs {JOB}\n  ftc why {JOB}\n"
    )
    assert kinds(cluster.dry) == kinds(cluster.created) == ["Job"]


def test_a_service_is_created_before_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, *TWO)
    assert said.exit_code == 0, said.stderr
    assert kinds(cluster.created) == ["Service", "Job"]
    name = cluster.created[1]["metadata"]["name"]
    assert f"the run writes to /workspace/{name}-uid-{name}\n" in said.stdout


def test_a_dry_run_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, *TWO, "--dry-run")
    assert said.exit_code == 0, said.stderr
    assert "would create services/" in said.stdout
    assert (kinds(cluster.dry), cluster.created) == (["Service", "Job"], [])


def test_the_result_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = submit(Cluster(*GOOD), tmp_path, monkeypatch, "--json")
    found = json.loads(said.stdout)
    assert (found["name"], found["namespace"], found["directory"]) == (JOB, "team", f"/workspace/{JOB}")


def test_a_wrong_configuration_asks_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, "nodes=two")
    assert (said.exit_code, cluster.asked) == (1, [])
    assert "override 'nodes=two'" in said.stderr


SCRIPTS: Object = load(ftc("compile", "-t", "scripts").stdout)
MAPPED = ("scripts=configmap",)


def test_the_config_map_of_scripts_is_created_before_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, *MAPPED)
    assert said.exit_code == 0, said.stderr
    assert kinds(cluster.created) == ["ConfigMap", "Job"]
    assert cluster.created[0]["data"] == SCRIPTS["data"]


def test_a_second_run_uses_the_config_map_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD, SCRIPTS)
    said = submit(cluster, tmp_path, monkeypatch, *MAPPED)
    assert said.exit_code == 0, said.stderr
    assert kinds(cluster.created) == ["Job"]


def test_a_refused_job_leaves_no_config_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    cluster.refusals = [Refusal("Job", 403, POLICY).only(dry=False)]
    said = submit(cluster, tmp_path, monkeypatch, *MAPPED)
    assert (said.exit_code, cluster.created) == (3, [])
    assert [path for path, _ in cluster.deleted] == [f"configmaps/{SCRIPTS['metadata']['name']}"]


class Fault(NamedTuple):
    """A cluster, overrides, and what is said: the place, the problem and what helps."""

    cluster: Cluster
    overrides: tuple[str, ...]
    place: str
    problem: str
    help: str


def faulty(*objects: Object, refusals: tuple[Refusal, ...] = (), denied: str = "", without: str = "") -> Cluster:
    cluster = Cluster(*objects, without=(without,))
    cluster.refusals = list(refusals)
    cluster.denied = {("create", denied)} if denied else set()
    return cluster


def enforcing(level: str) -> Object:
    return object_of("Namespace", "team", metadata={"labels": {"pod-security.kubernetes.io/enforce": level}})


def quota(used: str = "0", hard: str = "4", **spec: object) -> Object:
    name = f"requests.{GPU}"
    return object_of(
        "ResourceQuota",
        "gpus",
        spec={"hard": {name: hard}, **spec},
        status={"hard": {name: hard}, "used": {name: used}},
    )


KUEUE = "kueue.x-k8s.io/v1beta1"
PRIORITY = "scheduling.k8s.io/v1"
FIXED = ("naming=fixed", "name=mine")
EXISTING = object_of("Job", "mine", "batch.volcano.sh/v1alpha1")
UNKNOWN = "spec.tasks[0].template.spec.hostUsers"
STRICT = f'Job in version "v1alpha1" cannot be handled as a Job: strict decoding error: unknown field "{UNKNOWN}"'
IMAGE = "spec.template.spec.containers[0].image"
POLICY = 'admission webhook "images.example.com" denied the request: '

FAULTS = {
    "claim": Fault(
        Cluster(NAMESPACE, claim("data"), node("a")),
        ("storage.workspace.claim=other",),
        "override 'storage.workspace.claim=other'",
        'The claim "other" does not exist in the namespace (there is "data").',
        "use a claim that exists: storage.workspace.claim=data",
    ),
    "no claim at all": Fault(
        Cluster(NAMESPACE, node("a")),
        (),
        "conf/storage/shared.yaml",
        'The claim "workspace" does not exist',
        "ftc compile -t storage storage.workspace.claim=workspace | kubectl create -n team -f -",
    ),
    "Secret": Fault(
        Cluster(*GOOD),
        ("model.source.token={secret: hub, key: pass}",),
        "override 'model.source.token={secret: hub, key: pass}'",
        'The Secret "hub" does not exist in the namespace.',
        "kubectl create secret generic hub -n team --from-literal=pass=…",
    ),
    "ConfigMap of scripts with other content": Fault(
        Cluster(*GOOD, {**SCRIPTS, "data": {**SCRIPTS["data"], "train.sh": "other"}}),
        ("scripts=configmap",),
        "override 'scripts=configmap'",
        f'The ConfigMap "{SCRIPTS["metadata"]["name"]}" exists in the namespace, and its content is another one.',
        "carry the scripts in the manifest: scripts=embedded",
    ),
    "ConfigMap": Fault(
        Cluster(*GOOD),
        ("cluster.ca_bundle.config_map=ca",),
        "override 'cluster.ca_bundle.config_map=ca'",
        'The ConfigMap "ca" does not exist',
        "create it",
    ),
    "queue closed": Fault(
        Cluster(*GOOD, queue("training", "Closed")),
        ("cluster.queue=training",),
        "override 'cluster.queue=training'",
        'The Volcano queue "training" is Closed',
        "use an open queue: cluster.queue=default",
    ),
    "queue missing": Fault(
        Cluster(*GOOD),
        ("cluster.queue=training",),
        "override 'cluster.queue=training'",
        'The Volcano queue "training" does not exist',
        "cluster.queue=default",
    ),
    "queue too small": Fault(
        Cluster(*GOOD, queue("training", capability={GPU: "4"})),
        ("cluster.queue=training", "devices=8"),
        "override 'cluster.queue=training'",
        f'The Volcano queue "training" may use at most 4 {GPU}; the gang of 1 pods needs 8.',
        "use another queue",
    ),
    "LocalQueue": Fault(
        Cluster(*GOOD, object_of("LocalQueue", "research", KUEUE)),
        ("-t", "job", "cluster.kueue_queue=training"),
        "override 'cluster.kueue_queue=training'",
        'The LocalQueue "training" does not exist in the namespace (there is "research").',
        "cluster.kueue_queue=research",
    ),
    "no Kueue": Fault(
        faulty(*GOOD, without=KUEUE),
        ("-t", "job", "cluster.kueue_queue=training"),
        "override 'cluster.kueue_queue=training'",
        "Kueue is not installed",
        "cluster.kueue_queue=null",
    ),
    "Pod Security restricted": Fault(
        Cluster(*GOOD[1:], enforcing("restricted")),
        (),
        "conf/cluster/generic.yaml",
        'The namespace enforces the Pod Security level "restricted"',
        "cluster.security=restricted",
    ),
    "Pod Security baseline": Fault(
        Cluster(*GOOD[1:], enforcing("baseline")),
        ("network=host", "nodes=2", "devices=8"),
        "conf/network/host.yaml",
        'The namespace enforces the Pod Security level "baseline"',
        "network=pod",
    ),
    "quota": Fault(
        Cluster(*GOOD, quota(used="2")),
        ("devices=8",),
        "override 'devices=8'",
        f'The ResourceQuota "gpus" of the namespace allows requests.{GPU}=4, and requests.{GPU}=2 is in use',
        "devices=2",
    ),
    "quota for the gang": Fault(
        Cluster(*GOOD, quota(hard="8")),
        ("devices=8", "nodes=2"),
        "override 'devices=8'",
        f"the job needs requests.{GPU}=16",
        "nodes=1",
    ),
    "LimitRange": Fault(
        Cluster(*GOOD, object_of("LimitRange", "most", spec={"limits": [{"type": "Container", "max": {"cpu": "4"}}]})),
        ("hardware.cpu_per_device=16",),
        "override 'hardware.cpu_per_device=16'",
        'The LimitRange "most" allows a container at most 4 of cpu, but the limit is 16',
        "hardware.cpu_per_device=4",
    ),
    "no node with the resource": Fault(
        Cluster(NAMESPACE, claim(), node("a", None, offers={"example.com/npu": "8"})),
        (),
        "conf/hardware/nvidia.yaml",
        f"The job requests {GPU}, which no node offers; the nodes offer example.com/npu.",
        "hardware.device.resource=example.com/npu",
    ),
    "too many devices for a node": Fault(
        Cluster(NAMESPACE, claim(), node("a", 4)),
        ("devices=8",),
        "override 'devices=8'",
        f"A pod requests 8 {GPU}, and no node has more than 4.",
        "devices=4",
    ),
    "too few for the gang": Fault(
        Cluster(*GOOD),
        ("nodes=4", "devices=8"),
        "override 'nodes=4'",
        f"The job needs 4 pods with 8 {GPU} each, and all nodes together have room for 2.",
        "nodes=2",
    ),
    "RBAC": Fault(
        faulty(*GOOD, denied="jobs"),
        (),
        "",
        "You may not create jobs.batch.volcano.sh in the namespace team.",
        "kubectl auth can-i create jobs.batch.volcano.sh -n team",
    ),
    "RBAC of the Service": Fault(
        faulty(*GOOD, denied="services"),
        TWO,
        "",
        "You may not create services in the namespace team.",
        "kubectl auth can-i create services -n team",
    ),
    "PriorityClass": Fault(
        Cluster(*GOOD, object_of("PriorityClass", "high", PRIORITY)),
        ("cluster.priority_class=hgih",),
        "override 'cluster.priority_class=hgih'",
        'The PriorityClass "hgih" does not exist in the cluster (there is "high").',
        "cluster.priority_class=null",
    ),
    "ServiceAccount": Fault(
        Cluster(*GOOD, object_of("ServiceAccount", "default")),
        ("cluster.service_account=trainer",),
        "override 'cluster.service_account=trainer'",
        'The ServiceAccount "trainer" does not exist',
        "cluster.service_account=null",
    ),
    "namespace": Fault(
        Cluster(claim(), node("a")),
        (),
        "conf/config.yaml",
        'The namespace "team" does not exist.',
        "kubectl create namespace team",
    ),
    "no Trainer": Fault(
        Cluster(*GOOD),
        ("-t", "trainjob"),
        "",
        "The cluster does not know TrainingRuntime (trainer.kubeflow.org/v1alpha1)",
        "",
    ),
    "no Volcano": Fault(
        faulty(*GOOD, without="batch.volcano.sh/v1alpha1"),
        (),
        "",
        "The cluster does not know VolcanoJob (batch.volcano.sh/v1alpha1)",
        "-t job",
    ),
    "webhook": Fault(
        faulty(
            *GOOD,
            refusals=(Refusal("Job", 403, f"{POLICY}{IMAGE}: use the registry of the company"),),
        ),
        (*TWO, "image=docker.io/library/trainer:1"),
        "override 'image=docker.io/library/trainer:1'",
        'The admission webhook "images.example.com" refuses the workload',
        "",
    ),
    "webhook at creation": Fault(
        faulty(*GOOD, refusals=(Refusal("Job", 403, f"{POLICY}not today").only(dry=False),)),
        TWO,
        "",
        'The admission webhook "images.example.com" refuses the workload: not today.',
        "",
    ),
    "strict field": Fault(
        faulty(*GOOD, refusals=(Refusal("Job", 400, STRICT),)),
        ("pod.spec.hostUsers=false",),
        "override 'pod.spec.hostUsers=false'",
        f'The API server does not know a field of the manifest: unknown field "{UNKNOWN}".',
        "",
    ),
    "invalid": Fault(
        faulty(
            *GOOD,
            refusals=(
                Refusal("Job", 422, 'Job "x" is invalid: …', ("spec.tasks[0].replicas", "Invalid value: 2: too many")),
            ),
        ),
        ("nodes=2", "devices=8"),
        "override 'nodes=2'",
        "spec.tasks[0].replicas: Invalid value: 2: too many",
        "",
    ),
    "name conflict": Fault(
        Cluster(*GOOD, EXISTING),
        FIXED,
        "override 'name=mine'",
        'The Job "mine" already exists in the namespace.',
        "naming=generate; or delete the old one: ftc delete mine -n team",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_nothing_is_left(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    said = submit(fault.cluster, tmp_path, monkeypatch, *fault.overrides)
    assert (said.stdout, said.exit_code) == ("", 3), said
    error = next(line for line in said.stderr.splitlines() if "error[" in line)
    assert fault.problem in error
    assert error.startswith(fault.place or "error[")
    helped = [line for line in said.stderr.splitlines() if line.startswith("  help: ")]
    assert fault.help in "\n".join(helped)
    assert fault.cluster.created == []


def test_the_line_of_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text(ftc("compile", "-t", "job", "nodes=2", "devices=8").stdout)
    line = next(n for n, text in enumerate(manifest.read_text().splitlines(), 1) if "claimName: workspace" in text)
    cluster = Cluster(NAMESPACE, claim("data"), node("a"), node("b"))
    said = submit(cluster, tmp_path, monkeypatch, "-f", str(manifest))
    assert (said.stdout, said.exit_code, cluster.created) == ("", 3, [])
    assert f"{manifest}:{line}:" in said.stderr
    assert "error[claim-missing]" in said.stderr
    assert "storage.workspace.claim=data" not in said.stderr


def test_a_file_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text(ftc("compile").stdout)
    cluster = Cluster(*GOOD)
    assert submit(cluster, tmp_path, monkeypatch, "-f", str(manifest)).exit_code == 0
    assert kinds(cluster.created) == ["Job"]


@pytest.mark.parametrize("number", [0, 2])
def test_files_hold_one_job(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.yaml"
    job = ftc("compile").stdout
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n"
    manifest.write_text("---\n".join([job] * number) or service)
    said = submit(Cluster(*GOOD), tmp_path, monkeypatch, "-f", str(manifest))
    assert said.exit_code == 1
    assert "give the manifest of one job" in said.stderr


def test_a_manifest_with_errors_asks_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text(ftc("compile").stdout.replace("minAvailable: 1", "minAvailable: 5"))
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, "-f", str(manifest))
    assert (said.exit_code, cluster.asked) == (1, [])


def test_preflight_can_be_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(NAMESPACE, claim(), node("a", None))
    said = submit(cluster, tmp_path, monkeypatch, "--ignore-preflight")
    assert (said.exit_code, kinds(cluster.created)) == (0, ["Job"])
    assert f"note[cluster]: The job requests {GPU}, which no node offers" in said.stderr


def test_a_job_that_has_to_wait_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = object_of("Pod", "other", spec=pod_spec() | {"nodeName": "a"})
    cluster = Cluster(*GOOD, other)
    said = submit(cluster, tmp_path, monkeypatch, "nodes=2", "devices=8")
    assert (said.exit_code, kinds(cluster.created)) == (0, ["Job"])
    assert "the nodes have room for 1 of them now" in said.stderr


def test_a_missing_permission_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    unseen = ("nodes", "persistentvolumeclaims", "resourcequotas", "limitranges", "queues")
    cluster.denied = {("get", "namespaces"), ("get", "secrets"), *(("list", one) for one in unseen)}
    said = submit(cluster, tmp_path, monkeypatch, "model.source.token={secret: hub, key: pass}")
    assert (said.exit_code, kinds(cluster.created)) == (0, ["Job"])
    for one in unseen:
        assert f"you may not list {one}: " in said.stderr
    assert 'you may not get the Secret "hub": it is not checked' in said.stderr


def test_what_cannot_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = faulty(*GOOD, refusals=(Refusal("Job", 403, f"{POLICY}no"),))
    cluster.denied = {("delete", "services")}
    said = submit(cluster, tmp_path, monkeypatch, *TWO)
    name = cluster.created[0]["metadata"]["name"]
    assert said.exit_code == 3
    assert f"help: kubectl delete services {name} -n team" in said.stderr


def test_a_webhook_without_dry_run_does_not_stop_the_creation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    words = 'admission webhook "w.example.com" does not support dry run'
    cluster.refusals = [Refusal("Job", 400, words).only(dry=True)]
    said = submit(cluster, tmp_path, monkeypatch)
    assert (said.exit_code, kinds(cluster.created)) == (0, ["Job"])
    assert "a webhook does not support a dry run" in said.stderr


def test_text_of_the_cluster_is_escaped_and_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_" + "a1" * 20
    cluster = faulty(*GOOD, refusals=(Refusal("Job", 403, f"{POLICY}\x1b[31m{token}"),))
    said = submit(cluster, tmp_path, monkeypatch)
    assert said.exit_code == 3
    assert "\x1b" not in said.stderr
    assert token not in said.stderr


def test_the_namespace_of_the_manifest_wins_and_another_one_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, "namespace=team", "-n", "other")
    assert (said.exit_code, cluster.asked) == (1, [])
    assert "the manifest names the namespace team" in said.stderr


def test_a_refusal_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(NAMESPACE, claim("data"), node("a"))
    said = submit(cluster, tmp_path, monkeypatch, "storage.workspace.claim=other", "--json")
    (found,) = json.loads(said.stderr)
    assert (said.stdout, said.exit_code) == ("", 3)
    assert (found["name"], found["override"]) == ("claim-missing", "storage.workspace.claim=other")


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Cluster(*GOOD), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
    said = ftc("submit")
    assert (said.stdout, said.exit_code, said.stderr.count("\n")) == ("", 3, 1)
    assert "does not answer" in said.stderr


CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: workspace}\nspec:\n"
CLAIM += "  accessModes: [ReadWriteMany]\n  resources: {requests: {storage: 1Gi}}\n"


def test_an_object_of_the_files_need_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text(f"{CLAIM}---\n{ftc('compile').stdout}")
    cluster = Cluster(NAMESPACE, node("a"))
    assert submit(cluster, tmp_path, monkeypatch, "-f", str(manifest)).exit_code == 0
    assert kinds(cluster.created) == ["PersistentVolumeClaim", "Job"]


def test_an_object_of_the_files_that_exists_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text(f"{CLAIM}---\n{ftc('compile').stdout}")
    cluster = Cluster(*GOOD)
    said = submit(cluster, tmp_path, monkeypatch, "-f", str(manifest))
    assert (said.exit_code, cluster.created) == (3, [])
    assert f"{manifest}:3:" in said.stderr
    assert 'The PersistentVolumeClaim "workspace" already exists' in said.stderr
    assert "omit it from the files" in said.stderr


def test_a_busy_server_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    cluster.busy = 2
    assert submit(cluster, tmp_path, monkeypatch).exit_code == 0
    assert kinds(cluster.created) == ["Job"]


def test_a_job_whose_answer_was_lost_keeps_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    cluster.loses = "Job"
    said = submit(cluster, tmp_path, monkeypatch, *TWO)
    assert said.exit_code == 0, said.stderr
    assert kinds(cluster.created) == ["Service", "Job"]


def test_a_lost_answer_about_a_name_that_the_server_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    cluster.loses = "Job"
    said = submit(cluster, tmp_path, monkeypatch)
    assert (said.exit_code, said.stdout) == (3, "")
    assert "it may exist nevertheless" in said.stderr


@pytest.mark.parametrize("without", ["", "batch.volcano.sh/v1alpha1"])
def test_a_cluster_may_hide_its_kinds(without: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD, without=(without,))
    cluster.hides_kinds = True
    said = submit(cluster, tmp_path, monkeypatch)
    assert (said.exit_code, kinds(cluster.created)) == ((3, []) if without else (0, ["Job"]))
    assert ("error[kind-unknown]" in said.stderr) is bool(without)


def test_kueue_may_serve_its_newer_version_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = "kueue.x-k8s.io/v1beta2"
    cluster = Cluster(*GOOD, object_of("LocalQueue", "team", newer), without=(KUEUE,))
    cluster.served[newer] = {"localqueues": "LocalQueue", "clusterqueues": "ClusterQueue"}
    said = submit(cluster, tmp_path, monkeypatch, "-t", "job", "cluster.kueue_queue=team")
    assert (said.exit_code, kinds(cluster.created)) == (0, ["Job"])


def test_a_stopped_local_queue_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = object_of("LocalQueue", "team", KUEUE, spec={"stopPolicy": "Hold"})
    said = submit(Cluster(*GOOD, stopped), tmp_path, monkeypatch, "-t", "job", "cluster.kueue_queue=team")
    assert said.exit_code == 3
    assert 'The LocalQueue "team" does not admit work: spec.stopPolicy is Hold.' in said.stderr


def test_a_field_with_dots_in_its_key_is_found() -> None:
    content = {"metadata": {"labels": {"a.b/c": "x"}}, "spec": {"tasks": [{"limits": {"x.y/z": 1}}]}}
    assert located(content, "metadata.labels[a.b/c]") == ("metadata", "labels", "a.b/c")
    assert located(content, "metadata.labels.a.b/c") == ("metadata", "labels", "a.b/c")
    assert located(content, "spec.tasks[0].limits.x.y/z") == ("spec", "tasks", 0, "limits", "x.y/z")
    assert located(content, "spec.tasks[0].missing.deep") == ("spec", "tasks", 0)
    assert located(content, "spec.tasks[9]") == ("spec", "tasks")
    assert fields("denied: spec.task[0].template.spec: Required value.") == ["spec.tasks[0].template.spec"]


@pytest.mark.parametrize(("target", "line"), [("volcano", "replicas: 4"), ("job", "parallelism: 4")])
def test_the_number_of_nodes_of_a_file_is_named(
    target: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text(ftc("compile", "-t", target, "nodes=4", "devices=8").stdout)
    number = next(n for n, text in enumerate(manifest.read_text().splitlines(), 1) if line in text)
    said = submit(Cluster(*GOOD), tmp_path, monkeypatch, "-f", str(manifest))
    assert said.exit_code == 3
    assert f"{manifest}:{number}:" in said.stderr
    assert "error[cluster-too-small]" in said.stderr
    assert "nodes=2" not in said.stderr


def test_a_name_of_the_server_cannot_move_the_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(*GOOD)
    cluster.on_create = lambda made: made["metadata"].update(name="a\x1b[2Jb")
    said = submit(cluster, tmp_path, monkeypatch)
    assert (said.exit_code, "\x1b" in said.stdout) == (0, False)


def job_set(pod: Object) -> Object:
    replicated = {"name": "w", "replicas": 2, "template": {"spec": {"template": {"spec": pod}}}}
    return object_of("JobSet", "js", JOB_SET, spec={"replicatedJobs": [replicated]})


JOB_SET = "jobset.x-k8s.io/v1alpha2"


def test_the_manifest_of_another_kind_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps(job_set(pod_spec())))
    cluster = Cluster(*GOOD[1:], enforcing("baseline"))
    cluster.served[JOB_SET] = {"jobsets": "JobSet"}
    said = submit(cluster, tmp_path, monkeypatch, "-f", str(manifest))
    assert (said.exit_code, kinds(cluster.created)) == (0, ["JobSet"]), said
    assert "the run writes to" not in said.stdout
