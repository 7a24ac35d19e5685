"""The table of hardware: the capabilities of each option of the group."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ftc.conf_tree import groups, search_path
from ftc.diagnostics.columns import padded, width
from ftc.driver import Request, compile_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic
    from ftc.spec.cluster import Hardware

GROUP = "hardware"
_OF_THE_DEVICE = ("resource", "sharing", "memory_mib", "per_node")
_OF_THE_CHIP = ("bf16", "fp16", "fp8", "fa2", "fa3", "bitsandbytes", "collective", "deepspeed", "llamafactory", "image")
_TRI_STATE = ("bf16", "fp16", "fp8", "fa2", "fa3", "llamafactory", "bitsandbytes")
_HEADS = {"name": "hardware=", "memory_mib": "MiB", "per_node": "a node", "llamafactory": "LLaMA-Factory"}
_GAP = "  "
_ALONE = ("launcher=command", "launcher.command=[true]")


def rows(config_dirs: tuple[Path, ...] = ()) -> tuple[list[dict[str, Any]], tuple[Diagnostic, ...]]:
    """Return an object for each option, by name, and the diagnostics of options that do not compile."""
    found: list[dict[str, Any]] = []
    wrong: tuple[Diagnostic, ...] = ()
    for option in groups(search_path(config_dirs))[GROUP]:
        state = compile_job(Request((f"{GROUP}={option}", *_ALONE), config_dirs, targets=()))
        if state.spec is None:
            wrong += state.diagnostics
        else:
            found.append(_row(option, state.spec.hardware))
    return found, wrong


def _row(option: str, hardware: Hardware) -> dict[str, Any]:
    device = {key: getattr(hardware.device, key, None) for key in _OF_THE_DEVICE}
    chip = {key: getattr(hardware, key) for key in _OF_THE_CHIP}
    return {"name": option, "vendor": hardware.vendor, **device, **chip}


def text(table: list[dict[str, Any]], columns: int | None = None) -> list[str]:
    """For a terminal: aligned columns with headings; those that do not fit follow below, with the names again.

    A column that does not fit next to the names, that of the images, is left out.
    """
    lines = [[_HEADS.get(key, key) for key in table[0]], *([_cell(*item) for item in row.items()] for row in table)]
    names, *others = [_even(column) for column in zip(*lines, strict=True)]
    most = columns or sys.maxsize
    blocks = [[names]]
    for column in others:
        if len(_joined([names, column])) > most:
            continue
        if len(_joined([*blocks[-1], column])) > most:
            blocks.append([names])
        blocks[-1].append(column)
    found = [[_GAP.join(cells).rstrip() for cells in zip(*block, strict=True)] for block in blocks]
    return [line for number, block in enumerate(found) for line in ([""] if number else []) + block]


def _joined(block: list[list[str]]) -> str:
    """As many letters as a line of the block has columns."""
    return _GAP.join(" " * width(column[0]) for column in block)


def _even(column: Sequence[str]) -> list[str]:
    most = max(width(cell) for cell in column)
    return [padded(cell, most) for cell in column]


def markdown(table: list[dict[str, Any]]) -> str:
    """For the documentation, without the images."""
    keys = [key for key in table[0] if key != "image"]
    head = [_HEADS.get(key, key) for key in keys]
    lines = [head, ["---"] * len(keys), *([_cell(key, row[key]) for key in keys] for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(key: str, value: Any) -> str:
    """Format a value; `?` means unknown, or dependent on the image."""
    if value is None:
        return "?" if key in _TRI_STATE else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "no"
    return str(value)
