"""kustomize can build a directory with fixed names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from unit.compiling import ftc
from unit.loading import load, load_all


def written(directory: Path, *arguments: str) -> dict[str, str]:
    said = ftc("compile", *arguments, "-o", str(directory))
    assert said.exit_code == 0, said
    return {file.name: file.read_text() for file in directory.iterdir()}


def built(directory: Path) -> list[Any]:
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    command = ["kubectl", "kustomize", str(directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return load_all(done.stdout)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not there")
@pytest.mark.parametrize(
    ("targets", "files"),
    [
        ([], ["volcano.yaml"]),
        (["-t", "job"], ["job.yaml"]),
        (["-t", "volcano", "-t", "storage"], ["storage.yaml", "volcano.yaml"]),
        (["-t", "job", "-t", "volcano"], ["volcano.yaml"]),
        (["-t", "storage"], ["storage.yaml"]),
    ],
)
def test_kustomize_builds_what_was_written(tmp_path: Path, targets: list[str], files: list[str]) -> None:
    made = written(tmp_path, "naming=fixed", "name=nightly", "nodes=2", *targets)
    assert load(made["kustomization.yaml"])["resources"] == files
    said = [one for file in files for one in load_all(made[file])]

    def key(one: Any) -> tuple[str, str]:
        return one["kind"], one["metadata"]["name"]

    assert sorted(built(tmp_path), key=key) == sorted(said, key=key)


def test_a_kustomization_says_which_files_it_leaves_out_and_why(tmp_path: Path) -> None:
    both = written(tmp_path, "naming=fixed", "-t", "job", "-t", "volcano", "-t", "jobset")["kustomization.yaml"]
    assert both.splitlines()[0] == "# Left out, because each would start the same run again: job.yaml, jobset.yaml"
    assert load(both)["resources"] == ["volcano.yaml"]
    assert "#" not in written(tmp_path, "naming=fixed", "-t", "job", "-t", "storage")["kustomization.yaml"]


def test_without_fixed_names_the_old_kustomization_is_removed(tmp_path: Path) -> None:
    assert "kustomization.yaml" not in written(tmp_path)
    assert "kustomization.yaml" in written(tmp_path, "naming=fixed")
    assert "kustomization.yaml" not in written(tmp_path)


def test_targets_without_objects_have_no_kustomization(tmp_path: Path) -> None:
    assert "kustomization.yaml" not in written(tmp_path, "naming=fixed", "-t", "llamafactory")


def test_a_kustomization_is_not_an_object_of_the_cluster(tmp_path: Path) -> None:
    for name, nodes in (("one", 1), ("other", 2)):
        written(tmp_path / name, "naming=fixed", f"nodes={nodes}")
    (tmp_path / "one" / "kustomization.yaml").unlink()
    assert "Kustomization" not in ftc("diff", str(tmp_path / "one"), str(tmp_path / "other")).stdout


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not there")
def test_kustomize_builds_a_directory_of_another_target(tmp_path: Path) -> None:
    written(tmp_path, "naming=fixed", "-t", "volcano")
    said = ftc("compile", "naming=fixed", "-t", "storage", "-o", str(tmp_path)).stderr
    assert [one["kind"] for one in built(tmp_path)] == ["PersistentVolumeClaim"]
    removed = "dataset_info.json, merge.yaml, train.yaml, volcano.yaml"
    assert f"removed {removed}, from the previous compile: -t volcano -t storage writes all of them\n" in said
    written(tmp_path, "naming=fixed", "-t", "volcano", "-t", "storage")
    assert sorted(one["kind"] for one in built(tmp_path)) == ["Job", "PersistentVolumeClaim"]


def repository(run: str, scripts: str = "targets: [scripts]\n") -> None:
    """A repository of runs with one run and the case of the scripts, compiled."""
    for name, text in (("mine", f"why: A run.\n{run}"), ("scripts", f"why: The scripts.\n{scripts}")):
        Path("golden", name).mkdir(parents=True)
        Path("golden", name, "case.yaml").write_text(text)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not there")
@pytest.mark.parametrize(
    ("run", "places"),
    [
        ("overrides: [naming=fixed, scripts=configmap, name=mine]\n", ["mine"]),
        (
            'overrides: [naming=fixed, scripts=configmap, name=mine]\nmatrix: ["devices=1,2"]\ntargets: [jobset]\n',
            ["mine/devices=1", "mine/devices=2"],
        ),
    ],
)
def test_what_kustomize_builds_has_every_configmap_that_its_pods_mount(
    run: str, places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository(run)
    said = ftc("golden", "update")
    assert (said.exit_code, said.stderr) == (0, "")
    for place in places:
        objects = built(Path("golden", place))
        there = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
        others = yaml.safe_dump([one for one in objects if one["kind"] != "ConfigMap"])
        mounted = set(re.findall(r"ftc-scripts-[0-9a-f]{8}", others))
        assert there == mounted
        assert len(there) == 1
    (scripts,) = built(Path("golden", "scripts"))
    assert scripts["metadata"]["name"] in there
    assert ftc("golden", "check", "mine").exit_code == 0


def test_the_scripts_of_another_namespace_are_not_those_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository("overrides: [naming=fixed, scripts=configmap, namespace=team]\n")
    said = ftc("golden", "update")
    assert "golden/mine/kustomization.yaml:1:1: warning[kustomization-without-scripts]" in said.stderr
    assert "namespace 'team'" in said.stderr
    assert load(Path("golden/mine/kustomization.yaml").read_text())["resources"] == ["volcano.yaml"]
    assert ftc("golden", "check", "--strict").exit_code == 1
    Path("golden/scripts/case.yaml").write_text("why: S.\noverrides: [namespace=team]\ntargets: [scripts]\n")
    assert ftc("golden", "update").stderr == ""
    assert load(Path("golden/mine/kustomization.yaml").read_text())["resources"] == [
        "../scripts",
        "volcano.yaml",
    ]


@pytest.mark.parametrize("run", ["overrides: [scripts=configmap]\n", "overrides: [naming=fixed]\n"])
def test_a_run_that_does_not_need_the_scripts_does_not_name_them(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository(run)
    assert ftc("golden", "update").stderr == ""
    assert not any("scripts" in file.read_text() for file in Path("golden/mine").glob("kustomization.yaml"))
