"""The check of a chat template ends, and its verdict is written whatever the template does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from ftc.scripts import check_chat_template as script

if TYPE_CHECKING:
    from pathlib import Path

ODD = "\ud800\x1b[31m\nftc: error: forged"


@pytest.fixture(autouse=True)
def _run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.yaml").write_text("template: qwen3\n", encoding="utf-8")
    monkeypatch.setattr(script, "__file__", str(tmp_path / "check_chat_template.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAT_TEMPLATE_CHECK", "warn")
    monkeypatch.setattr("sys.argv", ["check_chat_template.py", "output"])


def _differs(kind: str) -> dict[str, Any]:
    first = {"row": 0, "kind": kind, "training": ODD, "result": ODD}
    rows = {"rows": 1, "rows_with_media": 0, "different_rows": 1}
    return {"verdict": "different", **rows, "differences": [first], "equal_without_thinking": False, "written": False}


@pytest.mark.parametrize("kind", ["error", "stop", "prompt"])
def test_the_verdict_is_one_printable_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.setattr(script, "check", lambda *_, **__: _differs(kind))
    script.main()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ftc: chat template: differs")
    assert line.isprintable()
    assert json.loads((tmp_path / "chat-template.json").read_text(encoding="utf-8"))["differences"][0]["result"] == ODD
    assert f"ftc: {(tmp_path / 'check.verdict').read_text(encoding='utf-8')}" == f"{line}\n"


def test_a_template_that_never_ends_leaves_the_verdict_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hangs(*_: object, **__: object) -> None:
        while True:
            try:
                time.sleep(10)
            except Exception as error:
                raise AssertionError from error

    monkeypatch.setattr(script, "LONGEST", 1)
    monkeypatch.setattr(script, "check", hangs)
    script.main()
    assert "the check took longer than 1 seconds" in capsys.readouterr().out
    assert json.loads((tmp_path / "chat-template.json").read_text(encoding="utf-8"))["verdict"] == "unknown"


def test_a_template_that_is_not_text_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        script.replace(tmp_path / "chat_template.jinja", ODD)
    assert not list(tmp_path.glob("chat_template*"))
