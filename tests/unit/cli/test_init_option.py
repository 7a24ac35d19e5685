"""`ftc init --hardware NAME`: a file for the user's own conf."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unit.compiling import ftc

GROUPS = ("hardware", "dataset", "model", "cluster")
FILLED = {
    "dataset": ("dataset.source.path=/workspace/d", "dataset.info.ours.file_name=a.jsonl"),
    "model": ("model.id=team/ours", "model.template=qwen3"),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("group", GROUPS)
def test_the_option_compiles_or_says_what_to_fill_in(group: str) -> None:
    said = ftc("init", f"--{group}", "ours")
    assert said.exit_code == 0
    assert said.stdout == f"wrote conf/{group}/ours.yaml\nwrote conf/.schema/{group}.schema.json\n"
    assert said.stderr.endswith(f"ftc: then run: ftc plan --config-dir conf {group}=ours\n")
    words = ("--config-dir", "conf", f"{group}=ours")
    compiled = ftc("compile", *words)
    missing = [key for key in ("path", "file_name", "id", "template") if f"fill in {key} (line" in said.stderr]
    assert compiled.exit_code == bool(missing)
    assert compiled.stderr.count("FTC005 missing-value") == len(missing)
    filled = ftc("compile", *words, *FILLED.get(group, ()))
    assert (filled.exit_code, filled.stdout.startswith("apiVersion")) == (0, True), filled.stderr


@pytest.mark.parametrize("group", GROUPS)
def test_the_commented_keys_are_valid_too(group: str, tmp_path: Path) -> None:
    ftc("init", f"--{group}", "ours")
    file = tmp_path / "conf" / group / "ours.yaml"
    keys = {"  #   ", "# "}
    lines = [
        line.removeprefix("# ") if line[:3] != "# o" and ":" in line and line.startswith(tuple(keys)) else line
        for line in file.read_text().splitlines()
    ]
    head, *rest = [line for line in lines if not line.startswith(("ours: say", "yaml-language-server", "Requests"))]
    file.write_text("\n".join((head, *rest)) + "\n")
    for value in ("/workspace/d", "a.jsonl") if group == "dataset" else ("team/ours", "qwen3"):
        file.write_text(file.read_text().replace("???", value, 1))
    found = yaml.safe_load(file.read_text())
    assert len(found) > 3
    said = ftc("compile", "--config-dir", "conf", f"{group}=ours", "cluster.run_as_user=1000")
    assert said.exit_code == 0, said.stderr


def test_an_editor_finds_the_schema(tmp_path: Path) -> None:
    ftc("init", "runs", "--dataset", "ours", "--model", "mine")
    for group, name in (("dataset", "ours"), ("model", "mine")):
        file = tmp_path / "runs" / "conf" / group / f"{name}.yaml"
        _, _, place = file.read_text().splitlines()[-1].partition("$schema=")
        assert json.loads((file.parent / place).read_text())["$id"] == f"{group}.schema.json"
        checker = Path(sys.executable).parent / "check-jsonschema"
        subprocess.run([checker, "--schemafile", file.parent / place, file], check=True, capture_output=True)
    assert not (tmp_path / "runs" / "golden").exists()


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("id: mine\n")
    assert "kept conf/model/mine.yaml" in ftc("init", "--model", "mine").stdout
    assert (tmp_path / "conf" / "model" / "mine.yaml").read_text() == "id: mine\n"


@pytest.mark.parametrize(
    ("name", "says"), [("nvidia", "hardware=nvidia is shipped"), ("../x", "cannot be the name"), ("A b", "cannot be")]
)
def test_a_name_that_cannot_be_used_is_refused(name: str, says: str, tmp_path: Path) -> None:
    said = ftc("init", "--hardware", name)
    assert (said.exit_code, said.stdout) == (1, "")
    assert says in said.stderr
    assert list(tmp_path.iterdir()) == []
