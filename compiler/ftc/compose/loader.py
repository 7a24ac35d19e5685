"""Compose overrides and conf files into one configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hydra import version
from hydra.core.object_type import ObjectType

from ftc.compose import by_hydra, plain
from ftc.compose.files import Files, Repository
from ftc.compose.overrides import own_config
from ftc.compose.references import missing
from ftc.compose.types import Composed, value_override
from ftc.diagnostics.codes import CHOICE
from ftc.diagnostics.model import Diagnostic, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftc.compose.conf import Conf
    from ftc.compose.overrides import Parsed


def compose(
    overrides: Sequence[str], conf: Conf, config_name: str = "config"
) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Compose `config_name` with the overrides."""
    version.setbase("1.3")
    repository = Repository(conf.sources)
    if not repository.config_exists(config_name):
        return None, (_no_primary(config_name, repository),)
    parsed = [conf.parsed(text) for text in overrides]
    problems = [one.problem for one in parsed if one.problem]
    composed = _plainly(parsed, conf, config_name)
    if composed is None:
        applied = [override for one in parsed for override in one.overrides]
        composed, found = by_hydra.compose(applied, repository, config_name, conf.keeps_text)
        problems.extend(found)
    return composed, (*problems, *(missing(composed.data, (), composed) if composed else ()))


def groups(directories: Sequence[tuple[Path, str]]) -> dict[str, tuple[str, ...]]:
    """Every config group and its options, over all directories."""
    repository = Repository([Files(directory, shown) for directory, shown in directories])
    names = repository.get_group_options("", ObjectType.GROUP)
    return {name: tuple(repository.get_group_options(name, ObjectType.CONFIG)) for name in names}


def _plainly(parsed: Sequence[Parsed], conf: Conf, config_name: str) -> Composed | None:
    """Compose without OmegaConf; None if the result could differ from Hydra's."""
    choices = [override for one in parsed if not one.is_value for override in one.overrides]
    values = [one.override for one in parsed if one.override and one.is_value]
    chosen = conf.combination(config_name, choices)
    if chosen is None or any(override.package for override in values):
        return None
    try:
        data = chosen.data
        for override in values:
            data = plain.assigned(data, override.key_or_group, override.value())
        data = plain.resolved(data, conf.keeps_text)
    except (plain.UncertainError, RecursionError):
        return None
    return Composed(data, chosen.choices, chosen.layers, tuple(value_override(override) for override in values))


def _no_primary(name: str, repository: Repository) -> Diagnostic:
    known = repository.get_group_options("", ObjectType.CONFIG)
    message = f"no primary config '{name}' in {', '.join(s.shown for s in repository.sources)}"
    help_ = f"{did_you_mean(name, known)}; pass your own conf directory with --config-dir"
    if "/" in name or name.endswith((".yaml", ".yml")):
        help_ = f"-c takes the name of a config in a conf directory: {_words(name, repository)}"
    return Diagnostic(code=CHOICE, message=message, help=help_)


def _words(file: str, repository: Repository) -> str:
    """The words that choose a config whose file was given."""
    name = re.sub(r"\.ya?ml$", "", file)
    names = [name, *(name.removeprefix(f"{one.shown}/") for one in repository.sources)]
    return next((f"-c {one}" for one in names if repository.config_exists(one)), own_config(file))
