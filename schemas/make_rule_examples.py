"""Write rule_examples.json: the manifests that the pages of rules show, by the names that the pages give them.

Usage: python schemas/make_rule_examples.py > schemas/rule_examples.json
"""

from __future__ import annotations

import json
from pathlib import Path

from ftc.rules.pages import pages

ROOT = Path(__file__).resolve().parents[1]


def examples() -> dict[str, str]:
    """The text of each manifest."""
    named = [name for page in pages().values() for name in (page.wrong, page.right) if name is not None]
    return {
        name: (ROOT / name).read_text(encoding="utf-8") for name in sorted(named) if name.startswith("tests/corpus/")
    }


if __name__ == "__main__":
    print(json.dumps(examples(), indent=0, ensure_ascii=False))
