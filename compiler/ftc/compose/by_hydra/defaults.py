"""Conf directories in the form that Hydra's loader expects, and Hydra's errors about their defaults lists.

An error is reported at the item or the override that is wrong.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import msgspec
from hydra._internal import defaults_list as hydras
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftc.compose.by_hydra.overrides import problem
from ftc.compose.types import Layer
from ftc.diagnostics.codes import CHOICE
from ftc.diagnostics.model import Diagnostic, Position, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydra.core.override_parser.types import Override

    from ftc import source
    from ftc.compose.files import Conf, File


# Hydra and OmegaConf also raise built-in errors if a key or an item has an unexpected type.
COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    TypeError,
    AssertionError,
    RecursionError,
)


class Repository(ConfigRepository):
    """Hydra's repository over our directories, for one composition.

    `files` holds the files used so far, by config path.
    """

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.sources: list[Any] = list(conf.sources)  # for messages
        self.files: dict[str, File] = {}
        self._loaded: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        if config_path not in self._loaded:
            self._loaded[config_path] = self._load(config_path)
        return self._loaded[config_path]

    def _load(self, config_path: str) -> ConfigResult | None:
        file = self.conf.file(config_path)
        if file is None:
            return None
        self.files[config_path] = file
        config = OmegaConf.create(file.data)
        items = self._create_defaults_list(config_path, self._extract_defaults_list(config_path, config))
        header = {"package": file.package}
        return ConfigResult("ftc", file.document.source, config, header, items, is_schema_source=True)

    def group_exists(self, config_path: str) -> bool:
        return self.conf.has_group(config_path)

    def config_exists(self, config_path: str) -> bool:
        return self.conf.has_config(config_path)

    def get_group_options(self, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG) -> list[str]:
        return self.conf.groups() if results_filter is ObjectType.GROUP else self.conf.options(group_name)

    def documents(self) -> dict[str, source.Document]:
        """The files as written, by config path."""
        return {path: file.document for path, file in self.files.items()}

    def problems(self) -> tuple[Diagnostic, ...]:
        """Report problems in the files."""
        return tuple(problem for file in self.files.values() for problem in file.problems)


def defaults_list(repository: Repository, config_name: str, choices: Sequence[Override]) -> hydras.DefaultsList:
    """Return the files to merge, in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a primary config without `_self_` is common; it is then merged last
        return hydras.create_defaults_list(
            repository, config_name, list(choices), prepend_hydra=False, skip_missing=False
        )


def layers(defaults: hydras.DefaultsList, repository: Repository) -> Iterator[tuple[File, Layer]]:
    """Yield each file to merge, and the package of its keys."""
    chosen = {f"{key.partition('@')[0]}/{option}" for key, option in defaults.overrides.known_choices.items()}
    for default in defaults.defaults:
        if default.config_path is None:
            continue
        file = repository.files[default.config_path]
        package = default.package if default.package is not None else file.package
        parts = tuple(package.split(".")) if package and package != "_global_" else ()
        yield file, Layer(file.document, parts, bool(parts) or default.config_path in chosen)


class Item(msgspec.Struct, frozen=True):
    """One item of a defaults list: the config that contains it, and the group and option (or config) that it names.

    `written` is its key as it is in the file, without `override`.
    """

    config: str
    position: Position
    group: str
    option: str
    overrides: bool = False
    written: str = ""

    @property
    def target(self) -> str:
        """The config path that it names."""
        return f"{self.group}/{self.option}".lstrip("/")

    @property
    def text(self) -> str:
        """The item without `override`, as it is written in a file."""
        return f"{self.written}: {'null' if self.option == 'None' else self.option}"

    def sets(self, key: str) -> bool:
        """Whether it is about a key such as source@model.source; its package may be relative to that of its file."""
        group, _, package = key.partition("@")
        wanted = package or group.replace("/", ".")
        given = (self.written.partition("@")[2] or self.group.replace("/", ".")).removeprefix("_global_.")
        parent = self.config.rpartition("/")[0].replace("/", ".")
        return self.group == group and wanted in (given, f"{parent}.{given}")


def defaults_problem(error: Exception, repository: Repository, parsed: Sequence[Override]) -> Diagnostic:
    """Turn Hydra's error about the defaults lists into a diagnostic at the override or the item that it means."""
    items = list(_items(repository))
    if isinstance(error, RecursionError):
        return _cycle(items)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing(error.missing_cfg_file, items, repository)
    if unused := re.search(r"Could not override '([^']+)'", lines[0]):
        return _unused(unused[1], lines[1:], repository, parsed)
    if twice := re.match(r"Multiple values for ([^.]+(?:\.\w+)*)\.", lines[0]):
        return _twice(twice[1], repository, parsed)
    return _malformed(lines[0], items, repository)


def _malformed(said: str, items: list[Item], repository: Repository) -> Diagnostic:
    """Report a defaults list that Hydra cannot read."""
    if early := re.search(r"Override '(.+?) : .+' is defined before", said):
        item = next((item for item in items if item.overrides and item.group == early[1].partition("@")[0]), None)
        if item is not None:
            return _at(item, f"overrides '{early[1]}' before the item that chooses it", "move it below that item")
    named = re.search(r"[Ii]n(?:valid defaults list in)? '?([\w./-]+?)'?(?:[:,]|$)", said)
    document = repository.documents().get(named[1]) if named else None
    if document and not isinstance(document.data.get("defaults", []), list):
        help_ = "write `defaults: [config, _self_]`"
        return Diagnostic(
            code=CHOICE, message="defaults must be a list", position=document.position(("defaults",)), help=help_
        )
    return _odd_item(repository) or Diagnostic(
        code=CHOICE, message=said, position=document.position(("defaults",)) if document else None
    )


def _odd_item(repository: Repository) -> Diagnostic | None:
    """Report the first item that is neither a config nor one group with one option, or that contains a reference."""
    for _, position, entry in _entries(repository):
        options = list(entry.values()) if isinstance(entry, dict) else [entry]
        message = help_ = ""
        if len(options) > 1:
            message, help_ = "an item chooses several groups", "write one item for each: `- group: option`"
        elif isinstance(entry, dict) and options and isinstance(options[0], list):
            message, help_ = "a group has one option, not a list", "choose one of them"
            if "dataset" in str(next(iter(entry))).split(" "):
                help_ = "choose one of them, and each other one with `- dataset@dataset.more.NAME: OPTION`"
        elif options and "${" in str(options[0]):
            message, help_ = "a choice cannot refer to a key of the spec", "write the option itself"
        elif not options or (not isinstance(options[0], str) and not (options[0] is None and isinstance(entry, dict))):
            message, help_ = "is neither a config nor a group with an option", "write `- group: option`"
        if message:
            return Diagnostic(code=CHOICE, message=message, position=position, help=help_)
    return None


def _items(repository: Repository) -> Iterator[Item]:
    for config, position, entry in _entries(repository):
        overrides = isinstance(entry, dict) and any(str(key).startswith("override ") for key in entry)
        written = str(next(iter(entry), "")).split(" ")[-1] if isinstance(entry, dict) else ""
        for group, option in _named(entry, config.rpartition("/")[0]):
            if option != "_self_":
                yield Item(config, position, group, option, overrides, written)


def _entries(repository: Repository) -> Iterator[tuple[str, Position, Any]]:
    """Yield the items of all defaults lists, each with its config and position."""
    for config, document in repository.documents().items():
        defaults = document.data.get("defaults")
        for index, entry in enumerate(defaults if isinstance(defaults, list) else ()):
            yield config, document.position(("defaults", index)), entry


def _named(entry: Any, parent: str) -> Iterator[tuple[str, str]]:
    """Yield the group and the option of an item, as Hydra reads them: relative to the config's own group."""
    if isinstance(entry, str):
        path = entry.partition("@")[0]
        group, _, option = (path if path.startswith("/") else f"{parent}/{path}").rpartition("/")
        yield group.strip("/"), option
    elif isinstance(entry, dict):
        for key, value in entry.items():
            group = str(key).split(" ")[-1].partition("@")[0]
            yield (group if group.startswith("/") or not parent else f"{parent}/{group}").strip("/"), str(value)


def _cycle(items: list[Item]) -> Diagnostic:
    for item in items:
        if item.target == item.config:
            message = f"'{item.config}' extends itself"
            return _at(item, message, "extend a shipped option under another name")
    for item in items:
        if item.config in _reachable(item.target, items):
            return _at(item, f"'{item.config}' is part of a cycle", "break the cycle")
    return Diagnostic(code=CHOICE, message="a defaults list has a cycle", help="check the last edit")


def _reachable(start: str, items: list[Item]) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        config = waiting.pop()
        if config not in seen:
            seen.add(config)
            waiting += [item.target for item in items if item.config == config]
    return seen


def _missing(path: str, items: list[Item], repository: Repository) -> Diagnostic:
    group, _, option = path.rpartition("/")
    options = repository.conf.options(group)
    message = f"'{option}' is not an option of {group}" if group else f"config '{option}' does not exist"
    item = next((item for item in items if item.target == path), None)
    help_ = did_you_mean(option, options, f"ftc list {group}")
    if group and not repository.conf.has_group(group):
        known = repository.conf.groups()
        message, help_ = f"group '{group}' does not exist", did_you_mean(group, known)
    return _at(item, message, help_) if item else Diagnostic(code=CHOICE, message=message, help=help_)


def _unused(key: str, said: list[str], repository: Repository, parsed: Sequence[Override]) -> Diagnostic:
    """Report a choice for a group that no config of the run uses (under that package)."""
    items = list(_items(repository))
    text = _typed(key, parsed)
    group = key.partition("@")[0]
    mine = [item for item in items if item.overrides and item.sets(key) and text is None]
    # A config of another group, such as one that a file extends, may be about the same group.
    item = next(iter(mine or [item for item in items if item.group == group and item.overrides and text is None]), None)
    message, help_ = _use(key, said, repository)
    if "does not exist" not in message:
        help_ = _without_config(items, repository) or (_dropped(item, said, help_) if item else help_)
    return _at(item, message, help_) if item else problem(CHOICE, message, text or "", help_)


def _dropped(item: Item, said: list[str], help_: str) -> str:
    """Advise to drop `override`, unless Hydra's message names a place of the run where the group is chosen."""
    chosen = [name for line in said for name in re.findall(r"override (?:one of )?([\w@./, -]+)\?", line)]
    in_run = [name for name in ", ".join(chosen).split(", ") if name and "@" not in name]
    if "/" in item.config and in_run:
        return f"choose it in the run: {in_run[0]}={item.option}"
    if "/" not in item.config and chosen:
        return help_
    return f"nothing was chosen there before; drop `override`: write `- {item.text}`"


def _without_config(items: list[Item], repository: Repository) -> str:
    """Advise to begin with the shipped config, if the primary config has a defaults list without it."""
    primary = next(iter(repository.documents().items()))
    shipped = "config"
    if "defaults" not in primary[1].data or primary[0] == shipped or shipped in _reachable(primary[0], items):
        return ""
    return f"begin `defaults` of {primary[1].source} with `- {'/' if '/' in primary[0] else ''}{shipped}`"


def _use(key: str, rest: list[str], repository: Repository) -> tuple[str, str]:
    """Explain what is wrong with such a key, and how to write it; Hydra's message ends with the packages."""
    group = key.partition("@")[0]
    used = [name for line in rest for name in re.findall(r"\w+@[\w.]+\w", line) if name != key]
    groups = repository.conf.groups()
    help_ = "leave it out" if "@" in key else f"add it to the run: +{key}=…"
    help_ = f"choose it at its place: {', '.join(f'{name}=…' for name in used)}" if used else help_
    help_ = help_ if group in groups else did_you_mean(group, groups)
    return (f"nothing in this run uses '{key}'" if group in groups else f"group '{group}' does not exist"), help_


def _twice(key: str, repository: Repository, parsed: Sequence[Override]) -> Diagnostic:
    message = f"'{key}' already has an option"
    text = _typed(f"+{key}", parsed)
    named = [item for item in _items(repository) if item.sets(key) and not item.overrides]
    if text is None and named:
        # The shipped files are right. Of the user's, the documents come in the order of loading: the first is the
        # one that extends the others, and the first of its items is right.
        shipped = f"{repository.conf.sources[-1].shown}/"
        own = [item for item in named if not item.position.source.startswith(shipped)] or named
        item = [item for item in own if item.config == own[0].config][-1]
        return _at(item, message, f"write `- override {item.text}`")
    return problem(CHOICE, message, text or "", "drop the +")


def _typed(key: str, parsed: Sequence[Override]) -> str | None:
    """Find the override of a key."""
    return next((override.input_line for override in parsed if override.get_key_element() == key), None)


def _at(item: Item, message: str, help_: str) -> Diagnostic:
    return Diagnostic(code=CHOICE, message=message, position=item.position, help=help_)
