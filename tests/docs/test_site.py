"""The site builds without a warning in both languages, and neither the build nor a reader needs another server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from docs.session import CLOSED, ROOT
from ftc.rules.pages import pages as rules
from ftc.spec.schema import keys

if TYPE_CHECKING:
    from pathlib import Path

# What a browser loads, as opposed to links that a reader follows.
LOADED = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"' >]+)""")


def test_the_site_builds_strictly_in_both_languages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, **CLOSED, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("index", "tutorial/index", "reference/commands/index"):
        english, chinese = ((tmp_path / f"{prefix}{page}.html").read_text(encoding="utf-8") for prefix in ("", "zh/"))
        assert '<html lang="en"' in english
        assert '<html lang="zh"' in chinese
    loaded = {url for file in tmp_path.rglob("*.html") for url in LOADED.findall(file.read_text(encoding="utf-8"))}
    assert loaded == set()
    _has_the_reference(tmp_path / "reference")


def _has_the_reference(reference: Path) -> None:
    """Every rule has a page, and every key an anchor."""
    assert {file.parent.name for file in (reference / "rules").glob("*/index.html")} == set(rules())
    text = (reference / "keys" / "index.html").read_text(encoding="utf-8")
    assert [path for path in keys() if f'id="{".".join(map(str, path))}"' not in text] == []
