"""Composition without Hydra, if the result is certain to be the same.

Importing Hydra, OmegaConf and ANTLR takes longer than the rest of a compile, and OmegaConf wraps each value of each
file in nodes. Nearly all runs need only the usual forms of overrides and defaults lists, and plain mappings, strings
and numbers, for which the rules are few: this package has those. Whatever has a special rule in Hydra, or is wrong,
raises UncertainError: Hydra composes it, and its errors are those that users see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.compose.plain import defaults, overrides
from ftc.compose.plain.values import UncertainError, assigned, resolved
from ftc.compose.types import Choice, Combination, Composed, ValueOverride

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.compose.files import Conf


def compose(texts: Sequence[str], conf: Conf, config_name: str) -> Composed | None:
    """Compose a primary config with overrides; None if the result could differ from Hydra's."""
    read = [_read(text, conf) for text in texts]
    chosen = _combined(conf, config_name, tuple(one for one in read if isinstance(one, Choice)))
    if chosen is None or None in read:
        return None
    values = tuple(one for one in read if isinstance(one, ValueOverride))
    try:
        data = chosen.data
        for one in values:
            data = assigned(data, one.path, one.value)
        data = resolved(data, conf.keeps_text)
    except (UncertainError, RecursionError):
        return None
    return Composed(data, chosen.choices, chosen.layers, values)


def _read(text: str, conf: Conf) -> Choice | ValueOverride | None:
    """Read an override, each text once."""
    if text not in conf.read_plainly:
        conf.read_plainly[text] = overrides.read(text, conf)
    return conf.read_plainly[text]


def _combined(conf: Conf, config_name: str, choices: tuple[Choice, ...]) -> Combination | None:
    """Merge the files of a combination of options, each combination once."""
    key: tuple[str | Choice, ...] = (config_name, *choices)
    if key not in conf.combinations:
        try:
            conf.combinations[key] = defaults.combined(conf, config_name, choices)
        except (UncertainError, RecursionError):
            conf.combinations[key] = None
    return conf.combinations[key]
