"""The scenarios of golden/, composed."""

from __future__ import annotations

import yaml

from ftc.driver import Request, State, compile_job
from unit.compiling import ROOT

NAMES = sorted(file.parent.name for file in (ROOT / "golden" / "scenarios").glob("*/case.yaml"))


def scenario(name: str) -> State:
    text = (ROOT / "golden" / "scenarios" / name / "case.yaml").read_text(encoding="utf-8")
    return compile_job(Request(tuple(yaml.safe_load(text)["overrides"]), targets=()))
