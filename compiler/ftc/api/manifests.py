"""`ftc.lint`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ftc.api.refused import RefusedError
from ftc.diagnostics.codes import SILENCES_NOTHING, UNREADABLE
from ftc.diagnostics.model import Diagnostic, Severity, as_errors, has_errors
from ftc.diagnostics.shown import shown
from ftc.lint import Versions
from ftc.lint import lint as lint_files
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.places import files_below
from ftc.rules.catalogue import meant
from ftc.source import MAX_STREAM_BYTES
from ftc.spec.job import Trainer
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, repr=False)
class Linted:
    """The findings in manifests. A notebook shows each with its line and its help."""

    findings: tuple[Diagnostic, ...]
    """The findings, by file and line, without secrets."""
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The linted texts that are not files."""
    files: tuple[str, ...] = ()
    """The names of the files and texts that were checked."""

    @property
    def has_errors(self) -> bool:
        """Whether a finding is an error."""
        return has_errors(self.findings)

    @property
    def text(self) -> str:
        """The findings as the command prints them."""
        from ftc.api.texts import findings_text  # noqa: PLC0415 - reads files, only if the text is needed

        return findings_text(self.findings, self.texts)

    def __repr__(self) -> str:
        return f"<findings: {len(self.findings)}>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_findings  # noqa: PLC0415 - notebooks only

        return of_findings(self.findings, self.texts)


def lint(  # noqa: PLR0913 - the options of the command
    *files: str | Path,
    texts: Mapping[str, str | bytes] = MappingProxyType({}),
    kubernetes: str | None = None,
    volcano: str | None = None,
    llamafactory: str | None = None,
    transformers: str | None = None,
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Linted:
    """Find mistakes in existing manifests: VolcanoJobs, Jobs, LLaMA-Factory's YAML.

    Args:
        files: Files, and directories with all .yaml, .yml and .json files below them. They are checked together.
        texts: Manifests that are not files, by the name that findings use for them.
        kubernetes: The minor version of Kubernetes, such as "1.35"; by default the newest known.
        volcano: The minor version of Volcano; by default the newest known.
        llamafactory: The version of LLaMA-Factory; by default that of the image, or the newest known.
        transformers: The version of transformers that LLaMA-Factory runs with.
        ignore: Rules to leave out, by name or code.
        strict: Whether warnings are errors.

    Raises:
        RefusedError: a directory does not contain a file to check.
        ValueError: a version is not known.
        OSError: a file cannot be read.

    """
    versions = Versions(
        _version("Kubernetes", kubernetes, kubernetes_versions()),
        _version("Volcano", volcano, volcano_versions()),
        _trainer({"llamafactory": llamafactory, "transformers": transformers}),
    )
    given = [Path(file) for file in files]
    inside = tuple(found for file in given if file.is_dir() for found in _inside(file))
    named = tuple(dict.fromkeys(file for file in given if not file.is_dir()))
    unnamed = frozenset(map(str, inside)) - frozenset(map(str, named))
    raw = {name: text if isinstance(text, bytes) else text.encode() for name, text in texts.items()}
    every = _Input([*raw.items(), *dict.fromkeys((*named, *inside))])
    found = _judged(lint_files(every, versions, unnamed), ignore, strict=strict)
    decoded = MappingProxyType({name: text.decode("utf-8", "replace") for name, text in raw.items()})
    return Linted(shown(found), decoded, every.names)


class _Input:
    """Texts with their names, and files that are read each time that they are asked for."""

    def __init__(self, given: Sequence[tuple[str, bytes] | Path]) -> None:
        self._given = given

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(str(one) if isinstance(one, Path) else one[0] for one in self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, index: int) -> tuple[str, bytes]:
        one = self._given[index]
        return (str(one), _content(one)) if isinstance(one, Path) else one


def _version(what: str, asked: str | None, known: Sequence[str]) -> str:
    if asked is not None and asked not in known:
        raise ValueError(f"{what} {asked} is not known; known: {', '.join(known)}")
    return asked or known[-1]


def _trainer(versions: Mapping[str, str | None]) -> Trainer | None:
    """The known pair for the given versions, without the one that they leave open; None if neither is given."""
    asked = {name: version for name, version in versions.items() if version is not None}
    known = [Trainer(*pair.split("+")) for pair in release.pairs()]
    fits = [pair for pair in known if all(getattr(pair, name) == version for name, version in asked.items())]
    if asked and not fits:
        given = " and ".join(f"{name} {version}" for name, version in asked.items())
        every = ", ".join(release.in_words(pair) for pair in release.pairs())
        raise ValueError(f"{given} is not known; known: {every}")
    if asked and len(fits) > 1 and "transformers" not in asked:
        return Trainer(fits[-1].llamafactory, "")
    return fits[-1] if asked else None


# A configuration of DeepSpeed is small; a larger JSON file is data.
_MAX_JSON_BYTES = 65_536


def _is_read(file: Path) -> bool:
    if file.suffix == ".json":
        return file.name == "dataset_info.json" or file.stat().st_size <= _MAX_JSON_BYTES
    return file.suffix in (".yaml", ".yml")


def _inside(directory: Path) -> list[Path]:
    """The YAML and JSON files below a directory, except hidden ones."""
    found = [file for file in files_below(directory) if file.is_file() and _is_read(file)]
    if not found:
        raise RefusedError(f"{directory} does not contain a .yaml, .yml or small .json file")
    return found


def _content(file: Path) -> bytes:
    """Read a file, or at least more of it than lint accepts."""
    with file.open("rb") as stream:
        return stream.read(MAX_STREAM_BYTES + 1)


def _judged(found: Iterable[Diagnostic], ignore: Sequence[str], *, strict: bool) -> tuple[Diagnostic, ...]:
    """Drop the ignored findings, and apply `strict`."""
    every = tuple(found)
    ignored = {code for given in ignore for code in meant(given)}
    kept = (*(one for one in every if one.code not in ignored), *_unused(ignore, {one.code for one in every}))
    return as_errors(kept) if strict else kept


def _unused(ignore: Sequence[str], codes: set[str]) -> Iterator[Diagnostic]:
    unused = [] if UNREADABLE in codes else sorted(code for code in set(ignore) if not codes & {*meant(code)})
    for code in unused:
        message = f"no finding has the code {code}, so ignoring it does nothing"
        yield Diagnostic(code=SILENCES_NOTHING, message=message, severity=Severity.WARNING, help="remove it")
