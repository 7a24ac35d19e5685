"""schemas/rule_examples.json has the manifests of tests/corpus that the pages show."""

from __future__ import annotations

import json

from ftc.rules.pages import pages
from unit.compiling import ROOT


def test_the_data_file_is_up_to_date() -> None:
    found = json.loads((ROOT / "schemas" / "rule_examples.json").read_text(encoding="utf-8"))
    shown = {
        name for page in pages().values() for name in (page.wrong, page.right) if name and name.startswith("tests/")
    }
    assert len(shown) > 100
    assert found == {name: (ROOT / name).read_text(encoding="utf-8") for name in shown}
