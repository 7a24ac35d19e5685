"""The overrides of the command line: which can be applied, and what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

from ftc.compose.references import resolver_problems
from ftc.compose.types import key_path
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftc.compose.files import Repository


def parse(
    overrides: Sequence[str],
    repository: Repository,
    keeps_text: Callable[[KeyPath], bool],
    problems: list[Diagnostic],
) -> list[Override]:
    """The overrides that can be applied; the others are reported."""
    parser = OverridesParser.create()
    del parser.functions.functions["shuffle"]  # the same overrides give the same bytes
    parsed = []
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            problems.append(problem("FTC001", f"is not an override: {error}", text, "write group=option or key=value"))
            continue
        found = _override_problem(override, text, repository)
        if found:
            problems.append(found)
        else:
            parsed.append(_as_value(override, text, keeps_text) if is_value(override, repository) else override)
    return parsed


def is_value(override: Override, repository: Repository) -> bool:
    """Whether an override sets a key, and does not choose an option of a group."""
    return not override.is_delete() and (
        isinstance(override.value(), dict) or not repository.group_exists(override.key_or_group)
    )


def _override_problem(override: Override, text: str, repository: Repository) -> Diagnostic | None:
    if not override.key_or_group:
        return problem("FTC001", "has no key", text, "write group=option or key=value")
    if override.is_sweep_override():
        return problem("FTC003", "gives several values, and one job has one", text, "quote a comma: key='a,b'")
    found = next(resolver_problems(override.value(), (), lambda _: Position(text)), None)
    if found or is_value(override, repository) or not repository.group_exists(override.key_or_group):
        return found
    return _choice_problem(override, text, repository.get_group_options(override.key_or_group, ObjectType.CONFIG))


def _choice_problem(override: Override, text: str, options: list[str]) -> Diagnostic | None:
    group = override.get_key_element().lstrip("~+")
    if override.is_delete():
        return problem("FTC003", f"a run needs an option of '{group}'", text, f"write {group}=…; {_known(options)}")
    value = override.value()
    choices = [str(choice) for choice in value] if isinstance(value, list) else [text.partition("=")[2].strip(" '\"")]
    unknown = [choice for choice in choices if choice not in options]
    if unknown:
        return problem("FTC003", f"{group} has no option '{unknown[0]}'", text, did_you_mean(unknown[0], options))
    if override.is_add() or override.is_force_add():
        return problem("FTC003", f"'{group}' is a group, and one option is chosen already", text, "drop the +")
    return None


def _known(options: list[str]) -> str:
    return f"known: {', '.join(options)}"


def _as_value(override: Override, text: str, keeps_text: Callable[[KeyPath], bool]) -> Override:
    """A value override as `++key=value`: the schema alone says which keys there are."""
    override.type = OverrideType.FORCE_ADD
    path = key_path(override.key_or_group)
    written = text.partition("=")[2]
    if keeps_text(path) and isinstance(override.value(), int | float):
        override._value = written.strip()  # noqa: SLF001 - Hydra offers no setter
    elif isinstance(override.value(), list) and keeps_text((*path, 0)):
        override._value = [_as_written(v, written) for v in override.value()]  # type: ignore[union-attr] # noqa: SLF001
    return override


def _as_written(value: object, written: str) -> Any:
    """A number inside a list as the text that the user wrote, where that can be told."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if isinstance(value, int | float) and text in written else value


def problem(code: str, message: str, override: str, help_: str = "") -> Diagnostic:
    """A diagnostic at an override."""
    return Diagnostic(code=code, message=message, position=Position(override), help=help_)
