"""What a shell completes: `main` answers the scripts that `ftc completion` prints.

Everything but the options of groups comes from schemas/completion.json (`ftc.cli.words`), because a shell asks at each
press of a key: importing the commands would take ten times as long.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

VARIABLE = "_FTC_COMPLETE"
FILES, DIRECTORIES = "files", "directories"
_FILE = "completion.json"
_CONF, _GOLDEN = "conf", "golden"
_PATHS = {"file": FILES, "directory": DIRECTORIES}
_SEPARATORS = ("=", ".")
_MAX_BYTES = 4096


class Item(NamedTuple):
    """A completion; one that ends in a separator is continued in the same word."""

    value: str
    help: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the next word follows."""
        return not self.value.endswith(_SEPARATORS)


class Answer(NamedTuple):
    """The completions of a word; `paths` asks the shell for its own completion of files or directories."""

    items: tuple[Item, ...] = ()
    paths: str = ""


class _Line(NamedTuple):
    """The words before the one to complete: the arguments and options of a command, and an option without its value."""

    arguments: tuple[str, ...]
    options: dict[str, list[str]]
    open: dict[str, Any] | None


def main(environment: str, arguments: Sequence[str]) -> str:
    """The text for a shell: which paths it should complete, for bash the word without quotes, then the completions."""
    words = split(arguments[0]) if environment == "bash" and arguments else [*arguments] or [""]
    if environment == "bash":
        words = words[1:] or [""]
    items, paths = answer(words)
    if environment == "bash":
        lines = [paths, words[-1], *(f"{item.value}{' ' * item.is_whole}" for item in items)]
    else:
        lines = [paths, *(f"{item.value}\t{item.help}" if item.help else item.value for item in items)]
    return "".join(f"{line}\n" for line in lines)


def split(line: str) -> list[str]:
    """Split a line like a shell, up to the cursor; a quote may still be open."""
    words = [""]
    for part in re.finditer(
        r"'([^']*)(?:'|$)|\"((?:\\.|[^\"\\])*)(?:\"|$)|\\(.)|(\s+)|([^\s'\"\\]+|\\$)", line, re.DOTALL
    ):
        single, double, escaped, space, plain = part.groups()
        if space:
            words.append("")
            continue
        text = re.sub(r"\\(.)", r"\1", double) if double is not None else single or escaped or plain or ""
        words[-1] += text
    return words


def answer(words: Sequence[str]) -> Answer:
    """Complete the last of the words of a command line, without `ftc` itself."""
    known = _known()
    *before, last = words
    names = [name for name in known["commands"] if " " not in name]
    if not before:
        return _begun(last, _rows({name: known["commands"][name]["help"] for name in names}))
    name, rest = before[0], before[1:]
    inner = [one.partition(" ")[2] for one in known["commands"] if one.startswith(f"{name} ")]
    if inner and not rest:
        return _begun(last, _rows({one: known["commands"][f"{name} {one}"]["help"] for one in inner}))
    if inner:
        name, rest = f"{name} {rest[0]}", rest[1:]
    command = known["commands"].get(name)
    return _of_command(command, _read(command, rest), last) if command else Answer()


@cache
def _known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory("schemas") / _FILE).read_bytes())
    return found


def _read(command: dict[str, Any], words: Sequence[str]) -> _Line:
    """Tell arguments from options, of which some take the next word."""
    arguments: list[str] = []
    given: dict[str, list[str]] = {}
    waiting: dict[str, Any] | None = None
    for word in words:
        if waiting is not None:
            given.setdefault(waiting["name"], []).append(word)
            waiting = None
        elif word.startswith("-") and len(word) > 1:
            name, equals, value = word.partition("=")
            option = command["options"].get(name)
            if option and equals:
                given.setdefault(option["name"], []).append(value)
            elif option and option["takes"]:
                waiting = option
        else:
            arguments.append(word)
    return _Line(tuple(arguments), given, waiting)


def _of_command(command: dict[str, Any], line: _Line, last: str) -> Answer:
    if line.open is not None:
        return _values(line.open["takes"], line, last)
    option, equals, value = last.partition("=")
    if option.startswith("--") and equals and option in command["options"]:
        found = _values(command["options"][option]["takes"] or [], line, value)
        return Answer(tuple(Item(f"{option}={item.value}", item.help) for item in found.items), found.paths)
    if last.startswith("-"):
        return _begun(last, _rows({name: one["help"] for name, one in command["options"].items()}))
    kinds = command["arguments"]
    place = min(len(line.arguments), len(kinds) - 1)
    return (
        _values(kinds[place], line, last) if kinds and (place == len(line.arguments) or command["many"]) else Answer()
    )


def _values(takes: str | list[str], line: _Line, last: str) -> Answer:
    """Complete a value: one of a list, or of a kind."""
    if isinstance(takes, list):
        return _begun(last, map(Item, takes))
    if takes in _PATHS:
        return Answer(paths=_PATHS[takes])
    directories = _directories(line)
    if takes.startswith("override"):
        return Answer(tuple(_overrides(last, directories)), FILES if takes.endswith("path") else "")
    if takes == "key":
        return Answer(tuple(_keys(last, end="")))
    return _begun(last.upper() if last[:3] == "ftc" else last, _named(takes, line, directories))


def _named(takes: str, line: _Line, directories: Sequence[str]) -> Iterable[Item]:
    match takes:
        case "rule":
            return _rows(_known()["rules"])
        case "group":
            return map(Item, _groups(directories))
        case "config":
            return map(Item, _configs(line))
        case "case":
            return map(Item, _cases(line))
    return _rows(_groups(directories).get(takes, {}))


def _begun(last: str, items: Iterable[Item]) -> Answer:
    return Answer(tuple(item for item in items if item.value.startswith(last)))


def _rows(texts: dict[str, str]) -> Iterator[Item]:
    return (Item(word, text) for word, text in texts.items())


def _overrides(last: str, directories: Sequence[str]) -> Iterator[Item]:
    """Complete `hard` to `hardware=`, `hardware=as` to `hardware=ascend`, and `train.le` to `train.learning_rate=`."""
    known = _known()
    places: dict[str, str] = known["places"]
    key, equals, value = last.partition("=")
    if not equals:
        alone = [name for name in _groups(directories) if name not in places.values()]
        heads = {f"{name}=": f"an option of {places.get(name, name)}" for name in (*alone, *places)}
        yield from _begun(last, _rows(heads)).items
        yield from (item for item in _keys(last, "=") if f"{item.value[:-1]}=" not in heads)
        return
    done, comma, begun = value.rpartition(",")
    options = _groups(directories).get(places.get(key, key))
    values = options if options is not None else dict.fromkeys(known["keys"].get(key, ["", []])[1], "")
    yield from (Item(f"{key}={done}{comma}{one}", text) for one, text in values.items() if one.startswith(begun))


def _keys(last: str, end: str) -> Iterator[Item]:
    """The keys one level below the last dot; one with keys below it ends in a dot."""
    parent = last[: last.rfind(".") + 1]
    found: dict[str, str] = {}
    texts = {key: text for key, (text, _) in _known()["keys"].items() if key.startswith(last)}
    for key in texts:
        name, more, _ = key.removeprefix(parent).partition(".")
        found[f"{parent}{name}"] = more or found.get(f"{parent}{name}", "")
    yield from (Item(f"{word}{more or end}", texts.get(word, "")) for word, more in found.items())


def _directories(line: _Line) -> list[str]:
    """The conf directories: those given, ./conf if a config of it is chosen, and the shipped one."""
    own = line.options.get("--config-dir") or ([_CONF] if "--config-name" in line.options else [])
    return [*own, str(directory(_CONF))]


def _groups(directories: Sequence[str]) -> dict[str, dict[str, str]]:
    """The options of each group, with the first comment of their files."""
    found: dict[str, dict[str, str]] = {}
    for conf in directories:
        for group in _below(conf):
            options = {
                file[:-5]: f"{conf}/{group}/{file}" for file in _below(f"{conf}/{group}") if file.endswith(".yaml")
            }
            if options:
                found[group] = {**options, **found.get(group, {})}
    return {group: {name: about(Path(file)) for name, file in sorted(found[group].items())} for group in sorted(found)}


def _below(place: str) -> list[str]:
    """The names in a directory, which may not exist, except hidden ones."""
    try:
        return sorted(file.name for file in Path(place).iterdir() if not file.name.startswith("."))
    except OSError:
        return []


def about(file: Path) -> str:
    """The first comment of an option's file."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            lines = stream.read(_MAX_BYTES).splitlines()
    except OSError:
        return ""
    return next((line.lstrip("# ") for line in lines if line.startswith("# ") and not line.startswith("# @")), "")


def _configs(line: _Line) -> list[str]:
    """The primary configs of your own conf, and the shipped one."""
    own = line.options.get("--config-dir", [_CONF])
    names = [file[:-5] for conf in own for file in _below(conf) if file.endswith(".yaml")]
    return sorted({*names, "config"})


def _cases(line: _Line) -> list[str]:
    golden = line.options.get("--dir", [_GOLDEN])[-1]
    return [name for name in _below(golden) if Path(golden, name, "case.yaml").is_file()]
