"""`ftc explain`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ftc.cli.options import Reporting, configuration, not_empty, refuse, report, reporting, say
from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.diagnostics.printable import redacted
from ftc.driver import Request, compile_job
from ftc.explain.artifact import Documents, Place, at_line, documents, place_of
from ftc.explain.origins import Origin, influences, leaves, origins, plain, sources
from ftc.explain.paths import Found, Missing, find, parse, shown, written
from ftc.plan.build import plan
from ftc.spec.job import JobSpec
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ftc.compose import Composed
    from ftc.diagnostics.model import Diagnostic, KeyPath

# Paths do not apply to a script or a Dockerfile.
_EXPLAINED = [name for name, target in TARGETS.items() if target.places is None and target.file != "Dockerfile"]
_KEYS = JobSpec.__struct_fields__
_NEAR = 0.8


@click.command("explain")
@click.argument("what", type=not_empty, metavar="KEY|PATH|LINE")
@configuration
@click.option(
    "-t",
    "--target",
    type=click.Choice(_EXPLAINED),
    help="The target of PATH or LINE. Without it, ftc looks for a key of the spec first, then in volcano.",
)
@reporting
def command(  # noqa: PLR0913 - one parameter per option
    *,
    what: str,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    target: str | None,
    reporting: Reporting,
) -> None:
    """Explain the origin of a value.

    For a KEY of the spec: the file or override that set it, marked with >, and those that it overrides; then the keys
    that it refers to. For a PATH or a LINE of the output of `ftc compile -t TARGET`: the keys of the fragments (pod)
    that set it, or if ftc set it, the keys of the spec that change it, found by changing each one. There may be more.

    \b
      ftc explain hardware.memory_gib_per_device hardware=h800
      ftc explain 'spec.tasks[0].template.spec.containers[train].resources.limits' devices=2
      ftc explain 42 nodes=2
      ftc explain -t llamafactory learning_rate
      ftc explain -t llamafactory merge.yaml:template
    """
    asked = _asked(what)
    state = compile_job(Request(overrides, config_dirs, config_name, ()))
    is_key = target is None and not asked.document and not what.isdecimal() and asked.path[0] in _KEYS
    if state.composed is None or (not is_key and (state.spec is None or _emits_nothing(state.diagnostics))):
        report(state.diagnostics, reporting)
        sys.exit(1)
    if is_key or state.spec is None:
        data = plain(state.spec) if state.spec else state.composed.data
        _explain_key(state.composed, data, asked.path)
    else:
        _explain_place(state.composed, state.spec, target or "volcano", asked)


def _emits_nothing(found: Iterable[Diagnostic]) -> bool:
    """Whether a rule that cannot be suppressed has an error: a fragment of a wrong shape, say, cannot be merged."""
    from ftc.rules.catalogue import RULES  # noqa: PLC0415 - every rule, which `--help` need not load

    needed = {rule.code for rule in RULES if rule.needed}
    return any(one.severity is Severity.ERROR and one.code in needed for one in found)


def _asked(what: str) -> Place:
    """Parse a path, and the document before its colon, if any; the path of a line is its number."""
    before = what.partition("[")[0]
    if "=" in before:
        raise click.UsageError(f"'{what}' is an override: give a key, a path or a line first, then the overrides")
    document, colon, text = what.partition(":") if ":" in before else ("", "", what)
    path = parse(text)
    if path is None or (colon and not document):
        raise click.UsageError(f"'{what}' is not a path: write a.b[0].c, and a name with dots as a[\"b.c\"]")
    return Place(document, path)


def _explain_key(composed: Composed, data: Any, path: KeyPath) -> None:
    there = find(data, path)
    if isinstance(there, Missing):
        _not_there("the spec", there, _elsewhere(data, str(path[-1]), there))
    for origin in origins(composed, data, leaves(there.value, there.path)):
        _print(origin)


def _elsewhere(data: Any, name: str, there: Missing) -> str:
    """Find a key of this name, or of a similar name, unless a known step is nearer."""
    every = {str(leaf[-1]): written(leaf) for leaf in leaves(data)}
    same = [written(leaf) for leaf in leaves(data) if str(leaf[-1]) == name]
    if same:
        return f"it is set as {', '.join(same)}"
    near = [] if nearest(str(there.step), there.known) else get_close_matches(name, every, n=1, cutoff=_NEAR)
    return f"did you mean '{every[near[0]]}'?" if near else ""


def _explain_place(composed: Composed, spec: JobSpec, name: str, asked: Place) -> None:
    document, path = asked
    run = plan(spec)
    text = TARGETS[name].text(run)
    found = documents(text, run)
    if document and document not in found:
        refuse(f"unknown document '{document}' of -t {name}; {did_you_mean(document, found)}")
    chosen = {document: found[document]} if document else found
    number = path[0] if len(path) == 1 and isinstance(path[0], int) else None
    place = _at_path(name, chosen, path) if number is None else _at_line(text, number, list(found))
    _print_place(place, found)
    data = plain(spec)
    setters = sources(TARGETS[name], run, place)
    keys = [source.key for source in setters if source.key is not None]
    if keys:
        say("set by:")
    for origin in origins(composed, data, keys):
        _print(origin)
    moving = influences(spec, TARGETS[name], place, setters)
    if moving or not keys:
        say("changed by at least these:" if moving else "no single key of the spec changes it")
    there = [one.path for one in moving if not one.any_key and isinstance(find(data, one.path), Found)]
    for origin in origins(composed, data, there):
        _print(origin)
    for one in moving:
        if one.any_key:
            say(f"{written(one.path)}, if a key or an item is added")
        elif one.path not in there:
            say(f"{written(one.path)}, which is not set")


def _at_line(text: str, number: int, names: list[str]) -> Place:
    count = len(text.splitlines())
    if not 0 < number <= count:
        refuse(f"line {number} does not exist: the artifact has {count} lines")
    place = at_line(text, number, names)
    if place is None:
        refuse(f"line {number} does not set a value")
    return place


def _at_path(target: str, found: Documents, path: KeyPath) -> Place:
    place = place_of(found, path)
    if place is None:
        name, document = next(iter(found.items()), (f"-t {target}", {}))
        there = find(document, path)
        if isinstance(there, Missing):
            key = nearest(str(path[0]), _KEYS) if target == "volcano" and not there.path else ""
            _not_there(name, there, f"{key.removesuffix('?')}, a key of the spec?" if key else "")
    return place or Place("", ())


def _not_there(owner: str, missing: Missing, help_: str = "") -> NoReturn:
    where = f"{written(missing.path)} of {owner}" if missing.path else owner
    help_ = help_ or did_you_mean(str(missing.step), missing.known) or "nothing is below it"
    refuse(f"'{missing.step}' is not in {where}; {help_}")


def _print_place(place: Place, found: Documents) -> None:
    document = f"{place.document}:" if len(found) > 1 else ""
    there, item = find(found[place.document], place.path), find(found[place.document], place.path[:-1])
    named = item.value.get("name") if isinstance(item, Found) and isinstance(item.value, dict) else None
    key = (named,) if named and place.path[-1:] == ("value",) else place.path
    say(f"{document}{written(place.path)}: {shown(key, there.value if isinstance(there, Found) else None)}")


def _print(origin: Origin) -> None:
    say(_row(origin.path, origin.value))
    for index, setting in enumerate(origin.settings):
        mark = ">" if index == len(origin.settings) - 1 else " "
        say(f"{mark} {redacted(str(setting.position))}: {shown(origin.path, setting.value)}")
    if not origin.settings:
        say("> the default")


def _row(path: KeyPath, value: Any) -> str:
    return f"{written(path)}: {shown(path, value)}"
