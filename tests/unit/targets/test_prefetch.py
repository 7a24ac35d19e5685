"""The batch Job that fills the cache: the downloads of a training, without its devices."""

from __future__ import annotations

from typing import Any

import pytest

from unit.compiling import ftc
from unit.loading import load, load_all

GIT = ("source@model.source=git", "model.source.url=https://git.example.com/org/model")
ON_VOLUME = ("source@dataset.source=path", "dataset.source.path=/workspace/data")


def prefetch(*overrides: str) -> Any:
    said = ftc("compile", "-t", "prefetch", *overrides)
    assert said.exit_code == 0, said.stderr
    return load(said.stdout)


def body(*overrides: str) -> Any:
    return prefetch(*overrides)["spec"]["template"]["spec"]


def steps(*overrides: str) -> dict[str, Any]:
    """The containers by name, in the order in which they start."""
    found = body(*overrides)
    return {one["name"]: one for one in (*found.get("initContainers", []), *found["containers"])}


def of_training(*overrides: str) -> dict[str, Any]:
    *_, manifest = load_all(ftc("compile", "-t", "job", *overrides).stdout)
    return {one["name"]: one for one in manifest["spec"]["template"]["spec"]["initContainers"]}


def test_it_downloads_to_where_the_training_looks() -> None:
    assert list(steps(*GIT)) == ["fetch-model", "fetch-dataset"]
    assert steps(*GIT) == of_training(*GIT)


def test_one_pod_downloads_for_all_nodes() -> None:
    manifest = prefetch(*GIT, "nodes=2", "restarts=3")
    assert manifest["kind"] == "Job"
    assert {"completions", "parallelism", "completionMode"}.isdisjoint(manifest["spec"])
    assert manifest["spec"]["backoffLimit"] == 3
    for name, container in steps(*GIT, "nodes=2").items():
        assert {"name": "NNODES", "value": "1"} in container["env"]
        theirs = of_training(*GIT, "nodes=2")[name]
        assert {"name": "NNODES", "value": "2"} in theirs["env"]
        assert {**container, "env": []} == {**theirs, "env": []}


@pytest.mark.parametrize("hardware", ["nvidia", "ascend-910b4-alauda", "ascend-910b-host-mounts", "volcano-vgpu"])
def test_nothing_of_the_hardware_but_its_image_is_in_the_pod(hardware: str) -> None:
    found = body(f"hardware={hardware}", "cluster.gang_jobs=true")
    for container in (*found["initContainers"], *found["containers"]):
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert {"runtimeClassName", "schedulerName", "nodeSelector"}.isdisjoint(found)
    assert "supplementalGroups" not in found["securityContext"]
    assert [volume["name"] for volume in found["volumes"]] == ["ftc", "workspace"]


def test_a_source_on_a_volume_is_not_a_step() -> None:
    found = body(*GIT, *ON_VOLUME)
    assert "initContainers" not in found
    assert [one["name"] for one in found["containers"]] == ["fetch-model"]


def test_only_the_scripts_of_the_downloads_are_in_the_pod() -> None:
    template = prefetch(*GIT, *ON_VOLUME)["spec"]["template"]
    carried = {name.removeprefix("ftc.dev/") for name in template["metadata"]["annotations"]}
    assert carried == {
        *("check_path.sh", "marker.sh", "fetch.sh", "fill.sh", "check_fetched.sh", "check_image.sh"),
        *("child.sh", "download_git.sh", "git_credentials.sh"),
    }
    (volume,) = [one for one in template["spec"]["volumes"] if one["name"] == "ftc"]
    assert {one["path"] for one in volume["downwardAPI"]["items"]} == carried


def test_fragments_reach_the_downloads_and_no_other_container() -> None:
    changed = {
        name: f"{{name: {name}, env: [{{name: {key}, value: a}}]}}"
        for name, key in {"fetch-model": "M", "fetch-dataset": "D", "train": "T"}.items()
    }
    inits = (
        f"[{changed['fetch-model']}, {changed['fetch-dataset']}, {{name: proxy, image: 'a:1', restartPolicy: Always}}]"
    )
    spec = f"{{nodeSelector: {{zone: z}}, containers: [{changed['train']}], initContainers: {inits}}}"
    fragment = f"pod={{metadata: {{annotations: {{a: b}}}}, spec: {spec}}}"
    template = prefetch(*GIT, fragment)["spec"]["template"]
    assert template["metadata"]["annotations"]["a"] == "b"
    assert template["spec"]["nodeSelector"] == {"zone": "z"}
    found = steps(*GIT, fragment)
    names = {name: {one["name"] for one in container.get("env", [])} for name, container in found.items()}
    assert list(names) == ["fetch-model", "proxy", "fetch-dataset"]
    assert "M" in names["fetch-model"] - names["fetch-dataset"]
    assert "D" in names["fetch-dataset"] - names["fetch-model"]


def test_it_has_its_own_name() -> None:
    manifest = prefetch("name=sft")
    assert manifest["metadata"]["generateName"] == "sft-prefetch-"
    assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "sft-prefetch"
    assert manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"] == "sft-prefetch"
    longest = f"name={'a' * 50}-{'b' * 12}"
    name = prefetch(longest, "naming=fixed")["metadata"]["name"]
    assert name == f"{'a' * 50}-bbb-prefetch"
    assert len(name) == 63


def test_it_waits_in_the_queue_of_kueue() -> None:
    assert prefetch("cluster.kueue_queue=team")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"


def test_the_plan_says_how_long_devices_may_wait_without_it() -> None:
    assert "14400 s at most with idle devices" in ftc("plan").stdout
    assert "7200 s at most with idle devices" in ftc("plan", *ON_VOLUME).stdout
    for none in (("hardware=cpu",), ("storage=per-pod",), (*ON_VOLUME, "source@model.source=huggingface-direct")):
        assert "idle devices" not in ftc("plan", *none).stdout
