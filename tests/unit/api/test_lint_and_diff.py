"""`ftc.lint` and `ftc.diff`: the same findings and changes as the commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import ftc
from golden import cases
from unit.compiling import ftc as command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BAD = cases.CORPUS / "bad" / "FTC510-request-over-limit.yaml"
GOOD = cases.CORPUS / "good" / "FTC510-other-units.yaml"


def test_lint_has_what_the_command_prints() -> None:
    found = ftc.lint(BAD, str(GOOD))
    assert found.has_errors
    assert [one.code for one in found.findings] == ["FTC510"]
    assert found.text == command("lint", str(BAD), str(GOOD)).stdout
    assert not ftc.lint(GOOD).findings


def test_a_text_is_linted_under_its_name() -> None:
    found = ftc.lint(texts={"mine.yaml": BAD.read_text(encoding="utf-8")})
    assert found.text == command("lint", str(BAD)).stdout.replace(str(BAD), "mine.yaml")
    assert ftc.lint(texts={"job.yaml": ftc.compile().text}).findings == ()


def test_lint_ignores_and_is_strict() -> None:
    assert ftc.lint(BAD, ignore=["FTC510"]).findings == ()
    assert [one.code for one in ftc.lint(GOOD, ignore=["FTC510"]).findings] == ["FTC015"]
    warned = cases.CORPUS / "bad" / "FTC816-retries-without-policy.yaml"
    assert not ftc.lint(warned).has_errors
    assert ftc.lint(warned, strict=True).has_errors


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda _: ftc.lint(GOOD, kubernetes="1.1"), ValueError),
        (lambda _: ftc.lint(GOOD, llamafactory="0.1"), ValueError),
        (ftc.lint, ftc.RefusedError),
        (lambda empty: ftc.lint(empty / "absent.yaml"), FileNotFoundError),
    ],
)
def test_lint_refuses_what_it_cannot_read(tmp_path: Path, call: Callable[[Path], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call(tmp_path)


def test_a_diff_has_what_the_command_prints() -> None:
    found = ftc.diff(ftc.compile("hardware=ascend"), ftc.compile("hardware=h800"))
    asked = ("diff", "hardware=ascend", "--", "hardware=h800")
    assert found.text == command(*asked).stdout
    assert found.markdown == command(*asked, "--format", "markdown").stdout
    (run,) = json.loads(command(*asked, "--format", "json").stdout)
    assert [(one.object, one.path, one.kind.value) for one in found.changes] == [
        (one["object"], one["path"], one["kind"]) for one in run["changes"]
    ]
    (image,) = [one for one in found.changes if one.path.endswith("containers[train].image")]
    assert image.before != image.after
    assert [cause.key for cause in image.causes] == ["image"]


def test_directories_and_files_are_compared(tmp_path: Path) -> None:
    ftc.compile("devices=2").write(tmp_path / "a")
    ftc.compile("devices=4").write(tmp_path / "b")
    found = ftc.diff(tmp_path / "a", str(tmp_path / "b"))
    assert found.text == command("diff", str(tmp_path / "a"), str(tmp_path / "b")).stdout
    assert "devices" in {cause.key for one in found.changes for cause in one.causes}
    same = ftc.diff(tmp_path / "a" / "volcano.yaml", ftc.compile("devices=2"))
    assert (same.changes, same.text) == ((), "")


def test_a_run_that_one_side_lacks_is_a_change(tmp_path: Path) -> None:
    ftc.compile().write(tmp_path / "a" / "one")
    ftc.compile().write(tmp_path / "b" / "one")
    ftc.compile().write(tmp_path / "b" / "two")
    (added,) = ftc.diff(tmp_path / "a", tmp_path / "b").changes
    assert (added.run, added.kind.value, added.path) == ("two", "added", "")
    assert added.object.startswith("Job.batch.volcano.sh/")


def test_a_diff_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ftc.RefusedError, match="nothing is compared"):
        ftc.diff(tmp_path, ftc.compile())
    (tmp_path / "job.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ftc.RefusedError) as raised:
        ftc.diff(tmp_path / "job.yaml", ftc.compile())
    assert raised.value.findings


def test_no_secret_is_in_a_change() -> None:
    first, second = (ftc.compile(f"train.run_name=hf_{letter * 30}", ignore=["FTC601"]) for letter in "ab")
    changes = ftc.diff(first, second).changes
    assert changes
    assert not [one for one in changes if "hf_" in f"{one.before}{one.after}"]
