"""The parts of a shell script that rules need."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ftc.manifests.shell.parse import parse

if TYPE_CHECKING:
    from ftc.manifests.shell.script import Command, Script


def script(text: str) -> Script:
    found = parse(text)
    assert found is not None
    return found


def command(text: str, name: str) -> Command:
    return next(script(text).named(name))


def test_words_lose_their_quotes() -> None:
    words = command("""run a 'b c' "d e" f\\ g --x="y z" 名""", "run").arguments
    assert [word.text for word in words] == ["a", "b c", "d e", "f g", "--x=y z", "名"]


def test_a_variable_is_known_by_name_operator_and_default() -> None:
    (word,) = command('run "x${A:-1}y"', "run").arguments
    assert word.text is None
    assert word.with_values({"A": "5"}) == "x5y"
    assert word.names == ("A",)
    (read,) = script("run ${A:-1}").reads
    assert (read.expansion.operator, read.expansion.default, read.tolerant) == (":-", "1", True)


def test_the_output_of_a_substitution_is_unknown() -> None:
    assert command("run $(date)", "run").arguments[0].with_values({}) is None


def test_variables_before_a_command_apply_only_to_it() -> None:
    one = command("A=1 B=$C run x", "run")
    assert [(s.name, s.value and s.value.text) for s in one.settings] == [("A", "1"), ("B", None)]
    assert script("A=1 run x").assignments == ()


def test_an_export_is_an_assignment() -> None:
    assert [(a.name, a.exported) for a in script("A=1\nexport B=2 C").assignments] == [("A", False), ("B", True)]


@pytest.mark.parametrize(
    ("text", "name"), [("read -r A B", "B"), ("for A in 1 2; do x; done", "A"), ("IFS=, read -ra A <<<$X", "A")]
)
def test_other_ways_to_set_a_variable(text: str, name: str) -> None:
    assert name in [assignment.name for assignment in script(text).assignments]


def test_a_here_document_has_the_file_of_its_command() -> None:
    one = command("cat > f.yaml <<EOF\na: ${B}\nEOF\n", "cat")
    assert one.heredoc is not None
    assert (one.heredoc.value, one.heredoc.plain) == ("a: ${B}\n", False)
    assert [(operator, word.text) for operator, word in one.redirects] == [(">", "f.yaml")]
    plain = command("cat <<'EOF' | tee f.yaml\na: 1\nEOF\n", "cat")
    assert plain.heredoc is not None
    assert plain.heredoc.plain
    assert (">", "f.yaml") in [(operator, word.text) for operator, word in plain.redirects]


def test_a_condition_guards_both_of_its_branches() -> None:
    text = 'if [ "$RANK" = 0 ]; then a; elif [ $B ]; then b; else c; fi; d'
    guards = {one.name: one.context.guards for one in script(text).commands}
    assert "RANK" in guards["a"]
    assert {"RANK", "B"} <= guards["b"]
    assert "RANK" in guards["c"]
    assert "RANK" not in guards["d"]


def test_an_exit_guards_the_rest_of_the_script() -> None:
    for text in ('[ "$RANK" = 0 ] || exit 0\npush', 'if [ "$RANK" != 0 ]; then exit; fi\npush'):
        assert "RANK" in command(text, "push").context.guards


def test_a_function_is_guarded_if_each_call_is() -> None:
    text = "p() { push; }\n[ $RANK = 0 ] && p\n"
    assert "RANK" in command(text, "push").context.guards
    assert "RANK" not in command(text + "p\n", "push").context.guards


def test_commands_with_a_handled_failure() -> None:
    text = "a || b\nif c; then d; fi\n! e\nf && g\nh\ni | j\n"
    handled = {one.name: one.context.handled for one in script(text).commands}
    assert handled == {name: name in "acef" for name in "abcdefghij"}
    assert [one.name for one in script(text).commands if one.context.pipe] == ["i"]


def test_an_assignment_in_a_branch_may_not_have_run() -> None:
    found = script("if x; then A=1; echo $A; fi; echo $A")
    (assigned,) = found.assignments
    inside, after = found.reads
    assert assigned.context.always_runs_before(inside.context)
    assert not assigned.context.always_runs_before(after.context)


@pytest.mark.parametrize(
    ("text", "tested"),
    [
        ('[ -n "$A" ]', True),
        ('[ "$A" = "" ]', True),
        ('[ "$A" ]', True),
        ("[[ $A ]]", True),
        ('[ "$A" = 0 ]', False),
        ("echo $A", False),
        ("((A > 1))", False),
    ],
)
def test_a_test_for_a_set_variable(text: str, tested: bool) -> None:  # noqa: FBT001 - a table's column
    (read,) = script(text).reads
    assert read.tested is tested


@pytest.mark.parametrize("text", ["if true; then a", "echo 'open", "for x in; do", "a ) b", "case x in"])
def test_invalid_syntax_is_a_mistake(text: str) -> None:
    assert script(text).mistake is not None


@pytest.mark.parametrize(
    "text",
    ["[[ -f x && -n $y ]]", "a=(1 2); echo ${a[@]}", "((i++))", "case $x in a|b) c;; esac", "f() { :; }; f", "a <<<b"],
)
def test_valid_syntax_is_not_a_mistake(text: str) -> None:
    assert script(text).mistake is None


@pytest.mark.parametrize(
    "text",
    [
        "a|" * 40_000,
        "a)(" * 40_000,
        "((" * 40_000,
        "[[ a || " * 10_000,
        "if a; then " * 10_000,
        "${" * 20_000,
        '"$(' * 20_000,
        "a && " * 10_000,
        "x" * 5_000_000,
        "cat <<E\n" * 10_000,
        "\x01)(" * 400,
        "{ " * 900,
    ],
)
def test_no_script_takes_long(text: str) -> None:
    began = time.process_time()
    parse(text)
    assert time.process_time() - began < 5
