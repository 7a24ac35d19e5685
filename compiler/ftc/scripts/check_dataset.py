"""check_dataset.py PATH: say which rows of a dataset LLaMA-Factory drops, and on which it fails.

PATH is a file, or the directory of the files that dataset_info.json describes. The script needs only Python, reads each
file once, keeps no rows, and executes nothing of the data. `ftc dataset check` and the container that fetches a dataset
run it. Exit code 3: the training would fail; 1 or 70: the check itself failed, and the rows may be right.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.scripts import dataset_columns, dataset_files, dataset_json
    from ftc.scripts import dataset_description as about
    from ftc.scripts.dataset_judge import Findings, Judge, Lengths, Options, Place, Report
else:  # next to this file, not in a package
    import dataset_columns
    import dataset_description as about
    import dataset_files
    import dataset_json
    from dataset_judge import Findings, Judge, Lengths, Options, Place, Report


FAILS = 3  # not 1, the code of an uncaught exception
_BUG = 70


def check(name: str, known: dict[str, Any], options: Options) -> Report:
    """Check one dataset of a description."""
    report = Report(about.printable(name), Findings(options.limit))
    try:
        description = about.description_of(name, known, options.stage)
        report.stage = options.stage or description.stage
        files, kind = about.files_of(known[name], options.directory)
        report.files = [str(file) for file in files]
        wanted = about.rows_to_read(description.split, None, options.most_rows)
        if wanted is None:
            wanted = about.rows_to_read(description.split, _count(files, kind), options.most_rows)
        judge = Judge(report, description, options)
        for file in files:
            with _readable(file):
                _check_items(file, kind, judge, wanted or range(0))
        judge.finish()
        wanted_rows = description.num_samples
        if type(wanted_rows) is int and wanted_rows > 0 and report.kept == report.rows > 0:
            report.kept = wanted_rows
    except about.StopError as error:
        report.findings.add(error.code, error.severity, str(error))
    except OSError as error:  # a name that is too long, or a directory without permission
        report.findings.add(about.UNREADABLE, about.ERROR, f"{error.filename} cannot be read: {error.strerror}")
    return report


def _count(files: list[Path], kind: str) -> int:
    count = 0
    for file in files:
        with _readable(file):
            count += sum(isinstance(item, dataset_json.Row) for item in dataset_files.read(file, kind))
    return count


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Stop the check of the dataset if the file cannot be read."""
    try:
        yield
    except dataset_json.NotReadError as error:
        raise about.StopError(about.UNCHECKED, f"{file}: {error}", about.NOTE) from None
    except OSError as error:
        raise about.StopError(about.UNREADABLE, f"{file} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise about.StopError(about.UNREADABLE, f"{file} has values that are nested too deep") from None


def _check_items(file: Path, kind: str, judge: Judge, wanted: range) -> None:
    findings, name = judge.report.findings, str(file)
    columns: dict[str, dataset_columns.Column] = {}
    row = line = 0
    for item in dataset_files.read(file, kind):
        if isinstance(item, dataset_json.Row):
            row, line = row + 1, item.line
            changed = dataset_columns.add_fields(columns, item.record, row)
            if changed:
                reason = f"{changed.path[1:]} is {changed.now}, but {changed.before} in the rows before"
                findings.add(about.TYPES, about.ERROR, reason, Place(name, row, line))
            elif judge.read in wanted:
                judge.report.rows += 1
                judge.judge(item.record, Place(name, row, line))
            judge.read += 1
        elif isinstance(item, dataset_json.End):
            judge.end_table(columns, Place(name, row, line), dates=item.dates)
            columns = {}
        else:
            row += 1
            findings.add(about.UNREADABLE, about.ERROR, item.reason, Place(name, row, item.line))


def places(path: Path, info: Path | None, stage: str | None) -> tuple[dict[str, Any], Path]:
    """The descriptions, and the directory of the files; a file alone has the columns that LLaMA-Factory assumes."""
    if info is not None:
        return about.described(info), path
    if path.is_dir():
        return about.described(path / about.INFO), path
    # A text file has the column `text` only, which pre-training reads.
    columns = {"columns": {"prompt": "text"}} if path.suffix == ".txt" and stage == "pt" else {}
    return {path.stem: {"file_name": path.name, **columns}}, path.parent


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--info", type=Path, help="the description, by default dataset_info.json of the directory")
    parser.add_argument("--dataset", action="append", help="a dataset of the description; by default all")
    parser.add_argument("--stage", help="sft, rm, kto, pt or ppo; by default the one that the columns suggest")
    parser.add_argument("--media", type=Path, help="the directory of images, videos and audios")
    parser.add_argument("--most-rows", type=int, help="the first rows, which the trainer reads")
    parser.add_argument("--workers", type=int, default=1, help="the processes that prepare the rows")
    parser.add_argument("--block", type=int, default=2048, help="the length of packed sequences; 0 if they are not")
    parser.add_argument("--modalities", help="what the model reads, separated by commas")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json, to count tokens")
    parser.add_argument("--cutoff", type=int, default=2048, help="the length to which the trainer cuts a row")
    parser.add_argument("--limit", type=int, default=10, help="how many findings of each code are listed")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _reports(asked: argparse.Namespace) -> list[Report]:
    try:
        known, directory = places(asked.path, asked.info, asked.stage)
        options = Options(
            directory=directory,
            media=asked.media or directory,
            stage=asked.stage,
            most_rows=asked.most_rows,
            workers=asked.workers,
            block=asked.block,
            modalities=asked.modalities.split(",") if asked.modalities else None,
            lengths=Lengths.of(asked.tokenizer, asked.cutoff) if asked.tokenizer else None,
            limit=asked.limit,
        )
        return [check(name, known, options) for name in asked.dataset or known]
    except about.StopError as error:
        report = Report(str(asked.path), Findings(asked.limit))
        report.findings.add(error.code, error.severity, str(error))
        return [report]


def main() -> int:
    """Check, print, and return the exit code."""
    asked = arguments()
    try:
        reports = _reports(asked)
    except Exception as error:  # noqa: BLE001 - a mistake of the check must not end a training
        sys.stderr.write(f"ftc: the check of the rows failed: {type(error).__name__}: {str(error)[:200]!r}\n")
        return _BUG
    if asked.json:
        sys.stdout.write(json.dumps([report.data for report in reports]) + "\n")
    else:
        for report in reports:
            sys.stdout.writelines(f"ftc: {_escaped(line)}\n" for line in _lines(report))
    return FAILS if any(report.findings.errors for report in reports) else 0


def _escaped(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _lines(report: Report) -> Iterator[str]:
    for one in report.findings.found:
        row = f", row {one.row}" if one.row else ""
        line = f":{one.line}" if one.line else ""
        where = f"{one.file}{line}{row}: " if one.file else ""
        yield f"{one.severity}: dataset {report.name}: {where}{one.message} [{one.code}]"
    for code, count in report.findings.more.items():
        yield f"dataset {report.name}: {count} more findings [{code}]"
    if report.stage:
        yield f"dataset {report.name}: {report.kept} of {report.rows} rows are used in stage {report.stage}"


if __name__ == "__main__":
    sys.exit(main())
