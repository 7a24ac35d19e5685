"""The first line of `ftc why`, one situation for each kind of cause, for VolcanoJobs and for batch Jobs."""

# ruff: noqa: E501 - the texts of the components are that long
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftc.cluster.diagnose import diagnose
from unit.cluster.situations import (
    GPU,
    claim,
    ended,
    event,
    go_dump,
    job,
    kueue_workload,
    node,
    object_of,
    pod,
    pod_group,
    pod_spec,
    queue,
    said,
    snapshot,
    unscheduled,
    vcjob,
    waiting,
)

if TYPE_CHECKING:
    from ftc.cluster.snapshot import Object, Snapshot

QUOTA = (
    'pods "sft-0" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=8, '
    "used: requests.nvidia.com/gpu=2, limited: requests.nvidia.com/gpu=4"
)
SECURITY = (
    'pods "sft-0" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities (container "train" '
    'must set securityContext.capabilities.drop=["ALL"])'
)
LIMITS = 'pods "sft-0" is forbidden: maximum cpu usage per Container is 64, but limit is 128'
PULL = 'failed to resolve reference "registry.example.com/x:1": '
OVERUSED = "resource in cluster is overused: overused nvidia.com/gpu"
GONE = "2026-05-04T11:20:00Z"


def refused_pods(text: str, *, batch: bool) -> Snapshot:
    """A workload whose controller cannot create the pods."""
    if batch:
        return snapshot(one := job(), event(one, "FailedCreate", f"Error creating: {text}"))
    return snapshot(one := vcjob(), event(one, "FailedCreate", go_dump(text)), pod_group("Inqueue"))


def failed(name: str, log: str, code: int = 1, reason: str = "Error", *, batch: bool = False) -> Snapshot:
    """A job of which one container has failed."""
    one = job([said("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")])
    one = one if batch else vcjob("Failed", 1)
    return snapshot(one, pod(of=one, node="a", **ended(code, reason, name)), logs={f"sft-0.{name}": log})


def stuck(reason: str, message: str, *more: Object, batch: bool = False) -> Snapshot:
    """A pod whose first container the kubelet cannot start."""
    one = job() if batch else vcjob(replicas=1)
    return snapshot(one, pod(of=one, node="a", **waiting(reason, message)), node("a"), claim(), *more)


def unplaced(text: str, *more: Object, spec: Object | None = None, batch: bool = False) -> Snapshot:
    """A pod without a node."""
    one = job() if batch else vcjob(replicas=1, spec=spec)
    return snapshot(one, unscheduled(text, of=one, spec=spec or pod_spec()), claim(), *more)


def no(*reasons: str) -> str:
    return (
        f"0/2 nodes are available: {', '.join(reasons)}. preemption: 0/2 nodes are available: 2 No preemption victims."
    )


SUSPENDED = job(suspend=True)
IN_QUEUE = job(suspend=True, labels={"kueue.x-k8s.io/queue-name": "team"})
KUEUE = "kueue.x-k8s.io/v1beta1"
LOCAL = object_of("LocalQueue", "team", KUEUE, spec={"clusterQueue": "all"})
CLUSTER = object_of("ClusterQueue", "all", KUEUE, spec={})
NO_QUOTA = said(
    "QuotaReserved", "False", "Pending", "couldn't assign flavors to pod set main: insufficient unused quota"
)
TAINT = {"key": "dedicated", "value": "serving", "effect": "NoSchedule"}
ZONE_B = {
    "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]}
}
LOST = vcjob("Running", 1)
HELD = job(parallelism=2)

ROWS: list[tuple[str, Snapshot, str, str]] = [
    # the kind; the situation; words of the first line; the first override or command
    (
        "queue-missing",
        snapshot(
            refusal='admission webhook "validatejob.volcano.sh" denied the request: unable to find job queue: queue.scheduling.volcano.sh "reserch" not found;'
        ),
        'queue "reserch" does not exist',
        "cluster.queue=default",
    ),
    (
        "queue-closed",
        snapshot(refusal="can only submit job to queue with state `Open`, queue `night` status is `Closed`;"),
        '"night" is Closed',
        "cluster.queue=default",
    ),
    (
        "webhook-does-not-answer",
        snapshot(
            refusal='failed calling webhook "mutatejob.volcano.sh": Post "https://x": connect: connection refused'
        ),
        "does not answer",
        "",
    ),
    (
        "webhook-refused",
        snapshot(refusal='admission webhook "policy.example.com" denied the request: no team label'),
        "no team label",
        "",
    ),
    (
        "permission-missing",
        snapshot(
            refusal='jobs.batch.volcano.sh is forbidden: User "ann" cannot create resource "jobs" in API group "batch.volcano.sh" in the namespace "team"'
        ),
        "may not create jobs",
        "kubectl auth can-i create jobs -n team",
    ),
    (
        "namespace-missing",
        snapshot(refusal='namespaces "team" not found'),
        '"team" does not exist',
        "kubectl create namespace team",
    ),
    (
        "kind-unknown",
        snapshot(refusal='no matches for kind "Job" in version "batch.volcano.sh/v1alpha1"'),
        "not know Job",
        "-t job",
    ),
    ("name-taken", snapshot(refusal='jobs.batch "sft" already exists'), '"sft" already exists', "naming=generate"),
    ("quota-exceeded", refused_pods(QUOTA, batch=True), 'ResourceQuota "gpu"', "devices=2"),
    ("quota-exceeded", refused_pods(QUOTA, batch=False), 'ResourceQuota "gpu"', "devices=2"),
    ("pod-security", refused_pods(SECURITY, batch=True), 'level "restricted"', "cluster.security=restricted"),
    ("pod-security", refused_pods(SECURITY, batch=False), 'level "restricted"', "cluster.security=restricted"),
    (
        "limit-range",
        refused_pods(LIMITS, batch=True),
        "at most 64 of cpu, but the limit is 128",
        "hardware.cpu_per_device=8",
    ),
    (
        "limit-range",
        refused_pods(LIMITS, batch=False),
        "at most 64 of cpu, but the limit is 128",
        "hardware.cpu_per_device=8",
    ),
    (
        "service-account-missing",
        refused_pods(
            'pods "sft-" is forbidden: error looking up service account team/trainer: serviceaccount "trainer" not found',
            batch=False,
        ),
        '"trainer" does not exist',
        "cluster.service_account=null",
    ),
    (
        "priority-class-missing",
        refused_pods('pods "sft-0" is forbidden: no PriorityClass with name high was found', batch=True),
        '"high" does not exist',
        "cluster.priority_class=null",
    ),
    (
        "runtime-class-missing",
        refused_pods('pods "sft-0" is forbidden: pod rejected: RuntimeClass "ascend" not found', batch=True),
        '"ascend" does not exist',
        "",
    ),
    ("job-suspended", snapshot(SUSPENDED), "is suspended", "kubectl patch job sft"),
    ("job-aborted", snapshot(vcjob("Aborted")), "was aborted", "vcctl job resume"),
    (
        "kueue-local-queue-missing",
        snapshot(
            IN_QUEUE,
            object_of("LocalQueue", "research", KUEUE),
            kueue_workload(IN_QUEUE, said("QuotaReserved", "False", "Inadmissible", "LocalQueue team doesn't exist")),
        ),
        '"team" does not exist',
        "cluster.kueue_queue=research",
    ),
    (
        "kueue-no-quota",
        snapshot(IN_QUEUE, LOCAL, CLUSTER, kueue_workload(IN_QUEUE, NO_QUOTA)),
        "insufficient unused quota",
        "nodes=1",
    ),
    (
        "kueue-queue-stopped",
        snapshot(
            IN_QUEUE,
            LOCAL,
            object_of("ClusterQueue", "all", KUEUE, spec={"stopPolicy": "Hold"}),
            kueue_workload(IN_QUEUE, NO_QUOTA),
        ),
        "stopPolicy is Hold",
        "",
    ),
    (
        "kueue-evicted",
        snapshot(
            IN_QUEUE,
            LOCAL,
            CLUSTER,
            kueue_workload(IN_QUEUE, said("Evicted", "True", "Preempted", "Preempted to accommodate a workload")),
        ),
        "evicted",
        "",
    ),
    ("kueue-not-running", snapshot(IN_QUEUE, LOCAL, CLUSTER), "Kueue does not run", ""),
    (
        "kueue-admitted-but-suspended",
        snapshot(
            IN_QUEUE,
            LOCAL,
            CLUSTER,
            kueue_workload(
                IN_QUEUE,
                said("QuotaReserved", "True", "QuotaReserved", ""),
                said("Admitted", "True", "Admitted", "The workload is admitted"),
            ),
        ),
        "still suspended",
        "",
    ),
    (
        "queue-closed",
        snapshot(
            vcjob(queue="night"),
            queue("night", "Closing"),
            pod_group(least={GPU: "8"}) | {"spec": {"queue": "night"}},
        ),
        '"night" is Closing',
        "cluster.queue=default",
    ),
    (
        "queue-capability",
        snapshot(
            vcjob(queue="night"),
            queue("night", capability={GPU: "8"}),
            one := pod_group() | {"spec": {"queue": "night", "minMember": 2, "minResources": {GPU: "16"}}},
            event(one, "Unschedulable", "queue resource quota insufficient: insufficient nvidia.com/gpu", "Normal"),
        ),
        "at most 8 nvidia.com/gpu",
        "nodes=1",
    ),
    (
        "cluster-full",
        snapshot(
            vcjob(),
            group := pod_group(),
            event(group, "Unschedulable", OVERUSED, "Normal"),
            event(group, "Unschedulable", "0/0 tasks in gang unschedulable: pod group is not ready, 2 minAvailable"),
            node("a"),
            node("b"),
        ),
        "not enough are free",
        "nodes=1",
    ),
    (
        "cluster-too-small",
        snapshot(vcjob(), group, event(group, "Unschedulable", OVERUSED, "Normal"), node("a")),
        "more than all nodes together offer (8)",
        "nodes=1",
    ),
    (
        "resource-unknown",
        snapshot(
            vcjob(),
            group,
            event(group, "Unschedulable", OVERUSED, "Normal"),
            node("a", None, offers={"nvidia.com/gpu.shared": "8"}),
        ),
        "no node offers",
        "hardware.device.resource=nvidia.com/gpu.shared",
    ),
    ("volcano-scheduler-not-running", snapshot(vcjob(), pod_group(None)), "scheduler does not run", "-t job"),
    ("volcano-controllers-not-running", snapshot(vcjob(None)), "controllers do not run", "-t job"),
    (
        "claim-missing",
        unplaced(
            '0/2 nodes are unavailable: 2 plugin VolumeZone pre-predicates failed persistentvolumeclaim "data" not found.',
            spec=pod_spec(volumes=[{"name": "w", "persistentVolumeClaim": {"claimName": "data"}}]),
        ),
        '"data" does not exist',
        "storage.workspace.claim=workspace",
    ),
    (
        "claim-without-storage-class",
        snapshot(
            one := job(),
            unscheduled(no("pod has unbound immediate PersistentVolumeClaims"), of=one),
            held := claim(phase="Pending"),
            event(
                held,
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set",
                "Normal",
            ),
        ),
        "names no storage class",
        "ftc compile -t storage",
    ),
    (
        "storage-class-missing",
        snapshot(
            one,
            unscheduled(no("pod has unbound immediate PersistentVolumeClaims"), of=one),
            slow := claim(phase="Pending", storage_class="nfs"),
            object_of("StorageClass", "nfs-client", "storage.k8s.io/v1"),
            event(slow, "ProvisioningFailed", 'storageclass.storage.k8s.io "nfs" not found'),
        ),
        '"nfs" does not exist (there is "nfs-client")',
        "storage.workspace.storage_class=nfs-client",
    ),
    (
        "claim-not-provisioned",
        snapshot(
            one,
            unscheduled(no("pod has unbound immediate PersistentVolumeClaims"), of=one),
            slow,
            object_of("StorageClass", "nfs", "storage.k8s.io/v1"),
            event(slow, "ProvisioningFailed", "rpc error: quota of the pool is used up"),
        ),
        "quota of the pool is used up",
        "",
    ),
    (
        "claim-lost",
        snapshot(one, unscheduled(no("x"), of=one), claim(phase="Lost", volume="pv-1")),
        "lost its volume pv-1",
        "",
    ),
    (
        "resources-in-use",
        unplaced(no("2 Insufficient nvidia.com/gpu"), node("a"), node("b")),
        "No node has 8 nvidia.com/gpu free",
        "devices=4",
    ),
    (
        "devices-more-than-any-node",
        unplaced(no("2 Insufficient nvidia.com/gpu"), node("a", 4), node("b", 4)),
        "no node has more than 4",
        "devices=4",
    ),
    ("resource-unknown", unplaced(no("2 Insufficient nvidia.com/gpu"), node("a", None)), "no node offers", ""),
    (
        "pod-larger-than-any-node",
        unplaced(no("2 Insufficient cpu"), node("a", cpu=8), node("b", cpu=8)),
        "no node with the devices has more than 8 CPUs",
        "hardware.cpu_per_device=1",
    ),
    (
        "taint-not-tolerated",
        unplaced(
            no("1 Insufficient nvidia.com/gpu", "1 node(s) had untolerated taint(s)"),
            node("a", taints=[TAINT]),
            node("cpu", None),
        ),
        "dedicated=serving:NoSchedule",
        "'pod.spec.tolerations=[{key: dedicated, operator: Equal, value: serving, effect: NoSchedule}]'",
    ),
    (
        "node-selector",
        unplaced(
            no("2 node(s) didn't match Pod's node affinity/selector"),
            node("a", labels={"disk": "nvme"}),
            spec=pod_spec(nodeSelector={"disk": "ssd"}),
        ),
        "disk=ssd fits no node",
        "'pod.spec.nodeSelector={disk: nvme}'",
    ),
    (
        "nodes-cordoned",
        unplaced(no("2 node(s) were unschedulable"), node("a", unschedulable=True), batch=True),
        'node "a" is cordoned',
        "kubectl uncordon a",
    ),
    (
        "nodes-not-ready",
        unplaced(
            no("1 node(s) had untolerated taint(s)"),
            node("a", ready="Unknown", taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]),
        ),
        'node "a" is not ready',
        "kubectl describe node a",
    ),
    (
        "volume-elsewhere",
        snapshot(
            one := job(),
            unscheduled(no("1 node(s) didn't match PersistentVolume's node affinity"), of=one),
            claim(volume="pv"),
            node("a", labels={"zone": "a"}),
            object_of("PersistentVolume", "pv", spec={"nodeAffinity": ZONE_B}),
        ),
        'claim "workspace" cannot be reached',
        "",
    ),
    (
        "host-port-taken",
        unplaced(
            no("1 node(s) didn't have free ports for the requested pod ports", "1 Insufficient cpu"),
            node("a"),
            node("b"),
            spec=pod_spec(train={"ports": [{"hostPort": 29500}]}),
        ),
        "host port 29500 is taken",
        "master_port=29600",
    ),
    (
        "hami-no-device",
        snapshot(
            one := job(),
            waits := unscheduled("0/2 nodes are available: 2 NodeUnfitPod.", of=one),
            event(waits, "FilteringFailed", "2 nodes CardInsufficientMemory(a,b)"),
            claim(),
        ),
        "No node has the device memory",
        "",
    ),
    (
        "scheduler-unknown",
        snapshot(one := job(), pod(of=one, spec=pod_spec(schedulerName="gpu-scheduler")), claim()),
        'No scheduler named "gpu-scheduler" runs',
        "",
    ),
    (
        "queue-missing",
        snapshot(
            one := job(),
            pod(
                of=one,
                spec=pod_spec(schedulerName="volcano"),
                metadata={"annotations": {"scheduling.volcano.sh/queue-name": "reserch"}},
            ),
            claim(),
        ),
        '"reserch" does not exist',
        "cluster.queue=default",
    ),
    (
        "gang-missing",
        snapshot(
            HELD,
            pod(0, HELD, phase="Running", node="a"),
            unscheduled(no("1 Insufficient nvidia.com/gpu"), 1, HELD),
            node("a"),
            claim(),
        ),
        "nothing starts the pods of a batch Job together",
        "kubectl delete job sft -n team",
    ),
    (
        "node-lost",
        snapshot(
            LOST,
            pod(of=LOST, phase="Running", node="a", metadata={"deletionTimestamp": GONE}),
            node("a", ready="Unknown"),
        ),
        "node a is lost",
        "kubectl describe node a",
    ),
    (
        "node-lost",
        snapshot(LOST, pod(of=LOST, phase="Running", node="gone"), node("a")),
        "does not exist any more",
        "kubectl describe node gone",
    ),
    (
        "config-map-missing",
        snapshot(
            one := job(),
            late := pod(of=one, node="a", **waiting("PodInitializing")),
            event(late, "FailedMount", 'MountVolume.SetUp failed for volume "ca" : configmap "company-ca" not found'),
            claim(),
        ),
        'ConfigMap "company-ca" does not exist',
        "kubectl create configmap company-ca -n team",
    ),
    (
        "volume-on-another-node",
        snapshot(
            one := job(),
            late,
            event(
                late,
                "FailedAttachVolume",
                'Multi-Attach error for volume "pv-1" Volume is already used by pod(s) other-0',
            ),
            claim(),
        ),
        "attached to another node",
        "storage.workspace.access_mode=ReadWriteMany",
    ),
    (
        "host-path-missing",
        snapshot(
            one := job(),
            late,
            event(
                late,
                "FailedMount",
                'MountVolume.SetUp failed for volume "d" : hostPath type check failed: /data is not a directory',
            ),
            claim(),
        ),
        "/data",
        "",
    ),
    (
        "secret-missing",
        stuck("CreateContainerConfigError", 'secret "hf-token" not found', object_of("Secret", "huggingface")),
        '"hf-token" does not exist',
        "model.source.token.secret=huggingface",
    ),
    (
        "secret-key-missing",
        stuck(
            "CreateContainerConfigError",
            "couldn't find key token in Secret team/hf",
            object_of("Secret", "hf", data={"HF_TOKEN": "xxx"}),
            batch=True,
        ),
        'does not have the key "token" (it has "HF_TOKEN")',
        "",
    ),
    (
        "image-runs-as-root",
        stuck("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
        "must not run as root",
        "cluster.run_as_user=1000",
    ),
    (
        "image-not-found",
        stuck(
            "ImagePullBackOff",
            f'Back-off pulling image "registry.example.com/x:1": ErrImagePull: {PULL}registry.example.com/x:1: not found',
        ),
        "does not exist in the registry",
        "",
    ),
    (
        "image-pull-unauthorized",
        stuck("ErrImagePull", f"{PULL}unexpected status: 401 Unauthorized", batch=True),
        "refused by the registry",
        "",
    ),
    (
        "registry-unreachable",
        stuck("ErrImagePull", f"{PULL}dial tcp: lookup registry.example.com: no such host"),
        "cannot reach the registry",
        "",
    ),
    (
        "registry-certificate",
        stuck(
            "ErrImagePull", f"{PULL}tls: failed to verify certificate: x509: certificate signed by unknown authority"
        ),
        "does not trust the certificate",
        "",
    ),
    ("image-name-invalid", stuck("InvalidImageName", "couldn't parse image name"), "not a valid name", ""),
    (
        "out-of-memory",
        failed("train", "Running tokenizer on dataset (num_proc=16):  61%", 137, "OOMKilled"),
        "ran out of memory (limit 128Gi) and was killed while the dataset was tokenized",
        "hardware.memory_gib_per_device=32",
    ),
    (
        "image-of-another-architecture",
        failed("fetch-model", "exec /usr/bin/bash: exec format error", 255, batch=True),
        "architecture of the node",
        "",
    ),
    (
        "device-out-of-memory",
        failed(
            "train",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9 GiB.\nftc: error: train ended with status 1 on node 0: the lines above say why",
        ),
        "device ran out of memory",
        "train.per_device_train_batch_size=1",
    ),
    (
        "hub-refused",
        failed("fetch-model", "ftc: error: cannot download org/m at main: GatedRepoError: 401 Client Error."),
        "hub refuses org/m",
        "",
    ),
    (
        "hub-not-found",
        failed(
            "fetch-model",
            "ftc: error: cannot download org/m at main: RepositoryNotFoundError: 404 Client Error.",
            batch=True,
        ),
        "does not have org/m",
        "",
    ),
    (
        "server-unreachable",
        failed(
            "fetch-model",
            "ftc: downloading org/m at main\nrequests.exceptions.ConnectionError: Max retries exceeded with url",
        ),
        "cannot reach the server of org/m",
        "cluster.hub_endpoint=",
    ),
    (
        "path-missing",
        failed(
            "fetch-model",
            "ftc: error: /workspace/m is not a directory: is the path right, and the right volume mounted?",
        ),
        "no directory /workspace/m",
        "source@model.source=huggingface",
    ),
    (
        "volume-full",
        failed(
            "train",
            "ftc: error: /workspace has 212 MiB free, but this run needs 1024: free some space or take a larger volume",
        ),
        "212 MiB are free",
        "",
    ),
    ("device-full", failed("train", "OSError: [Errno 28] No space left on device"), "no space is left", ""),
    (
        "column-missing",
        failed("train", "Traceback (most recent call last):\nKeyError: 'instruction'", batch=True),
        'no column "instruction"',
        "",
    ),
    (
        "module-missing",
        failed("train", "ModuleNotFoundError: No module named 'bitsandbytes'"),
        "package bitsandbytes",
        "",
    ),
    (
        "service-missing",
        snapshot(
            one := job([said("Failed", "True", "BackoffLimitExceeded", "x")]),
            pod(of=one, node="a", spec=pod_spec(subdomain="sft"), **ended(1)),
            logs={"sft-0.train": "ftc: error: the pod of rank 0 did not get an address (sft-0.sft) in 7200 seconds"},
        ),
        'Service "sft", by which the pods find rank 0, does not exist',
        "kubectl delete job sft",
    ),
    (
        "container-failed",
        failed("train", "ValueError: Please update the transformers library", 1),
        "Please update the transformers library",
        "kubectl logs sft-0 -c train -n team",
    ),
    ("container-failed", failed("train", "", 139), "crashed (SIGSEGV)", "kubectl logs"),
    (
        "evicted-disk",
        snapshot(
            one := job(),
            pod(
                of=one,
                node="a",
                phase="Failed",
                reason="Evicted",
                message="The node was low on resource: ephemeral-storage.",
            ),
        ),
        "filled the local disk",
        "",
    ),
    (
        "preempted",
        snapshot(
            one := job(),
            pod(
                of=one,
                node="a",
                phase="Failed",
                conditions=[
                    said(
                        "DisruptionTarget",
                        "True",
                        "PreemptionByScheduler",
                        "preempting to accommodate a higher priority pod",
                    )
                ],
            ),
        ),
        "higher priority",
        "restarts=3",
    ),
    (
        "deadline-exceeded",
        snapshot(
            job(
                [said("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline")],
                activeDeadlineSeconds=60,
            )
        ),
        "activeDeadlineSeconds is 60",
        "",
    ),
    ("failed-without-reason", snapshot(vcjob("Failed", retryCount=3)), "do not exist any more", ""),
    (
        "job-unknown",
        snapshot(vcjob(), name="sftt"),
        'namespace team does not contain a job "sftt" (there is "sft")',
        "kubectl get vcjob,job -n team",
    ),
]


@pytest.mark.parametrize(
    ("kind", "situation", "words", "remedy"), ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)]
)
def test_the_first_line_names_the_cause(kind: str, situation: Snapshot, words: str, remedy: str) -> None:
    found = diagnose(situation).causes
    assert [one.kind for one in found[:1]] == [kind]
    assert words in found[0].text
    shown = next((one.override or one.command for one in found[0].remedies if one.override or one.command), "")
    assert shown.startswith(remedy)
