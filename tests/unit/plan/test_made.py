"""A job says what it was made from, and shows no secret."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from ftc import __version__
from ftc.compose.sweep import points
from ftc.conf_tree import search_path
from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from ftc.plan import made
from ftc.targets import POD_TARGETS
from unit.compiling import COMMAND, artifacts, errors, ftc, objects, template, trainer, variables
from unit.loading import load, load_all

OVERRIDES = ("nodes=2", "train.learning_rate=1e-5")
GIT = ("source@model.source=git", "model.source.url=https://git.example.com/m")


def told(*arguments: str, target: str = "volcano") -> dict[str, str]:
    """The annotations of the job's object that say what it was made from."""
    said = ftc("compile", "-t", target, *arguments)
    assert said.exit_code == 0, said.stderr
    *_, made_object = load_all(said.stdout)
    given = made_object["metadata"]["annotations"]
    return {key.removeprefix("ftc.dev/"): value for key, value in given.items() if key.startswith("ftc.dev/")}


@pytest.mark.parametrize("target", [*POD_TARGETS, "prefetch"])
def test_the_object_names_ftc_the_overrides_and_the_spec(target: str) -> None:
    found = told(*OVERRIDES, target=target)
    digest = found.pop("spec-digest")
    assert found == {"version": __version__, "overrides": "nodes=2 train.learning_rate=1e-5"}
    assert (len(digest), int(digest, 16) >= 0) == (8, True)


def test_only_the_objects_that_run_the_job_say_it() -> None:
    service, _ = load_all(ftc("compile", "-t", "job", "nodes=2").stdout)
    runtime, _ = load_all(ftc("compile", "-t", "trainjob", "nodes=2").stdout)
    for one in (service, runtime):
        assert "annotations" not in one["metadata"]
    assert template("nodes=2")["metadata"]["annotations"].keys() & {"ftc.dev/version", "ftc.dev/overrides"} == set()


def test_the_digest_is_that_of_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the notation nor a release of ftc changes it, and it ends a fixed name."""
    one, other = told("nodes=2"), told("nodes=1", "nodes=2", "ignore=[FTC301]")
    assert one["spec-digest"] == other["spec-digest"] != told("nodes=4")["spec-digest"]
    service, *_ = load_all(ftc("compile", "-t", "job", "nodes=2").stdout)
    assert service["metadata"]["name"].endswith(f"-{one['spec-digest']}")
    monkeypatch.setattr(made, "__version__", "9.9.9")
    assert told("nodes=2") == {**one, "version": "9.9.9"}


def test_a_primary_config_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("conf").mkdir()
    Path("conf/mine.yaml").write_text("defaults: [config, _self_]\nnodes: 2\n")
    found = told("-c", "mine")
    assert (found["config"], "overrides" in found) == ("mine", False)


SECRETS = (
    "env.A_PASSWORD='two words'",
    "env={X: 1, A_TOKEN: 'words'}",
    "train.hub_token=words",
    "env.X=hf_abcdefghijklmnopqrstuvwxyz012345words",
    "model.source.url=https://user:words@git.example.com/m",
    "launcher.command=[run,--password,words]",
    "launcher.command=[curl,-H,'Authorization: Bearer words-words-words-words']",
    "env.PIP=https://wordswordswordswords1@pypi.example.com",
)


@pytest.mark.parametrize("override", SECRETS)
def test_stars_replace_the_whole_value_that_has_a_secret(override: str) -> None:
    shown = made.without_secret(override)
    assert "words" not in shown
    assert shown.endswith("=***")


@pytest.mark.parametrize(
    "override", ["env.A_PASSWORD='two words'", "env={X: 1, A_TOKEN: 'two words'}", "env={DB_SECRET:'two words'}"]
)
def test_a_secret_of_several_words_is_not_in_the_manifest(override: str) -> None:
    state = compile_job(Request((override,)))
    assert state.run is not None
    assert state.run.made_from["ftc.dev/overrides"] == f"'{override.partition('=')[0]}=***'"
    assert "two words" not in str(state.run.kept)


def test_a_reference_to_a_secret_is_not_one() -> None:
    for override in ("env.A_PASSWORD=${env.X}", "model.source.token.secret=hub", "env.TOKENIZERS_PARALLELISM=false"):
        assert made.without_secret(override) == override


@pytest.mark.parametrize(
    "text", ["a\x1b[31m\u202eb", "a\nb: c", "'\"`$(touch x)", "\udcff", "中文 🚀", "#[x]: {y}", "a" * 9999]
)
def test_any_text_is_one_short_line_of_the_annotation(text: str) -> None:
    written = made.written([f"env.X={text}", "nodes=2"])
    assert written.isprintable()
    assert len(written) < 400
    assert shlex.split(written)[1] == "nodes=2"
    assert shlex.split(written)[0].startswith("env.X=")


def test_many_overrides_are_cut() -> None:
    written = made.written([f"env.V{number}={'x' * 90}" for number in range(1000)])
    assert len(written) < 5000
    assert written.startswith("env.V0=")
    assert written.endswith(" more")
    shown = sum(word.startswith("env.V") for word in written.split())
    assert f"… and {1000 - shown} more" in written


def test_a_long_overrides_annotation_leaves_a_valid_manifest() -> None:
    words = [f"env.V{number}='{'ü' * 200}'" for number in range(100)]
    assert len(told(*words)["overrides"].encode()) < 10_000


def spec_in_pod(*overrides: str) -> str:
    text: str = template(*overrides)["metadata"]["annotations"]["ftc.dev/spec.yaml"]
    return text


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        OVERRIDES,
        (*GIT, "storage=job-lifetime", "train.learning_rate=1e-7"),
        (*COMMAND, "launcher.args=['a \"b\" c','${nodes}','\\${HOME}',\"x: #'\"]", 'env.X="1.0"'),
        ("method=full-sft", "engine=deepspeed-z3", "hardware=h800", "devices=8", "nodes=4"),
    ],
)
def test_the_spec_in_the_pod_is_a_config_of_the_same_run(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    text = spec_in_pod(*overrides)
    assert "\n" not in text
    Path(tmp_path, "spec.yaml").write_text(text)
    again = compile_job(Request((), (tmp_path,), "spec"))
    assert not has_errors(again.diagnostics)
    found = {one.name: one.text for one in again.artifacts()}
    expected = artifacts(*overrides)
    assert objects(found["volcano.yaml"]) == objects(expected["volcano.yaml"])
    assert {key: text for key, text in found.items() if key != "volcano.yaml"} == {
        key: text for key, text in expected.items() if key != "volcano.yaml"
    }


def test_a_spec_without_what_is_not_set_does_not_change_with_a_new_key() -> None:
    keys = load(spec_in_pod("nodes=2"))
    assert keys["nodes"] == 2
    assert not {"restarts", "pod", "job", "labels"} & keys.keys()


def test_a_very_long_spec_is_left_out() -> None:
    long = [f"env.V{number}={'x' * 1000}" for number in range(70)]
    assert "ftc.dev/spec.yaml" not in template(*long)["metadata"]["annotations"]
    assert "ftc.dev/spec.yaml" in template(*long[:50])["metadata"]["annotations"]


def test_a_user_cannot_replace_what_the_object_says() -> None:
    for override in ("annotations={ftc.dev/version: x}", "job.volcano={metadata: {annotations: {ftc.dev/version: x}}}"):
        assert errors(override)


# Points of a matrix.


def matrix(*overrides: str) -> list[Any]:
    """The VolcanoJob of each point."""
    found, problems = points(overrides, search_path(()))
    assert not problems
    states = [compile_job(Request(one.overrides, varied=one.chosen, ignore=("FTC416",))) for one in found]
    assert not [one for state in states if has_errors(one := state.diagnostics)]
    return [load(state.outputs["volcano"]) for state in states]


def test_points_have_distinct_names_and_labels() -> None:
    jobs = matrix("train.learning_rate=1e-5,1e-4", "nodes=1,2", "naming=fixed")
    names = {one["metadata"]["name"] for one in jobs}
    labels = {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in jobs}
    assert len(jobs) == len(names) == 4
    assert labels == names
    of_pods = [one["spec"]["tasks"][0]["template"]["metadata"]["labels"] for one in jobs]
    assert [one["app.kubernetes.io/instance"] for one in of_pods] == [one["metadata"]["name"] for one in jobs]


def test_a_point_keeps_its_name_if_the_matrix_grows_or_another_key_changes() -> None:
    def names(*overrides: str) -> set[str]:
        return {one["metadata"]["name"] for one in matrix("naming=fixed", *overrides)}

    few = names("nodes=1,2")
    assert few < names("nodes=1,2,4")
    assert few == names("nodes=1,2", "train.max_steps=7")


def test_the_longest_derived_name_of_a_point_fits() -> None:
    long = "model.id=org/" + "a-very-long-name-" * 8
    for one in matrix(long, "model.architecture=null", "nodes=1,1000"):
        assert len(f"{one['metadata']['generateName']}xxxxx-worker-999") <= 63


def test_names_that_the_user_varies_are_kept() -> None:
    assert [one["metadata"]["name"] for one in matrix("name=a,b", "naming=fixed")] == ["a", "b"]
    both = [one["metadata"]["name"] for one in matrix("name=a,b", "nodes=1,2", "naming=fixed")]
    assert len({*both}) == 4
    assert [one[:2] for one in both] == ["a-", "a-", "b-", "b-"]


def test_a_point_says_what_varies() -> None:
    (_, second) = matrix("train.learning_rate=1e-5,1e-4", "nodes=2")
    given = second["metadata"]["annotations"]
    assert given["ftc.dev/varied"] == "train.learning_rate=1e-4"
    assert given["ftc.dev/overrides"] == "train.learning_rate=1e-4 nodes=2"
    assert "ftc.dev/varied" not in told("nodes=2")


# Trackers.

TRACKERS = (
    "tracking.mlflow={uri: http://m:5000}",
    "tracking.wandb={token: {secret: w}}",
    "tracking.swanlab={token: {secret: s}}",
)


def of_trackers(one: Any) -> dict[str, str]:
    (container,) = [c for c in one["spec"]["tasks"][0]["template"]["spec"]["containers"] if c["name"] == "train"]
    return variables(container)


def test_tags_name_the_job_its_spec_and_what_varies() -> None:
    (_, second) = matrix(
        *TRACKERS, "train.learning_rate=1e-5,1e-4", "hardware=h800,ascend", "devices=8", "naming=fixed"
    )[:2]
    name, digest = second["metadata"]["name"], second["metadata"]["annotations"]["ftc.dev/spec-digest"]
    found = of_trackers(second)
    assert json.loads(found["MLFLOW_TAGS"]) == {
        "ftc.job": name,
        "ftc.spec": digest,
        "train.learning_rate": "1e-5",
        "hardware": "ascend",
    }
    assert found["WANDB_TAGS"].split(",") == [name, digest, "train.learning_rate=1e-5", "hardware=ascend"]
    assert found["SWANLAB_DESCRIPTION"] == f"{name} {digest} train.learning_rate=1e-5 hardware=ascend"
    train = load(second["spec"]["tasks"][0]["template"]["metadata"]["annotations"]["ftc.dev/train.yaml"])
    assert (train["run_name"], train["swanlab_run_name"]) == (name, name)


def test_what_the_user_sets_wins() -> None:
    train = load(artifacts(*TRACKERS, "train.run_name=mine", "ignore=[FTC416]")["train.yaml"])
    assert (train["run_name"], train["swanlab_run_name"]) == ("mine", "qwen3-0-6b-lora-sft")
    assert variables(trainer(*TRACKERS, "env.WANDB_TAGS=mine", "ignore=[FTC416]"))["WANDB_TAGS"] == "mine"


def test_a_run_without_a_tracker_has_no_tags() -> None:
    assert not {"MLFLOW_TAGS", "WANDB_TAGS", "SWANLAB_DESCRIPTION"} & variables(trainer()).keys()
    assert "run_name" not in load(artifacts("tracking=tensorboard", "ignore=[FTC416]")["train.yaml"])


def test_tags_are_within_the_limits_of_the_trackers() -> None:
    """W&B: 64 characters, separated by commas; SwanLab: 1024 characters; MLflow: letters and `_-./` in a name."""
    long = "x" * 200
    (one, _) = matrix(*TRACKERS, f"env.A={long},y", f"env={{B: '1,2'}},{{B: '{long}'}}")[:2]
    found = of_trackers(one)
    assert all(1 <= len(tag) <= 64 for tag in found["WANDB_TAGS"].split(","))
    assert len(found["WANDB_TAGS"].split(",")) == 4
    assert len(found["SWANLAB_DESCRIPTION"]) <= 1024
    assert all(key.replace(".", "").replace("_", "").isalnum() for key in json.loads(found["MLFLOW_TAGS"]))


@pytest.mark.parametrize("length", [60, 100, 400])
def test_values_that_differ_only_at_their_end_have_different_tags(length: int) -> None:
    points = matrix(*TRACKERS, f"env.A={'x' * length}1,{'x' * length}2")
    tags = [of_trackers(one)["WANDB_TAGS"].split(",")[2] for one in points]
    assert len(set(tags)) == 2
    assert all(len(tag) <= 64 and tag.startswith("env.A=xxxx") for tag in tags)


def test_a_diff_shows_a_change_once() -> None:
    said = ftc("diff", *TRACKERS, "ignore=[FTC416]", "--", *TRACKERS, "ignore=[FTC416]", "train.learning_rate=1e-5")
    assert said.stdout.splitlines()[1:] == [
        "  ~ train.yaml: learning_rate",
        "      1.0e-4 → 1.0e-5",
        "      train.learning_rate (the default → train.learning_rate=1e-5)",
    ]
    assert ftc("diff", "nodes=2", "--", "nodes=1", "nodes=2").stdout == ""
