"""`ftc diff`: the sides, the causes of differences, and the output."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftc.diff import causes
from ftc.diff.objects import pairs, things
from ftc.explain.artifact import ABSENT
from unit.compiling import Said, ftc

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = "defaults: [nvidia, _self_]\ncpu_per_device: {cpus}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def changes(*arguments: str) -> list[dict[str, Any]]:
    said = ftc("diff", "--format", "json", *arguments)
    assert said.exit_code == 0, said
    return [change for run in json.loads(said.stdout) for change in run["changes"]]


def by_path(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {change["path"]: change for change in found}


CONTAINER = "spec.tasks[worker].template.spec.containers[train]"


def test_two_sets_of_overrides() -> None:
    found = by_path(changes("hardware=h800", "--", "hardware=ascend"))
    image = found[f"{CONTAINER}.image"]
    assert (image["before"], image["after"]) == ("hiyouga/llamafactory:0.9.5", "hiyouga/llamafactory:0.9.5-npu-a2")
    (cause,) = image["causes"]
    assert cause["key"] == "image"
    assert cause["before"].endswith("conf/hardware/nvidia.yaml:9")
    assert cause["after"].endswith("conf/hardware/ascend.yaml:10")
    assert found[f'{CONTAINER}.resources.limits["huawei.com/Ascend910"]']["kind"] == "added"
    assert found[f'{CONTAINER}.resources.limits["nvidia.com/gpu"]']["kind"] == "removed"


def test_every_change_names_the_override_that_causes_it() -> None:
    found = changes("--", "nodes=2", "train.learning_rate=2.0e-4")
    causes = {change["path"]: {cause["after"] for cause in change["causes"]} for change in found}
    assert causes["train.yaml: learning_rate"] == {"train.learning_rate=2.0e-4"}
    assert causes["spec.minAvailable"] == {"nodes=2"}
    assert all(said for said in causes.values())


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_long_values_are_cut_so_that_the_parts_that_differ_are_shown(form: str) -> None:
    long = "x" * 300
    said = ftc("diff", "--format", form, f"env.A={long}left", "--", f"env.A={long}right").stdout
    (line,) = [one for one in said.splitlines() if "left" in one and "right" in one and "xxx" in one][:1]
    assert len(line) < 300
    assert "…" in line


@pytest.mark.parametrize("tail", ["", "y" * 300])
def test_a_difference_in_the_middle_of_long_values_has_its_surroundings(tail: str) -> None:
    start = "first " + "x" * 200
    said = ftc("diff", f"env.A='{start} one{tail}'", "--", f"env.A='{start} two{tail}'").stdout
    (line,) = [one for one in said.splitlines() if " → " in one and "yyy" * bool(tail) in one][:1]
    before, after = line.split(" → ")
    assert before.strip().replace("one", "two") == after
    assert after.startswith("…")


@pytest.mark.parametrize(("target", "file"), [("image", "Dockerfile"), ("script", "run.sh")])
def test_a_file_that_is_not_yaml_is_compared_as_text(target: str, file: str) -> None:
    sides = ("hardware=ascend", "--", "hardware=h800", "-t", target)
    (whole,) = [change for change in changes(*sides) if change["object"] == file]
    assert (whole["path"], whole["kind"]) == ("", "changed")
    said = ftc("diff", "--format", "markdown", *sides).stdout
    assert f"\n`{file}`" in said
    assert "`` (" not in said


def test_a_kind_of_a_union_is_one_cause() -> None:
    found = by_path(changes("devices=2", "--", "devices=2", "engine=deepspeed-z3"))
    assert [cause["key"] for cause in found["train.yaml: deepspeed"]["causes"]] == ["engine"]


def test_a_renamed_run_is_the_same_object() -> None:
    found = by_path(changes("name=one", "--", "name=other"))
    assert found["metadata.generateName"]["before"] == "one-"
    assert found["metadata.generateName"]["after"] == "other-"
    assert not any(change["kind"] in ("added", "removed") for change in found.values())


def test_equal_runs_do_not_differ() -> None:
    said = ftc("diff", "--exit-code", "nodes=1", "--")
    assert (said.stdout, said.stderr, said.exit_code) == ("", "ftc: nothing differs\n", 0)
    assert ftc("diff", "--format", "json", "nodes=1", "--").stdout == "[]\n"
    assert "Nothing changes" in ftc("diff", "--format", "markdown", "nodes=1", "--").stdout


def test_the_exit_code_is_0_without_the_option() -> None:
    assert ftc("diff", "--", "nodes=2").exit_code == 0
    assert ftc("diff", "--exit-code", "--", "nodes=2").exit_code == 1
    assert ftc("diff", "--", "nodes=2", "--exit-code").exit_code == 1


def test_text_has_the_path_the_values_and_the_cause() -> None:
    said = ftc("diff", "--", "nodes=2").stdout
    assert said.startswith("Job.batch.volcano.sh/qwen3-0-6b-lora-sft-\n")
    lines = "  ~ spec.tasks[worker].replicas\n      1 → 2\n      nodes (…/conf/config.yaml:17 → nodes=2)\n"
    path, values, cause = lines.splitlines()
    place = said.splitlines().index(path)
    assert said.splitlines()[place + 1] == values
    assert said.splitlines()[place + 2].endswith(cause.partition("…")[2])


def test_two_directories() -> None:
    ftc("compile", "-o", "one/run", "nodes=1")
    ftc("compile", "-o", "other/run", "nodes=2", "-t", "volcano", "-t", "job")
    ftc("compile", "-o", "one/gone")
    said = ftc("diff", "one", "other", "--format", "json")
    runs = {run["run"]: run for run in json.loads(said.stdout)}
    assert {name: run["status"] for name, run in runs.items()} == {"gone": "removed", "run": "changed"}
    assert runs["gone"]["objects"] == ["Job.batch.volcano.sh/qwen3-0-6b-lora-sft-"]
    found = {(change["object"].partition("/")[0], change["path"]): change for change in runs["run"]["changes"]}
    replicas = found["Job.batch.volcano.sh", "spec.tasks[worker].replicas"]
    assert [cause["key"] for cause in replicas["causes"]] == ["nodes"]
    assert replicas["causes"][0]["after"].startswith("other/run/spec.yaml:")
    assert ("Service", "") in found
    assert ("train.yaml", "overwrite_cache") not in found  # it is reported once, in the pod that carries it


def test_a_directory_named_like_an_override() -> None:
    ftc("compile", "-o", "nodes=1", "nodes=1")
    ftc("compile", "-o", "nodes=2", "nodes=2")
    assert "spec.minAvailable" in by_path(changes("nodes=1", "nodes=2"))


def test_a_handwritten_manifest() -> None:
    Path("job.yaml").write_text(
        "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: mine}\n"
        "spec:\n  tasks:\n  - name: worker\n    template:\n      spec:\n        containers:\n"
        "        - {name: train, image: mine:1, resources: {limits: {nvidia.com/gpu: 1, memory: 196608Mi}}}\n"
    )
    found = by_path(changes("--manifest", "job.yaml", "hardware=h800"))
    image = found[f"{CONTAINER}.image"]
    assert (image["before"], image["after"]) == ("mine:1", "hiyouga/llamafactory:0.9.5")
    assert "image" in {cause["key"] for cause in image["causes"]}
    assert f"{CONTAINER}.resources.limits.memory" not in found  # 192Gi
    assert f'{CONTAINER}.resources.limits["nvidia.com/gpu"]' not in found


def fragment(image: str) -> str:
    return f"pod={{spec: {{nodeSelector: {{disk: ssd}}, containers: [{{name: train, image: '{image}'}}]}}}}"


@pytest.mark.parametrize("target", ["volcano", "job"])
def test_a_change_by_a_fragment_has_only_its_key_as_the_cause(target: str) -> None:
    prefix = "spec.tasks[worker].template" if target == "volcano" else "spec.template"
    image = f"{prefix}.spec.containers[train].image"
    key = "pod.spec.containers[0].image"
    for sides in (["--", fragment("a:1")], [fragment("a:1"), "--"], [fragment("a:1"), "--", fragment("b:1")]):
        found = by_path(changes(*sides, "-t", target))
        assert [cause["key"] for cause in found[image]["causes"]] == [key], sides


def test_a_removed_right_names_the_fragment_that_removed_it() -> None:
    given = "pod={spec: {containers: [{name: train, securityContext: {privileged: true}}]}}"
    found = by_path(changes("--", given))
    gone = found[f"{CONTAINER}.securityContext.allowPrivilegeEscalation"]
    assert (gone["kind"], [cause["key"] for cause in gone["causes"]]) == (
        "removed",
        ["pod.spec.containers[0].securityContext.privileged"],
    )


def test_changes_by_fragments_alone_need_no_other_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(*_: object) -> None:
        pytest.fail("a spec was changed to see its effect")

    monkeypatch.setattr(causes, "effects", tried)
    found = changes("--", "pod={spec: {nodeSelector: {disk: ssd}}}")
    assert all(change["causes"] for change in found)


def test_a_fragment_of_the_conf_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine" / "hardware").mkdir(parents=True)
    text = "defaults: [nvidia, _self_]\npod:\n  spec:\n    nodeSelector:\n      disk: {disk}\n"
    for disk in ("ssd", "nvme"):
        (tmp_path / "mine" / "hardware" / f"{disk}.yaml").write_text(text.format(disk=disk))
    found = by_path(changes("hardware=ssd", "--", "hardware=nvme", "--config-dir", "mine"))
    (cause,) = found["spec.tasks[worker].template.spec.nodeSelector.disk"]["causes"]
    assert cause == {
        "key": "hardware.pod.spec.nodeSelector.disk",
        "before": "mine/hardware/ssd.yaml:5",
        "after": "mine/hardware/nvme.yaml:5",
    }


def test_an_added_object_names_few_keys_with_the_nearest_first() -> None:
    Path("job.yaml").write_text(
        "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: mine}\n"
        "spec:\n  tasks:\n  - name: worker\n    template:\n      spec:\n        containers:\n"
        "        - {name: train, image: mine:1, env: [{name: ZZ, value: z}, {name: NNODES, value: '1'}]}\n"
    )
    found = by_path(changes("--manifest", "job.yaml", "launcher=torchrun"))
    assert f"{CONTAINER}.env" not in found
    resources = [cause["key"] for cause in found[f"{CONTAINER}.resources"]["causes"]]
    assert resources[0] == "hardware.device.resource"
    assert "hardware.device.slices" not in resources  # it is null, so it explains nothing that exists
    assert "namespace" not in {cause["key"] for one in found.values() for cause in one["causes"]}
    said = ftc("diff", "--manifest", "job.yaml", "launcher=torchrun").stdout
    lines = [line.split("; ") for line in said.splitlines() if "; and " in line]
    assert lines
    assert all(len(causes) == 4 and causes[-1].removeprefix("and ").endswith("more") for causes in lines)


def test_a_key_that_is_not_set_explains_what_is_only_in_the_manifest() -> None:
    Path("job.yaml").write_text(
        "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: mine, namespace: team}\nspec: {}\n"
    )
    namespace = by_path(changes("--manifest", "job.yaml"))["metadata.namespace"]
    assert (namespace["kind"], [cause["key"] for cause in namespace["causes"]]) == ("removed", ["namespace"])


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "a: " + "[" * 3000, "a: \x00"])
def test_a_malformed_manifest_is_reported(text: str) -> None:
    Path("job.yaml").write_text(text)
    said = ftc("diff", "--manifest", "job.yaml")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert said.stderr.startswith("job.yaml:")


def test_hidden_files_are_not_compared() -> None:
    for name in ("one", "other"):
        for hidden in (".git", ".ftc-unfinished"):
            (Path(name) / hidden).mkdir(parents=True)
            (Path(name) / hidden / "x.yaml").write_text(f"a: {name}")
    assert ftc("diff", "one", "other").stdout == ""


def test_a_secret_is_not_printed() -> None:
    token = "hf_" + "a1" * 17
    env = "env: [{name: API_KEY, value: s3cretvalue}, {name: MY_TOKEN, value: s3cretvalue}]\n"
    for form in ("text", "markdown", "json"):
        Path("one.yaml").write_text(f"a: 1\nurl: https://x:{token}@h/\nHF_TOKEN: s3cretvalue\n{env}")
        Path("other.yaml").write_text("a: 2\nenv: [{name: API_KEY, value: 0thers3cret}]\n")
        said = ftc("diff", "one.yaml", "other.yaml", "--format", form).stdout
        assert "url" in said or "other.yaml" in said
        assert token not in said
        assert "s3cretvalue" not in said
        assert "0thers3cret" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["a", "b"], ["--base", "HEAD", "--manifest", "x.yaml"], ["--base", "HEAD", "nodes=1", "--"]),
        ["--base", "HEAD", "--target", "job"],
    ],
)
def test_sides_that_cannot_be_compared_are_a_usage_error(arguments: list[str]) -> None:
    Path("x.yaml").write_text("a: 1\n")
    assert ftc("diff", *arguments).exit_code == 2


def test_a_refused_side_is_reported() -> None:
    said = ftc("diff", "--", "nodes=0")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert "FTC012" in said.stderr


def test_a_base_without_a_repository_or_revision_is_refused() -> None:
    said = ftc("diff", "--base", "HEAD", "nodes=1")
    assert said.exit_code == 1
    assert said.stderr.startswith("ftc: HEAD: ")


def test_a_missing_revision_is_named() -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    said = ftc("diff", "--base", "nowhere", "nodes=1")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert said.stderr.startswith("ftc: nowhere: is not a revision")


WARNED = ("hardware=ascend", "storage.workspace.mount_path=/usr/local/Ascend")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_warnings_of_both_sides_are_reported_once(form: str) -> None:
    said = ftc("diff", "--format", form, *WARNED, "--", *WARNED, "nodes=2")
    assert said.exit_code == 0
    assert "ftc: the run has warnings:\n" in said.stderr
    assert said.stderr.count("warning[FTC323 ") == 1
    assert "FTC323" not in said.stdout


def test_strict_refuses_what_has_warnings() -> None:
    said = ftc("diff", "--strict", "--", *WARNED)
    assert (said.stdout, said.exit_code) == ("", 1)
    assert "error[FTC323 " in said.stderr


def test_the_warnings_of_a_revision_are_past_and_those_of_the_working_tree_count() -> None:
    conf = Path("conf")
    conf.mkdir()
    primary = "defaults: [config, {override /hardware: ascend}, _self_]\nstorage: {workspace: {mount_path: %s}}\n"
    (conf / "mine.yaml").write_text(primary % "/usr/local/Ascend")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    (conf / "mine.yaml").write_text(primary % "/workspace")
    said = ftc("diff", "--base", "HEAD", "-c", "mine", "--strict")
    assert said.exit_code == 0, said
    assert "warning" not in said.stderr


@pytest.mark.parametrize("command", ["compile", "show", "plan"])
def test_a_config_is_searched_in_the_conf_of_the_working_directory(command: str) -> None:
    Path("conf").mkdir()
    Path("conf/mine.yaml").write_text("defaults: [config, _self_]\nnodes: 2\n")
    said, expected = (_without_words(ftc(command, *words)) for words in (("-c", "mine"), ("nodes=2",)))
    assert (said.exit_code, said.stdout) == (0, expected.stdout)


def _without_words(said: Said) -> Said:
    """Without the next commands and the annotations, which repeat the words."""
    lines = said.stdout.partition("\nnext ")[0].splitlines()
    return said._replace(stdout="\n".join(line for line in lines if "ftc.dev/version" not in line))


def test_objects_pair_by_name_and_the_last_one_by_kind() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\n"
    before = things({"a.yaml": "---\n".join(service.format(name) for name in ("one", "two"))})
    after = things({"b.yaml": "---\n".join(service.format(name) for name in ("two", "three"))})
    assert [(str(pair.before), str(pair.after)) for pair in pairs(before, after)] == [
        ("Service/two", "Service/two"),
        ("Service/one", "Service/three"),
    ]
    found = pairs(before, things({}))
    assert all(pair.after.content is ABSENT for pair in found)


def test_a_mapping_with_many_changed_keys_is_one_cause() -> None:
    many = [f"env.A{number}=x" for number in range(200)]
    said = ftc("diff", "nodes=1", "--", "nodes=1", *many).stdout
    assert "env[A199]" in said
    assert said.count("      env (") == 200
