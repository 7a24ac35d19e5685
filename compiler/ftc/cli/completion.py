"""`ftc completion`."""

from __future__ import annotations

import click

from ftc.resources import directory


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL, for commands, groups and their options, keys and rules.

    \b
      source <(ftc completion bash)            # in ~/.bashrc
      source <(ftc completion zsh)             # in ~/.zshrc, after compinit
      ftc completion fish | source             # in ~/.config/fish/config.fish
    """
    click.echo((directory("shells") / f"ftc.{shell}").read_bytes(), nl=False)
