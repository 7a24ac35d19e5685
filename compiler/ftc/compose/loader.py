"""Compose overrides and conf files into one configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.compose import plain
from ftc.compose.files import own_config
from ftc.compose.references import missing
from ftc.diagnostics.codes import CHOICE
from ftc.diagnostics.model import Diagnostic, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.compose.files import Conf
    from ftc.compose.types import Composed


def compose(
    overrides: Sequence[str], conf: Conf, config_name: str = "config"
) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Compose `config_name` with the overrides: by Hydra, if what is plain does not suffice."""
    if not conf.has_config(config_name):
        return None, (_no_primary(config_name, conf),)
    problems: tuple[Diagnostic, ...] = ()
    composed = plain.compose(overrides, conf, config_name)
    if composed is None:
        from ftc.compose import by_hydra  # noqa: PLC0415 - its import takes longer than a compile without it

        composed, problems = by_hydra.compose(overrides, conf, config_name)
    return composed, (*problems, *(missing(composed.data, (), composed) if composed else ()))


def _no_primary(name: str, conf: Conf) -> Diagnostic:
    message = f"no primary config '{name}' in {', '.join(one.shown for one in conf.sources)}"
    help_ = f"{did_you_mean(name, conf.options(''))}; pass your own conf directory with --config-dir"
    if "/" in name or name.endswith((".yaml", ".yml")):
        help_ = f"-c takes the name of a config in a conf directory: {_words(name, conf)}"
    return Diagnostic(code=CHOICE, message=message, help=help_)


def _words(file: str, conf: Conf) -> str:
    """The words that choose a config whose file was given."""
    name = re.sub(r"\.ya?ml$", "", file)
    names = [name, *(name.removeprefix(f"{one.shown}/") for one in conf.sources)]
    return next((f"-c {one}" for one in names if conf.has_config(one)), own_config(file))
