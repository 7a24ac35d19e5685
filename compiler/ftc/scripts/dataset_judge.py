"""The findings in the rows of a dataset: on which the trainer fails, which it drops, and which it should not get."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.scripts import dataset_columns, dataset_rows
    from ftc.scripts import dataset_description as about
else:  # next to this file, not in a package
    import dataset_columns
    import dataset_description as about
    import dataset_rows

_OF_ROW = {"type": about.VALUE, "role": about.ROLE, "call": about.CALL, "media": about.MEDIA, "count": about.COUNT}
_FIRST_ROWS = 1000
_LONGEST = 300


class Finding(NamedTuple):
    """A finding in a file; row and line count from 1, and are 0 if the finding is not about one row."""

    code: str
    severity: str
    message: str
    file: str = ""
    row: int = 0
    line: int = 0


class Place(NamedTuple):
    """A row of a file."""

    file: str
    row: int
    line: int


_NOWHERE = Place("", 0, 0)


@dataclass
class Findings:
    """The findings: the first ones of each code, and how many more there are."""

    limit: int
    found: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0

    def add(self, code: str, severity: str, message: str, place: Place = _NOWHERE) -> None:
        """Add a finding."""
        self.counts[code] += 1
        self.errors += severity == about.ERROR
        if self.counts[code] <= self.limit:
            self.found.append(Finding(code, severity, about.printable(message)[:_LONGEST], *place))

    def take(self, other: Findings) -> None:
        """Add all findings of another object."""
        room = {code: self.limit - count for code, count in self.counts.items()}
        for one in other.found:
            if room.setdefault(one.code, self.limit) > 0:
                room[one.code] -= 1
                self.found.append(one)
        self.counts += other.counts
        self.errors += other.errors

    @property
    def more(self) -> dict[str, int]:
        """How many findings of a code are not listed."""
        return {code: count - self.limit for code, count in self.counts.items() if count > self.limit}


class Options(NamedTuple):
    """How the training reads the datasets; `block` is the length of packed sequences."""

    directory: Path
    media: Path
    stage: str | None = None
    most_rows: int | None = None
    workers: int = 1
    block: int = 2048
    modalities: list[str] | None = None
    lengths: Lengths | None = None
    limit: int = 10


class Lengths:
    """The tokens of the first rows, without those that the template adds."""

    MOST = 10_000

    def __init__(self, tokenizer: Any, cutoff: int) -> None:
        """Start without a row."""
        self.tokenizer = tokenizer
        self.cutoff = cutoff
        self.counts: list[int] = []

    @classmethod
    def of(cls, file: Path, cutoff: int) -> Lengths:
        """Read a tokenizer."""
        try:
            tokenizers = importlib.import_module("tokenizers")
        except ImportError:
            reason = "tokens are not counted: the Python package tokenizers is not installed"
            raise about.StopError(about.UNCHECKED, reason) from None
        place = file / "tokenizer.json" if file.is_dir() else file
        try:
            return cls(tokenizers.Tokenizer.from_file(str(place)), cutoff)
        except Exception as error:  # noqa: BLE001 - the library raises nothing more precise
            raise about.StopError(about.UNCHECKED, f"{place} is not a tokenizer: {error}") from None

    def add(self, texts: list[str]) -> None:
        """Count the tokens of a row."""
        if len(self.counts) < self.MOST:
            encoded = self.tokenizer.encode_batch(texts, add_special_tokens=False)
            self.counts.append(sum(len(one.ids) for one in encoded))

    @property
    def data(self) -> dict[str, int]:
        """The median, the largest, and how many are cut."""
        sorted_ = sorted(self.counts) or [0]
        cut = sum(count > self.cutoff for count in sorted_)
        return {"rows": len(self.counts), "median": sorted_[len(sorted_) // 2], "most": sorted_[-1], "cut": cut}


@dataclass
class Report:
    """The findings in one dataset, the rows that the stage reads, and those that it keeps."""

    name: str
    findings: Findings
    stage: str = ""
    files: list[str] = field(default_factory=list)
    rows: int = 0
    kept: int = 0
    tokens: dict[str, int] | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "name": self.name,
            "stage": self.stage,
            "files": self.files,
            "rows": self.rows,
            "kept": self.kept,
            "tokens": self.tokens,
            "findings": [finding._asdict() for finding in self.findings.found],
            "more": self.findings.more,
        }


class Batch:
    """The parts that the first rows have: `datasets` writes batches of 1,000 rows, with the types of the first."""

    def __init__(self, media: list[str]) -> None:
        """Start with nothing seen."""
        self.rows = 0
        self.unseen = {"the system prompt", "the tools", "the prompt", "the answer", *media}

    def late(self, example: dataset_rows.Example, row: dict[str, Any]) -> set[str]:
        """The parts of this row that none of the first 1,000 rows has."""
        self.rows += 1
        if not self.unseen:
            return set()
        present = {"the prompt": example.prompt, "the answer": example.response}
        now = {part for part in self.unseen if present.get(part) or row.get(part)}
        now |= {"the system prompt"} if example.system is not None else set()
        now |= {"the tools"} if example.tools is not None else set()
        late = now & self.unseen if self.rows > _FIRST_ROWS else set()
        self.unseen -= now
        return late


class Judge:
    """The check of the rows of one dataset."""

    def __init__(self, report: Report, description: about.Description, options: Options) -> None:
        """Start before the first row."""
        self.report = report
        self.of = description
        self.options = options
        self.converter = dataset_rows.Converter(description)
        self.media = dataset_rows.Media(description, str(options.media), options.modalities)
        self.first: dict[str, dataset_columns.Column] | None = None
        self.texts: set[str] = set()
        self.tentative: dict[tuple[str, ...], Findings] = {}
        self.lacking: dict[tuple[str, ...], Place] = {}
        self.batch = Batch([*self.media.columns])
        self.of_row = Findings(options.limit)
        self.read = 0
        # Each of several processes has other first rows and other neighbors of a row, so then a finding is not certain.
        self.alone = about.ERROR if options.workers == 1 else about.WARNING
        self.gap: Place | None = None
        self.first_kept = False
        self.bytes = self.most_bytes = 0
        self.liked: Counter[bool] = Counter()

    def judge(self, row: dict[str, Any], place: Place) -> None:
        """Check a row."""
        missing, findings = self.converter.missing.paths, self.of_row
        self.report.kept += self._keeps(row, place, findings)
        if missing:
            self.lacking.setdefault(missing[0], place)
            self.tentative.setdefault(missing[0], Findings(self.options.limit)).take(findings)
            missing.clear()
        elif findings.counts:
            self.report.findings.take(findings)
        else:
            return
        self.of_row = Findings(self.options.limit)

    def _keeps(self, row: dict[str, Any], place: Place, findings: Findings) -> bool:
        """Whether the trainer keeps the row."""
        stage = self.report.stage
        try:
            example = self.converter.convert(self._as_text(row))
            for column in self.media.columns:
                self.converter.missing.get(row, column)
            self._note(example, row, place, findings)
            reason = dataset_rows.drop_reason(stage, example)
            if stage == "kto":
                self._check_neighbor(example, place, findings, kept=not reason)
            if reason:
                findings.add(about.DROPPED, about.WARNING, f"the trainer drops the row: {reason}", place)
                return False
            self._check(example, row, place, findings)
        except dataset_rows.WrongError as error:
            findings.add(_OF_ROW[error.code], about.ERROR, error.reason, place)
            return False
        return True

    def _as_text(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with the types of the first table: numbers of a later file become text if the column holds text."""
        if not self.texts:
            return row
        odd = {name: str(row[name]) for name in self.texts if isinstance(row.get(name), int | float)}
        return {**row, **odd} if odd else row

    def _note(self, example: dataset_rows.Example, row: dict[str, Any], place: Place, findings: Findings) -> None:
        for part in sorted(self.batch.late(example, row)):
            reason = f"none of the first {_FIRST_ROWS} rows has {part}, so the trainer cannot read it in this row"
            findings.add(about.TYPES, self.alone, f"{reason}: shuffle the rows, or add it to one of the first", place)

    def _check_neighbor(self, example: dataset_rows.Example, place: Place, findings: Findings, *, kept: bool) -> None:
        """KTO compares a row with the answer of the row before it, which must exist (data/processor/feedback.py)."""
        if (self.report.rows - 1) % _FIRST_ROWS == 0:
            self._close_batch(findings)
            self.first_kept = kept
        elif self.gap and kept:
            self._say_gap(findings)
        answer = example.response
        self.gap = place if not answer or (len(answer) == 1 and not answer[0].content) else None

    def _close_batch(self, findings: Findings) -> None:
        """The trainer compares the first row of a batch with the last one."""
        if self.gap and self.first_kept:
            self._say_gap(findings)
        self.gap = None

    def _say_gap(self, findings: Findings) -> None:
        if self.gap:
            reason = "the trainer drops this row, but KTO needs its answer for the next row: remove it"
            findings.add(about.GAP, self.alone, reason, self.gap)

    def _check(self, example: dataset_rows.Example, row: dict[str, Any], place: Place, findings: Findings) -> None:
        stage = self.report.stage
        talks = dataset_rows.conversations(stage, example)
        for turns in talks:
            extras = ("", "") if stage == "pt" else (example.system, example.tools)
            dataset_rows.check_text(turns, *extras)
            if stage != "pt":
                self.media.check(row, turns)
        if stage == "pt":
            self._measure(talks[0][0].content)
        if self.options.lengths:
            around = [text for text in (example.system, example.tools) if text]
            self.options.lengths.add([*around, *(turn.content for turn in talks[0])])
        answers = [turns[-1].content for turns in talks]
        if stage == "rm" and answers[0] == answers[1]:
            findings.add(about.SAME, about.WARNING, "the chosen and the rejected answer are the same", place)
        if stage == "kto":
            self.liked[bool(example.response[0].content)] += 1
        for turn in talks[-1] if stage in ("sft", "pt") else [turns[-1] for turns in talks]:
            wanted = turn.role == dataset_rows.ASSISTANT or stage == "pt"
            if wanted and not turn.content.strip():
                findings.add(about.BLANK, about.WARNING, f"the {'text' if stage == 'pt' else 'answer'} is empty", place)
                break

    def _measure(self, text: str) -> None:
        """Add the bytes of a text and its end token: a tokenizer makes at most one token of each byte."""
        if self.report.kept % _FIRST_ROWS == 0:
            self.bytes = 0
        self.bytes += len(text.encode(errors="replace")) + 1
        self.most_bytes = max(self.most_bytes, self.bytes)

    def end_table(self, columns: dict[str, dataset_columns.Column], place: Place, *, dates: bool) -> None:
        """Compare the types of a table with those of the first one."""
        if not columns:
            return
        for column in columns.values():
            column.finish(with_dates=dates)
        if self.first is None:
            self.first = columns
            self.texts = {
                name for name in self.of.used if columns.get(name) and columns[name].kind == dataset_columns.TEXT
            }
            self._check_dates(columns, place)
            return
        problem = dataset_columns.problem_of_fields(columns, self.first)
        if problem:
            where = Place(place.file, problem.row, 0)
            before = f"is {problem.before} in the first part" if problem.before else "is missing in the first part"
            reason = f"the column {problem.path[1:]} {before} of the data, but {problem.now} here"
            self.report.findings.add(about.TYPES, about.ERROR, reason, where)

    def _check_dates(self, columns: dict[str, dataset_columns.Column], place: Place) -> None:
        for name, use in self.of.used.items():
            column = columns.get(name)
            if column is not None and column.kind == dataset_columns.DATE:
                reason = f"every {name} is a date, so it is not read as a string: add a word to at least one ({use})"
                self.report.findings.add(about.VALUE, about.ERROR, reason, place._replace(row=column.row, line=0))

    def finish(self) -> None:
        """Decide what depends on all rows."""
        report = self.report
        self._close_batch(report.findings)
        self._count_tokens()
        for path, findings in self.tentative.items():
            if self._exists(path):
                report.findings.take(findings)
            else:
                report.findings.add(about.COLUMN, about.ERROR, self._lacking(path), self.lacking[path])
        if not report.findings.errors and self._unusable():
            report.findings.add(about.NO_ROWS, about.ERROR, self._unusable())
        if report.stage == "kto" and len(self.liked) == 1:
            kind = "liked" if self.liked[True] else "disliked"
            report.findings.add(about.ONE_SIDED, about.WARNING, f"all answers are {kind}: KTO needs both kinds")

    def _count_tokens(self) -> None:
        lengths = self.options.lengths
        if lengths is None or not lengths.counts:
            return
        self.report.tokens = found = lengths.data
        lengths.counts = []
        if found["cut"]:
            reason = f"{found['cut']} of {found['rows']} rows have more than {lengths.cutoff} tokens"
            self.report.findings.add(about.LONG, about.WARNING, f"{reason}: the trainer cuts them (cutoff_len)")

    def _lacking(self, path: tuple[str, ...]) -> str:
        columns = self.first or {}
        if path[-1] == "None":
            reason = "a column or a tag that such rows need is not in the description"
            return f"{reason}: prompt, chosen and rejected, or messages, role_tag and content_tag"
        if path[0] not in columns or len(path) == 1:
            return f"the column {path[0]!r} is missing; there are: {', '.join(columns) or 'none'}"
        return (
            f"no object in {path[0]} has the key {path[1]!r}; there are: {', '.join(sorted(columns[path[0]].names()))}"
        )

    def _unusable(self) -> str:
        """Why no row is left to train on."""
        rows, block = self.report.rows, self.options.block
        if rows == 0:
            return "the dataset is empty"
        if self.report.kept == 0:
            return f"the trainer drops all rows ({rows})"
        if self.report.stage == "pt" and self.most_bytes < block:
            reason = f"no {_FIRST_ROWS} rows fill a sequence of {block} tokens: they have {self.most_bytes} bytes"
            return f"{reason}; reduce cutoff_len or set packing=false"
        return ""

    def _exists(self, path: tuple[str, ...]) -> bool:
        columns = self.first or {}
        return path[0] in columns and (len(path) == 1 or path[1] in columns[path[0]].names())
