"""`ftc diff` never reports equality of something that it has not compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unit.compiling import ftc

JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        Path(name).mkdir()


def test_sides_of_different_targets_are_not_equal() -> None:
    said = ftc("diff", "-t", "volcano", "--", "-t", "job")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert said.stderr == (
        "ftc: nothing is compared: before has only Job.batch.volcano.sh/qwen3-0-6b-lora-sft-; "
        "after has only Job.batch/qwen3-0-6b-lora-sft-\n"
    )


def test_a_target_that_one_side_lacks_is_added() -> None:
    said = ftc("diff", "-t", "volcano", "--", "-t", "volcano", "-t", "job", "nodes=1")
    assert "+ Job.batch/qwen3-0-6b-lora-sft-" in said.stdout
    assert ftc("diff", "--", "-t", "job").stderr == "ftc: nothing differs\n"
    assert ftc("diff", "-t", "job", "--").stderr == "ftc: nothing differs\n"


def test_a_target_needs_a_compiled_side() -> None:
    assert ftc("diff", "-t", "job", "one", "other").exit_code == 2


@pytest.mark.parametrize(("before", "after"), [("", JOB), (JOB, ""), ("", ""), ("---\n# a\n", JOB)])
def test_an_empty_side_is_refused(before: str, after: str) -> None:
    Path("one.yaml").write_text(before)
    Path("other.yaml").write_text(after)
    said = ftc("diff", "one.yaml", "other.yaml")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert said.stderr.startswith("ftc: nothing is compared: ")
    assert "contains nothing that ftc compares" in said.stderr


def test_an_empty_directory_or_manifest_is_refused() -> None:
    Path("one/a.yaml").write_text(JOB)
    assert ftc("diff", "one", "other").exit_code == 1
    Path("empty.yaml").touch()
    assert ftc("diff", "--manifest", "empty.yaml").exit_code == 1


def test_files_that_are_not_compared_are_named() -> None:
    for name in ("one", "other"):
        Path(name, "a.yaml").write_text(JOB)
        Path(name, "notes.txt").write_text(name)
    said = ftc("diff", "one", "other")
    assert said.stderr == "ftc: nothing differs\nftc: not compared: one/notes.txt, other/notes.txt\n"
    assert "not compared: `one/notes.txt" in ftc("diff", "--format", "markdown", "one", "other").stdout


def test_specs_that_differ_without_an_effect_are_named() -> None:
    said = ftc("diff", "ignore=[FTC209]", "storage=per-pod", "--", "storage=per-pod", "ignore=[result-lost-with-pod]")
    assert (said.stdout, said.stderr) == ("", "ftc: nothing differs\nftc: not compared: spec.yaml\n")


def test_a_kustomization_is_an_object_too() -> None:
    for name, image in (("one", "1"), ("other", "2")):
        Path(name, "a.yaml").write_text(JOB)
        head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        Path(name, "kustomization.yaml").write_text(f"{head}images: [{{name: a, newTag: '{image}'}}]")
    assert "images[a].newTag" in ftc("diff", "one", "other").stdout
    Path("other/kustomization.yaml").unlink()
    for resources in ("[a.yaml]", "[../scripts, a.yaml]"):
        Path("one/kustomization.yaml").write_text(f"{head}resources: {resources}")
        assert ftc("diff", "one", "other").stderr == "ftc: nothing differs\nftc: not compared: kustomization.yaml\n"


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("name", ["a.json", "run.sh"])
def test_bytes_that_are_not_utf8_differ(name: str, end: bytes) -> None:
    for side, byte in (("one", b"\xff"), ("other", b"\xfe")):
        Path(side, name).write_bytes(b'{"a": "' + byte + b'"}' + end)
    for form in ("text", "markdown", "json"):
        said = ftc("diff", "--exit-code", "--format", form, "one", "other")
        assert said.exit_code == 1
        assert "xff" in said.stdout or "udcff" in said.stdout


def test_a_manifest_that_is_not_utf_8_is_refused() -> None:
    Path("one/a.yaml").write_bytes(b"a: \xff\n")
    Path("other/a.yaml").write_bytes(b"a: \xfe\n")
    said = ftc("diff", "one", "other")
    assert (said.stdout, said.exit_code) == ("", 1)
    assert [line.split(" ")[0] for line in said.stderr.splitlines() if "UTF-8:" in line] == [
        "one/a.yaml:1:4:",
        "other/a.yaml:1:4:",
    ]


def test_objects_in_json_equal_those_in_yaml() -> None:
    Path("one/a.yaml").write_text(JOB)
    Path("other/b.json").write_text(
        json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "x": 1}})
    )
    assert "+ metadata.x" in ftc("diff", "one", "other").stdout


def test_pipes_of_a_shell_are_manifests() -> None:
    command = f"{sys.executable} -m ftc.cli.main diff <(echo '{JOB}spec: 1') <(echo '{JOB}spec: 2')"
    script = command.replace("\n", "\\n").replace("echo", "printf")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "Job.batch/a\n  ~ spec\n      1 → 2\n"


def test_values_that_json_cannot_express_are_strings() -> None:
    Path("one.yaml").write_text("a: .nan\nb: !!binary aGk=\nc: !!set {x, z}\nd: 1\n")
    Path("other.yaml").write_text("a: .nan\nb: !!binary aGkh\nc: !!set {x}\nd: .inf\n")
    said = ftc("diff", "--format", "json", "one.yaml", "other.yaml")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    (run,) = json.loads(said.stdout, parse_constant=refuse)
    assert {change["path"] for change in run["changes"]} == {"b", "c", "d"}
