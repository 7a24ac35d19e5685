"""With scripts=configmap a manifest has what its run does, and the scripts are the same."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest

from ftc import resources
from ftc.targets import POD_TARGETS
from unit.compiling import COMMAND, ftc
from unit.loading import load, load_all

GIT = (
    "source@model.source=git",
    "model.source.url=https://git.example.com/m",
    "publish=git",
    "publish.url=https://a/b",
)
TWO_NODES = ("nodes=2", "devices=8", "launcher=torchrun", "hardware=ascend", "model=qwen3-8b")


def documents(*words: str) -> list[Any]:
    said = ftc("compile", *words)
    assert said.exit_code == 0, said.stderr
    return load_all(said.stdout)


def template(target: str, *overrides: str) -> Any:
    # The pod of a TrainJob is in its runtime.
    found = next(one for one in documents("-t", target, *overrides) if one["kind"] not in ("Service", "TrainJob"))
    for step in POD_TARGETS[target].path:
        found = found[step]
    return found


def files(pod: Any, config_maps: dict[str, Any]) -> dict[str, str]:
    """What the kubelet puts below /etc/ftc."""
    (volume,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "ftc"]
    found: dict[str, str] = {}
    for source in (volume.get("projected") or {"sources": [volume]})["sources"]:
        for item in (source.get("downwardAPI") or {"items": []})["items"]:
            key = item["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
            assert item["path"] not in found
            found[item["path"]] = pod["metadata"]["annotations"][key]
        mapped = config_maps[source["configMap"]["name"]] if "configMap" in source else {}
        assert not found.keys() & mapped.keys()
        found |= mapped
    return found


def run_by_bash(name: str, present: dict[str, str]) -> str:
    """The script that runs: the named one, or the one that it only sources."""
    other = re.fullmatch(r'source "\$\{BASH_SOURCE\[0\]%/\*\}/([a-z_-]+\.sh)"', present[name])
    return present[other[1]] if other else present[name]


@pytest.mark.parametrize("target", list(POD_TARGETS))
@pytest.mark.parametrize(
    "overrides", [(), TWO_NODES, GIT, COMMAND, ("launcher=accelerate", "setup=[[pip,install,x]]", "tracking=none")]
)
def test_the_pod_runs_the_same_files(target: str, overrides: tuple[str, ...]) -> None:
    (made,) = documents("-t", "scripts", *overrides)
    embedded, mapped = (template(target, *overrides, f"scripts={kind}") for kind in ("embedded", "configmap"))
    wanted, found = files(embedded, {}), files(mapped, {made["metadata"]["name"]: made["data"]})
    assert len(wanted) > 3
    assert "scripts: configmap" in found.pop("spec.yaml")
    del wanted["spec.yaml"]
    assert {name: run_by_bash(name, found) for name in wanted} == wanted


def test_only_the_files_of_the_trainer_stay_in_the_manifest() -> None:
    carried = set(template("volcano", "scripts=configmap")["metadata"]["annotations"])
    own = {f"ftc.dev/{name}" for name in ("train.yaml", "merge.yaml", "dataset_info.json", "spec.yaml")}
    linked = {"ftc.dev/launch.sh", "ftc.dev/rendezvous.sh"}
    assert carried == own | linked
    program = template("volcano", "scripts=configmap", *COMMAND)
    assert set(program["metadata"]["annotations"]) == {"ftc.dev/spec.yaml", *linked}


@pytest.mark.parametrize("target", list(POD_TARGETS))
def test_two_nodes_fit_in_200_lines(target: str) -> None:
    assert len(ftc("compile", "-t", target, *TWO_NODES, "scripts=configmap").stdout.splitlines()) <= 200


def test_one_config_map_serves_all_runs_of_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (ftc("compile", "-t", "scripts", *overrides).stdout for overrides in ((), (*TWO_NODES, *GIT)))
    assert first == second
    (made,) = load_all(first)
    assert made["immutable"] is True
    assert made["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert made["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
    texts = {**resources.all_scripts(), "train.sh": "changed\n"}
    for module in ("ftc.plan.files", "ftc.targets.scripts"):
        monkeypatch.setattr(import_module(module), "all_scripts", lambda: texts)
    (changed,) = documents("-t", "scripts")
    assert changed["data"]["train.sh"] == "changed\n"
    assert changed["metadata"]["name"] != made["metadata"]["name"]


def test_it_is_in_the_namespace_of_the_run() -> None:
    (made,) = documents("-t", "scripts", "namespace=team")
    assert made["metadata"]["namespace"] == "team"
    assert "namespace" not in documents("-t", "scripts")[0]["metadata"]


def test_the_plan_says_that_it_must_exist_and_how_to_make_it() -> None:
    (made,) = documents("-t", "scripts")
    said = ftc("plan", "scripts=configmap").stdout
    assert f"ConfigMap  {made['metadata']['name']}  -t scripts makes it" in said
    assert "ftc compile -t scripts scripts=configmap | kubectl apply -f -" in said
    assert "ConfigMap" not in ftc("plan").stdout


def test_a_kustomization_has_it_before_the_job(tmp_path: Any) -> None:
    words = ("-t", "volcano", "-t", "scripts", "naming=fixed", "scripts=configmap", "-o", str(tmp_path))
    assert ftc("compile", *words).exit_code == 0
    listed = load((tmp_path / "kustomization.yaml").read_text())["resources"]
    assert listed == ["scripts.yaml", "volcano.yaml"]


def test_lint_has_no_finding_on_the_manifest(tmp_path: Any) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(ftc("compile", *TWO_NODES, "scripts=configmap").stdout)
    said = ftc("lint", str(file))
    assert (said.exit_code, said.stdout) == (0, ""), said.stdout
