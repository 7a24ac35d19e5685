"""Rules on shell scripts: the shell can read them, and somebody sees that they failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.objects import Kind
from ftc.manifests.program import Program, stops
from ftc.manifests.steps import Step
from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.shell.script import Command


def scripts_are_read(step: Step) -> Iterator[Finding]:
    """The shell can read the script to its end.

    What is not closed is a syntax error, which the shell finds when it gets there, after hours maybe. A backslash goes
    on with the next line only at the very end of its own, and a comment in between ends the command: the options below
    are commands that there are not.
    Source: bash, as tree-sitter's grammar has it; bash, comments and quoting.

    Wrong: tests/corpus/bad/FTC882-if-without-fi.yaml
    Right: tests/corpus/good/FTC882-all-closed.yaml
    """
    program = step.program
    if program is not None and program.script.mistake is not None and program.shell in ("bash", "sh", "dash", "ash"):
        message = "the shell cannot read the script from here on: something is not closed, or misplaced"
        yield Finding(program.at(program.script.mistake), message, "look for an open quote, if, do, or bracket")
    elif program is not None and program.shell and program.script.strays:
        start, name = program.script.strays[0]
        message = f"the option {name} begins a command of its own: the line before it has ended"
        help_ = "end that line with \\, nothing behind it, and no comment in between"
        yield Finding(program.at(start), message, help_)


_TRAINS = ("torchrun", "accelerate", "deepspeed", "mpirun", "llamafactory-cli", "lmf", "python", "python3")


def failures_are_seen(step: Step) -> Iterator[Finding]:
    """A training that fails fails its pod.

    Without `set -e` the script goes on after it, and the pod ends as its last command does: a failed training counts as
    completed, and no policy restarts it. A pod that is no job's may wait for ever after it.
    Source: bash, set -e; Volcano, PodFailed acts on the exit code of the first container.

    Wrong: tests/corpus/bad/FTC883-training-then-echo.yaml
    Right: tests/corpus/good/FTC883-training-last.yaml
    """
    program = step.program
    if program is None or program.text is None or step.init or stops(program) or _looks(program):
        return
    for command in program.script.commands:
        if not _is_training(step, command) or command.context.handled or command.context.pipe:
            continue
        if not command.context.plain:
            continue
        after = [c for c in program.script.commands if c.start > command.start and not c.context.substituted]
        if step.pod.job.kind is Kind.POD and after and _waits_for_ever(after[-1]):
            return
        if after and all(one.name not in ("exit", "wait") for one in after[:1]):
            message = f"when {command.name} fails, the script goes on, and the pod ends as {after[-1].name} does"
            yield Finding(program.at(command.start), message, "begin the script with set -e")
            return


def _is_training(step: Step, command: Command) -> bool:
    starts = {launch.command.start for launch in step.launches}
    return command.start in starts or (
        command.name in _TRAINS and any(_is_program(word.raw) for word in command.arguments)
    )


def _is_program(word: str) -> bool:
    return word.endswith(".py") or word == "export"


def _waits_for_ever(command: Command) -> bool:
    words = {word.text for word in command.arguments}
    return bool(words & {"sleep": {"inf", "infinity"}, "tail": {"-f"}}.get(command.name, set()))


def _looks(program: Program) -> bool:
    """Whether the script asks how a command has ended."""
    value = program.script.value
    return "$?" in value or "PIPESTATUS" in value or any(program.script.named("trap"))


def pipes_keep_the_failure(step: Step) -> Iterator[Finding]:
    """A training whose output goes through a pipe fails the pipe.

    A pipe ends as its last command does, and tee succeeds: the failure is lost, with `set -e` too.
    Source: bash, pipefail.

    Wrong: tests/corpus/bad/FTC884-failure-lost-in-tee.yaml
    Right: tests/corpus/good/FTC884-pipefail.yaml
    """
    program = step.program
    if program is None or program.text is None or step.init or "PIPESTATUS" in program.script.value:
        return
    set_by = [word.text for command in program.script.named("set") for word in command.arguments]
    if "pipefail" in program.options or "pipefail" in set_by:
        return
    for command in program.script.commands:
        if command.context.pipe and _is_training(step, command) and not command.context.substituted:
            message = f"the pipe ends as its last command does, so that a failure of {command.name} is lost"
            help_ = "add set -o pipefail" if program.shell == "bash" else "use bash, with set -o pipefail"
            yield Finding(program.at(command.start), message, help_)


def numbers_are_there(step: Step) -> Iterator[Finding]:
    """A variable that is compared as a number has one.

    `[ "" -gt 1 ]` says integer expression expected and counts as false: the branch is taken by accident.
    Source: bash, test.

    Wrong: tests/corpus/bad/FTC885-compared-with-nothing.yaml
    Right: tests/corpus/good/FTC885-compared-with-a-default.yaml
    """
    program = step.program
    if program is None or program.opaque or not step.environment.complete:
        return
    script = program.script
    for read in script.reads:
        if not read.compared or read.tolerant or read.name in step.environment or not read.name.isidentifier():
            continue
        given = [one for one in script.assignments if one.name == read.name and one.start < read.start]
        sure = any(one.context.surely_before(read.context) for one in given)
        if given and not sure:
            message = f"{read.name} is set in one branch only, and compared as a number here"
            yield Finding(program.at(read.start), message, f"write ${{{read.name}:-1}}")


RULES = (
    Rule("FTC882", "shell-syntax-error", scripts_are_read, Step),
    Rule("FTC883", "training-failure-ignored", failures_are_seen, Step, Severity.WARNING),
    Rule("FTC884", "pipe-hides-failure", pipes_keep_the_failure, Step, Severity.WARNING),
    Rule("FTC885", "unset-variable-in-numeric-test", numbers_are_there, Step, Severity.WARNING),
)
