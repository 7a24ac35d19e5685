"""User input arrives unchanged and is never executed, whatever characters it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.compiling import compile_manifest
from e2e.git_server import TOKEN, USER, GitServer, run
from e2e.pod import Cluster, Image, Json
from e2e.volcano import VolcanoJob

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

HOSTILE = (
    "$(GIT_TOKEN) $$ $(touch /workspace/ran) `touch /workspace/ran` ';touch /workspace/ran;' "
    '"q" \\ é 中 %41 #x: {y} - !!z'
)
LINES = f"first {HOSTILE}\n\tsecond\n  third\n"
# Valid paths, names and Git revisions.
PLACE = "$(GIT_TOKEN) $$ `touch ran` ';touch ran;' \"q\" é 中 %41 #x {y}"

# Valid names of datasets and revisions.
WORD = "$(touch$IFS/workspace/ran)`touch$IFS/workspace/ran`;touch$IFS/workspace/ran;$$\"'é中"

# Replaces the trainer, and records its arguments and environment.
TRAINER = """#!/usr/bin/python3
import json, os, sys
note = {"arguments": sys.argv[1:], "environment": dict(os.environ), "file": open(sys.argv[2], encoding="utf-8").read()}
json.dump(note, open(f"/workspace/{sys.argv[1]}.json", "w"))
os.makedirs("merged" if sys.argv[1] == "export" else "output", exist_ok=True)
open("merged/config.json", "w").close() if sys.argv[1] == "export" else None
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster whose image has the stand-in for the trainer."""
    programs = tmp_path / "image" / "bin"
    programs.mkdir(parents=True)
    (programs / "llamafactory-cli").write_text(TRAINER, encoding="utf-8")
    (programs / "llamafactory-cli").chmod(0o755)
    image = Image((programs,), {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"})
    return Cluster(tmp_path / "cluster", image, secrets={"git-credentials": {"username": USER, "password": TOKEN}})


def compile_config(directory: Path, config: Json) -> Json:
    """Compile a configuration from a user's file."""
    config = {"defaults": ["config", *config.pop("defaults"), "_self_"], **config}
    directory.mkdir()
    (directory / "mine.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return compile_manifest("--config-dir", str(directory), "-c", "mine")


def test_a_command_gets_its_words_and_its_variables_unchanged(cluster: Cluster, tmp_path: Path) -> None:
    show = "import json,os,sys;print('SEEN '+json.dumps([sys.argv[1:],dict(os.environ)]))"
    config = {
        "defaults": [{f"override /{group}": "none"} for group in ("model", "dataset", "method")]
        + [{"override /launcher": "command"}, {"override /hardware": "cpu"}],
        "image": "any",
        "launcher": {"command": ["python3", "-c", show], "args": [HOSTILE, LINES, "", "$$", "$(HOSTILE)"]},
        "env": {"HOSTILE": HOSTILE, "LINES": LINES},
    }
    job = VolcanoJob(compile_config(tmp_path / "conf", config), cluster).start().wait(60)
    assert job.succeeded, job.log
    arguments, environment = json.loads(job.log.partition("SEEN ")[2])
    assert arguments == [HOSTILE, LINES, "", "$$", "$(HOSTILE)"]
    assert (environment["HOSTILE"], environment["LINES"]) == (HOSTILE, LINES)
    assert not (cluster.claim("workspace") / "ran").exists()


def test_a_run_gets_its_paths_arguments_and_texts_unchanged(
    cluster: Cluster, git_server: GitServer, tmp_path: Path
) -> None:
    workspace = cluster.claim("workspace")
    for name in ("model", "dataset"):
        (workspace / f"{name} {PLACE}").mkdir(parents=True)
        (workspace / f"{name} {PLACE}" / "config.json").touch()
    info = {WORD: {"file_name": "config.json"}}
    (workspace / f"dataset {PLACE}" / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    config = {
        "defaults": [
            {"override /hardware": "cpu"},
            {"override /model": "custom"},
            {"override /publish": "git"},
            {"override /source@model.source": "path"},
            {"override /source@dataset.source": "path"},
        ],
        "model": {"id": HOSTILE, "template": "qwen3", "source": {"path": f"/workspace/model {PLACE}"}},
        "dataset": {"names": [WORD], "info": None, "source": {"path": f"/workspace/dataset {PLACE}"}},
        "annotations": {"note": LINES},
        "train": {"default_system": LINES, "run_name": HOSTILE},
        "env": {"HOSTILE": HOSTILE},
        "setup": [["python3", "-c", "import sys;print('SETUP',sys.argv[1:])", HOSTILE, LINES]],
        "publish": {"url": git_server.create("org/hostile"), "author_name": PLACE},
        "cluster": {"git_credentials": {"secret": "git-credentials"}},
        "name": "hostile",
    }
    job = VolcanoJob(compile_config(tmp_path / "conf", config), cluster).start().wait(60)
    assert job.succeeded, job.log
    note = json.loads((workspace / "train.json").read_text())
    train = yaml.safe_load(note["file"])
    assert train["model_name_or_path"] == f"/workspace/model {PLACE}"
    assert train["dataset"] == WORD
    assert (train["default_system"], train["run_name"]) == (LINES, HOSTILE)
    assert note["environment"]["HOSTILE"] == HOSTILE
    assert f"SETUP {[HOSTILE, LINES]!r}" in job.log
    (branch,) = git_server.branches("org/hostile")
    said = run(["git", "-C", str(git_server.bare("org/hostile")), "log", "-1", "--format=%an%n%B", branch])
    assert said.splitlines()[0] == PLACE
    assert said.splitlines()[1].startswith(HOSTILE)
    assert list(workspace.rglob("ran")) == []
    assert TOKEN not in job.log


@pytest.mark.parametrize("kind", ["git", "huggingface", "modelscope"])
def test_an_invalid_revision_fails_the_fetch_and_runs_nothing(
    cluster: Cluster, git_server: GitServer, tmp_path: Path, kind: str
) -> None:
    of_git = {"url": git_server.create(f"org/revision-{kind}")}
    of_hub = {"repository": "org/name", "endpoint": "http://127.0.0.1:9"}
    config = {
        "defaults": [{"override /hardware": "cpu"}, {"override /source@model.source": kind}],
        "model": {"source": {"revision": WORD, **(of_git if kind == "git" else of_hub)}},
        "cluster": {"git_credentials": {"secret": "git-credentials"}},
    }
    job = VolcanoJob(compile_config(tmp_path / "conf", config), cluster).start().wait(60)
    assert not job.succeeded
    assert "ftc: error: " in job.log
    assert TOKEN not in job.log
    assert not (cluster.claim("workspace") / "ran").exists()
