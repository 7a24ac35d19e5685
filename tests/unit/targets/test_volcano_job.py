"""Volcano runs the VolcanoJob as the user intends."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from unit.compiling import COMMAND, annotated, artifacts, ftc, job, pod, template, trainer, variables

SEVERAL = {"svc": ["--publish-not-ready-addresses=true"], "env": []}


def mounts(container: Any) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("nodes", [1, 2, 100])
def test_a_gang_of_all_nodes_is_one_task(nodes: int) -> None:
    spec = job(f"nodes={nodes}")["spec"]
    (task,) = spec["tasks"]
    assert task["name"] == "worker"
    assert spec["minAvailable"] == task["replicas"] == nodes
    assert (task["minAvailable"], task["maxRetry"]) == (nodes, 3)
    assert task["template"]["spec"]["restartPolicy"] == "Never"


def test_a_hundred_nodes_are_as_many_lines_as_two() -> None:
    two, hundred = (artifacts(f"nodes={nodes}")["volcano.yaml"].splitlines() for nodes in (2, 100))
    assert len(two) == len(hundred)
    different = [(a, b) for a, b in zip(two, hundred, strict=True) if a != b]
    assert all("2" in a and "100" in b for a, b in different)


def test_plugins_are_there_for_several_nodes_only() -> None:
    assert job("nodes=2")["spec"]["plugins"] == SEVERAL
    assert "plugins" not in job("nodes=1")["spec"]


@pytest.mark.parametrize("restarts", [0, 1, 7])
def test_the_first_attempt_counts_as_a_retry(restarts: int) -> None:
    assert job(f"restarts={restarts}")["spec"]["maxRetry"] == restarts + 1


@pytest.mark.parametrize(("restarts", "action"), [(0, "TerminateJob"), (1, "RestartJob"), (7, "RestartJob")])
def test_a_lost_or_failed_pod_restarts_all_or_ends_the_job(restarts: int, action: str) -> None:
    policies = job(f"restarts={restarts}")["spec"]["policies"]
    assert {policy["event"]: policy["action"] for policy in policies} == {"PodEvicted": action, "PodFailed": action}


def test_a_job_is_a_volcano_job_for_volcanos_scheduler() -> None:
    made = job()
    assert (made["apiVersion"], made["kind"]) == ("batch.volcano.sh/v1alpha1", "Job")
    assert made["spec"]["schedulerName"] == "volcano"
    assert made["spec"]["queue"] == "default"


def test_a_name_is_generated_for_create_and_fixed_for_apply() -> None:
    generated, fixed = job("name=a-run")["metadata"], job("name=a-run", "naming=fixed")["metadata"]
    assert generated["generateName"] == "a-run-"
    assert "name" not in generated
    assert fixed["name"] == "a-run"
    assert "generateName" not in fixed


def test_what_is_not_asked_for_is_not_there() -> None:
    made = job()
    assert "namespace" not in made["metadata"]
    assert annotated(made) == {}
    assert not {"ttlSecondsAfterFinished", "priorityClassName", "volumes", "plugins"} & made["spec"].keys()
    assert not {"nodeSelector", "tolerations", "affinity", "imagePullSecrets", "serviceAccountName"} & pod().keys()


def test_what_is_asked_for_is_there() -> None:
    made = job(
        *("namespace=team-a", "ttl_seconds_after_finished=0", "cluster.queue=research"),
        *("cluster.priority_class=high", "labels={team: a, example.com/x: 'y'}", "annotations={example.com/n: 'a b'}"),
    )
    assert made["metadata"]["namespace"] == "team-a"
    assert annotated(made) == {"example.com/n": "a b"}
    assert made["spec"]["ttlSecondsAfterFinished"] == 0
    assert made["spec"]["queue"] == "research"
    assert made["spec"]["priorityClassName"] == "high"
    inner = made["spec"]["tasks"][0]["template"]["metadata"]
    for labels in (made["metadata"]["labels"], inner["labels"]):
        assert labels["team"] == "a"
        assert labels["example.com/x"] == "y"
    assert inner["annotations"]["example.com/n"] == "a b"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeSelector", "{accelerator: h800}"),
        ("tolerations", "[{key: gpu, operator: Exists, effect: NoSchedule}]"),
        (
            "affinity",
            "{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}",
        ),
        ("imagePullSecrets", "[{name: registry}]"),
        ("serviceAccountName", "tuner"),
        ("terminationGracePeriodSeconds", "60"),
        ("securityContext", "{runAsUser: 1000, fsGroup: 1000}"),
    ],
)
def test_any_field_of_the_pod_can_be_given_by_a_fragment(field: str, value: str) -> None:
    given, plain = yaml.safe_load(value), pod()
    wanted = {**plain.get(field, {}), **given} if isinstance(given, dict) else given
    assert pod(f"pod={{spec: {{{field}: {value}}}}}") == {**plain, field: wanted}


def test_the_network_of_the_node_has_the_name_server_that_volcano_gives_it() -> None:
    """Volcano's webhook writes it into a new job; a manifest without it cannot be applied again."""
    assert pod("pod.spec.hostNetwork=true") == {
        **pod(),
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
    }
    assert pod("pod.spec.hostNetwork=true", "pod.spec.dnsPolicy=Default")["dnsPolicy"] == "Default"


LIFETIME = ("storage=job-lifetime", "storage.workspace.size=5Gi", "storage.workspace.storage_class=fast")


def test_a_claim_that_lives_with_the_job_is_volcanos_to_make() -> None:
    (volume,) = job(*LIFETIME)["spec"]["volumes"]
    assert volume == {
        "mountPath": "/workspace",
        "volumeClaim": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast",
            "resources": {"requests": {"storage": "5Gi"}},
        },
    }
    unnamed = job("storage=job-lifetime")["spec"]["volumes"][0]["volumeClaim"]
    assert "storageClassName" not in unnamed


def test_no_init_container_uses_what_volcano_mounts_in_containers_only() -> None:
    spec = pod(*LIFETIME)
    assert spec["initContainers"]
    for container in spec["initContainers"]:
        assert not [path for path in mounts(container) if path.startswith("/workspace")]
        assert not [v for v in variables(container).values() if v.startswith("/workspace")]
    assert "/workspace" not in mounts(trainer(*LIFETIME)), "Volcano adds the mount itself"


@pytest.mark.parametrize("storage", ["shared", "existing-claim", "job-lifetime", "per-pod"])
@pytest.mark.parametrize("source", ["huggingface", "path"])
def test_every_mount_is_of_a_volume_of_the_pod(storage: str, source: str) -> None:
    there = ("source@model.source=path", "model.source.path=/cache/m") if source == "path" else ()
    spec = pod(f"storage={storage}", *there)
    names = [volume["name"] for volume in spec["volumes"]]
    assert len(names) == len(set(names))
    for container in (*spec["initContainers"], *spec["containers"]):
        assert set(mounts(container).values()) <= set(names)
        assert len(mounts(container)) == len(container["volumeMounts"])


@pytest.mark.parametrize(
    ("storage", "claims"),
    [
        ("shared", {"workspace": "workspace"}),
        ("existing-claim", {"workspace": "workspace"}),
        ("job-lifetime", {"cache": "models-cache"}),
        ("per-pod", {}),
    ],
)
def test_claims_are_the_users(storage: str, claims: dict[str, str]) -> None:
    volumes = pod(f"storage={storage}")["volumes"]
    claimed = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v}
    assert claimed == claims


def test_a_part_of_a_claim_can_be_mounted() -> None:
    part = ("storage.workspace.claim=team", "storage.workspace.sub_path=users/me")
    for container in (trainer(*part), pod(*part)["initContainers"][0]):
        (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == "/workspace"]
        assert mount["subPath"] == "users/me"


@pytest.mark.parametrize(
    ("overrides", "resource", "count"),
    [
        (("devices=8",), "nvidia.com/gpu", 8),
        (("hardware=ascend", "devices=8"), "huawei.com/Ascend910", 8),
        (("hardware=alauda-vgpu",), "nvidia.com/gpualloc", 1),
        (("hardware.device.resource=vendor.example/x", "devices=2"), "vendor.example/x", 2),
    ],
)
def test_devices_are_whole_numbers_under_the_resources_name(
    overrides: tuple[str, ...], resource: str, count: int
) -> None:
    limits = trainer(*overrides)["resources"]["limits"]
    assert limits[resource] == str(count)  # a string, as typed clients require
    others = {name for name in limits if "/" in name} - {resource}
    assert all(name.startswith(resource.partition("/")[0]) for name in others)


def test_a_renamed_resource_leaves_no_trace_of_the_old_name() -> None:
    assert "nvidia.com" not in artifacts("hardware.device.resource=vendor.example/x")["volcano.yaml"]


def test_slices_are_resources_of_their_own() -> None:
    slices = ("hardware=alauda-vgpu", "hardware.device.slices.memory.quantity=4096")
    limits = trainer(*slices)["resources"]["limits"]
    assert (limits["nvidia.com/gpucores"], limits["nvidia.com/gpumem"]) == ("50", "4096")


def test_no_device_is_asked_for_without_hardware_and_while_fetching() -> None:
    assert set(trainer("hardware=cpu")["resources"]["limits"]) == {"cpu", "memory"}
    for container in pod("devices=8")["initContainers"]:
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}


@pytest.mark.parametrize("hardware", ["nvidia", "h800", "alauda-vgpu", "ascend", "cpu"])
def test_requests_equal_limits(hardware: str) -> None:
    spec = pod(f"hardware={hardware}")
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["resources"]["requests"] == container["resources"]["limits"]


def gibibytes(quantity: str) -> int:
    assert quantity.endswith("Gi")
    return int(quantity.removesuffix("Gi"))


@pytest.mark.parametrize("hardware", ["nvidia", "h800", "alauda-vgpu", "ascend", "cpu"])
@pytest.mark.parametrize("devices", [1, 4])
def test_shared_memory_grows_with_devices_and_counts_inside_the_memory(hardware: str, devices: int) -> None:
    overrides = (f"hardware={hardware}", f"devices={devices}")
    (volume,) = [v for v in pod(*overrides)["volumes"] if v["name"] == "shm"]
    assert volume["emptyDir"]["medium"] == "Memory"
    size = gibibytes(volume["emptyDir"]["sizeLimit"])
    one = gibibytes(next(v for v in pod(overrides[0])["volumes"] if v["name"] == "shm")["emptyDir"]["sizeLimit"])
    assert size == one * devices
    assert size < gibibytes(trainer(*overrides)["resources"]["limits"]["memory"])
    assert mounts(trainer(*overrides))["/dev/shm"] == "shm"  # noqa: S108 - the shared memory


def test_shared_memory_can_be_left_to_the_runtime() -> None:
    assert "shm" not in {v["name"] for v in pod("hardware.shm_gib_per_device=0")["volumes"]}
    assert "/dev/shm" not in mounts(trainer("hardware.shm_gib_per_device=0"))  # noqa: S108 - the shared memory


def test_cpu_and_memory_grow_with_the_devices() -> None:
    one, four = trainer()["resources"]["limits"], trainer("devices=4")["resources"]["limits"]
    assert int(four["cpu"]) == 4 * int(one["cpu"])
    assert gibibytes(four["memory"]) == 4 * gibibytes(one["memory"])


def test_a_pod_is_restricted() -> None:
    spec = pod()
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_world_is_known_at_compile_time() -> None:
    found = variables(trainer("nodes=3", "devices=4", "master_port=30000"))
    wanted = {"NNODES": "3", "NPROC_PER_NODE": "4", "MASTER_PORT": "30000", "WORKSPACE": "/workspace"}
    assert {name: found.get(name) for name in wanted} == wanted
    assert not {"RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR"} & found.keys(), "the pod finds them"


def test_the_jobs_name_comes_from_the_pods_own_label() -> None:
    (name,) = [v for v in trainer()["env"] if v["name"] == "JOB_NAME"]
    assert name["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.labels['volcano.sh/job-name']"}}


PUBLISH = (
    *("publish=git", "publish.url=https://git.example.com/out", "publish.author_name=A B"),
    "publish.credentials={secret: push, username_key: u, password_key: p}",
)


def test_secrets_are_references_and_never_values() -> None:
    (publish,) = [container for container in pod(*PUBLISH)["containers"] if container["name"] == "publish"]
    environment = {v["name"]: v for v in publish["env"]}
    assert environment["GIT_USER"]["valueFrom"] == {"secretKeyRef": {"name": "push", "key": "u"}}
    assert environment["GIT_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": "push", "key": "p"}}
    assert environment["PUBLISH_URL"]["value"] == "https://git.example.com/out"
    assert environment["PUBLISH_AUTHOR_NAME"]["value"] == "A B"
    assert not [v for v in trainer()["env"] if "secretKeyRef" in v.get("valueFrom", {})]


def test_the_trainer_gets_the_tracker() -> None:
    overrides = ("tracking=mlflow", "tracking.mlflow.uri=http://mlflow:5000", "tracking.mlflow.experiment=mine")
    found = variables(trainer(*overrides))
    assert (found["MLFLOW_TRACKING_URI"], found["MLFLOW_EXPERIMENT_NAME"]) == ("http://mlflow:5000", "mine")


def test_the_users_variables_win_over_the_hardwares_and_those_over_the_clusters() -> None:
    layers = (
        "cluster.env={A: cluster, B: cluster, C: cluster}",
        "hardware.env={A: hardware, B: hardware}",
        "env.A=user",
    )
    found = variables(trainer(*layers))
    assert (found["A"], found["B"], found["C"]) == ("user", "hardware", "cluster")
    names = [v["name"] for v in trainer(*layers)["env"]]
    assert len(names) == len(set(names))


def test_a_command_runs_as_an_argument_list() -> None:
    container = trainer(*COMMAND, "launcher.args=['a b','--x=y']", "image=vendor:1")
    assert container["command"] == ["bash", "/etc/ftc/launch.sh"]
    assert container["args"] == ["python", "train.py", "a b", "--x=y"]
    assert container["image"] == "vendor:1"


HOSTILE = (
    "y",
    "null",
    "012",
    "1e3",
    "a: b",
    "# x",
    "it's",
    'say "x"',
    "a\\nb",
    "{a}",
    "*a",
    "&a",
    "!x",
    "%x",
    "@x",
    "`x`",
)


def test_hostile_texts_come_through_yaml() -> None:
    values = {f"V{index}": text for index, text in enumerate(HOSTILE)}
    given = [f"env.{name}={quoted(text)}" for name, text in values.items()]
    found = variables(trainer(*given))
    assert {name: found[name] for name in values} == values
    labels = {"a": "y", "b": "1e3", "c": "012", "d": "null", "e": "0x10", "f": "2024-01-01", "g": ""}
    made = job(*(f"labels.{name}='{text}'" for name, text in labels.items()))
    assert made["metadata"]["labels"].items() >= labels.items()
    assert template(*(f"annotations.{n}={quoted(t)}" for n, t in values.items()))["metadata"][
        "annotations"
    ].items() >= (values.items())


def quoted(text: str) -> str:
    """A text quoted for Hydra's command line."""
    return "'" + text.replace("'", "\\'") + "'"


def test_stdout_is_the_artifact() -> None:
    for overrides in ((), ("nodes=2", "hardware=ascend"), COMMAND):
        said = ftc("compile", *overrides)
        assert said.stdout == artifacts(*overrides)["volcano.yaml"]
        assert said.stderr == ""


ELASTIC = ("nodes=4", "min_nodes=2", "restarts=3", "launcher=torchrun")


def test_an_elastic_job_starts_with_its_first_pods_and_outlives_an_evicted_one() -> None:
    spec = job(*ELASTIC)["spec"]
    (task,) = spec["tasks"]
    assert (spec["minAvailable"], task["minAvailable"], task["replicas"]) == (2, 2, 4)
    assert spec["policies"] == [{"event": "PodFailed", "action": "RestartJob"}]
    assert spec["maxRetry"] == 4


def test_an_elastic_launch_gets_the_minimum_of_nodes_and_its_restarts() -> None:
    found = variables(trainer(*ELASTIC))
    assert {name: found.get(name) for name in ("NNODES", "LEAST_NNODES", "RESTARTS")} == {
        "NNODES": "4",
        "LEAST_NNODES": "2",
        "RESTARTS": "3",
    }
    assert not {"LEAST_NNODES", "RESTARTS"} & variables(trainer("nodes=4", "restarts=3")).keys()
