"""Rules on what starts and starts again: switches of the trainer, argument lists, restarts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.checks.given import commands, variables
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.spec.launcher import LlamafactoryCli
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

# LLaMA-Factory 0.9.3 to 0.9.5, extras/misc.py (is_env_enabled) and its users.
_ON = frozenset(("1", "true", "y"))
_OFF = frozenset(("", "0", "false", "n", "no", "off"))
_SWITCHES = frozenset(
    (
        *("OPTIM_TORCH", "USE_RAY", "USE_KT", "USE_MCA", "USE_V1", "ALLOW_EXTRA_ARGS", "DISABLE_VERSION_CHECK"),
        *("FORCE_CHECK_IMPORTS", "USE_MODELSCOPE_HUB", "USE_OPENMIND_HUB", "RECORD_VRAM"),
    )
)


def switches_are_spelled_as_read(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A switch of LLaMA-Factory is on with 1, true or y.

    Any other word is off, without a message: `is_env_enabled` (LLaMA-Factory 0.9.3 to 0.9.5, extras/misc.py).

    Wrong: env.DISABLE_VERSION_CHECK=on
    Right: env.DISABLE_VERSION_CHECK=1
    """
    for path, name, value in variables(spec) if spec.trains else ():
        if name in _SWITCHES and value.lower() not in _ON | _OFF:
            yield Finding(path, f"is '{value[:20]}', which LLaMA-Factory reads as off", "write 1, true or y")


def trainer_starts_one_way(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory is started as ftc's launchers start it.

    USE_V1 switches to another program, which takes another YAML (LLaMA-Factory 0.9.4, cli.py), and USE_RAY makes each
    process of torchrun a driver of Ray of its own (train/tuner.py).

    Wrong: env.USE_V1=1
    Right: env.USE_V1=0
    """
    if not spec.trains:
        return
    other = ("USE_V1",) if isinstance(spec.launcher, LlamafactoryCli) else ("USE_V1", "USE_RAY")
    for path, name, value in variables(spec):
        if name in other and value.lower() in _ON:
            help_ = "leave it out, or run a program of your own (launcher=command)"
            yield Finding(path, "starts another program than the one that the files are made for", help_)


_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash"))
_OPERATORS = frozenset(("&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1", "&>"))
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|\([A-Za-z_]\w*\))")


def lists_are_no_shell(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A command is a list of words, which no shell reads.

    A program with blanks in its name is not found, `&&` and `>` are arguments, and `$NAME` and `$(NAME)` arrive as they
    stand: ftc keeps Kubernetes from expanding them.

    Wrong: 'setup=[["pip install tensorboard"]]'
    Right: 'setup=[[pip,install,tensorboard]]'
    """
    through_shell = any(_calls_shell(words) for path, words in commands(spec) if path[0] == "launcher")
    for path, words in commands(spec):
        if _calls_shell(words) or (path[0] == "launcher" and through_shell):
            continue
        if path[-1] != "args" and len(words[0].split()) > 1:
            yield Finding((*path, 0), "is looked for as one program, blanks and all", "write a list: [python,train.py]")
        for index, word in enumerate(words):
            if word in _OPERATORS:
                yield Finding((*path, index), f"'{word}' is an argument here: no shell reads it", _ASK_SHELL)
            elif expanded := _VARIABLE.search(word):
                yield Finding((*path, index), f"'{expanded[0]}' arrives as it stands: no shell reads it", _ASK_SHELL)


_ASK_SHELL = "call one: [bash,-c,'…']"


def _calls_shell(words: Sequence[str]) -> bool:
    return any(word.rpartition("/")[2] in _SHELLS for word in words)


def restarts_go_on(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A restart finds a whole checkpoint of its own run.

    Without checkpoints it begins anew; without the optimizer's state it goes on as another training, and under
    DeepSpeed ends with `Can't find a valid checkpoint` (LLaMA-Factory issue 5497); a checkpoint that is named is taken
    again each time (hparams/parser.py).

    Wrong: restarts=2 train.save_only_model=true
    Right: restarts=2 train.save_total_limit=2
    """
    arguments = chosen(spec) if spec.restarts and spec.trains else {}
    reasons = {
        "save_strategy": ("no", "keeps nothing for the restarts to go on from"),
        "save_only_model": (True, "leaves out what the restarts need to go on"),
    }
    for name, (value, reason) in reasons.items():
        if arguments.get(name) == value:
            yield Finding(set_at(spec, name), reason, "leave it out, or set restarts=0")
    if arguments.get("resume_from_checkpoint") not in (None, False, True):
        message = "makes each restart go back to this checkpoint"
        yield Finding(set_at(spec, "resume_from_checkpoint"), message, "leave it out, or set restarts=0")


RULES = (
    Rule("FTC134", switches_are_spelled_as_read, Severity.WARNING),
    Rule("FTC135", trainer_starts_one_way),
    Rule("FTC136", lists_are_no_shell, Severity.WARNING),
    Rule("FTC137", restarts_go_on, Severity.WARNING),
)
