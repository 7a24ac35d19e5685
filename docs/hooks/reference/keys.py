"""Every key of the spec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import dotted
from ftc.driver import Request, compile_job
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find
from ftc.spec.schema import keys
from reference.markdown import code, page, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.compose import Composed
    from ftc.diagnostics.model import KeyPath
    from ftc.spec.schema import Key

ABOUT = """
`ftc show` prints the keys with their values. Set one with `key.path=value`, in a file of
[your conf](../guides/own-hardware.md), or by choosing an [option of a group](options.md). `ftc explain KEY` shows what
set it in your run.

*Default* is the value of a key that no file sets. *Without overrides* is the value of `ftc compile` without overrides,
and the file that sets it.
"""

AT_THE_TOP = "Keys without a section"


def pages() -> dict[str, str]:
    """The page of the keys, a section for each key at the top."""
    state = compile_job(Request(()))
    if state.composed is None or state.spec is None:
        raise ValueError("the default run does not compile")
    composed, data = state.composed, plain(state.spec)
    sections = [
        "\n\n".join((f"## {name} {{ #section-{name.replace(' ', '-')} }}", *_section(found, composed, data)))
        for name, found in _by_section(keys()).items()
    ]
    return {"keys.md": page("Keys of the spec", ABOUT, *sections)}


def _by_section(known: dict[KeyPath, Key]) -> dict[str, dict[KeyPath, Key]]:
    """The keys by section: each key at the top that has keys has its own."""
    parents = {path[0] for path in known if len(path) > 1}
    found: dict[str, dict[KeyPath, Key]] = {AT_THE_TOP: {}}
    for path, key in known.items():
        found.setdefault(str(path[0]) if path[0] in parents else AT_THE_TOP, {})[path] = key
    return found


def _section(found: dict[KeyPath, Key], composed: Composed, data: Any) -> Iterator[str]:
    for path, key in found.items():
        name = dotted(path)
        kinds = f" (kind {', '.join(map(code, key.kinds))})" if key.kinds and path[-1] != "kind" else ""
        facts = [f"*Type*: {prose(key.type)}{kinds}", *_default(key), *_value(path, key, composed, data)]
        meaning = key.meaning.partition("\n")[0]
        yield f"{code(name)}{{ #{name} }}\n:   {prose(meaning)}\n\n    {'; '.join(facts)}."


def _default(key: Key) -> Iterator[str]:
    if key.default is not None and not key.has_keys:
        yield f"*Default*: {code(key.default)}"


def _value(path: KeyPath, key: Key, composed: Composed, data: Any) -> Iterator[str]:
    """The value in the default run, and the file that set it."""
    there = find(data, path)
    settings = composed.settings(path)
    if key.has_keys or not isinstance(there, Found) or not settings:
        return
    file = str(settings[-1].position.source).partition(":")[0].removeprefix("<ftc>/")
    yield f"*Without overrides*: {code(json.dumps(there.value, ensure_ascii=False))} ({code(file)})"
