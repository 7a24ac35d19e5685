"""The page of a code: the requirement, the reason, the source, a wrong and a right example; `ftc rule` prints it."""

from __future__ import annotations

import inspect

import msgspec

from ftc.diagnostics.model import Severity


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The documentation of a code; `wrong` and `right` are arguments of `command`.

    `group` is the folder of the rule, `source` the code, document or measurement that states the fact. `example` shows
    both examples if they are files. `targets` are those that the rule applies to, if not to all. `silenceable` says
    whether `ignore` may suppress it, `in_manifests` whether lint has it too, where `--ignore` may suppress any rule.
    """

    code: str
    name: str = ""
    group: str = ""
    title: str
    why: str
    source: str = ""
    wrong: str | None = None
    right: str | None = None
    example: str = ""
    command: str = "ftc compile"
    severity: Severity = Severity.ERROR
    targets: tuple[str, ...] = ()
    silenceable: bool = True
    in_manifests: bool = False


def read(code: str, text: str) -> Page:
    """Parse a docstring: a sentence, the reason, `Source:`, `Wrong:` and `Right:`."""
    about, _, examples = f"\n{inspect.cleandoc(text)}\n".partition("\nWrong:")
    reasons, _, source = about.partition("\nSource:")
    title, _, why = reasons.strip().partition("\n\n")
    wrong, found, right = examples.partition("\nRight:")
    bare = Page(code=code, title=_one_line(title), why=why.strip(), source=_one_line(source))
    return msgspec.structs.replace(bare, wrong=_one_line(wrong), right=_one_line(right)) if found else bare


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines()).strip()


def render(page: Page) -> str:
    """Write the page as text."""
    parts = [f"{page.code} {page.name} ({page.severity.value}): {page.title}", page.why]
    if page.source:
        parts.append(f"Source: {page.source}")
    if page.example:
        parts.append(page.example)
    elif page.wrong is not None and page.right is not None:
        examples = (("Wrong:  ", page.wrong), ("Right:  ", page.right))
        parts.append("\n".join(f"{label}{page.command} {example}".rstrip() for label, example in examples))
    if page.targets:
        parts.append(f"Applies to -t {', -t '.join(page.targets)} only.")
    parts.append(suppression(page))
    return "\n\n".join(part for part in parts if part) + "\n"


def suppression(page: Page) -> str:
    """How to suppress the rule."""
    if not page.silenceable:
        in_lint = f" In `ftc lint` you may suppress it: --ignore {page.name}." if page.in_manifests else ""
        return f"It cannot be suppressed: ftc itself relies on it.{in_lint}"
    in_spec = f", or `ignore: [{page.name}]` in the spec" if page.command == "ftc compile" else ""
    return f"To suppress it: --ignore {page.name}{in_spec}."
