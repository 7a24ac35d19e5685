"""The hooks of the build: the reference is written before the pages are read, and diagrams get their own script."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference import write

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

SCRIPT = "assets/mermaid.tiny.js"
FENCES = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_CHINESE = "\u3001-\u30ff\u4e00-\u9fff\uff01-\uff60"
_WIDE = "\u3001\u3002\uff09\uff0c\uff1a\uff1b"
PHRASE = re.compile(r"<code>(?=[^<]* )")
BROKEN = re.compile(rf"(?<=[{_CHINESE}])\n *(?=[{_CHINESE}])|(?<=[{_WIDE}])\n *(?=[A-Za-z\[`])")


def on_config(config: MkDocsConfig) -> None:
    """Write the reference into docs/en, and leave pages that do not exist yet out of the navigation."""
    docs = Path(config.docs_dir)
    write(docs / "en" / "reference")
    config.nav = _existing(config.nav, docs)


def _existing(nav: Any, docs: Path) -> Any:
    """The entries of a navigation that have a page; a page is at least in English."""
    if isinstance(nav, dict):
        return {title: _existing(inner, docs) for title, inner in nav.items()}
    if isinstance(nav, list):
        kept = [_existing(entry, docs) for entry in nav]
        return [entry for entry in kept if entry and entry != {next(iter(entry), ""): []}]
    return nav if (docs / "en" / nav).is_file() else None


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs'
    """Join the lines of Chinese paragraphs, between which a browser would show a blank."""
    parts = FENCES.split(markdown)
    return "".join(part if number % 2 else BROKEN.sub("", part) for number, part in enumerate(parts))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs' signature
    """Mark code of several words; without the script the theme would load Mermaid from a server."""
    html = PHRASE.sub('<code class="phrase">', html)
    if 'class="mermaid"' not in html:
        return html
    up = "../" * page.url.count("/")
    return f'{html}<script src="{up}{SCRIPT}"></script>'
