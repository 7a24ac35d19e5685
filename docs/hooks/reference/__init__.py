"""The reference of the documentation, made from the program itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference import api, commands, keys, options, rules, runs, targets

if TYPE_CHECKING:
    from pathlib import Path

MAKERS = (commands.pages, keys.pages, options.pages, rules.pages, targets.pages, runs.pages, api.pages)


def pages() -> dict[str, str]:
    """Each page's name and text."""
    return {name: text for maker in MAKERS for name, text in maker().items()}


def write(directory: Path) -> None:
    """Write the pages that changed, and remove those that are no longer made."""
    made = pages()
    for name, text in made.items():
        file = directory / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for file in directory.rglob("*.md"):
        if str(file.relative_to(directory)) not in made:
            file.unlink()
