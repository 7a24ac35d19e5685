"""Conf directories, and a cache of what has been read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.compose.files import Files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ftc.compose.files import File
    from ftc.compose.types import Choice, Combination, ValueOverride
    from ftc.diagnostics.model import KeyPath


class Conf:
    """Conf directories, searched in order, each with the name that messages use for it.

    Files, overrides and combinations of choices are cached, so the files must not change while a Conf is in use.
    `keeps_text` reports whether a key holds a string: an override such as `cluster.volcano=1.10` then means the string,
    not the number 1.1.
    """

    def __init__(
        self, directories: Sequence[tuple[Path, str]], keeps_text: Callable[[KeyPath], bool] = lambda _: False
    ) -> None:
        self.sources = [Files(directory, shown) for directory, shown in directories]
        self.keeps_text = keeps_text
        self.parsed_by_hydra: dict[str, Any] = {}
        self.read_plainly: dict[str, Choice | ValueOverride | None] = {}
        self.combinations: dict[tuple[str | Choice, ...], Combination | None] = {}
        self._values: dict[tuple[str, str], dict[str, Any]] = {}

    def file(self, config_path: str) -> File | None:
        """Read a file from the first directory that has it."""
        return next((one.file(config_path) for one in self.sources if one.is_config(config_path)), None)

    def has_config(self, config_path: str) -> bool:
        """Whether a directory has the file."""
        return any(one.is_config(config_path) for one in self.sources)

    def has_group(self, path: str) -> bool:
        """Whether a directory has the group."""
        return any(one.is_group(path) for one in self.sources)

    def options(self, group: str) -> list[str]:
        """The options of a group in all directories; of the group with an empty name, the primary configs."""
        return sorted({option for one in self.sources for option in one.options(group)})

    def groups(self) -> list[str]:
        """The groups of all directories."""
        return sorted({group for one in self.sources for group in one.groups()})

    def values(self, group: str, key: str) -> dict[str, Any]:
        """The value of a key in each option of a group that has the key."""
        if (group, key) not in self._values:
            self._values[group, key] = self._listed(group, key)
        return self._values[group, key]

    def _listed(self, group: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for source in self.sources:
            for option in source.options(group):
                data = source.file(f"{group}/{option}").data
                if key in data:
                    found.setdefault(option, data[key])
        return found
