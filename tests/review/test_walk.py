"""The way of a new user, with real git: init, edit, check, a branch, diff in all formats, update, check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from ftc import __version__
from review.repository import Repository, initialised
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RUN = "conf/my-run.yaml"
BOTH = (
    f"before is golden at main, after is what ftc {__version__} compiles; "
    "if ftc is the cause, golden at main is from another ftc or out of date"
)


def test_from_nothing_to_a_reviewed_manifest(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    assert repository.ftc("golden", "check").exit_code == 0
    manifest = (tmp_path / "golden" / "my-run" / "volcano.yaml").read_text()
    assert yaml.safe_load(manifest)["metadata"]["generateName"] == "my-run-"

    repository.done("git", "switch", "-q", "-c", "more-nodes")
    repository.edit(RUN, "nodes: 1", "nodes: 2")
    check = repository.ftc("golden", "check")
    assert check.exit_code == 1
    assert "golden/my-run/volcano.yaml: changed" in check.stdout
    assert "\n-    replicas: 1\n" in check.stdout
    assert "\n+    replicas: 2\n" in check.stdout

    text = repository.ftc("diff", "--base", "main")
    assert text.exit_code == 0
    assert "my-run: changed\nJob.batch.volcano.sh/my-run-\n" in text.stdout
    assert "  ~ spec.tasks[worker].replicas\n      1 → 2\n      nodes (conf/my-run.yaml:10)\n" in text.stdout
    (run,) = json.loads(repository.ftc("diff", "--base", "main", "--format", "json").stdout)
    (replicas,) = [change for change in run["changes"] if change["path"] == "spec.tasks[worker].replicas"]
    assert (replicas["before"], replicas["after"]) == (1, 2)
    assert replicas["causes"] == [{"key": "nodes", "before": "conf/my-run.yaml:10", "after": "conf/my-run.yaml:10"}]
    markdown = repository.ftc("diff", "--base", "main", "--format", "markdown").stdout
    assert markdown.startswith("**1 of 2 runs changes on the cluster**\n\n| run |")
    assert "| `nodes` | `1` | `2` | `conf/my-run.yaml:10` |" in markdown
    assert "| `spec.tasks[worker].replicas` | `1` | `2` | `nodes` |" in markdown
    assert repository.ftc("diff", "--base", "main", "--exit-code").exit_code == 1

    assert repository.ftc("golden", "update", CI="true").exit_code == 1
    update = repository.ftc("golden", "update")
    assert "wrote golden/my-run/volcano.yaml (changed)\n" in update.stdout
    assert repository.ftc("golden", "check").exit_code == 0
    changed = repository.done("git", "diff", "--name-only").split()
    assert set(changed) == {RUN, *(line.split()[1] for line in update.stdout.splitlines())}
    repository.commit("Train on two nodes")
    repository.done("git", "switch", "-q", "main")
    repository.done("git", "merge", "-q", "more-nodes")
    said = repository.ftc("diff", "--base", "HEAD", "--exit-code")
    assert (said.stdout, said.exit_code) == ("", 0)


def test_a_cause_is_named_the_same_on_every_machine_and_a_line_that_has_moved_is_the_same_place(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    repository.edit(RUN, "hardware: nvidia", "hardware: h800 # two lines\n  # of a remark")
    repository.edit(RUN, "devices: 1", "devices: 2")
    text = repository.ftc("diff", "--base", "main").stdout
    assert "      devices (conf/my-run.yaml:12)\n" in text
    assert "(<ftc>/conf/hardware/nvidia.yaml:10 → <ftc>/conf/hardware/h800.yaml:7)" in text
    assert str(ROOT) not in text


def of_another_ftc(repository: Repository) -> None:
    """What another ftc has compiled of the same conf stands in golden/, as its update would have left it."""
    repository.edit("golden/my-run/volcano.yaml", "app.kubernetes.io/managed-by: ftc", "made-by: another")
    repository.done("bash", "-c", "cd golden/my-run && sha256sum -- $(cut -c67- DIGESTS) > new && mv new DIGESTS")
    repository.commit("Another ftc")


def test_what_another_ftc_compiles_the_same_conf_to_is_a_change_and_ftc_its_cause(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    of_another_ftc(repository)
    assert repository.ftc("golden", "check").exit_code == 1
    for updated in (False, True):
        if updated:
            repository.ftc("golden", "update")
        text = repository.ftc("diff", "--base", "main")
        assert '  + metadata.labels["app.kubernetes.io/managed-by"]\n' in text.stdout
        assert f"      ftc (golden at main → {__version__})\n" in text.stdout
        assert text.stderr.splitlines() == ["ftc: 4 changes in 1 object", f"ftc: {BOTH}"]
    markdown = repository.ftc("diff", "--base", "main", "--format", "markdown").stdout
    assert f"`ftc (golden at main → {__version__})` |" in markdown
    assert f"\n{BOTH}\n" in markdown
    (run,) = json.loads(repository.ftc("diff", "--base", "main", "--format", "json").stdout)
    assert {cause["key"] for change in run["changes"] for cause in change["causes"]} == {"ftc"}


def test_a_key_and_another_ftc_are_told_apart(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    of_another_ftc(repository)
    repository.edit(RUN, "learning_rate: 1.0e-4", "learning_rate: 2.0e-4")
    (run,) = json.loads(repository.ftc("diff", "--base", "main", "--format", "json").stdout)
    causes = {change["path"]: [cause["key"] for cause in change["causes"]] for change in run["changes"]}
    assert causes["train.yaml: learning_rate"] == ["train.learning_rate"]
    assert causes["metadata.labels.made-by"] == ["ftc"]


def test_without_golden_files_it_is_said_which_ftc_compiled_both_sides(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    of_another_ftc(repository)
    said = repository.ftc("diff", "--base", "main", "-c", "my-run", "--config-dir", "conf")
    assert said.stdout == ""
    assert said.stderr == f"ftc: nothing differs\nftc: both sides are compiled by ftc {__version__}\n"


def test_a_base_that_this_ftc_refuses_is_compared_as_it_was_kept(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    repository.edit(RUN, "nodes: 1", "nodez: 1")
    repository.commit("What another ftc knew")
    repository.edit(RUN, "nodez: 1", "nodes: 2")
    said = repository.ftc("diff", "--base", "main")
    assert "  ~ spec.tasks[worker].replicas\n      1 → 2\n" in said.stdout
    assert "case my-run does not compile at main (FTC010): comparing the golden files" in said.stderr


def test_a_revision_is_compiled_with_its_own_conf_and_cases(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    conf, golden = tmp_path / "conf", tmp_path / "golden"
    (conf / "hardware").mkdir()
    (conf / "hardware" / "ours.yaml").write_text("defaults: [nvidia, _self_]\ncpu_per_device: 20\n")
    repository.edit(RUN, "hardware: nvidia", "hardware: ours")
    (golden / "more").mkdir()
    (golden / "more" / "case.yaml").write_text('why: A matrix.\nconfig: my-run\nmatrix: ["nodes=1,2"]\n')
    (run, *more) = [json.loads(repository.ftc("diff", "--base", "main", "--format", "json").stdout)][0]
    assert (run["run"], run["status"]) == ("more/nodes=1", "added")
    (changed,) = [one for one in more if one["status"] == "changed"]
    (cpu,) = [one for one in changed["changes"] if one["path"].endswith("limits.cpu")]
    assert [(cause["key"], cause["after"]) for cause in cpu["causes"]] == [
        ("hardware.cpu_per_device", "conf/hardware/ours.yaml:2")
    ]
    assert not (tmp_path / "golden" / "more" / "nodes=1").exists()
    assert repository.done("git", "status", "--porcelain").split() == [
        "M",
        RUN,
        "??",
        "conf/hardware/",
        "??",
        "golden/more/",
    ]

    assert repository.ftc("golden", "update").exit_code == 0
    repository.commit("Ours")
    (golden / "more" / "case.yaml").unlink()
    found = json.loads(repository.ftc("diff", "--base", "HEAD", "--format", "json").stdout)
    assert [(one["run"], one["status"]) for one in found] == [("more/nodes=1", "removed"), ("more/nodes=2", "removed")]


def test_a_single_run_of_a_revision_from_below_the_root(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    repository.edit(RUN, "learning_rate: 1.0e-4", "learning_rate: 2.0e-4")
    below = Repository(tmp_path / "conf")
    said = below.ftc("diff", "--base", "main", "-c", "my-run", "--config-dir", ".", "nodes=2")
    assert "  ~ train.yaml: learning_rate\n      1.0e-4 → 2.0e-4\n" in said.stdout
    assert said.stdout.count("~") == 1


def test_a_base_that_does_not_compile_counts_as_new_and_a_tree_that_does_not_is_refused(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    (tmp_path / "golden" / "my-run" / "DIGESTS").unlink()  # nothing was ever compiled here
    repository.edit(RUN, "nodes: 1", "nodes: 0")
    broken = repository.ftc("diff", "--base", "main")
    assert (broken.stdout, broken.exit_code) == ("", 1)
    assert "FTC012" in broken.stderr
    repository.commit("Break it")
    repository.edit(RUN, "nodes: 0", "nodes: 1")
    mended = repository.ftc("diff", "--base", "main", "--format", "json")
    assert [one["status"] for one in json.loads(mended.stdout)] == ["added"]
    assert "case my-run does not compile at main (FTC012): counted as new" in mended.stderr


def test_of_a_matrix_that_the_base_does_not_compile_the_first_is_named(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    (tmp_path / "golden" / "more").mkdir()
    case = tmp_path / "golden" / "more" / "case.yaml"
    case.write_text('why: A matrix.\noverrides: [devices=0]\nmatrix: ["nodes=1,2"]\n')
    repository.commit("Broken")
    case.write_text('why: A matrix.\nmatrix: ["nodes=1,2"]\n')
    said = repository.ftc("diff", "--base", "main")
    assert said.stderr.count("does not compile") + said.stderr.count("do not compile") == 1
    assert "case more/nodes=1 and 1 more do not compile at main (FTC012): counted as new" in said.stderr


def test_a_revision_that_does_not_exist_or_looks_like_an_option_is_refused(tmp_path: Path) -> None:
    repository = initialised(tmp_path)
    for revision in ("gone", "--output=x", "HEAD:conf"):
        said = repository.ftc("diff", f"--base={revision}")
        assert said.exit_code == 1
        assert said.stderr.startswith(f"ftc: {revision}: ")
        assert "Traceback" not in said.stderr
    assert not (tmp_path / "x").exists()


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / RUN).write_text("defaults: [config, _self_]\nname: own\n")
    repository = Repository(tmp_path)
    said = repository.ftc("init").stdout
    assert "kept README.md\n" in said
    assert (tmp_path / "README.md").read_text() == "mine\n"
    assert "generateName: own-" in (tmp_path / "golden" / "my-run" / "volcano.yaml").read_text()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    (tmp_path / RUN).write_text("defaults: [config, _self_]\nname: other\n")
    again = repository.ftc("init").stdout.splitlines()
    assert [line for line in again if not line.startswith("kept ")] == []
    changed = {file for file in tmp_path.rglob("*") if file.is_file() and before.get(file) != file.read_bytes()}
    assert changed == {tmp_path / RUN}
