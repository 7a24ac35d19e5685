"""`ftc.explain`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ftc.api.refused import RefusedError
from ftc.api.runs import Places, directories
from ftc.diagnostics.columns import folded
from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.diagnostics.printable import escaped, inert, redacted, without_secrets
from ftc.diagnostics.shown import shown as as_shown
from ftc.driver import Request, compile_job
from ftc.explain.artifact import Documents, Place, at_line, documents, place_of
from ftc.explain.meaning import Meaning, meaning, named
from ftc.explain.origins import Origin, influences, leaves, origins, plain, sources
from ftc.explain.paths import Found, Missing, find, parse, shown, written
from ftc.patterns import lazily
from ftc.plan import made
from ftc.plan.build import plan
from ftc.spec.job import JobSpec
from ftc.targets import TARGETS
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ftc.compose import Composed
    from ftc.diagnostics.model import Diagnostic, KeyPath
    from ftc.plan.types import RunPlan

EXPLAINED = [name for name, target in TARGETS.items() if target.places is None and target.file != "Dockerfile"]
"""The targets whose values can be explained: paths do not apply to a script or a Dockerfile."""
_KEYS = JobSpec.__struct_fields__
_NEAR = 0.8
# A line as editors and linters name it: out/volcano.yaml:42, or with its column.
_LINE_OF_FILE = lazily(r"(?:.*/)?([a-z]+)\.yaml:([0-9]+)(?::[0-9]+)?")
_OF_OBJECTS = ("apiVersion", "kind", "metadata", "spec")
WIDTH, _COMMENT = 100, "# "
_ORIGINS, _SET_BY, _CHANGED_BY = "", "set by:", "changed by at least these:"
_UNCHANGED, _IN_EFFECT = "no single key of the spec changes it", "the configuration has it as:"
_SECTIONS = {
    _ORIGINS: "origins",
    _SET_BY: "set_by",
    _CHANGED_BY: "changed_by",
    _UNCHANGED: "changed_by",
    _IN_EFFECT: "set_as",
}


@dataclass(frozen=True, repr=False)
class Explanation:
    """A key, or a place of a manifest, with what set it. A notebook shows the text."""

    key: str
    """The key, or the path in the manifest."""
    _value: Any
    _head: Sequence[str]
    meaning: Meaning | None
    """The type, the meaning and the default of a key; None for a place."""
    _sections: Mapping[str, Sequence[Origin]]
    notes: Sequence[str]
    """Keys that would change the value if they were set."""

    @property
    def value(self) -> Any:
        """The value, without secrets; None if it is not set."""
        return without_secrets(self._value, self.key.rpartition(".")[2])

    @property
    def data(self) -> dict[str, Any]:
        """Everything, as `ftc explain --json` prints it."""
        about = {} if self.meaning is None else msgspec.to_builtins(self.meaning)
        listed = {_SECTIONS[heading]: [_data(one) for one in rows] for heading, rows in self._sections.items()}
        return {"key": self.key, "value": self.value, **about, **listed, "notes": list(self.notes)}

    @property
    def text(self) -> str:
        """The lines that the command prints."""
        return "".join(f"{inert(escaped(line))}\n" for line in self.lines())

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The lines for people; the meaning is folded."""
        room = width - len(_COMMENT)
        for line in self.meaning.lines() if self.meaning else ():
            yield from (f"{_COMMENT}{part}" for part in folded(line, room))
        yield from self._head
        for heading, rows in self._sections.items():
            yield from [heading] if heading else []
            for origin in rows:
                yield from _lines(origin)
        yield from self.notes

    def __repr__(self) -> str:
        return f"<explanation of {self.key}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_text  # noqa: PLC0415 - notebooks only

        return of_text(self.text)


def explain(
    what: str,
    *overrides: str,
    config_name: str = "config",
    config_dirs: Places = (),
    target: str | None = None,
) -> Explanation:
    """Explain a key, or the origin of a value.

    Args:
        what: A key of the spec or its last part, a path or the number of a line in a manifest, or TARGET.yaml:LINE.
        overrides: `group=option` or `key.path=value`, as on the command line.
        config_name: The primary config, NAME.yaml in one of your conf trees.
        config_dirs: Your conf trees, searched before the shipped one.
        target: The target of a path or a line. Without it, ftc looks for a key first, then in the VolcanoJob.

    Raises:
        RefusedError: the configuration has errors, or nothing is there.
        ValueError: `what` is not a path, or the target does not exist.
        NotADirectoryError: a conf tree does not exist.

    """
    if target is None and (named_line := _LINE_OF_FILE.fullmatch(what)) and named_line[1] in EXPLAINED:
        target, what = named_line[1], named_line[2]
    if target is not None and target not in EXPLAINED:
        raise ValueError(f"unknown target '{target}'; {did_you_mean(target, EXPLAINED)}")
    asked = _asked(what)
    state = compile_job(Request(overrides, directories(config_dirs), config_name, ()))
    is_key = target is None and not asked.document and not what.isdecimal() and asked.path[0] in _KEYS
    if target is None and not is_key and state.composed is not None:
        asked, is_key = _by_name(asked, _pair(state.spec))
    if state.composed is None or (not is_key and (state.spec is None or _emits_nothing(state.diagnostics))):
        raise RefusedError(findings=as_shown(state.diagnostics))
    if is_key or state.spec is None:
        return _of_key(state.composed, state.spec, asked.path)
    run = state.run or plan(state.spec)
    return _of_place(state.composed, state.spec, run, target or "volcano", asked)


def _pair(spec: JobSpec | None) -> str:
    return release.pairs()[-1] if spec is None else release.nearest(spec.trainer)


def _by_name(asked: Place, pair: str) -> tuple[Place, bool]:
    """The only key whose last step was asked for: `learning_rate` is train.learning_rate."""
    name = asked.path[0]
    if asked.document or len(asked.path) > 1 or not isinstance(name, str) or name in _OF_OBJECTS:
        return asked, False
    found = named(name, pair)
    if len(found) > 1:
        raise RefusedError(f"several keys are called '{name}'; give one of {', '.join(map(written, found))}")
    return (Place("", found[0]), True) if found else (asked, False)


def _emits_nothing(found: Iterable[Diagnostic]) -> bool:
    """Whether a rule that cannot be suppressed has an error: a fragment of a wrong shape, say, cannot be merged."""
    from ftc.rules.catalogue import RULES  # noqa: PLC0415 - every rule, which `--help` need not load

    needed = {rule.code for rule in RULES if rule.needed}
    return any(one.severity is Severity.ERROR and one.code in needed for one in found)


def _asked(what: str) -> Place:
    """Parse a path, and the document before its colon, if any; the path of a line is its number."""
    before = what.partition("[")[0]
    if "=" in before:
        raise ValueError(f"'{what}' is an override: give a key, a path or a line first, then the overrides")
    document, colon, text = what.partition(":") if ":" in before else ("", "", what)
    path = parse(text)
    if path is None or (colon and not document):
        raise ValueError(f"'{what}' is not a path: write a.b[0].c, and a name with dots as a[\"b.c\"]")
    return Place(document, path)


def _of_key(composed: Composed, spec: JobSpec | None, path: KeyPath) -> Explanation:
    data = plain(spec) if spec else composed.data
    there, about = find(data, path), meaning(path, _pair(spec))
    if isinstance(there, Found):
        rows = origins(composed, data, leaves(there.value, there.path))
        return Explanation(written(path), there.value, [], about, {_ORIGINS: rows}, [])
    if about is None or spec is None:
        _not_there("the spec", there, _elsewhere(data, str(path[-1]), there))
    groups = [place for place in leaves(data) if path[0] == "train" and place[1:] == ("arguments", path[1])]
    head = [f"{written(path)} is not set"]
    return Explanation(
        written(path), None, head, about, {_IN_EFFECT: origins(composed, data, groups)} if groups else {}, []
    )


def _elsewhere(data: Any, name: str, there: Missing) -> str:
    """Find a key of this name, or of a similar name, unless a known step is nearer."""
    every = {str(leaf[-1]): written(leaf) for leaf in leaves(data)}
    same = [written(leaf) for leaf in leaves(data) if str(leaf[-1]) == name]
    if same:
        return f"it is set as {', '.join(same)}"
    near = [] if nearest(str(there.step), there.known) else get_close_matches(name, every, n=1, cutoff=_NEAR)
    return f"did you mean '{every[near[0]]}'?" if near else ""


def _of_place(composed: Composed, spec: JobSpec, run: RunPlan, name: str, asked: Place) -> Explanation:
    document, path = asked
    text = TARGETS[name].text(run)
    found = documents(text, run)
    if document and document not in found:
        raise RefusedError(f"unknown document '{document}' of -t {name}; {did_you_mean(document, found)}")
    chosen = {document: found[document]} if document else found
    number = path[0] if len(path) == 1 and isinstance(path[0], int) else None
    place = _at_path(name, chosen, path) if number is None else _at_line(text, number, list(found))
    value = find(found[place.document], place.path)
    shown_value = value.value if isinstance(value, Found) else None
    key = f"{place.document}:{written(place.path)}" if len(found) > 1 else written(place.path)
    if about := made.about_origin(place.path):
        return Explanation(key, shown_value, [_head(place, found)], None, {}, [f"ftc writes here {about}"])
    data = plain(spec)
    setters = sources(TARGETS[name], run, place)
    keys = [source.key for source in setters if source.key is not None]
    sections = {_SET_BY: origins(composed, data, keys)} if keys else {}
    moving = influences(spec, TARGETS[name], place, setters, run)
    there = [one.path for one in moving if not one.any_key and isinstance(find(data, one.path), Found)]
    if moving or not keys:
        sections[_CHANGED_BY if moving else _UNCHANGED] = origins(composed, data, there)
    notes = [f"{written(one.path)}, if a key or an item is added" for one in moving if one.any_key]
    notes += [f"{written(one.path)}, which is not set" for one in moving if not one.any_key and one.path not in there]
    return Explanation(key, shown_value, [_head(place, found)], None, sections, notes)


def _at_line(text: str, number: int, names: list[str]) -> Place:
    count = len(text.splitlines())
    if not 0 < number <= count:
        raise RefusedError(f"line {number} does not exist: the artifact has {count} lines")
    place = at_line(text, number, names)
    if place is None:
        raise RefusedError(f"line {number} does not set a value")
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
    raise RefusedError(f"'{missing.step}' is not in {where}; {help_}")


def _head(place: Place, found: Documents) -> str:
    document = f"{place.document}:" if len(found) > 1 else ""
    there, item = find(found[place.document], place.path), find(found[place.document], place.path[:-1])
    named = item.value.get("name") if isinstance(item, Found) and isinstance(item.value, dict) else None
    key = (named,) if named and place.path[-1:] == ("value",) else place.path
    return f"{document}{written(place.path)}: {shown(key, there.value if isinstance(there, Found) else None)}"


def _lines(origin: Origin) -> Iterator[str]:
    yield f"{written(origin.path)}: {shown(origin.path, origin.value)}"
    for index, setting in enumerate(origin.settings):
        mark = ">" if index == len(origin.settings) - 1 else " "
        yield f"{mark} {redacted(str(setting.position))}: {shown(origin.path, setting.value)}"
    if not origin.settings:
        yield "> the default"


def _data(origin: Origin) -> dict[str, Any]:
    name = str(origin.path[-1])
    settings = [
        {"place": redacted(str(one.position)), "value": without_secrets(one.value, name)} for one in origin.settings
    ]
    return {"key": written(origin.path), "value": without_secrets(origin.value, name), "settings": settings}
