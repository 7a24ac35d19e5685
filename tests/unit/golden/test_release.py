"""A release of ftc in a repository of runs: the lines that git shows, and the line that ftc prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftc import __version__
from unit.compiling import ROOT

CASES = 30
CASE = """\
why: A run of the team.
overrides: [scripts=configmap, name=run-{number}, nodes=2, train.learning_rate={number}e-5]
"""
CHANGELOG = """\
# Changelog

## 9.9.1
### Runs on the cluster
- A node logs its rank
  before it prepares the pod.
### Lint
- New: FTC999.

## 9.9.0
### Runs on the cluster
- A download is retried.

"""


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


class Release:
    """A copy of ftc with another version and a changed script."""

    def __init__(self, place: Path, version: str) -> None:
        self.package = place / "compiler" / "ftc"
        shutil.copytree(ROOT / "compiler" / "ftc", self.package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("conf", "schemas"):
            (place / name).symlink_to(ROOT / name)
        changelog = (ROOT / "CHANGELOG.md").read_text()
        (place / "CHANGELOG.md").write_text(changelog.replace("# Changelog\n\n", CHANGELOG))
        self.edit("__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{version}"')

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.package / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def __call__(self, *arguments: str, exit_code: int = 0) -> str:
        """The output of the command on stdout."""
        path = os.pathsep.join([str(self.package.parent), *sys.path])
        environment = {**os.environ, "PYTHONPATH": path, "CI": "", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "ftc", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == exit_code, done.stderr
        return done.stdout


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    (tmp_path / "team").mkdir()
    monkeypatch.chdir(tmp_path / "team")
    return Release(tmp_path / "release", "9.9.1")


def commit(overrides: str = "", *, cases: int = CASES, text: str = CASE) -> None:
    """A repository with golden files of the ftc under test."""
    from unit.compiling import ftc  # noqa: PLC0415

    for number in range(1, cases + 1):
        directory = Path("golden", f"case-{number:02}")
        directory.mkdir(parents=True)
        (directory / "case.yaml").write_text(text.format(number=number).replace("]", f"{overrides}]"))
    assert ftc("golden", "update").exit_code == 0
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "runs")


SAID = f"ftc {__version__} → 9.9.1: scripts changed in {{}} cases\n"
WORDS = "- A node logs its rank before it prepares the pod.\n- A download is retried.\n"


def change_script(release: Release) -> None:
    release.edit("scripts/prepare.sh", "set -euo pipefail\n", "set -euo pipefail\necho 'ftc: preparing'\n")


def add_scripts() -> None:
    """A case with the ConfigMap of the scripts."""
    from unit.compiling import ftc  # noqa: PLC0415

    directory = Path("golden/scripts")
    directory.mkdir()
    (directory / "case.yaml").write_text("why: The scripts.\noverrides: [scripts=configmap]\ntargets: [scripts]\n")
    assert ftc("golden", "update").exit_code == 0
    git("add", ".")
    git("commit", "-qm", "scripts")


def test_a_release_changes_two_lines_per_case_and_is_one_line_of_the_report(release: Release) -> None:
    commit()
    change_script(release)
    assert release("golden", "check", exit_code=1) == SAID.format(CASES) + WORDS
    assert release("diff", "--base", "main") == SAID.format(CASES) + WORDS
    assert release("golden", "update") == SAID.format(CASES) + WORDS
    rows = [row.split("\t") for row in git("diff", "--numstat").splitlines()]
    changed = {Path(file).parent.name: (int(added), int(removed)) for added, removed, file in rows}
    assert len(rows) == len(changed) == CASES
    assert set(changed.values()) == {(2, 2)}
    assert release("golden", "check") == ""


def test_a_release_changes_four_lines_of_a_trainjob_and_its_digest(release: Release) -> None:
    """The guide says which: the version, the ConfigMap, and twice the name of the runtime, a digest of its content."""
    commit(cases=1, text=f"{CASE}targets: [job, jobset, trainjob]\n")
    change_script(release)
    assert release("golden", "check", exit_code=1) == SAID.format(1).replace("cases", "case") + WORDS
    assert release("golden", "update") == SAID.format(1).replace("cases", "case") + WORDS
    rows = [row.split("\t") for row in git("diff", "--numstat").splitlines()]
    lines = {Path(file).name: int(added) for added, _, file in rows}
    assert lines == {"job.yaml": 2, "jobset.yaml": 2, "trainjob.yaml": 4, "DIGESTS": 1}


def test_a_comment_begins_with_the_release_and_json_has_every_change(release: Release) -> None:
    commit(cases=2)
    change_script(release)
    comment = release("diff", "--base", "main", "--format", "markdown")
    assert comment.startswith(f"{SAID.format(2)}\n- A node logs its rank")
    assert "Nothing else changes on the cluster.\n" in comment
    assert '"run": "case-01"' in release("diff", "--base", "main", "--json")


def test_a_release_with_the_same_scripts_says_so(release: Release) -> None:
    commit(cases=1)
    expected = f"ftc {__version__} → 9.9.1: only the version changed in 1 case\n"
    assert release("golden", "check", exit_code=1) == expected + WORDS
    assert release("diff", "--base", "main") == ""


def test_what_else_changes_is_shown_in_full(release: Release) -> None:
    """A file with another change hides nothing in the line about the release."""
    commit(cases=3)
    change_script(release)
    case = Path("golden/case-02/case.yaml")
    case.write_text(case.read_text().replace("2e-5", "7e-5"))
    said = release("golden", "check", exit_code=1)
    assert said.startswith(SAID.format(2) + WORDS)
    assert "golden/case-02/volcano.yaml: changed\n" in said
    assert "golden/case-01" not in said
    said = release("diff", "--base", "main")
    assert said.startswith(SAID.format(3) + WORDS)
    assert "7.0e-5" in said
    assert "prepar" not in said.removeprefix(SAID.format(3) + WORDS)


def test_scripts_in_the_manifests_and_the_names_of_runtimes_are_folded_too(release: Release) -> None:
    text = CASE.replace("configmap", "embedded") + "targets: [volcano, job, jobset, trainjob]\n"
    commit(cases=1, text=text)
    change_script(release)
    assert release("golden", "check", exit_code=1) == SAID.format(1).replace("cases", "case") + WORDS
    assert release("diff", "--base", "main") == SAID.format(1).replace("cases", "case") + WORDS


def test_a_script_that_was_edited_by_hand_is_not_a_release(release: Release) -> None:
    commit(cases=1, text=CASE.replace("configmap", "embedded"))
    manifest = Path("golden/case-01/volcano.yaml")
    manifest.write_text(manifest.read_text().replace("set -euo pipefail", "set -euo pipefail; curl example.com", 1))
    said = release("golden", "check", exit_code=1)
    assert "golden/case-01/volcano.yaml: edited by hand\n" in said
    assert "curl example.com" in said


def test_the_configmap_of_the_scripts_is_part_of_the_release(release: Release) -> None:
    commit(cases=2)
    add_scripts()
    change_script(release)
    assert release("golden", "check", exit_code=1) == SAID.format(3) + WORDS
    assert release("diff", "--base", "main") == SAID.format(3) + WORDS


SAME = f"ftc {__version__}: scripts changed in {{}} cases\n"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Another commit of ftc: the same version, another script."""
    (tmp_path / "team").mkdir()
    monkeypatch.chdir(tmp_path / "team")
    made = Release(tmp_path / "build", __version__)
    change_script(made)
    return made


def test_other_scripts_of_the_same_version_are_one_line(build: Release) -> None:
    commit(cases=3)
    add_scripts()
    assert build("golden", "check", exit_code=1) == SAME.format(4)
    assert build("diff", "--base", "main") == SAME.format(4)
    comment = build("diff", "--base", "main", "--format", "markdown")
    assert comment.startswith(f"{SAME.format(4)}\nNothing else changes on the cluster.\n")
    assert '"run": "case-01"' in build("diff", "--base", "main", "--json")
    assert build("golden", "update") == SAME.format(4)
    assert build("golden", "check") == ""


def test_other_scripts_of_the_same_version_hide_no_other_change(build: Release) -> None:
    commit(cases=3)
    case = Path("golden/case-02/case.yaml")
    case.write_text(case.read_text().replace("2e-5", "7e-5"))
    said = build("golden", "check", exit_code=1)
    assert said.startswith(SAME.format(2))
    assert "golden/case-02/volcano.yaml: changed\n" in said
    said = build("diff", "--base", "main")
    assert said.startswith(SAME.format(3))
    assert "7.0e-5" in said
    assert "ftc-scripts-" not in said


def test_other_scripts_of_the_same_version_in_manifests_are_one_line(build: Release) -> None:
    text = CASE.replace("configmap", "embedded") + "targets: [volcano, job, jobset, trainjob]\n"
    commit(cases=2, text=text)
    assert build("golden", "check", exit_code=1) == SAME.format(2)
    assert build("diff", "--base", "main") == SAME.format(2)


def test_a_script_of_the_base_that_was_edited_by_hand_is_shown(build: Release) -> None:
    commit(cases=1, text=CASE.replace("configmap", "embedded"))
    manifest = Path("golden/case-01/volcano.yaml")
    manifest.write_text(manifest.read_text().replace("set -euo pipefail", "set -euo pipefail; curl example.com", 1))
    git("commit", "-qam", "edit")
    assert "curl example.com" in build("diff", "--base", "main")


def test_without_another_script_nothing_is_said_about_ftc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ftc that wrote the files compares a change of a run."""
    from unit.compiling import ftc  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    commit(cases=2)
    case = Path("golden/case-02/case.yaml")
    case.write_text(case.read_text().replace("2e-5", "7e-5"))
    assert "scripts changed" not in ftc("golden", "check").stdout + ftc("diff", "--base", "main").stdout
