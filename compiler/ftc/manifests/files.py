"""The files that a script writes and names, and whether they exist."""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from pathlib import PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING

import msgspec

from ftc.manifests.manifest import is_below
from ftc.manifests.shell.script import Command, Word
from ftc.manifests.steps import Run, Step, mount_of, once
from ftc.manifests.subjects import mounted_text
from ftc.manifests.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIMILAR, _VERY_SIMILAR = 0.5, 0.8


# An unknown directory; names in it can still be compared.
_UNKNOWN_DIRECTORY = "?"


# Commands that write files only by redirection.
_WRITES_NOTHING = frozenset(
    (
        *("echo", "printf", "cat", "cd", "export", "awk", "grep", "cut", "tr", "head", "tail", "wc", "basename"),
        *("dirname", "mkdir", "ls", "set", "unset", "test", "[", "sleep", "date", "true", "false", "exit", "hostname"),
        *("nslookup", "getent", "env", "printenv", "ulimit", "shift", "wait", "trap", "pwd", "until", "read", "which"),
        *("type", "command", "df", "free", "id", "whoami", "chmod", "llamafactory-cli", "lmf"),
    )
)


class Existence(Enum):
    """Whether a file exists at a place of the script."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Written(msgspec.Struct, frozen=True):
    """A file that a command writes, with its content if that is a here-document or an echo."""

    path: str
    command: Command
    text: Text | None
    appended: bool
    plain: bool = True


def directory_at(step: Step, offset: int) -> str:
    """The working directory at a place of the script."""
    return next((where for start, where in reversed(_directories(step)) if start < offset), _UNKNOWN_DIRECTORY)


@once
def _directories(step: Step) -> list[tuple[int, str]]:
    """The working directories of a script, each with the place of the command that changes to it."""
    where = step.container.working_dir or _UNKNOWN_DIRECTORY
    found = [(-1, where)]
    for command in step.program.script.commands if step.program else ():
        if command.name in ("cd", "pushd") and not (command.context.subshell or command.context.substituted):
            target = step.value(command.arguments[0]) if command.arguments else None
            known = target is not None and command.context.plain and target != "-"
            where = join(where, target or "") if known else f"{_UNKNOWN_DIRECTORY}{command.start}"
        elif command.name == "popd":
            where = f"{_UNKNOWN_DIRECTORY}{command.start}"
        else:
            continue
        found.append((command.start, where))
    return found


def join(where: str, path: str) -> str:
    """A path, resolved from a directory."""
    return normpath(path if path.startswith("/") else f"{where}/{path}")


def resolved(step: Step, word: Word, offset: int) -> str | None:
    """The path that a word names at a place of the script, absolute if the directory is known."""
    path = step.value(word)
    return join(directory_at(step, offset), path) if path else None


@once
def written(step: Step) -> tuple[Written, ...]:
    """The files that a script writes by redirection or with tee, in order."""
    return tuple(_written(step))


def _written(step: Step) -> Iterator[Written]:
    program = step.program
    if program is None or program.text is None:
        return
    for command in program.script.commands:
        targets = [(operator, word) for operator, word in command.redirects if operator in (">", ">>", ">|", "&>")]
        if command.name == "tee":
            appends = any(word.text in ("-a", "--append") for word in command.arguments)
            targets += [(">>" if appends else ">", word) for word in command.arguments if not word.raw.startswith("-")]
        for operator, word in targets:
            path = resolved(step, word, command.start)
            if path is not None:
                text, plain = _content(program.text, command)
                yield Written(path, command, text, operator == ">>", plain)


def _content(text: Text, command: Command) -> tuple[Text | None, bool]:
    if command.heredoc is not None:
        start = command.heredoc.start
        return text.part(start, start + len(command.heredoc.value)), command.heredoc.plain
    words = command.arguments
    if command.name in ("echo", "printf") and len(words) == 1 and words[0].raw[:1] in "\"'":
        start, raw = words[0].start, words[0].raw
        return text.part(start + 1, start + len(raw) - 1), raw.startswith("'")
    return None, False


def text_of(step: Step, path: str) -> Text | None:
    """The content of a file, if the input has all of it in a ConfigMap, an annotation or one here-document."""
    made = [one for one in written(step) if one.path == path]
    if len(made) == 1 and not made[0].appended:
        return made[0].text
    return None if made else mounted_text(step.pod, step.container, path)


def existence(run: Run, step: Step, path: str, offset: int) -> Existence:
    """Whether a file exists when the script reaches a place."""
    if any(one.path == path and one.command.start < offset for one in written(step)):
        return Existence.PRESENT
    if not path.startswith("/"):
        return Existence.UNKNOWN
    if mounted_text(step.pod, step.container, path) is not None:
        return Existence.PRESENT
    if _is_fresh(step, path):
        return Existence.ABSENT if step.program and _is_never_written(run, step, path, offset) else Existence.UNKNOWN
    return Existence.ABSENT if _is_other_key(step, path) or similar_file(step, path) else Existence.UNKNOWN


def similar_file(step: Step, path: str) -> str:
    """A file with a similar name that the script writes but does not use, or that is mounted in the same directory."""
    wanted, script = PurePosixPath(path), step.script.value
    made = [PurePosixPath(one.path) for one in written(step)]
    siblings = [one for one in made if one.parent == wanted.parent and one.suffix == wanted.suffix]
    idle = {one.stem: str(one) for one in siblings if script.count(one.name) == 1}
    close = [idle[stem] for stem in get_close_matches(wanted.stem, idle, n=1, cutoff=_SIMILAR)]
    for mount in step.container.volume_mounts if not close and mount_of(step, path) is None else ():
        other = f"{mount.mount_path.rstrip('/')}/{wanted.name}"
        alike = get_close_matches(str(wanted.parent), [mount.mount_path], n=1, cutoff=_VERY_SIMILAR)
        close += [other] if alike and mounted_text(step.pod, step.container, other) is not None else []
    return next(iter(close), "")


def _is_fresh(step: Step, path: str) -> bool:
    """Whether a path is on a volume that is empty when the job starts."""
    mount = mount_of(step, path)
    volume = step.pod.volume(mount.name) if mount is not None else None
    if volume is not None:
        return volume.empty_dir is not None
    of_job = [v for v in step.pod.job.job_volumes if v.volume_claim is not None and v.mount_path and not step.init]
    return mount is None and any(is_below(path, v.mount_path) for v in of_job)


def _is_other_key(step: Step, path: str) -> bool:
    """Whether a path is on a ConfigMap of the input that does not have it."""
    mount = mount_of(step, path)
    volume = step.pod.volume(mount.name) if mount is not None else None
    source = volume.config_map if volume is not None else None
    found = step.pod.job.scene.config_map(step.pod.job.find(source.name)) if source is not None else None
    return found is not None and "binaryData" not in found[0].data and mount is not None and not mount.sub_path


def _is_never_written(run: Run, step: Step, path: str, offset: int) -> bool:
    """Whether no earlier command, here or in another container of the job, could have created a file."""
    for other in run.steps:
        sees = other is step or _is_fresh(other, path)
        if not sees or (other.program is not None and other is not step and other.pod is step.pod and not other.init):
            continue
        if other.program is None or other.program.text is None:
            return False
        end = offset if other is step else len(other.program.text.value)
        before = [command for command in other.program.script.commands if command.start < end]
        if any(command.name not in _WRITES_NOTHING for command in before):
            return False
        if other is not step and any(one.path == path for one in written(other)):
            return False
    return True
