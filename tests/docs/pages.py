"""The pages whose commands are run, and what is required of their blocks."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from docs.page import Block, blocks, needs
from docs.session import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = ROOT / "docs"
# A script that is only shown hides its mistakes: commands are `console`, or `shell` if a test cannot run them.
UNTESTED = ("sh", "bash", "zsh", "shell-session")
# A line of a `shell` block that could run here.
LOCAL = re.compile(r"(\$ )?(ftc(?! why (?!.*--from))(?! (?:status|logs|pin)\b)|cat|ls)( [^|&;<>]*)?")


def pages() -> list[Path]:
    """The pages of the documentation and the READMEs; those that train only if a trainer is installed."""
    written = (file for file in sorted(DOCS.rglob("*.md")) if not file.is_relative_to(DOCS / "en" / "reference"))
    found = (*written, *sorted(ROOT.glob("README*.md")))
    return [file for file in found if "trainer" not in needs(file) or os.environ.get("FTC_TRAINER")]


def complaints(file: Path) -> Iterator[str]:
    """Blocks that a test cannot run although it could, and files whose name only the title of the block has."""
    text = file.read_text(encoding="utf-8")
    for block in blocks(text):
        if block.file and block.file not in _paragraph_before(text, block):
            yield f"{file}:{block.line}: name `{block.file}` in the text before the block: copied text has no title"
        if block.language in UNTESTED and not block.file:
            yield f"{file}:{block.line}: use `console`, or `shell` if it needs a cluster or a network"
        elif block.language == "shell":
            for number, line in enumerate(block.text.splitlines(), block.line):
                if LOCAL.fullmatch(line.strip()):
                    yield f"{file}:{number}: runs without a cluster and a network: move it to a `console` block"


def _paragraph_before(text: str, block: Block) -> str:
    """The text between the block and the heading or the block before it."""
    before = text.split("\n")[: block.line - 2]
    return re.split(r"^(?:#|`{3})", "\n".join(before), flags=re.MULTILINE)[-1]
