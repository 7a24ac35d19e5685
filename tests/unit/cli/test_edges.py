"""A missing value of --format, and data that is too large, are reported once and in the format asked for."""

from __future__ import annotations

import json

from unit.compiling import found, ftc


def test_a_missing_format_is_an_error_in_the_format_before_it() -> None:
    said = ftc("compile", "--format", "json", "--format")
    assert said.exit_code == 2
    assert json.loads(said.stdout or said.stderr)


def test_an_expansion_that_is_too_large_hides_what_it_leaves_missing() -> None:
    bomb = ["+annotations.a0=aaaaaaaaaa"]
    for number in range(1, 9):
        before = f"${{annotations.a{number - 1}}}"
        bomb.append(f"+annotations.a{number}='{before * 10}'")
    assert {d.code for d in found(*bomb)} == {"FTC016"}


def test_an_empty_output_directory_is_refused() -> None:
    said = ftc("compile", "-o", "")
    assert said.exit_code == 2
    assert "must not be empty" in said.stderr
