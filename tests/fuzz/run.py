"""Run inputs through `ftc`, in forked workers with limits or as processes, and report what is wrong with a run.

A worker runs many inputs. If one exceeds a limit, the kernel ends the worker; the failure is attributed to that input,
and the next worker continues with the following one.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.diagnostics.printable import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fuzz.kinds import Input

SECONDS = 5
MEBIBYTES = 512
# The caches of a worker grow; a user's process has one input.
INPUTS_OF_A_WORKER = 250
_BUG = 70
_CODES = (0, 1, 2)
_DOCUMENT = {"lint": "stdout", "diff": "stdout", "compile": "stderr", "show": "stderr", "plan": "stderr"}


class Failure(NamedTuple):
    """The failure of one input."""

    number: int
    what: str


def in_process(inputs: Sequence[Input]) -> Iterator[Failure]:
    """Run the inputs in forked workers, and yield those that fail."""
    first = 0
    while first < len(inputs):
        last = min(first + INPUTS_OF_A_WORKER, len(inputs))
        done, failures, end = _worker(inputs, first, last)
        yield from failures
        if done < last:
            yield Failure(done, f"the worker ended: {end}")
        first = done + 1 if done < last else last


def _worker(inputs: Sequence[Input], first: int, last: int) -> tuple[int, list[Failure], str]:
    """Run one worker: the number after its last finished input, its failures, and how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(inputs, range(first, last), writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as lines:
        said = [json.loads(line) for line in lines if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    failures = [Failure(number, what) for number, what in said if what]
    return first + len(said), failures, _ended(status)


def _ended(status: int) -> str:
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"


def _work(inputs: Sequence[Input], numbers: range, writer: int) -> None:
    """The main loop of a worker; it never returns."""
    code = 1
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            for number in numbers:
                _limit()
                what = _judged(inputs[number])
                os.write(writer, (json.dumps([number, what]) + "\n").encode())
        code = 0
    finally:
        os._exit(code)


def _limit() -> None:
    """Set the limits of the next input, on top of what this worker has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    room = pages * resource.getpagesize() + MEBIBYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))


def _judged(one: Input) -> str:
    """Run an input in this process; return what is wrong with the run, or an empty string."""
    with placed(one):
        began = time.process_time()
        result = CliRunner().invoke(cli, list(one.argv), input=one.stdin, prog_name="ftc")
        seconds = time.process_time() - began
        error = result.exception
        if error is not None and not isinstance(error, SystemExit):
            if isinstance(error, OSError):
                return ""  # `main` reports it in one line
            return "".join(traceback.format_exception(error)[-3:])
        if result.exit_code not in _CODES:
            return f"exit code {result.exit_code}: {result.output[-500:]}"
        if seconds > SECONDS:
            return f"{seconds:.1f} seconds"
        return wrong_streams(one, result.stdout, result.stderr)


def wrong_streams(one: Input, stdout: str, stderr: str) -> str:
    """Report what is wrong with the output of a run: a malformed document, or an unescaped control character."""
    command, form = one.argv[0], _form(one.argv)
    place = _DOCUMENT.get(command, "") if form in ("json", "sarif") and "--help" not in one.argv else ""
    if place:
        text = stdout if place == "stdout" else stderr
        try:
            json.loads(text)
        except ValueError:
            return f"{place} is not JSON: {text[:200]!r}"
    for name, text in (("stderr", stderr), *((("stdout", stdout),) if command in ("lint", "explain", "diff") else ())):
        if any(escaped(line) != line for line in text.split("\n")):
            return f"{name} has a character that is not escaped: {text[:300]!r}"
        if name == "stderr" and form != "github" and re.search(r"^\s*::|##[a-z]*\[", text, re.MULTILINE):
            return f"{name} has a command: {text[:300]!r}"
    return ""


def _form(argv: Sequence[str]) -> str:
    """The value of the option --format: not of a word behind `--`, or of one that is the value of another option."""
    words = iter(argv)
    for word in words:
        if word in ("-o", "-t", "-m", "--ignore"):
            next(words, "")
        elif word == "--format":
            return next(words, "")
        elif word == "--":
            return ""
    return ""


class placed:  # noqa: N801 - a context manager
    """Place the files of an input in a temporary directory, which is the working directory meanwhile."""

    def __init__(self, one: Input) -> None:
        """Create nothing yet."""
        self.one = one

    def __enter__(self) -> Path:
        self.before = Path.cwd()
        self.directory = Path(tempfile.mkdtemp(prefix="ftc-fuzz-"))
        for name, content in self.one.files.items():
            file = self.directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        os.chdir(self.directory)
        return self.directory

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)
        shutil.rmtree(self.directory, ignore_errors=True)


def as_process(one: Input) -> str:
    """Run an input as a user does; return what is wrong with the run, or an empty string."""
    if any("\0" in word for word in one.argv):
        return ""  # no command line can contain it
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}
    environment.pop("CI", None)
    command = [os.fsencode(word) for word in (sys.executable, "-m", "ftc.cli.main", *map(_encodable, one.argv))]
    temporary = tempfile.TemporaryFile
    with placed(one), temporary() as given, temporary() as out, temporary() as err:
        given.write(one.stdin)
        given.seek(0)
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=err, env=environment, preexec_fn=_hurry)  # noqa: PLW1509 - single-threaded
        _, status, used = os.wait4(process.pid, 0)  # of this process alone
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout, stderr = _read(out), _read(err)
    if process.returncode not in _CODES or "Traceback (most recent call last)" in stderr:
        return f"exit code {process.returncode}: {stderr[-500:]}"
    if used.ru_maxrss > MEBIBYTES * 1024:
        return f"{used.ru_maxrss // 1024} MiB"
    if used.ru_utime + used.ru_stime > SECONDS:
        return f"{used.ru_utime + used.ru_stime:.1f} seconds"
    return wrong_streams(one, stdout, stderr)


def _hurry() -> None:
    """Let the kernel end a process that computes for much longer than allowed."""
    resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))


def _encodable(word: str) -> str:
    """The word, if a command line can carry it: the only surrogates are those that represent bytes."""
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", word)


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "surrogateescape")


def shrunk(one: Input, fails: Callable[[Input], bool], tries: int = 80) -> Input:
    """Shrink an input that fails: fewer words, fewer files, and fewer lines of each."""
    left = tries
    smaller = True
    while smaller and left > 0:
        smaller = False
        for other in _smaller(one):
            left -= 1
            if left <= 0:
                break
            if fails(other):
                one, smaller = other, True
                break
    return one


def _smaller(one: Input) -> Iterator[Input]:
    for index in range(1, len(one.argv)):
        yield one._replace(argv=one.argv[:index] + one.argv[index + 1 :])
    for name, content in one.files.items():
        lines = content.splitlines(keepends=True)
        size = len(lines) // 2
        while size:
            for start in range(0, len(lines), size):
                yield one._replace(files={**one.files, name: b"".join(lines[:start] + lines[start + size :])})
            size //= 2
