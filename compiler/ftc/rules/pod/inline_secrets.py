"""Rules on secrets that are written out in a spec or a manifest, in every spelling that ftc recognizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.diagnostics.printable import may_hold_secrets, secrets
from ftc.manifests.objects import Object
from ftc.manifests.text import Text
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan

# Fields whose texts a program receives; a login in any other text is perhaps not a password.
_RECEIVED = frozenset(("env", "command", "args", "setup"))
_LONGEST = 256_000


class Secret(NamedTuple):
    """A secret: the text that has it, with its path, the offset in the text, and the kind."""

    path: KeyPath
    text: str
    offset: int
    kind: str


def _secrets(value: Any) -> list[Secret]:
    """The secrets in data."""
    texts: list[str] = []
    _add_texts(value, texts)
    found: list[Secret] = []
    if may_hold_secrets("\0".join(texts)):
        _add_secrets(value, (), "", found)
    return found


def _add_texts(value: Any, texts: list[str]) -> None:
    """Collect the texts and keys in data; before a value, the name of its variable may begin the secret `?token=…`."""
    if isinstance(value, str):
        texts.append(f"{value}=" if "?" in value or "&" in value else value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            texts.append(f"{key}=" if "?" in key or "&" in key else key)
            _add_texts(inner, texts)
    elif isinstance(value, list | tuple):
        for inner in value:
            _add_texts(inner, texts)


def _add_secrets(value: Any, path: KeyPath, name: str, found: list[Secret]) -> None:
    """Collect the secrets in data; `name` is that of the variable which has the value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _add_secrets(inner, (*path, key), str(value.get("name", "")) if key == "value" else key, found)
    elif isinstance(value, list | tuple):
        before = len(found)
        for index, inner in enumerate(value):
            _add_secrets(inner, (*path, index), "", found)
        if len(found) == before:
            found += _in_words(value, path)
    elif isinstance(value, str):
        text, received = value[:_LONGEST], _is_received(path)
        # A proxy is known by the variable that names it.
        start = f"{name}=" if name and received else ""
        for offset, kind in secrets(start + text, received=received):
            found.append(Secret(path, value, max(offset - len(start), 0), kind))


def _in_words(words: list[Any] | tuple[Any, ...], path: KeyPath) -> Iterator[Secret]:
    """A secret that only several words of a command show, such as those of `curl -u USER:PASSWORD`."""
    if _is_received(path) and all(isinstance(word, str) for word in words):
        # A word of several lines is a script, which has been searched.
        text = " ".join(word for word in words if "\n" not in word)[:_LONGEST]
        yield from (Secret(path, "", 0, kind) for _, kind in secrets(text, received=True))


def _is_received(path: KeyPath) -> bool:
    """Whether a program receives the text: a variable, a word of a command, or a file of a ConfigMap."""
    return not _RECEIVED.isdisjoint(path) or path[:1] == ("data",)


def no_inline_secret(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A secret is referenced, not written out.

    The manifest is kept in Git, read in reviews and shown by `kubectl get -o yaml`, and arguments appear in the process
    list. ftc recognizes documented token formats, passwords and tokens in URLs and headers, and the logins that
    variables, commands and scripts contain.
    Source: the token issuers' documentation of their prefixes; RFC 3986, section 3.2.1; curl(1).

    Wrong: env.HF_TOKEN=hf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    Right: model.source.token.secret=hub
    """
    help_ = (
        "store it in a Secret: use token or credentials of a source or of publish, or valueFrom.secretKeyRef of a "
        "variable"
    )
    kinds: dict[KeyPath, str] = {}
    for one in _secrets(msgspec.to_builtins(spec)):
        kinds.setdefault(one.path, one.kind)
    for path, kind in kinds.items():
        yield Finding(path, _contains(kind), help_)


def _contains(kind: str) -> str:
    return f"contains {kind}, which everyone who sees the job can read"


def no_inline_secret_in_manifests(manifest: Object) -> Iterator[Finding]:
    """The texts of an object reference a secret."""
    # One finding per line.
    lines: dict[tuple[KeyPath, int], Secret] = {}
    for one in _secrets(manifest.data):
        lines.setdefault((one.path, one.text.rfind("\n", 0, one.offset) + 1), one)
    for (path, start), one in lines.items():
        line = one.text[start:]
        text = Text(manifest.document, (*manifest.path, *path), one.text)
        help_ = "store it in a Secret and reference it: valueFrom.secretKeyRef"
        yield Finding(text.at(start + len(line) - len(line.lstrip())), _contains(one.kind), help_)


RULES = (
    Rule("FTC601", "no-inline-secret", no_inline_secret, JobSpec, in_manifests=(no_inline_secret_in_manifests, Object)),
)
