"""Every group and its options: the comment of the file, and the file."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from ftc.cli import hardware_table
from ftc.conf_tree import groups, search_path
from ftc.driver import Request, compile_job
from ftc.resources import directory
from reference.markdown import code, fence, folded, page, prose, table

if TYPE_CHECKING:
    from pathlib import Path

ABOUT = """
A run chooses one option of each group, `group=option`. An option is a file of `conf/` that sets keys of the
[spec](keys.md). Your own files with the same layout come first; see [Your own hardware](../guides/own-hardware.md).
"""
# Where the options of a nested group go.
PLACES = {
    "source": "`source@model.source=…`, `source@dataset.source=…` or `source@method.adapter=…`",
    "build": "`build@hardware.build=…`",
}
CAPABILITIES = """
The memory is that of one unit of the resource. `?` means unknown or dependent on the image; a rule that reads it only
warns.
`ftc list hardware --wide` prints this table with the images.
"""
SCHEMA = "# yaml-language-server"


def pages() -> dict[str, str]:
    """The page of the groups, and one for each group."""
    found = groups(search_path(()))
    composed = compile_job(Request(())).composed
    chosen = composed.choices if composed else {}
    rows = [
        (f"[{code(name)}](options/{name}.md)", str(len(options)), code(str(chosen[name])) if name in chosen else "")
        for name, options in found.items()
    ]
    index = page("Groups and options", ABOUT, table(("group", "options", "without overrides"), rows))
    return {"options.md": index, **{f"options/{name}.md": _group(name, options) for name, options in found.items()}}


def _group(name: str, options: tuple[str, ...] | list[str]) -> str:
    conf = directory("conf") / name
    rows = [(f"[{code(option)}](#{option})", prose(_comment(conf / f"{option}.yaml")[0])) for option in options]
    use = PLACES.get(name, code(f"{name}=…"))
    parts = [part for option in options for part in _option(option, conf / f"{option}.yaml")]
    if name == hardware_table.GROUP:
        parts = [CAPABILITIES, hardware_table.markdown(hardware_table.rows()[0]), *parts]
    return page(f"Group {name}", f"Choose an option with {use}.", table(("option", "for"), rows), *parts)


def _option(option: str, file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = _comment(file)
    content = [line for line in lines if line.removeprefix("# ") not in comment and not line.startswith(SCHEMA)]
    return [
        f"## {option} {{ #{option} }}",
        prose(" ".join(comment)),
        folded(f"conf/{file.parent.name}/{file.name}", fence("\n".join(content), "yaml")),
    ]


def _comment(file: Path) -> list[str]:
    """The comment at the top of a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [line.removeprefix("#").strip() for line in takewhile(lambda one: one.startswith("# "), lines)]
    return [line for line in found if not line.startswith("@")]
