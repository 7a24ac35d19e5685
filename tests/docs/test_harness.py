"""The test of the pages finds what is wrong in a page, and rewriting a page makes it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs.compare import differences, rewritten
from docs.page import steps
from docs.pages import complaints

if TYPE_CHECKING:
    from pathlib import Path


def page(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "page.md"
    file.write_text(text.replace("'''", "```"), encoding="utf-8")
    return file


def console(tmp_path: Path, *lines: str) -> Path:
    return page(tmp_path, "\n".join(("Text.", "", "'''console", *lines, "'''", "", "More.", "")))


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo a", "a"),
        ("$ echo a; echo b >&2", "a", "b"),
        ("$ true",),
        ("$ echo a", "…"),
        ("$ echo a", "..."),
        ("$ true", "…"),
        ("$ seq 9", "1", "…", "9"),
        ("$ echo one two three", "one … three"),
        ("$ seq 3", "…", "3"),
        ("$ sh -c 'echo a; exit 3'", "a", "[exit 3]"),
        ("$ false", "[exit 1]"),
        ("$ echo a \\", "  b", "a b"),
        ("$ cat <<'END'", "> a", ">", ">  b", "> END", "a", "", " b"),
        ("$ mkdir d && cd d", "$ A=1", "$ echo ${PWD##*/} $A", "d 1"),
        ("$ git status --short", "$ git commit -q --allow-empty -m a"),
        ("$ ftc --version", "ftc…"),
        ("$ echo $COLUMNS", "100"),
        ("$ printf 'a  \\n\\n'", "a"),
        ("$ read x; echo $?", "1"),
    ],
)
def test_a_right_page_passes(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert differences(console(tmp_path, *lines)) == ""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("$ echo a", "b"), "-b\n+a"),
        (("$ echo a",), "+a"),
        (("$ true", "a"), "-a"),
        (("$ false",), "exit code 1, but the page shows 0"),
        (("$ false", "…"), "exit code 1, but the page shows 0"),
        (("$ true", "[exit 1]"), "exit code 0, but the page shows 1"),
        (("$ sh -c 'exit 2'", "[exit 1]"), "exit code 2, but the page shows 1"),
        (("$ seq 9", "1", "…", "8"), "+9"),
        (("$ echo a.b", "aXb"), "-aXb\n+a.b"),
        (("$ echo one two", "one … three"), "+one two"),
        (("$ exit 0", "$ echo a", "a"), "the shell ended"),
        (("$ echo 'a", "a"), "exit code"),
        (("$ curl -sS http://example.com/",), "exit code"),
    ],
)
def test_a_wrong_page_fails(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    found = differences(console(tmp_path, *lines))
    assert said in found
    assert f"page.md:4: $ {lines[0][2:]}" in found or "page.md:5:" in found


def test_a_block_with_a_title_is_written(tmp_path: Path) -> None:
    text = """
'''yaml title="conf/dataset/mine.yaml" hl_lines="1"
a: 1
'''

1. In a list:

    '''console
    $ cat conf/dataset/mine.yaml
    a: 1
    '''
"""
    assert differences(page(tmp_path, text)) == ""


def test_a_title_must_not_leave_the_directory_of_the_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        differences(page(tmp_path, "'''yaml title='../a.yaml'\n'''\n'''console\n$ true\n'''\n"))


def test_a_console_block_begins_with_a_command(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 4"):
        differences(console(tmp_path, "output"))


def test_other_blocks_are_only_shown() -> None:
    text = "```shell\nkubectl get pods\n```\n\n```yaml\na: 1\n```\n\n````text\n```console\n$ a\n```\n````\n"
    assert steps(text) == []


def test_the_same_commands_run_once(tmp_path: Path) -> None:
    """As those of a page in two languages."""
    file = console(tmp_path, f"$ echo a >>{tmp_path}/runs; wc -l <{tmp_path}/runs", "1")
    assert differences(file) == ""
    file.write_text(f"Other text.\n{file.read_text()}")
    assert differences(file) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("$ echo a", "b"), ("$ echo a", "a")),
        (("$ echo a",), ("$ echo a", "a")),
        (("$ true", "b", "[exit 1]"), ("$ true",)),
        (("$ sh -c 'echo a; exit 2'",), ("$ sh -c 'echo a; exit 2'", "a", "[exit 2]")),
        (("$ seq 9", "2", "…"), ("$ seq 9", "2", "…")),
        (("$ echo a", "$ echo b", "c", "d", "$ echo e"), ("$ echo a", "a", "$ echo b", "b", "$ echo e", "e")),
    ],
)
def test_rewriting_changes_outputs_without_an_ellipsis(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    assert rewritten(console(tmp_path, *before)) == console(tmp_path, *after).read_text()


def test_rewriting_keeps_indentation(tmp_path: Path) -> None:
    text = "1. List:\n\n    '''console\n    $ printf 'a\\n\\n b\\n'\n    '''\n"
    right = "1. List:\n\n    '''console\n    $ printf 'a\\n\\n b\\n'\n    a\n\n     b\n    '''\n"
    assert rewritten(page(tmp_path, text)) == right.replace("'''", "```")


@pytest.mark.parametrize(
    ("block", "number"),
    [
        ("'''shell\nkubectl get pods\n'''", 0),
        ("'''shell\nftc compile | kubectl create -f -\n'''", 0),
        ("'''shell\nftc compile\n'''", 1),
        ("'''shell\n$ ftc plan nodes=2\ncat a.yaml\nls\n'''", 3),
        ("'''bash\nftc compile\n'''", 1),
        ("'''bash title='a.sh'\nftc compile\n'''", 1),
        ("Write `a.sh`:\n\n'''bash title='a.sh'\nftc compile\n'''", 0),
    ],
)
def test_commands_that_could_run_are_not_only_shown(tmp_path: Path, block: str, number: int) -> None:
    assert len(list(complaints(page(tmp_path, block)))) == number
