"""`ftc pin`."""

from __future__ import annotations

from pathlib import Path

import click

from ftc.cli.options import Reporting, config_dirs, not_empty, refusals, refuse, say


@click.command("pin")
@click.argument("name", type=not_empty)
@config_dirs
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the pins are missing or out of date.")
def command(name: str, *, config_dirs: tuple[Path, ...], check: bool) -> None:
    """Write the commits and the digest that the run NAME uses into your conf.

    NAME is a primary config in your conf tree, by default ./conf. The servers of git and the hub give the commit of
    each branch or tag, and the registry gives the digest of the image. They are written to pins/NAME.yaml next to the
    run, and the defaults list of the run gets one item. Run the command again to update them. Pins that the run
    inherits from another run stay: the command ends with 1 if they are out of date, and names the run to pin.

    If a source cannot be resolved, nothing is written; an image whose registry does not answer stays as it is. Git uses
    your credential helpers, the hub HF_TOKEN, and a registry the credentials that `docker login` writes to its
    config.json. No other command that compiles asks a server.

    \b
      ftc pin my-run
      ftc pin my-run --check
    """
    from ftc.api.pinning import pinning  # noqa: PLC0415 - `--help` asks no server
    from ftc.diagnostics.model import dotted  # noqa: PLC0415 - the same
    from ftc.diagnostics.printable import redacted  # noqa: PLC0415 - the same
    from ftc.places import conf_beside  # noqa: PLC0415 - the same

    with refusals(Reporting()):
        found = pinning(name, config_dirs or conf_beside(Path("golden")))
        for pin in found.missing:
            kept = "keeps its pin" if pin.value else "is not pinned"
            say(redacted(f"ftc: {dotted(pin.key)} {kept}: {pin.why}"), err=True)
        for pin in found.pins:
            say(redacted(f"{dotted(pin.key)}: {pin.value} ({pin.names})"))
        differing = found.differing
        outdated = [f"{file}: out of date, run `ftc pin {file.stem}`" for file in found.outdated]
        if check and differing:
            refuse("; ".join([f"{' and '.join(map(str, differing))}: out of date, run `ftc pin {name}`", *outdated]))
        found.write()
    for file in differing:
        say(f"wrote {file}")
    if outdated:
        refuse("; ".join(outdated))
    if not differing:
        say("ftc: nothing to write", err=True)
