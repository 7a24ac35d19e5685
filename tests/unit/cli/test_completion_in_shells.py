"""Completion in real, interactive shells on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from unit.compiling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELLS = ("bash", "zsh", "fish")
PATIENCE = 60
# Ctrl-X Ctrl-P prints the line as the shell has it, between marks that no echo of a line contains.
START = {
    "bash": r"""PS1='ready$ '; bind 'set enable-bracketed-paste off'; source <(ftc completion bash)
show() { printf '\n%s%s%s\n' '<''<' "$READLINE_LINE" '>''>'; }; bind -x '"\C-x\C-p": show'
""",
    "zsh": r"""PS1='ready$ '; autoload -Uz compinit; compinit -u -D; source <(ftc completion zsh)
show() { print -r -- $'\n<'"<$BUFFER>"'>' }; zle -N show; bindkey '^X^P' show
""",
    "fish": r"""function fish_prompt; echo 'ready$ '; end; function fish_greeting; end; ftc completion fish | source
function show; printf '\n%s%s%s\n' '<''<' (commandline) '>''>'; end; bind \cx\cp show
""",
}
COMMANDS = {
    "bash": ("bash", "--noprofile", "--norc", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "--interactive"),
}


class Terminal:
    """A shell on a terminal of 200 columns."""

    def __init__(self, shell: str, home: Path) -> None:
        """Start the shell, and load the completion of ftc."""
        (home / "bin").mkdir()
        program = home / "bin" / "ftc"
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m ftc \"$@\"\n")
        program.chmod(0o755)
        python = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        path = f"{home / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(home), "TERM": "xterm", "LANG": "C.UTF-8", **python}
        self.read = ""
        self.pid, self.stream = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execvpe(COMMANDS[shell][0], COMMANDS[shell], environment)  # noqa: S606 - a fixed command
        termios.tcsetwinsize(self.stream, (50, 200))
        for line in START[shell].splitlines():
            self.type(f"{line}\r")
        self.type("echo lo''aded\r")
        self.expect("loaded")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.stream, keys.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until the shell has printed something since the last wait."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.read)):
            assert time.monotonic() < end, f"{pattern} is not in {self.read!r}"
            if select.select([self.stream], [], [], 1)[0]:
                self.read += os.read(self.stream, 65536).decode(errors="replace")
        self.read = self.read[found.end() :]
        return found

    def completed(self, line: str) -> str:
        """The line after the tab key."""
        self.type(f"\x15{line}\t\x18\x10")
        return self.expect(r"<<(.*)>>")[1]

    def close(self) -> None:
        """End the shell."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.stream)


@pytest.fixture(scope="module", params=SHELLS)
def terminal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    home = tmp_path_factory.mktemp(request.param)
    (home / "conf" / "dataset").mkdir(parents=True)
    (home / "conf" / "dataset" / "ours.yaml").write_text("# Our own questions.\nid: ours\n")
    (home / "conf" / "nightly.yaml").write_text("defaults: [config, _self_]\n")
    (home / "golden" / "one-node").mkdir(parents=True)
    (home / "golden" / "one-node" / "case.yaml").write_text("why: a test\n")
    (home / "manifest.yaml").write_text("kind: Job\n")
    shell = Terminal(request.param, home)
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("ftc comp", "ftc comp"),
        ("ftc compi", "ftc compile "),
        ("ftc compile hardw", "ftc compile hardware="),
        ("ftc compile hardware=asc", "ftc compile hardware=ascend"),
        ("ftc compile hardware=h80", "ftc compile hardware=h800 "),
        ("ftc compile -m hardware=ascend,h80", "ftc compile -m hardware=ascend,h800 "),
        ("ftc compile source@mod", "ftc compile source@model.source="),
        ("ftc compile source@model.source=mod", "ftc compile source@model.source=modelscope "),
        ("ftc compile tra", "ftc compile tra"),
        ("ftc compile train.learning_r", "ftc compile train.learning_rate="),
        ("ftc compile train.lr_scheduler_type=constant_", "ftc compile train.lr_scheduler_type=constant_with_warmup "),
        ("ftc compile cluster.que", "ftc compile cluster.queue="),
        ("ftc compile model.source.revi", "ftc compile model.source.revision="),
        ("ftc compile naming=f", "ftc compile naming=fixed "),
        ("ftc compile -t llam", "ftc compile -t llamafactory "),
        ("ftc compile --config-dir conf dataset=our", "ftc compile --config-dir conf dataset=ours "),
        ("ftc plan -c night", "ftc plan -c nightly "),
        ("ftc explain cluster.que", "ftc explain cluster.queue "),
        ("ftc explain train.learning_r", "ftc explain train.learning_rate "),
        ("ftc explain name hardware=h80", "ftc explain name hardware=h800 "),
        ("ftc rule FTC30", "ftc rule FTC30"),
        ("ftc rule devices-exceed-n", "ftc rule devices-exceed-node "),
        ("ftc compile --ignore devices-exceed-n", "ftc compile --ignore devices-exceed-node "),
        ("ftc list hardw", "ftc list hardware "),
        ("ftc golden che", "ftc golden check "),
        ("ftc golden check one", "ftc golden check one-node "),
        ("ftc schema conf", "ftc schema config "),
        ("ftc lint manif", "ftc lint manifest.yaml "),
        ("ftc compile no-such-ke", "ftc compile no-such-ke"),
    ],
)
def test_a_word_is_completed(terminal: Terminal, typed: str, line: str) -> None:
    assert terminal.completed(typed) == line


def test_all_options_of_a_group_are_offered(terminal: Terminal) -> None:
    terminal.type("\x15ftc compile launcher=\t\t")
    offered: set[str] = set()
    while len(offered) < 4:
        offered.add(terminal.expect(r"accelerate|command|llamafactory-cli|torchrun")[0])
    terminal.type("\x03")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_has_no_syntax_error(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", str(ROOT / "compiler" / "ftc" / "shells" / f"ftc.{shell}")], check=True)
