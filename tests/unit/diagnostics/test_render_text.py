"""Diagnostics as text for a terminal."""

from __future__ import annotations

import pytest

from ftc.diagnostics.model import Diagnostic, Position, Severity, did_you_mean, dotted, has_errors
from ftc.diagnostics.render_text import render
from unit.compiling import errors


def test_a_diagnostic_has_a_place_a_severity_a_message_and_help() -> None:
    found = Diagnostic(
        code="FTC999",
        message="is wrong",
        path=("launcher", "args", 0),
        position=Position("conf/run.yaml", 3, 5),
        help="make it right",
    )
    assert render([found]) == ("conf/run.yaml:3:5: error[FTC999]: launcher.args[0]: is wrong\n  help: make it right\n")


def test_a_diagnostic_of_an_override_quotes_it() -> None:
    found = Diagnostic(code="FTC999", message="is odd", severity=Severity.WARNING, position=Position("nodes=two"))
    assert render([found]) == "override 'nodes=two': warning[FTC999]: is odd\n   | nodes=two\n   |       ^^^\n"


def test_a_diagnostic_without_a_place_is_rendered() -> None:
    assert render([Diagnostic(code="FTC999", message="is wrong")]) == "error[FTC999]: is wrong\n"


def test_duplicates_are_rendered_once() -> None:
    found = Diagnostic(code="FTC999", message="is wrong", position=Position("a.yaml", 1, 1))
    assert render([found, found]).count("FTC999") == 1


def test_places_in_a_file_are_sorted_by_number() -> None:
    found = [
        Diagnostic(code="FTC999", message=str(line), position=Position("a.yaml", line, 1)) for line in (10, 9, 2, 100)
    ]
    assert [line.partition(":")[2].partition(":")[0] for line in render(found).splitlines()] == ["2", "9", "10", "100"]


def test_overrides_keep_the_order_of_the_command_line() -> None:
    wrong = ("restarts=-1", "nodes=two", "master_port=1", "devices=0")
    assert [line.split("'")[1] for line in errors(*wrong)] == list(wrong)


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", "b"), "a.b"), (("a", 0, "b", 12), "a[0].b[12]")],
)
def test_a_key_is_written_as_people_type_it(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


def test_a_near_word_is_suggested_else_the_known_words_are_listed() -> None:
    assert "'learning_rate'" in did_you_mean("learning_rat", ["learning_rate", "lora_rank"])
    assert "ascend, cpu" in did_you_mean("tpu-v5-pod", ["cpu", "ascend"])
    assert "'" not in did_you_mean("tpu-v5-pod", ["cpu", "ascend"])
    assert did_you_mean("a", []) == ""


def test_only_errors_stop_the_compile() -> None:
    error, warning, note = (Diagnostic(code="FTC999", message="", severity=severity) for severity in Severity)
    assert has_errors([warning, error])
    assert not has_errors([warning, note])
    assert not has_errors([])
