"""Commands that start a training, such as torchrun, accelerate and llamafactory-cli, with their options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.manifests.program import unwrapped
from ftc.manifests.shell.parse import MAX_LENGTH
from ftc.manifests.shell.script import Command, Expansion, Part, Script, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

# Options without a value; every other option takes one.
_ALONE = {
    "torchrun": ("standalone", "no_python", "m", "module", "run_path", "use_agent_store"),
    "accelerate": (
        *("multi_gpu", "cpu", "tpu", "use_deepspeed", "use_fsdp", "use_megatron_lm", "use_tp", "same_network"),
        *("debug", "q", "quiet", "m", "module", "no_python", "dynamo_use_fullgraph", "dynamo_use_dynamic"),
        *("use_cpu", "use_xpu", "no_tpu_cluster", "tpu_cluster", "tpu_use_cluster", "tpu_use_sudo", "ipex"),
    ),
    "deepspeed": ("no_python", "module", "no_local_rank", "force_multi", "no_ssh", "save_pid"),
    "mpirun": ("allow_run_as_root", "v", "bind_to_none", "oversubscribe", "tag_output", "display_map", "q"),
}


_TORCHRUN = ("torch.distributed.run", "torch.distributed.launch")


_MPI_WORDS = {"mca": 2, "x": 1, "genv": 2}


class Launch(msgspec.Struct, frozen=True):
    """A command that starts a training: the tool, its options by their long name with `_`, and the words after them.

    `partly` says that some words are known only at run time, or are cut off by a mistake.
    """

    tool: str
    command: Command
    options: dict[str, Word]
    rest: tuple[Word, ...]
    partly: bool = False

    def option(self, *names: str) -> Word | None:
        """The value of an option, by any of its names."""
        return next((self.options[name] for name in names if name in self.options), None)

    @property
    def elastic(self) -> bool:
        """Whether the number of nodes may change while it runs."""
        nodes = self.option("nnodes")
        return nodes is not None and ":" in nodes.literal

    @property
    def alone(self) -> bool:
        """Whether it is set to a single node."""
        nodes = self.option("nnodes", "num_machines")
        return "standalone" in self.options or (nodes is not None and nodes.text == "1")

    @property
    def meets(self) -> bool:
        """Whether its nodes meet at a rendezvous endpoint, which assigns the ranks."""
        backend = self.option("rdzv_backend")
        return self.option("rdzv_endpoint") is not None and (backend is None or backend.text != "static")


def launches(script: Script) -> Iterator[Launch]:
    """The launches of a script, in the order of its text."""
    room = MAX_LENGTH
    for plain in script.commands:
        words, room = _split(plain.words, script, room)
        command = unwrapped(msgspec.structs.replace(plain, words=words))
        tool, words = _tool(command)
        if tool:
            launch = _launch(tool, command, words)
            lost = any(start > command.start for start, _ in script.stray_options)
            yield msgspec.structs.replace(launch, partly=launch.partly or lost)


def _tool(command: Command) -> tuple[str, tuple[Word, ...]]:
    """The tool that a command runs, and the words for the tool."""
    name, words = command.name, command.arguments
    texts = [word.text for word in words[:3]]
    if name.startswith("python"):
        return _module(words, texts)
    if name in _SUBCOMMANDS:
        tool, subcommand = _SUBCOMMANDS[name]
        return (tool, words[tool == "accelerate" :]) if texts[:1] == [subcommand] else ("", ())
    return (_TOOLS[name], words) if name in _TOOLS else ("", ())


_SUBCOMMANDS = {
    "accelerate": ("accelerate", "launch"),
    "llamafactory-cli": ("llamafactory", "train"),
    "lmf": ("llamafactory", "train"),
}


_TOOLS = {"torchrun": "torchrun", "deepspeed": "deepspeed", "mpirun": "mpirun", "mpiexec": "mpirun"}


def _module(words: tuple[Word, ...], texts: list[str | None]) -> tuple[str, tuple[Word, ...]]:
    """`python -m torch.distributed.run …`."""
    index = texts.index("-m") + 1 if "-m" in texts else len(texts)
    module = (texts[index] or "") if index < len(texts) else ""
    if module in _TORCHRUN:
        return "torchrun", words[index + 1 :]
    return ("accelerate", words[index + 1 :]) if module.startswith("accelerate.commands.launch") else ("", ())


def _launch(tool: str, command: Command, words: tuple[Word, ...]) -> Launch:
    if tool == "llamafactory":
        return Launch(tool, command, {}, words)
    options: dict[str, Word] = {}
    partly, index = False, 0
    while index < len(words):
        word = words[index]
        name = _option(word)
        if name is None:
            if tool == "mpirun" or (word.parts and isinstance(word.parts[0], str)):
                break
            partly = True  # the variable may hold options
            index += 1
            continue
        key = name.lstrip("-").replace("-", "_")
        index += 1
        if "=" in word.literal:
            options[key] = _after_equals(word)
        elif key in _ALONE[tool]:
            options[key] = Word(("",), "", word.start)
        else:
            taken = _MPI_WORDS.get(key, 1)
            if index < len(words):
                options[key] = words[index]
            index += taken
    return Launch(tool, command, options, words[index:], partly)


def _option(word: Word) -> str | None:
    """`--nnodes` of `--nnodes=2`; None if the word is not an option."""
    first = word.parts[0] if word.parts else ""
    if not isinstance(first, str) or not re.match(r"-{1,2}[A-Za-z]", first):
        return None
    return first.partition("=")[0]


def _after_equals(word: Word) -> Word:
    first, *others = word.parts
    value = str(first).partition("=")[2]
    start = word.start + (word.raw.index("=") + 1 if "=" in word.raw else 0)
    parts = (value, *others) if value or not others else tuple(others)
    return Word(parts, word.raw.partition("=")[2], start)


def _split(words: tuple[Word, ...], script: Script, room: int) -> tuple[tuple[Word, ...], int]:
    """`torchrun $ARGS` with the words in ARGS, if it is set once, and the room that is left.

    Expansions are limited to the size of a script: two thousand uses of a long variable would fill the memory.
    """
    found: list[Word] = []
    for word in words:
        held = _held(word, script)
        size = sum(len(part) for part in held or () if isinstance(part, str))
        if held is None or size > room:
            found.append(word)
        else:
            found += _words(held, word.start)
            room -= size
    return tuple(found), room


def _held(word: Word, script: Script) -> tuple[Part, ...] | None:
    match word.parts:
        case (Expansion(name=name, operator=""),) if word.raw.startswith("$"):
            values = [a.value for a in script.assignments if a.name == name and a.start < word.start]
            if (
                len(values) == 1
                and values[0] is not None
                and any(" " in p for p in values[0].parts if isinstance(p, str))
            ):
                return values[0].parts
    return None


def _words(parts: tuple[Part, ...], start: int) -> list[Word]:
    """Parts split at blanks, as the shell splits the value of a variable."""
    words: list[list[Part]] = [[]]
    for part in parts:
        pieces = re.split(r"(?:\s|\\\n)+", part) if isinstance(part, str) else [part]
        for index, piece in enumerate(pieces):
            if index:
                words.append([])
            if piece != "":
                words[-1].append(piece)
    return [Word(tuple(made), "".join(p for p in made if isinstance(p, str)), start) for made in words if made]
