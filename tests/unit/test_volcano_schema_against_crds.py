"""volcano-job.schema.json against Volcano's own resource definitions, by mutation of good jobs.

Whatever a definition refuses, ours refuses; what ours refuses beyond it is on a written list. The definitions are data
of Volcano (Apache-2.0) that lies beside the repository, where it lies there at all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ftc.output_schemas import volcano_job

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "reference"
RELEASES = {"1.10": "v1.10.0", "1.12": "v1.12.4", "1.15": "v1.15.1"}
NEWEST = "1.15"
NEWEST_KUBERNETES = "1.37"
Place = tuple[str | int, ...]
Json = dict[str, Any]
INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the resource definitions are not beside the repository")

# --- good jobs, small ones that use every field between them ---

HEAD = "{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: tune}}"
TASKS = "[{replicas: 1, template: {spec: {containers: [{name: train}]}}}]"

# The spec of each, by its subject and the oldest Volcano that takes it.
SPECS = {
    ("scheduling", "1.9"): """
        schedulerName: volcano
        queue: default
        priorityClassName: high
        minAvailable: 1
        minSuccess: 1
        maxRetry: 3
        ttlSecondsAfterFinished: 600
        runningEstimate: 1h30m
    """,
    ("plugins", "1.9"): """
        plugins:
          svc: ["--disable-network-policy=true"]
          env: []
          ssh: ["--ssh-key-file-path=/home/a/.ssh"]
          pytorch: ["--master=master", "--port=23456"]
          tensorflow: ["--ps=ps"]
          mpi: ["--worker=worker"]
    """,
    ("policies", "1.9"): """
        policies:
          - {event: PodFailed, action: RestartJob, timeout: 10s}
          - {events: [PodEvicted, Unknown], action: TerminateJob}
          - {exitCode: 2, action: AbortJob}
    """,
    ("volumes", "1.9"): """
        volumes:
          - {mountPath: /data, volumeClaimName: data}
          - mountPath: /scratch
            volumeClaim:
              accessModes: [ReadWriteMany]
              storageClassName: nfs
              volumeMode: Filesystem
              resources: {requests: {storage: 10Gi}}
              selector: {matchLabels: {disk: fast}}
    """,
    ("tasks", "1.9"): """
        tasks:
          - name: first
            replicas: 1
            minAvailable: 1
            maxRetry: 2
            topologyPolicy: best-effort
            policies: [{event: TaskCompleted, action: CompleteJob}]
            template: {spec: {containers: [{name: train}]}}
          - name: second
            replicas: 1
            dependsOn: {name: [first], iteration: any}
            template: {spec: {containers: [{name: train}]}}
    """,
    ("topology", "1.12"): """
        networkTopology: {mode: hard, highestTierAllowed: 2}
    """,
    ("pending", "1.12"): """
        networkTopology: {mode: soft}
        policies: [{event: PodPending, action: RestartPod, timeout: 10m}]
    """,
    ("partitions", "1.15"): """
        networkTopology: {mode: soft, highestTierName: rack}
        policies: [{event: PodFailed, action: RestartPartition}]
        tasks:
          - replicas: 4
            partitionPolicy:
              totalPartitions: 2
              partitionSize: 2
              minPartitions: 1
              networkTopology: {mode: hard, highestTierAllowed: 1}
            template: {spec: {containers: [{name: train}]}}
    """,
    ("newer plugins", "1.15"): """
        networkTopology: {highestTierName: rack}
        plugins: {ray: ["--head=head"], hcclrank: ["--master=a"], ssh: ["--ssh-port=2222"]}
    """,
}

PODS = (
    """
    metadata: {name: tune, namespace: a, finalizers: [x.dev/y], labels: {team: a}, annotations: {ftc.dev/note: x}}
    spec:
      restartPolicy: Never
      enableServiceLinks: false
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      priorityClassName: high
      terminationGracePeriodSeconds: 30
      imagePullSecrets: [{name: registry}]
      securityContext: {runAsUser: 1000, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch}
      containers: [{name: train}]
    """,
    """
    spec:
      nodeSelector: {disk: fast}
      tolerations: [{key: npu, operator: Exists, effect: NoSchedule, tolerationSeconds: 5}]
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {team: a}}}
      containers: [{name: train}]
    """,
    """
    spec:
      initContainers: [{name: fetch, image: git, args: [clone]}]
      containers:
        - name: train
          image: tune
          imagePullPolicy: Always
          command: [bash]
          workingDir: /workspace
          env: [{name: A, value: b}, {name: C, valueFrom: {secretKeyRef: {name: token, key: t, optional: true}}}]
    """,
    """
    spec:
      containers:
        - name: train
          resources: {limits: {cpu: 500m, nvidia.com/gpu: 8}}
          ports: [{containerPort: 6006, name: board, protocol: TCP}]
          volumeMounts: [{name: shm, mountPath: /dev/shm, readOnly: false}]
          readinessProbe: {httpGet: {path: /, port: board, scheme: HTTP}, periodSeconds: 5}
          securityContext: {privileged: false, capabilities: {add: [IPC_LOCK]}}
    """,
    """
    spec:
      containers: [{name: train}]
      volumes:
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: 64Gi}}
        - {name: data, persistentVolumeClaim: {claimName: data}}
        - {name: host, hostPath: {path: /usr/local/Ascend, type: Directory}}
        - {name: note, downwardAPI: {items: [{path: note, fieldRef: {fieldPath: metadata.name}}]}}
    """,
)

# --- what ours refuses beyond the definition ---


@dataclass(frozen=True)
class Stricter:
    """Mutations (`<path>: <what was done>`) that ours alone refuses, and why."""

    where: str
    why: str


POLICY = r"job/spec(/tasks/\d)?/policies"
SERVER = "the API server checks it for every kind, so a resource definition does not"
SILENT = "Volcano takes it, and does not do what it says"

STRICTER = (
    Stricter(r"job: = \{\}", SERVER),
    Stricter(r"job: with status", "the controller writes it; the server drops it on creation"),
    Stricter(r"job/(apiVersion|kind|metadata): (without|= .*)", SERVER),
    Stricter(r"job/metadata(/.*|: with \w+)", SERVER),
    Stricter(r"job/spec: (without|= \{\})", "webhook: no task specified"),
    Stricter(r"job/spec/tasks: without", "webhook: no task specified"),
    Stricter(r"job/spec/tasks/\d: = \{\}", "webhook: a template needs containers"),
    Stricter(r"job/spec/tasks/\d/template: (without|= \{\})", "webhook: a template needs containers"),
    Stricter(r"job/spec/tasks/\d/replicas: without", f"{SILENT}: it counts as 0, and no pod is made"),
    Stricter(r"job/spec/tasks/\d/dependsOn/iteration: = .*", f"{SILENT}: it knows any and all"),
    Stricter(r"job/spec/tasks/\d: twice", "webhook: duplicated task name"),
    Stricter(rf"{POLICY}/\d/action: (without|= .*)", "webhook: invalid policy action"),
    Stricter(rf'{POLICY}/\d/(event|events/\d): = "OutOfSync"', "webhook: invalid policy event"),
    Stricter(rf"{POLICY}/\d/events: = \[\]", "webhook: event or exitCode is needed"),
    Stricter(rf"{POLICY}/\d/(event|events|exitCode): without", "webhook: event or exitCode is needed"),
    Stricter(rf"{POLICY}/\d: with (event|events|exitCode)", "webhook: not event and exitCode at once"),
    Stricter(rf"{POLICY}/\d/exitCode: = 0", "webhook: 0 is not an error code"),
    Stricter(rf"{POLICY}/\d: twice", "webhook: duplicate event or exit code"),
    Stricter(rf"{POLICY}/\d: = \{{\}}", "webhook: event or exitCode is needed"),
    Stricter(r"job/spec/(.*/timeout|runningEstimate): = .*", "the webhook decodes only Go durations"),
    Stricter(r"job/spec/plugins: with \w+", "webhook: unable to find job plugin"),
    Stricter(r"job/spec/plugins/\w+: renamed", "webhook: unable to find job plugin"),
    Stricter(r"job/spec/plugins/\w+/\d: = .*", f"{SILENT}: it reads no flag from the first wrong one on"),
    Stricter(r"job/spec/volumes/\d: twice", "webhook: duplicated mountPath"),
    Stricter(r"job/spec/volumes/\d/volumeClaim(Name)?: without", "webhook: a claim is needed, by name or definition"),
    Stricter(r"job/spec/volumes/\d/volumeClaimName: = .*", "webhook: invalid volumeClaimName"),
    Stricter(r"job/spec/volumes/\d: with volumeClaim(Name)?", "webhook: not two claims"),
    Stricter(r"job/spec/volumes/\d/volumeClaim/(accessModes/0|volumeMode|selector/.*): = .*", SERVER),
    Stricter(r"job/spec(/tasks/0/partitionPolicy)?/networkTopology: with highestTier\w+", "webhook: not two tiers"),
)

STRICTER_POD = (
    Stricter(r"job/metadata/labels/team: = .*", SERVER),
    Stricter(r"job/spec/(nodeSelector/disk|.*/matchLabels/team): = .*", SERVER),
    Stricter(r"job/spec/(.*/)?(\w+Policy|operator|effect|protocol|scheme|type|medium): = .*", SERVER),
    Stricter(r"job/spec/(volumes|(initC|c)ontainers)/\d/name: = .*", SERVER),
)

# Kubernetes 1.30.0 did not require it yet, and that of Volcano 1.10 is a later patch.
REQUIRED_BY_A_PATCH = {"1.10": {"/spec/hostAliases/*/ip", "/spec/hostAliases/*/ip!"}}

# --- the two sides ---


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def our_schema(volcano: str) -> Json:
    schema = volcano_job(volcano, NEWEST_KUBERNETES).schema
    assert isinstance(schema, dict)
    return schema


@cache
def their_schema(volcano: str) -> Json:
    text = (REFERENCE / f"volcano-job-crd-{RELEASES[volcano]}.yaml").read_text("utf-8")
    definition = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    return closed(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def their_template(volcano: str) -> Json:
    tasks = their_schema(volcano)["properties"]["spec"]["properties"]["tasks"]
    template: Json = tasks["items"]["properties"]["template"]
    return template


def closed(schema: Json) -> Json:
    """The schema as a strict API server applies it: no unknown key, numbers within their format."""
    result = dict(schema)
    if schema.get("format") == "int32":
        result = {**INT32, **result}
    if "properties" in schema:
        result["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        result["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = closed(schema[key])
    return result


# --- mutation ---

WRONG: tuple[Any, ...] = (None, True, -1, 0, 2.5, 2**31, "", "Wrong one", [], {}, {"x": "y"})
ALTERNATIVES: tuple[Json, ...] = (
    {"event": "PodFailed", "events": ["PodFailed"], "exitCode": 3},
    {"volumeClaim": {}, "volumeClaimName": "data"},
    {"highestTierAllowed": 1, "highestTierName": "rack"},
)


def places(node: Any, path: Place = ()) -> Iterator[Place]:
    """Every path below a node; the pod of a task is left to its own test."""
    if path[-1:] == ("template",):
        return
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def variants(value: Any) -> Iterator[tuple[str, Any]]:
    """What may stand wrongly in the place of a value."""
    typos = (value[:-1], value.upper(), f"{value} ", "OutOfSync") if isinstance(value, str) else ()
    for wrong in (*WRONG, *typos):
        if wrong != value:
            yield f"= {json.dumps(wrong)}", wrong
    if isinstance(value, dict):
        for name, added in additions(value):
            yield f"with {name}", value | {name: added}


def additions(value: Json) -> Iterator[tuple[str, Any]]:
    """Keys that a mapping may have too many: unknown ones, and the alternatives of those that it has."""
    yield from {"unknown": [], "status": {}}.items()
    for group in ALTERNATIVES:
        if group.keys() & value.keys():
            yield from ((key, group[key]) for key in group if key not in value)


def siblings(parent: Any, key: Any) -> Iterator[tuple[str, Any]]:
    """What may go wrong with an entry of a mapping or a list."""
    if isinstance(parent, dict):
        yield "without", {k: v for k, v in parent.items() if k != key}
        yield "renamed", {f"{k}x" if k == key else k: v for k, v in parent.items()}
        yield from ((name, parent | {key: wrong}) for name, wrong in variants(parent[key]))
    else:
        before, after = parent[:key], parent[key + 1 :]
        yield "without", [*before, *after]
        yield "twice", [*parent, parent[key]]
        yield from ((name, [*before, wrong, *after]) for name, wrong in variants(parent[key]))


def put(node: Any, path: Place, value: Any) -> Any:
    if not path:
        return value
    key: Any = path[0]
    inner = put(node[key], path[1:], value)
    return node | {key: inner} if isinstance(node, dict) else [*node[:key], inner, *node[key + 1 :]]


def at(node: Any, path: Place) -> Any:
    for key in path:
        node = node[key]
    return node


def mutants(document: Json) -> Iterator[tuple[str, Json]]:
    """Each mutation of a document, with its name."""
    whole = {"job": document}
    for place in places(whole):
        for name, parent in siblings(at(whole, place[:-1]), place[-1]):
            if "job" in (mutant := put(whole, place[:-1], parent)):
                yield f"{'/'.join(map(str, place))}: {name}", mutant["job"]


# --- the comparison ---


def job(text: str) -> Json:
    spec = {"tasks": yaml.safe_load(TASKS), **yaml.safe_load(text)}
    return {**yaml.safe_load(HEAD), "spec": spec}


def jobs(volcano: str) -> tuple[Json, ...]:
    """The good jobs that this Volcano takes."""
    return tuple(job(text) for (_, since), text in SPECS.items() if number(since) <= number(volcano))


@dataclass(frozen=True)
class Comparison:
    """Mutations that one side alone refuses; without those that the newest definition refuses too."""

    looser: tuple[str, ...]
    stricter: tuple[str, ...]


def compare(ours: Json, theirs: Json, newest: Json, documents: tuple[Json, ...]) -> Comparison:
    we, they, later = (Draft202012Validator(schema) for schema in (ours, theirs, newest))
    looser, stricter = [], []
    for name, mutant in (pair for document in documents for pair in mutants(document)):
        if we.is_valid(mutant):
            looser += [] if they.is_valid(mutant) else [name]
        elif they.is_valid(mutant) and later.is_valid(mutant):
            stricter.append(name)
    return Comparison(tuple(looser), tuple(stricter))


@cache
def compared_jobs(volcano: str) -> Comparison:
    return compare(our_schema(volcano), their_schema(volcano), their_schema(NEWEST), jobs(volcano))


@cache
def compared_pods(volcano: str) -> Comparison:
    ours = our_schema(volcano)
    ours = {"$ref": "#/$defs/io.k8s.api.core.v1.PodTemplateSpec", "$defs": ours["$defs"]}
    return compare(ours, their_template(volcano), their_template(NEWEST), tuple(yaml.safe_load(pod) for pod in PODS))


def unexplained(comparison: Comparison, reasons: tuple[Stricter, ...]) -> list[str]:
    return [name for name in comparison.stricter if not any(re.fullmatch(reason.where, name) for reason in reasons)]


def unused(comparisons: list[Comparison], reasons: tuple[Stricter, ...]) -> list[str]:
    names = [name for comparison in comparisons for name in comparison.stricter]
    return [reason.where for reason in reasons if not any(re.fullmatch(reason.where, name) for name in names)]


@pytest.mark.parametrize("volcano", RELEASES)
def test_the_good_jobs_are_good(volcano: str) -> None:
    for validator in (Draft202012Validator(our_schema(volcano)), Draft202012Validator(their_schema(volcano))):
        assert [error.message for good in jobs(volcano) for error in validator.iter_errors(good)] == []


@pytest.mark.parametrize("volcano", RELEASES)
def test_a_job_with_fields_of_a_newer_volcano_is_refused_by_both(volcano: str) -> None:
    newer = {name: job(text) for (name, since), text in SPECS.items() if number(since) > number(volcano)}
    for schema in (our_schema(volcano), their_schema(volcano)):
        assert [name for name, document in newer.items() if Draft202012Validator(schema).is_valid(document)] == []


@pytest.mark.parametrize("volcano", RELEASES)
def test_nothing_that_the_definition_refuses_is_accepted(volcano: str) -> None:
    assert compared_jobs(volcano).looser == ()
    assert compared_pods(volcano).looser == ()


@pytest.mark.parametrize("volcano", RELEASES)
def test_nothing_is_refused_beyond_the_definition_without_a_reason(volcano: str) -> None:
    assert unexplained(compared_jobs(volcano), STRICTER) == []
    assert unexplained(compared_pods(volcano), STRICTER_POD) == []


def test_every_reason_is_needed() -> None:
    assert unused([compared_jobs(volcano) for volcano in RELEASES], STRICTER) == []
    assert unused([compared_pods(volcano) for volcano in RELEASES], STRICTER_POD) == []


@pytest.mark.parametrize("volcano", RELEASES)
def test_the_pod_is_the_pod_of_that_volcano(volcano: str) -> None:
    ours = fields({"$ref": "#/$defs/io.k8s.api.core.v1.PodTemplateSpec"}, our_schema(volcano)["$defs"])
    theirs = {field for field in fields(their_template(volcano), {}) if "/ephemeralContainers" not in field}
    assert set(ours) ^ theirs == REQUIRED_BY_A_PATCH.get(volcano, set())


def fields(schema: Any, definitions: Json, path: str = "") -> Iterator[str]:
    """Every path that a schema knows, the required ones marked."""
    schema = definitions[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
    for key, value in schema.get("properties", {}).items():
        yield f"{path}/{key}{'!' if key in schema.get('required', ()) else ''}"
        yield from fields(value, definitions, f"{path}/{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from fields(schema[key], definitions, f"{path}/*")
