"""Rules on shell scripts: the shell can parse them, and their failures are reported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.objects import Kind
from ftc.manifests.program import Program, stops, unread_script
from ftc.manifests.steps import Step
from ftc.manifests.subjects import mounted_text
from ftc.patterns import lazily
from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.shell.script import Command


def script_has_valid_syntax(step: Step) -> Iterator[Finding]:
    """The shell can parse the whole script.

    An unclosed quote or block is a syntax error that the shell finds only when it gets there, maybe after hours. A
    backslash continues a line only as its last character, and a comment in between ends the command: the options below
    it are run as commands.
    Source: bash, Comments and Quoting; tree-sitter's grammar of bash.

    Wrong: tests/corpus/bad/FTC882-if-without-fi.yaml
    Right: tests/corpus/good/FTC882-all-closed.yaml
    """
    program = step.program
    if program is not None and program.script.mistake is not None and program.shell in ("bash", "sh", "dash", "ash"):
        message = "the shell cannot parse the script from here on: something is unclosed or misplaced"
        yield Finding(program.at(program.script.mistake), message, "look for an open quote, if, do, or bracket")
    elif program is not None and program.shell and program.script.stray_options:
        start, name = program.script.stray_options[0]
        message = f"the option {name} is run as a command, because the line before it has ended"
        help_ = "end that line with \\ as its last character, without a comment in between"
        yield Finding(program.at(start), message, help_)


_TRAINS = ("torchrun", "accelerate", "deepspeed", "mpirun", "llamafactory-cli", "lmf", "python", "python3")


def training_failure_fails_pod(step: Step) -> Iterator[Finding]:
    """A failed training fails its pod.

    Without `set -e` the script continues, and the exit code of the pod is that of the last command: a failed training
    counts as completed, and no policy restarts it. A script that then waits never ends its pod. `|| true` and `|| echo`
    hide the failure even with `set -e`.
    Source: bash, set -e; Volcano, PodFailed (the exit code of the first container).

    Wrong: tests/corpus/bad/FTC883-training-then-echo.yaml
    Right: tests/corpus/good/FTC883-training-last.yaml
    """
    program = step.program
    if program is None or program.text is None or step.init or _checks_exit_code(program):
        return
    yield from _replaced_exit_codes(step, program)
    yield from _failures_in_conditions(step, program)
    for command in program.script.commands if not stops(program) else ():
        if not _is_training(step, command) or command.context.handled or command.context.pipe:
            continue
        if not command.context.plain:
            continue
        after = [c for c in program.script.commands if c.start > command.start and not c.context.substituted]
        if step.pod.job.kind is Kind.POD and after and _waits_forever(after[-1]):
            return
        if after and all(one.name not in ("exit", "wait") for one in after[:1]):
            message = (
                f"if {command.name} fails, the script continues, and the pod has the exit code of {after[-1].name}"
            )
            yield Finding(program.at(command.start), message, "begin the script with set -e")
            return


# Commands that end with 0 whatever happened before them.
_SUCCEED = ("echo", "true", ":", "printf", "sleep", "date", "logger", "cat")


def _replaced_exit_codes(step: Step, program: Program) -> Iterator[Finding]:
    """Trainings followed by `||` and a command that succeeds."""
    for command in step.trainings:
        if command.context.handled and command.context.plain:
            handler = _handler(program, command)
            if handler and handler[-1].name in _SUCCEED:
                last = handler[-1].name
                message = f"if {command.name} fails, {last} ends the list with 0, and the pod counts as completed"
                help_ = f"write {command.name} … || {{ {last if last != 'true' else 'echo'} …; exit 1; }}"
                yield Finding(program.at(command.start), message, help_)


# `if ! training; then …`, up to the end of the branch, without another if inside.
_BRANCH = lazily(r"\bthen\b((?:(?!\bif\b).)*?)\b(?:else|elif|fi)\b", re.DOTALL)
_DECIDES = lazily(r"\b(?:exit|return|kill|false|exec|continue|break)\b|\b\w+=")


def _failures_in_conditions(step: Step, program: Program) -> Iterator[Finding]:
    """Trainings in `if ! training`, whose branch reports the failure but does not end the script."""
    value = program.script.value
    for command in step.trainings:
        if not re.search(r"\bif\s+!\s*(?:\w+=\S*\s+)*$", value[: command.start]):
            continue
        start = re.compile(r"\bthen\b").search(value, command.start)
        branch = _BRANCH.match(value, start.start()) if start else None
        if branch is not None and not _DECIDES.search(branch[1]):
            message = f"if {command.name} fails, the script continues, and the pod counts as completed"
            yield Finding(program.at(command.start), message, "end the branch with exit 1")


def _handler(program: Program, command: Command) -> list[Command]:
    """The commands after `||` that run if a command fails; empty if they decide what the pod returns."""
    after = [one for one in program.script.commands if one.start > command.start and not one.context.substituted]
    first = next((one for one in after if "||" in program.script.value[command.start : one.start]), None)
    if first is None or len([block for block in first.context.branch if block > 0]) != 1:
        return []
    branch = first.context.branch
    handler = [one for one in after if one.context.branch[: len(branch)] == branch]
    set_there = any(one.context.branch[: len(branch)] == branch for one in program.script.assignments)
    ends = any(one.name in ("exit", "return", "kill", "false", "exec") for one in handler)
    return [] if ends or set_there else handler


def _is_training(step: Step, command: Command) -> bool:
    starts = {launch.command.start for launch in step.launches}
    return command.start in starts or (
        command.name in _TRAINS and any(_is_program(word.raw) for word in command.arguments)
    )


def _is_program(word: str) -> bool:
    return word.endswith(".py") or word == "export"


def _waits_forever(command: Command) -> bool:
    words = {word.text for word in command.arguments}
    return bool(words & {"sleep": {"inf", "infinity"}, "tail": {"-f"}}.get(command.name, set()))


# `echo "exit: $?"` reports the code without keeping it.
_PRINTED = lazily(r"\b(?:echo|printf)\b[^;&|\n]*")


def _checks_exit_code(program: Program) -> bool:
    """Whether the script checks the exit code of a command."""
    value = _PRINTED.sub("", program.script.value)
    return "$?" in value or "PIPESTATUS" in value or any(program.script.named("trap"))


def pipe_reports_failure(step: Step) -> Iterator[Finding]:
    """A failed training fails the pipe that its output goes through.

    The exit code of a pipe is that of its last command, and tee succeeds: the failure is lost, even with `set -e`.
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
            message = f"a failure of {command.name} is lost, because the pipe has the exit code of its last command"
            help_ = "add set -o pipefail" if program.shell == "bash" else "use bash, with set -o pipefail"
            yield Finding(program.at(command.start), message, help_)


def numeric_test_has_a_number(step: Step) -> Iterator[Finding]:
    """A variable in a numeric comparison is set.

    `[ "" -gt 1 ]` prints `integer expression expected` and is false: the script takes a branch by accident.
    Source: bash, test.

    Wrong: tests/corpus/bad/FTC885-compared-while-unset.yaml
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
        sure = any(one.context.always_runs_before(read.context) for one in given)
        if given and not sure:
            message = f"{read.name} is compared as a number, but is set in only one branch"
            yield Finding(program.at(read.start), message, f"write ${{{read.name}:-1}}")


def script_is_read(step: Step) -> Iterator[Finding]:
    """Lint reads the script of a container.

    A script of more than 64000 characters, or with thousands of commands, is not parsed, so that no rule on launchers,
    variables or files applies to it.
    Source: ftc, which limits the time for a script.

    Wrong: tests/corpus/bad/FTC717-long-script.yaml
    Right: tests/corpus/good/FTC717-long-script-in-the-image.yaml
    """
    if step.program is not None:
        return
    text = unread_script(step.container, step.at, lambda path: mounted_text(step.pod, step.container, path))
    if text is not None:
        message = "the script is too large to be read, so lint does not check what it does"
        yield Finding(text.at(), message, "move data out of the script, into files")


RULES = (
    Rule("FTC717", "script-not-read", script_is_read, Step, Severity.NOTE),
    Rule("FTC882", "shell-syntax-error", script_has_valid_syntax, Step),
    Rule("FTC883", "training-failure-ignored", training_failure_fails_pod, Step, Severity.WARNING),
    Rule("FTC884", "pipe-hides-failure", pipe_reports_failure, Step, Severity.WARNING),
    Rule("FTC885", "unset-variable-in-numeric-test", numeric_test_has_a_number, Step, Severity.WARNING),
)
