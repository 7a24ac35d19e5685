"""Make untrusted text printable: remove secrets, and escape it for terminals and CI logs.

Everything that ftc prints of a user's input goes through `redacted`: logs have many readers.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.patterns import lazily

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Shape(NamedTuple):
    """The shape of a kind of secret, and words of which each such secret has one, with its case folded."""

    words: tuple[str, ...]
    pattern: str


# Prefixes that the issuers document; the lengths exclude names such as `hf_transfer` and `sk-learn`.
_SHAPES = {
    "a Hugging Face token": _Shape(("hf_",), r"\bhf_[A-Za-z0-9]{20,}"),
    "a GitHub token": _Shape(
        ("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_"),
        r"\bgh[oprsu]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    ),
    "a GitLab token": _Shape(
        ("glpat-", "glptt-", "gldt-", "glcbt-", "glrt-"), r"\bgl(?:pat|ptt|dt|cbt|rt)-[A-Za-z0-9_-]{16,}"
    ),
    "an AWS access key": _Shape(("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a Slack token": _Shape(("xox",), r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    "an API key": _Shape(
        ("sk-", "aiza", "npm_"),
        r"\bsk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}|\bAIza[A-Za-z0-9_-]{30,}|\bnpm_[A-Za-z0-9]{30,}",
    ),
    "a JSON Web Token": _Shape(("eyj",), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    "a private key": _Shape(("-----begin",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----END))*"),
    "a password in a URL": _Shape(("@",), r"(?<=://)[^/\s:@'\"]*:[^/\s@'\"$<{*]+(?=@)"),
    "a token in a URL": _Shape(("@",), r"(?<=://)(?=[^/\s:@]*[0-9])[^/\s:@'\"]{20,}(?=@)"),
    "a token in a query": _Shape(
        ("token=", "password=", "secret=", "key=", "sig=", "signature="),
        r"(?<=[?&])(?i:(?:[a-z]+[_-])*token|password|secret|api[_-]?key)=[^&\s'\"$<{*]+"
        r"|(?<=[?&])(?:sig|X-Amz-Signature)=[^&\s'\"]{8,}",
    ),
    "a token in a header": _Shape(
        ("bearer", "basic", "-token:", "x-api-key:"),
        r"\b[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}|\b[Bb]asic\s+(?=[A-Za-z+/]*[0-9=])[A-Za-z0-9+/]{8,}=*"
        r"|\b(?i:(?:private|job|deploy|auth|access)-token|x-api-key):\s*[^\s'\"$<{*]+",
    ),
}
_KINDS = tuple(_SHAPES)
_SHAPE = lazily("|".join(f"({shape.pattern})" for shape in _SHAPES.values()))
_WORDS = tuple(word for shape in _SHAPES.values() for word in shape.words)
_PATTERNS = tuple(lazily(shape.pattern) for shape in _SHAPES.values())

_KEY = r"(?:api|access|private|secret|auth|encryption)[_-]?key"
_WORD = rf"(?:token|password|passwd|passphrase|secret|{_KEY})"
_VARIABLE = rf"(?:[A-Z0-9]+_)*(?:{_WORD}|CREDENTIALS?)".replace(_WORD, _WORD.upper())
# Keys of the spec such as `token` and `password_key` name a Secret; an argument has another word before it.
_ARGUMENT = rf"(?:[a-z0-9]+_)+{_WORD}|{_KEY}"
_FLAG = rf"--?(?:[a-z0-9]+[-_])*{_WORD}"
_NAME = lazily(f"{_VARIABLE}|{_ARGUMENT}|{_FLAG}")
_GIVEN = lazily(
    rf"""(  (?<![\w-]) (?:{_VARIABLE}|{_ARGUMENT}) ["']? \s* [:=] \s* ["']?
         |  (?<![\w.-]) {_FLAG} ["']? (?:\s*[=,]\s*|\s+) ["']?
         |  (?<![\w-]) (?:-[A-Za-z]{{0,8}}[uU]|--(?:proxy-)?user) ["']? (?:\s*[=,]\s*|\s*) \\?["']? [^\s,:'"@]+:
         |  \b name ["']? : \s* ["']? (?:{_VARIABLE}|{_ARGUMENT}) ["']? \s*,\s* ["']? value ["']? : \s* ["']?
         ) ( [^\s,}}\]"']+ )""",
    re.VERBOSE,
)
_HARMLESS = lazily(
    r"(?:|true|false|yes|no|on|off|none|null|[0-9.]+|[$<\[./~*].*|.*\$\(.*|.{1,3})", re.IGNORECASE | re.DOTALL
)
# A user before a host: in a URL, where `@` may be percent-encoded, and as ssh and git write it
# (`user:password@host:path`), but not the digest of an image (`image:1.0@sha256:…`).
_USER = lazily(r"(?<=://)[^/@\s]+?(?=@|%40)|(?<![^\s'\"=])[^/@\s:'\"=]+:[^/@\s'\"]+(?=@(?!sha[0-9])[^/@\s:]+[:/])")
# A user in an http URL is a token, or needs a password that no one can type in a pod. A proxy may be written without
# its scheme.
_LOGIN = lazily(r"(\b(?i:https?|socks[45][ah]?)://(?!git@)|\b(?i:\w*_proxy)=\\?['\"]?)[^/?#\s@'\"$<{*]+(?=@|%40)")
# A user with a password, as an option, which may be on a later line of the command.
_USER_OPTION = lazily(
    r"\s(?:-[A-Za-z]{0,8}[uU]|--(?:proxy-)?user)[\s=]*['\"]?[^\s:'\"@-][^\s:'\"@]{0,200}:[^\s'\"$<{*]+"
)
_COMMAND_END = lazily(r"(?<!\\)\n|\|")
_LONGEST_COMMAND = 500
STARS = "***"


def kind_of_secret(text: str) -> str:
    """The kind of secret in a text, by its shape, or an empty string."""
    folded = text.casefold()
    if not _has_word(folded):
        return ""
    may_be = [i for i, shape in enumerate(_SHAPES.values()) if any(word in folded for word in shape.words)]
    found = [(match.start(), i) for i in may_be if (match := _PATTERNS[i].search(text))]
    return _KINDS[min(found)[1]] if found else ""


def _has_word(folded: str) -> bool:
    """Whether a text has a word of a secret: the search is a hundred times faster than for the patterns."""
    for word in _WORDS:  # noqa: SIM110 - half of the time of `any`, for each text of a manifest
        if word in folded:
            return True
    return False


def may_hold_secrets(texts: str) -> bool:
    """Whether one of several texts may have a secret, so that each must be searched."""
    folded = texts.casefold()
    return "curl" in folded or "%40" in folded or _has_word(folded)


def secrets(text: str, *, received: bool) -> Iterator[tuple[int, str]]:
    """The offset and kind of each secret in a text; if a program receives it, a login is one too."""
    if kind_of_secret(text):
        yield from ((found.start(), _KINDS[(found.lastindex or 1) - 1]) for found in _SHAPE.finditer(text))
    if received and ("@" in text or "%40" in text):
        logins = [found for found in _LOGIN.finditer(text) if not _is_in_comment(found)]
        yield from ((found.end(), "a user, password or token in a URL") for found in logins)
    if received and "curl" in text:
        options = [found for found in _USER_OPTION.finditer(text) if _is_of_curl(found) and not _is_in_comment(found)]
        yield from ((found.end(), "a password of curl") for found in options)


def _is_in_comment(login: re.Match[str]) -> bool:
    """Whether a login is in a comment line, which usually has an example of one."""
    return re.compile(r"[ \t]*#").match(login.string, login.string.rfind("\n", 0, login.start()) + 1) is not None


def _is_of_curl(option: re.Match[str]) -> bool:
    before = option.string[max(option.start() - _LONGEST_COMMAND, 0) : option.start()]
    return re.search(r"\bcurl\b", _COMMAND_END.split(before)[-1]) is not None


def names_a_secret(name: str) -> bool:
    """Whether a variable, an argument or a flag of this name holds a secret.

    `HF_TOKEN` does, and `--api-key`; `TOKENIZERS_PARALLELISM`, `HF_TOKEN_PATH` and `max_new_tokens` do not.
    """
    return _NAME.fullmatch(name) is not None


def could_be_a_secret(value: str) -> bool:
    """Whether a value is more than a switch, a number, a path, a special token or a reference to a variable."""
    return _HARMLESS.fullmatch(value) is None


def redacted(text: str) -> str:
    """Replace secrets, the user part of URLs, and values assigned to a secret's name by stars."""
    shown = _LOGIN.sub(rf"\1{STARS}", _SHAPE.sub(STARS, text))
    return _GIVEN.sub(_starred, _USER.sub(STARS, shown))


def without_secrets(value: Any, name: str = "") -> Any:
    """Remove the secrets that a value or its name reveals; in a list of variables, the name is next to the value."""
    if isinstance(value, dict):
        names = {key: str(value.get("name", key)) if key == "value" else key for key in value}
        return {key: without_secrets(inner, names[key]) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner, flag or name) for inner, flag in zip(value, _flags(value), strict=True)]
    if isinstance(value, str):
        return STARS if names_a_secret(name) and could_be_a_secret(value) else redacted(value)
    return value


def _flags(words: list[Any]) -> list[str]:
    """For each word of a command, the flag whose value it is: `--token` for the `x` in `--token x`."""
    texts = [word if isinstance(word, str) else "" for word in words]
    pairs = zip(["", *texts], texts, strict=False)
    return [flag if flag.startswith("-") and "=" not in flag and word[:1] != "-" else "" for flag, word in pairs]


def _starred(found: re.Match[str]) -> str:
    return f"{found[1]}{STARS if could_be_a_secret(found[2]) else found[2]}"


_LINE = 60


def on_a_line(value: object) -> str:
    """Write a value as JSON, cut to a line. Secrets are redacted before the cut, which could split one."""
    text = redacted(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LINE else f"{text[: _LINE - 3]}…"


_TAB = "    "
# Letters and marks that Python counts as printable but that show nothing (Unicode, Default_Ignorable_Code_Point; the
# Braille blank), so that two different names would look the same.
_INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_HIDDEN = lazily(f"[{_INVISIBLE}]")
# The runner of GitHub Actions takes `::name::` at the start of a line, and `##[name]` anywhere in it, for a command;
# Azure Pipelines takes `##vso[name]`. Source: actions/runner, src/Runner.Common/ActionCommand.cs.
_COMMAND = lazily(r"^(\s*):(?=:)|#(?=#[A-Za-z]*\[)")


def as_json(value: Any) -> str:
    """Write a value as JSON that any reader accepts, and in which no CI system finds a command.

    It is ASCII, so that no user's text reaches a terminal unescaped. YAML's infinity and bytes, which JSON cannot
    express, become strings.
    """
    return inert_json(json.dumps(_plain(value), indent=2, allow_nan=False))


def inert_json(text: str) -> str:
    """Escape what `inert` escapes in JSON; it can occur in strings only."""
    return _COMMAND.sub(r"\\u0023", text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    is_json = value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
    return value if is_json else str(value)


class Cell(NamedTuple):
    """One character as it is shown, and its width in columns."""

    text: str
    width: int


def escaped(text: str) -> str:
    r"""Escape what would move a cursor, colour a terminal or be invisible: `\x1b`, `\u202e`."""
    if text.isprintable() and not _HIDDEN.search(text):
        return text
    return "".join(_shown(letter) for letter in text)


# A backslash before a bar.
_BAR = lazily(r"(?<=\\)\|")


def as_code(text: str) -> str:
    """Format a text as code of Markdown, which cannot contain markup, mentions or links.

    A bar would end a cell of a table (GitHub Flavored Markdown, tables), even after a backslash that is itself
    escaped.
    """
    text = _BAR.sub(r"\\x7c", escaped(text)).replace("|", "\\|") or " "
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def inert(line: str) -> str:
    r"""Escape what a CI log would take for a command: `\x3a:add-mask::`, `\x23#[error]`."""
    return _COMMAND.sub(lambda found: rf"{found[1] or ''}\x{'3a' if found[0].endswith(':') else '23'}", line)


def cells(line: str) -> list[Cell]:
    """Split a source line into characters; a tab takes four columns, a Chinese character two."""
    return [Cell(_TAB, len(_TAB)) if letter == "\t" else _cell(_shown(letter)) for letter in line]


@lru_cache(maxsize=1024)
def _cell(shown: str) -> Cell:
    return Cell(shown, sum(_columns(letter) for letter in shown))


def _shown(letter: str) -> str:
    if (letter.isprintable() and letter not in _INVISIBLE) or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
