"""Compiled runs kept in git: the report for each way in which they can differ."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from ftc import __version__
from ftc.golden import Comparison, Finding, Kind, update
from unit.compiling import Said, calls, ftc

CASE = "why: A test.\noverrides: [name=mine]\n"
MATRIX = 'why: A test.\noverrides: [name=mine]\nmatrix: ["nodes=1,2"]\n'


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def case(name: str, text: str = CASE) -> Path:
    directory = Path("golden") / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "case.yaml").write_text(text)
    return directory


def updated(*names: str) -> str:
    said = ftc("golden", "update", *names)
    assert said.exit_code == 0, said
    return said.stdout


def check(*names: str) -> Said:
    return ftc("golden", "check", *names)


def lines(said: Said) -> list[str]:
    return [line for line in said.stdout.splitlines() if line.startswith("golden/")]


def test_an_update_writes_the_output_of_compile_and_then_nothing_differs() -> None:
    directory = case("mine")
    assert "wrote golden/mine/volcano.yaml (missing)" in updated().splitlines()
    ftc("compile", "name=mine", "-o", "out")
    compiled = {file.name: file.read_text() for file in Path("out").iterdir()}
    assert compiled == {f.name: f.read_text() for f in directory.iterdir() if f.name in compiled}
    assert check() == Said("", "ftc: golden matches what its cases compile to (1 compiled)\n", 0)
    assert updated() == ""


def test_an_update_reports_each_file_that_it_writes() -> None:
    directory = case("mine")
    before = {file.name: file.read_bytes() for file in directory.iterdir()}
    for text in (CASE, CASE.replace("mine]", "mine, train.learning_rate=2.0e-4]")):
        (directory / "case.yaml").write_text(text)
        before["case.yaml"] = text.encode()
        told = {line.split()[1].rpartition("/")[2] for line in updated().splitlines()}
        after = {file.name: file.read_bytes() for file in directory.iterdir()}
        assert told == {name for name in after if after[name] != before.get(name)}
        before = after


def test_the_record_has_the_digest_of_each_file() -> None:
    directory = case("mine")
    updated()
    split = [line.split("  ") for line in (directory / "DIGESTS").read_text().splitlines()]
    recorded = {name: digest for digest, name in split}
    files = [file for file in directory.iterdir() if file.name not in ("case.yaml", "DIGESTS")]
    assert recorded.keys() == {file.name for file in files}
    manifest = directory / "volcano.yaml"  # the only one with the version of ftc, which does not count
    texts = {file.name: file.read_bytes() for file in files if file != manifest}
    texts |= {
        manifest.name: manifest.read_bytes().replace(f"ftc.dev/version: {__version__}".encode(), b"ftc.dev/version: ")
    }
    assert recorded == {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}


def test_a_changed_case_shows_its_diff() -> None:
    directory = case("mine")
    updated()
    (directory / "case.yaml").write_text(CASE.replace("mine]", "mine, train.learning_rate=2.0e-4]"))
    said = check()
    assert said.exit_code == 1
    assert lines(said) == [f"golden/mine/{name}: changed" for name in ("spec.yaml", "train.yaml", "volcano.yaml")]
    assert "-learning_rate: 1.0e-4\n+learning_rate: 2.0e-4\n" in said.stdout
    assert "3 changed (1 compiled): read the diff, then `ftc golden update`" in said.stderr


def test_a_file_edited_by_hand_is_distinguished_from_a_stale_one() -> None:
    directory = case("mine")
    updated()
    train = directory / "train.yaml"
    train.write_text(train.read_text().replace("1.0e-4", "0.5"))
    said = check()
    assert lines(said) == ["golden/mine/train.yaml: edited by hand"]
    assert "-learning_rate: 0.5\n+learning_rate: 1.0e-4\n" in said.stdout
    assert updated() == "wrote golden/mine/train.yaml (edited by hand)\n"
    assert check().exit_code == 0


def test_missing_orphaned_and_foreign_files_are_distinguished() -> None:
    directory = case("mine")
    updated()
    (directory / "case.yaml").write_text(CASE.replace("mine]", "mine, method.merge=null]"))  # no merge.yaml
    (directory / "train.yaml").unlink()
    (directory / "notes.md").write_text("mine")
    found = lines(check())
    assert "golden/mine/merge.yaml: orphaned" in found
    assert "golden/mine/train.yaml: missing" in found
    assert "golden/mine/notes.md: not written by ftc" in found
    written = updated().splitlines()
    assert "removed golden/mine/merge.yaml (orphaned)" in written
    assert "left golden/mine/notes.md (not written by ftc)" in written
    assert not (directory / "merge.yaml").exists()
    assert lines(check()) == ["golden/mine/notes.md: not written by ftc"]


def test_an_update_removes_the_orphans_of_a_deleted_case() -> None:
    case("mine")
    gone = case("gone")
    updated()
    (gone / "case.yaml").unlink()
    assert "golden/gone/volcano.yaml: orphaned" in lines(check())
    assert check("mine").exit_code == 0
    updated()
    assert not gone.exists()
    assert check().exit_code == 0


def test_only_the_named_cases_are_written() -> None:
    case("one")
    other = case("other")
    updated("one")
    assert [file.name for file in other.iterdir()] == ["case.yaml"]


def test_a_matrix_has_a_directory_for_each_combination() -> None:
    directory = case("matrix", MATRIX)
    updated()
    assert sorted(file.name for file in directory.iterdir()) == ["case.yaml", "nodes=1", "nodes=2"]
    assert "replicas: 2" in (directory / "nodes=2" / "volcano.yaml").read_text()
    (directory / "case.yaml").write_text(MATRIX + "exclude: [[nodes=2]]\n")
    found = lines(check())
    assert "golden/matrix/nodes=2/volcano.yaml: orphaned" in found
    assert all(line.startswith("golden/matrix/nodes=2/") and line.endswith(": orphaned") for line in found)
    updated()
    assert not (directory / "nodes=2").exists()


def test_a_case_that_becomes_a_matrix_leaves_no_old_files() -> None:
    directory = case("mine")
    updated()
    (directory / "case.yaml").write_text(MATRIX)
    updated()
    assert sorted(file.name for file in directory.iterdir()) == ["case.yaml", "nodes=1", "nodes=2"]
    (directory / "case.yaml").write_text(CASE)
    updated()
    assert {file.name for file in directory.iterdir()} >= {"case.yaml", "volcano.yaml"}
    assert not (directory / "nodes=1").exists()


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("mine/case.yml", "mine/case.yaml"),
        ("mine/Case.yaml", "mine/case.yaml"),
        ("team/mine/case.yaml", "mine/case.yaml\n"),
        ("good/mine/case.yaml", "mine/case.yaml\n"),
        ("team/good/case.yaml", "team-good/case.yaml\n"),
        ("case.yaml", "<case>/case.yaml"),
    ],
)
def test_a_misplaced_case_is_reported(place: str, right: str) -> None:
    case("good")
    updated()
    file = Path("golden") / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CASE)
    for command in ("check", "update"):
        said = ftc("golden", command)
        assert said.exit_code == 1
        assert f"golden/{place}:1:1: error[FTC002 unreadable-file]: is not read: " in said.stderr
        assert "a case must be golden/<case>/case.yaml" in said.stderr
        assert f"help: move it to golden/{right}" in said.stderr
    assert check("good").exit_code == 0
    file.unlink()
    assert check().exit_code == 0


@pytest.mark.parametrize("names", [(), ("team",)])
def test_files_next_to_a_misplaced_case_are_kept(names: tuple[str, ...]) -> None:
    """Another --dir, or an earlier name of the case, wrote them."""
    case("team/fx")
    assert ftc("golden", "update", "--dir", "golden/team").exit_code == 0
    case("team", MATRIX)
    case("renamed", MATRIX)
    updated("renamed")
    Path("golden/renamed/case.yaml").rename("golden/renamed/case.yml")
    updated("team")
    written = sorted(Path("golden").rglob("*"))
    for command in ("check", "update", "check"):
        said = ftc("golden", command, *names)
        assert (said.stdout, said.exit_code) == ("", 0 if names else 1)
        assert names or said.stderr.count(" is not read: ") == 2
    assert sorted(Path("golden").rglob("*")) == written


def test_combinations_of_a_misplaced_case_are_kept() -> None:
    case("mine")
    Path("golden/case.yaml").write_text(MATRIX)
    assert ftc("golden", "update", "--dir", ".").exit_code == 1  # golden/mine/case.yaml is misplaced
    assert Path("golden/nodes=1/DIGESTS").is_file()
    said = ftc("golden", "update")
    assert "removed" not in said.stdout
    assert Path("golden/nodes=1/volcano.yaml").is_file()


def test_files_of_a_misplaced_case_are_orphaned_after_it_moved() -> None:
    case("team/fx")
    assert ftc("golden", "update", "--dir", "golden/team").exit_code == 0
    Path("golden/fx").mkdir()
    Path("golden/team/fx/case.yaml").rename("golden/fx/case.yaml")
    assert "golden/team/fx/volcano.yaml: orphaned" in lines(check())
    updated()
    assert not list(Path("golden/team").rglob("*.*"))
    assert check().exit_code == 0


def test_the_only_case_is_misplaced() -> None:
    Path("golden/mine").mkdir(parents=True)
    Path("golden/mine/case.yml").write_text(CASE)
    said = check()
    assert said.exit_code == 1
    assert "golden/mine/case.yml:1:1: error[FTC002 unreadable-file]: is not read" in said.stderr


def test_a_hidden_directory_is_not_a_case() -> None:
    case("good")
    updated()
    Path("golden/.cache/a/b").mkdir(parents=True)
    Path("golden/.cache/a/b/case.yaml").write_text(CASE)
    assert check().exit_code == 0


def test_a_finding_of_many_refused_combinations_is_reported_once() -> None:
    case("matrix", 'why: A test.\noverrides: [image=]\nmatrix: ["train.logging_steps=1,2,3", "nodes=1,0"]\n')
    said = check()
    assert said.exit_code == 1
    assert said.stderr.count("override 'image=': error[FTC012 invalid-value]") == 1
    assert said.stderr.count("override 'nodes=0': error[FTC012 invalid-value]") == 1
    first = "matrix/train.logging_steps=1,nodes"
    assert f"ftc: case {first}=1 and 5 more are refused:\n" in said.stderr
    assert f"ftc: case {first}=0 and 2 more are refused:\n" in said.stderr


def test_a_refused_combination_is_named_and_the_others_are_checked() -> None:
    case("matrix", 'why: A test.\nmatrix: ["nodes=1,0"]\n')
    said = check()
    assert said.exit_code == 1
    assert "case matrix/nodes=0 is refused:" in said.stderr
    assert "FTC012" in said.stderr
    assert "golden/matrix/nodes=1/volcano.yaml: missing" in lines(said)


def test_the_conf_next_to_golden_is_used_and_a_case_names_its_run() -> None:
    Path("conf").mkdir()
    Path("conf/nightly.yaml").write_text("defaults: [config, _self_]\nname: nightly\n")
    directory = case("nightly", "why: A test.\nconfig: nightly\n")
    updated()
    assert "generateName: nightly-" in (directory / "volcano.yaml").read_text()


def test_the_conf_next_to_golden_is_found_from_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    test_the_conf_next_to_golden_is_used_and_a_case_names_its_run()
    monkeypatch.chdir("golden")
    assert ftc("golden", "check", "--dir", ".").exit_code == 0
    Path("../conf/nightly.yaml").write_text("defaults: [config, _self_]\nname: weekly\n")
    said = ftc("golden", "check", "--dir", ".")
    assert said.exit_code == 1
    assert "nightly/volcano.yaml: changed" in said.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("overrides: []\n", "is not a valid case: Object missing required field `why`"),
        ("why: a\noveride: []\n", "is not a valid case: Object contains unknown field `overide`"),
        (
            "why: a\noverrides:\n- a=b\n- 3\n",
            "case.yaml:4:3: error[FTC002 unreadable-file]: is not a valid case: Expected `str`, got `int`",
        ),
        ("why: a\ntargets: [volcan]\n", "case.yaml:2:11: error[FTC002 unreadable-file]: unknown target 'volcan'"),
        (
            'why: a\nmatrix: ["nodes=1,1"]\n',
            "override 'nodes=1,1': error[FTC003 unknown-option]: gives the same value twice",
        ),
        ("why: a\noverrides: ['nodes=1,2']\n", "gives several values, but a job takes one"),
        (
            "why: x\n<<<<<<< HEAD\nwhy: y\n=======\n>>>>>>> b\n",
            "2:1: error[FTC002 unreadable-file]: is not YAML: merge conflict markers",
        ),
        ("why: [\n", "error[FTC002 unreadable-file]: is not YAML"),
    ],
)
def test_a_malformed_case_is_reported_at_its_place(text: str, said: str) -> None:
    case("mine", text)
    found = check()
    assert found.exit_code == 1
    assert said in found.stderr


def test_a_case_that_does_not_exist_and_a_directory_without_cases_are_refused() -> None:
    Path("golden").mkdir()
    assert "golden does not contain a case" in check().stderr
    case("nightly")
    assert check("nigthly").stderr == "ftc: case 'nigthly' is not in golden; did you mean 'nightly'? known: nightly\n"


def test_four_times_as_many_cases_are_four_times_the_work() -> None:
    few, many = (calls(partial(update, Path("golden"), missing(count))) for count in (20, 80))
    assert many < 4.5 * few


def missing(cases: int) -> Comparison:
    """A comparison in which no case has its files yet."""
    golden = Path(f"golden-{cases}")
    made = {golden / f"case-{number}": {f"{name}.yaml": "a: 1\n" for name in "abcdef"} for number in range(cases)}
    findings = [Finding(place / name, Kind.MISSING, None, text) for place in made for name, text in made[place].items()]
    return Comparison(tuple(findings), {}, made, {})


def test_nothing_is_updated_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = case("mine")
    monkeypatch.setenv("CI", "true")
    said = ftc("golden", "update")
    assert said.exit_code == 1
    assert "read the diff" in said.stderr
    assert [file.name for file in directory.iterdir()] == ["case.yaml"]
    assert check().exit_code == 1


def test_another_line_ending_is_a_difference() -> None:
    directory = case("mine")
    updated()
    train = directory / "train.yaml"
    text = train.read_bytes()
    train.write_bytes(text.replace(b"\n", b"\r\n"))
    assert check().stdout == (
        "golden/mine/train.yaml: edited by hand\nonly the line endings differ: CRLF, but ftc writes LF\n"
    )
    train.write_bytes(text.removesuffix(b"\n"))
    assert check().stdout == (
        "golden/mine/train.yaml: edited by hand\nonly the line endings differ: the last line has none\n"
    )


def test_the_check_says_what_to_do_with_a_file_that_ftc_did_not_write() -> None:
    directory = case("mine")
    updated()
    (directory / "NOTES.md").write_text("hi\n")
    remove = "delete what ftc did not write, or move it out of golden"
    assert check().stderr == f"ftc: 1 not written by ftc (1 compiled): {remove}\n"
    said = ftc("golden", "update")
    assert said == Said("left golden/mine/NOTES.md (not written by ftc)\n", f"ftc: {remove}\n", 0)
    (directory / "train.yaml").write_text("")
    said = check()
    assert said.stderr == (
        f"ftc: 1 not written by ftc, 1 edited by hand (1 compiled): read the diff, then `ftc golden update`; {remove}\n"
    )


def test_a_case_file_that_is_a_dangling_link_is_reported() -> None:
    directory = case("mine")
    case("other")
    updated()
    (directory / "case.yaml").unlink()
    (directory / "case.yaml").symlink_to("../../gone.yaml")
    written = sorted(directory.iterdir())
    for command in ("check", "update"):
        said = ftc("golden", command)
        assert (said.stdout, said.exit_code) == ("", 1)
        assert (
            "golden/mine/case.yaml:1:1: error[FTC002 unreadable-file]: is a symbolic link to a file that" in said.stderr
        )
    assert sorted(directory.iterdir()) == written


def test_conflict_markers_in_the_record_are_ignored() -> None:
    directory = case("mine")
    updated()
    record = directory / "DIGESTS"
    record.write_text("<<<<<<< HEAD\n" + record.read_text() + ">>>>>>> other\n")
    assert lines(check()) == ["golden/mine/DIGESTS: changed"]
    updated()
    assert check().exit_code == 0


def archived(name: str) -> Path:
    """A directory outside golden/ that ftc wrote, without its case."""
    case("first")
    updated()
    archive = Path("archive")
    shutil.copytree("golden/first", archive)
    (archive / "case.yaml").unlink()
    (Path("golden") / name).parent.mkdir(exist_ok=True)
    return archive


def test_an_update_removes_nothing_behind_a_link() -> None:
    archive = archived("old")
    Path("golden/old").symlink_to("../archive")
    before = {file.name: file.read_bytes() for file in archive.iterdir()}
    assert updated() == ""
    assert {file.name: file.read_bytes() for file in archive.iterdir()} == before


def test_an_update_writes_nothing_behind_a_link_to_a_combination() -> None:
    archive = archived("matrix/x")
    case("matrix", MATRIX)
    Path("golden/matrix/nodes=1").symlink_to("../../archive")
    before = {file.name: file.read_bytes() for file in archive.iterdir()}
    said = ftc("golden", "update")
    assert said.exit_code == 1
    assert "golden/matrix/nodes=1:1:1: error[FTC002 unreadable-file]: is a symbolic link" in said.stderr
    assert {file.name: file.read_bytes() for file in archive.iterdir()} == before
    assert Path("golden/matrix/nodes=2/volcano.yaml").exists()


def test_a_case_that_is_a_link_is_reported() -> None:
    case("first")
    updated()
    Path("elsewhere").mkdir()
    (Path("elsewhere") / "case.yaml").write_text(CASE)
    Path("golden/second").symlink_to("../elsewhere")
    said = ftc("golden", "update")
    assert said.exit_code == 1
    assert "golden/second:1:1: error[FTC002 unreadable-file]: is a symbolic link" in said.stderr
    assert [file.name for file in Path("elsewhere").iterdir()] == ["case.yaml"]


def test_a_file_that_is_a_link_is_replaced() -> None:
    directory = case("mine")
    updated()
    (directory / "volcano.yaml").unlink()
    Path("elsewhere").write_text("mine")
    (directory / "volcano.yaml").symlink_to("../../elsewhere")
    updated()
    assert Path("elsewhere").read_text() == "mine"
    assert not (directory / "volcano.yaml").is_symlink()


# The pod would hide its own driver; the finding is a warning of one rule.
WARNED = "why: A test.\noverrides: [name=mine, hardware=ascend, storage.workspace.mount_path=/usr/local/Ascend]\n"


@pytest.mark.parametrize("command", ["check", "update"])
def test_the_warnings_of_each_case_are_reported_once(command: str) -> None:
    case("mine", WARNED)
    case("other", WARNED)
    updated()
    said = ftc("golden", command)
    assert said.exit_code == 0
    assert said.stderr.startswith("ftc: case mine and 1 more have warnings:\n")
    assert said.stderr.count("warning[FTC323 ") == 1
    assert ftc("golden", command, "--ignore", "FTC323").stderr.count("warning[") == 0


@pytest.mark.parametrize("command", ["check", "update"])
def test_strict_refuses_a_case_with_warnings(command: str) -> None:
    directory = case("mine", WARNED)
    said = ftc("golden", command, "--strict")
    assert said.exit_code == 1
    assert "ftc: case mine is refused:\n" in said.stderr
    assert "error[FTC323 " in said.stderr
    assert [file.name for file in directory.iterdir()] == ["case.yaml"]


def test_the_findings_of_cases_have_the_requested_format() -> None:
    case("mine", WARNED)
    updated()
    said = ftc("golden", "check", "--format", "json")
    assert [(one["code"], one["severity"]) for one in json.loads(said.stderr)] == [("FTC323", "warning")]
    said = ftc("golden", "check", "--format", "github")
    assert any(line.startswith("::warning ") and "FTC323" in line for line in said.stderr.splitlines())


FIXED = "why: A test.\noverrides: [name=mine, naming=fixed{}]\ntargets: [volcano]\n"


def test_two_cases_that_overwrite_each_other_are_a_warning() -> None:
    for name, more in (("a", ""), ("b", ", nodes=2"), ("c", ", namespace=team")):
        case(name, FIXED.format(more))
    for words in (("golden", "update"), ("golden", "check")):
        said = ftc(*words)
        assert said.exit_code == 0
        warned = [line for line in said.stderr.splitlines() if "warning" in line and "case" not in line[:10]]
        both = "the VolcanoJob 'mine' is in case a too"
        said_once = f"{both}, and the cluster has only one of this name, so they cannot both run"
        assert warned == [f"golden/b/volcano.yaml:1:1: warning[same-fixed-name]: {said_once}"]
    assert ftc("golden", "check", "--strict").exit_code == 1
    assert "same-fixed-name" not in check("a", "c").stderr


def test_cases_with_a_name_of_their_own_are_no_warning() -> None:
    case("a", FIXED.format(""))
    case("target", FIXED.format("").replace("volcano", "job"))
    case("generated", FIXED.format("").replace(", naming=fixed", ""))
    case("matrix", FIXED.format("") + 'matrix: ["nodes=1,2"]\n')
    case("elsewhere", FIXED.format(", cluster=alauda-2"))
    assert "same-fixed-name" not in ftc("golden", "update").stderr


@pytest.mark.parametrize(
    ("text", "place", "help_"),
    [
        ("overrides: [nodes=1,2]", "2:13", "quote it: 'nodes=1,2' (several values belong in matrix)"),
        ("matrix: [name=a, nodes=1, 2,4, devices=1]", "2:18", "quote it: 'nodes=1,2,4'"),
        ("matrix: [train.learning_rate=1.0e-5,2.0e-5]", "2:10", "quote it: 'train.learning_rate=1.0e-5,2.0e-5'"),
        ("matrix: [model=qwen3-0.6b,qwen3-8b]", "2:10", "quote it: 'model=qwen3-0.6b,qwen3-8b'"),
        ("exclude: [[nodes=1,2]]", "2:12", "quote it: 'nodes=1,2'"),
    ],
)
def test_a_list_of_values_without_quotes_is_several_items_for_yaml(text: str, place: str, help_: str) -> None:
    case("mine", f"why: A test.\n{text}\n")
    said = check()
    assert said.exit_code == 1
    assert f"golden/mine/case.yaml:{place}: error[FTC002 unreadable-file]: is split by YAML at its comma" in said.stderr
    assert f"  help: {help_}\n" in said.stderr
    assert said.stderr.count("error[") == 1


def test_a_list_of_values_in_quotes_is_one_item() -> None:
    case("mine", "why: A test.\noverrides: [name=mine]\nmatrix: ['nodes=1,2', \"devices=1,2\"]\n")
    assert ftc("golden", "update").exit_code == 0
    case("mine", "why: A test.\noverrides:\n  - nodes=1\n  - 2\n")
    assert "case.yaml:4:5: error[FTC002 unreadable-file]: is not a valid case: Expected `str`" in check().stderr
