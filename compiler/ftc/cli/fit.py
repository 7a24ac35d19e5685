"""`ftc fit`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.cli.options import configuration, data_format, refuse, report
from ftc.cli.terminal import rows, show
from ftc.diagnostics.printable import as_json
from ftc.driver import Request

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.fit import Fit

_HEAD = ("devices", "hardware", "GiB", "engine", "batch", "length", "needs", "overrides")


@click.command("fit")
@configuration
@click.option("--most", type=click.IntRange(1, 1000), default=20, show_default=True, help="The most combinations.")
@data_format
def command(
    *, overrides: tuple[str, ...], config_dirs: tuple[Path, ...], config_name: str, most: int, is_json: bool
) -> None:
    """List the hardware, devices, engines, batches and lengths with which a run fits, cheapest first.

    The cheapest has the fewest devices, then the smallest device, then the simplest engine. Values that an OVERRIDE
    sets stay as they are; otherwise each row has the longest sequences up to cutoff_len, and then the largest batch,
    with as many sequences per optimizer step as before. Each row compiles without a finding on memory.

    \b
      ftc fit model=qwen3-8b
      ftc fit model=qwen3-32b method=qlora-sft hardware=a100-80gb
      ftc fit model=qwen3-8b method=full-sft hardware=h800 train.cutoff_len=8192 --json
    """
    from ftc.fit import Nothing, search  # noqa: PLC0415 - the compiler, which `--help` need not load

    found = search(Request(overrides, config_dirs, config_name), most)
    if isinstance(found, Nothing):
        report(found.diagnostics)
        refuse(found.reason)
    if is_json:
        click.echo(as_json([msgspec.to_builtins(fit) for fit in found]))
    elif found:
        show(rows([_HEAD, *map(_cells, found)], ("", "name", *("" for _ in _HEAD[2:]))))
    else:
        refuse("nothing fits: use a smaller model, an adapter (method=lora-…), quantized weights or more nodes")


def _cells(fit: Fit) -> tuple[str, ...]:
    devices = f"{fit.nodes} x {fit.devices}" if fit.nodes > 1 else str(fit.devices)
    sizes = (f"{fit.device_mib / 1024:.0f}", fit.engine, str(fit.batch), str(fit.length), f"{fit.total_mib / 1024:.1f}")
    return (devices, fit.hardware, *sizes, shlex.join(fit.overrides))
