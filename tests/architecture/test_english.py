"""The words of ftc are plain English: CONTRIBUTING.md has the style, and this counts what it asks not to write."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Per 10,000 words.
LIMIT = 4
MARKERS = {
    "where, for if": r"\bwhere (there (is|are)|it|they|that|nothing|no|none|one|neither|a|an)\b",
    "is no, is none": r"\b(is|are|was|were|be|has|have) (no|none)\b(?! (longer|more|less|later|earlier|matter|one)\b)",
    "What is X is Y": r"(?:^|[.:;] )What (?![^.?!]*\?)",
    "stands": r"\b(stand|stands|stood|standing)\b(?!-)",
    "beside": r"\bbeside\b",
    "anew": r"\banew\b",
    "for ever": r"\bfor ever\b",
    "nobody": r"\bnobody\b",
    "is told": r"\b(is|are|was|be|been) told\b",
    "of its own": r"\bof (its|your|their|one's|his|our) own\b",
    "knows nothing": r"\b(knows?|says?) (nothing|no|none)\b",
}


def words(file: Path) -> str:
    """The text that people read in a file: all of Markdown, else strings and comments."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    if file.suffix == ".py":
        return "\n".join([*_strings(text), *_comments(text)])
    return "\n".join(re.findall(r"(?:^|\s)#+ (.*)", text))


def _strings(text: str) -> list[str]:
    return [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]


def _comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]


def files() -> list[Path]:
    """What we write ourselves; this file and the manifests of others are left out."""
    found = [ROOT.joinpath(folder) for folder in ("compiler", "conf", "tests", "benchmarks", "docs", ".github")]
    listed = [
        file for folder in found for file in sorted(folder.rglob("*")) if file.suffix in (".py", ".sh", ".yaml", ".md")
    ]
    skipped = ("node_modules", "corpus", "pins")
    generated = ROOT / "docs" / "en" / "reference"
    return [
        file
        for file in (*listed, *ROOT.glob("*.md"))
        if not (set(file.parts) & set(skipped) or file.is_relative_to(generated)) and file != Path(__file__)
    ]


@pytest.fixture(scope="module")
def text() -> str:
    return re.sub(r"\s*\n\s*(?=[a-z])", " ", "\n".join(map(words, files())))


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_of_the_old_style_is_rare(marker: str, text: str) -> None:
    found = [match.span() for match in re.finditer(MARKERS[marker], text, re.MULTILINE | re.IGNORECASE)]
    shown = [text[max(0, start - 40) : end + 40].replace("\n", " ") for start, end in found]
    assert len(found) / len(text.split()) * 10_000 <= LIMIT, "\n".join(shown)
