"""`ftc plan`."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.api.runs import plan
from ftc.cli.options import Reporting, configuration, refusals, report, reporting_with_data
from ftc.cli.terminal import columns, has_colour, plain, show, styled
from ftc.diagnostics.columns import width
from ftc.diagnostics.printable import as_json, escaped, inert, redacted
from ftc.driver import ALL_TARGETS
from ftc.summary.render import LABEL, WIDTH, render
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftc.summary.types import Summary

_FORMS = {"markdown": "a graph and a table for a pull request", "mermaid": "the graph alone"}
_SHIPPED = "config"
_GENERATED = "-xxxxx"
_CONTINUED = " \\"
# The line of the summary for this tracker, and the usual port of its server.
_TENSORBOARD, _PORT = "tensorboard --logdir ", 6006


@click.command("plan")
@configuration
@click.option("-t", "--target", type=click.Choice(list(POD_TARGETS)), default="volcano", help="What runs the pod.")
@partial(reporting_with_data, forms=_FORMS)
def command(
    *,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    target: str,
    reporting: Reporting,
) -> None:
    """Print one screen to read before submitting: the nodes, their resources, and the files of the run.

    It ends with what must exist and with the next commands. The memory of a device is an estimate. If there is an
    error, nothing is printed, and the exit code is 1.

    \b
      ftc plan model=qwen3-8b hardware=h800 devices=8
      ftc plan model=qwen3-8b hardware=h800 method=full-sft devices=8 engine=deepspeed-z3 --json
      ftc plan nodes=2 devices=8 --format markdown
    """
    with refusals(reporting):
        found = plan(
            *overrides,
            config_name=config_name,
            config_dirs=config_dirs,
            target=target,
            ignore=reporting.ignore,
            strict=reporting.strict,
        )
    report(found.findings, reporting)
    if reporting.format in _FORMS:
        click.echo((found.mermaid if reporting.format == "mermaid" else found.markdown).encode(), nl=False)
    elif reporting.is_json:
        click.echo(as_json(msgspec.to_builtins(found.summary)))
    else:
        colour = has_colour(sys.stdout)
        text = render(found.summary, columns() or WIDTH, styled if colour else plain)
        click.echo(text, nl=False, color=colour)
        show(_next(found.summary, target, _given(overrides, config_dirs, config_name)))


def _given(overrides: tuple[str, ...], config_dirs: tuple[Path, ...], config_name: str) -> list[str]:
    """The words that compile the same run."""
    own = [word for place in config_dirs for word in ("--config-dir", str(place))]
    name = ["-c", config_name] if config_name != _SHIPPED else []
    return [shlex.quote(redacted(word)) for word in (*own, *name, *overrides)]


def _next(summary: Summary, target: str, given: list[str]) -> Iterator[str]:
    """The commands that follow, as the shell reads them."""
    verb = "create" if summary.name.endswith(_GENERATED) else "apply"
    compile_ = ["ftc", "compile", *([] if target == ALL_TARGETS[0] else ["-t", target]), *given]
    submit = [*compile_, "|", "kubectl", verb, "-f", "-"]
    lines = []
    for one, kind in (("storage", "a claim"), ("scripts", "the ConfigMap of scripts")):
        if any(f"-t {one} makes it" in required.about for required in summary.requires):
            makes = ["ftc", "compile", "-t", one, *given, "|", "kubectl", "apply", "-f", "-"]
            lines += [f"# if {kind} is missing:", *_continued(makes)]
    paint = styled if has_colour(sys.stdout) else plain
    for number, line in enumerate([*lines, *_continued(submit), *_tensorboard(summary, POD_TARGETS[target].main)]):
        label = "" if number else "next"
        yield f"{paint(f'{label:{LABEL}}', 'label')}{inert(escaped(line))}"


def _tensorboard(summary: Summary, container: str) -> Iterator[str]:
    """The commands that show TensorBoard from the pod of rank 0, if the run writes its files."""
    for line in summary.metrics:
        if line.startswith(_TENSORBOARD):
            namespace = ["-n", summary.namespace] if summary.namespace else []
            yield f"# TensorBoard at http://localhost:{_PORT}, while it trains in the pod POD:"
            inside = [*line.split(" "), "--port", str(_PORT), "&"]
            yield from _continued(["kubectl", "exec", *namespace, "POD", "-c", container, "--", *inside])
            yield from _continued(["kubectl", "port-forward", *namespace, "POD", f"{_PORT}:{_PORT}"])


def _continued(words: list[str]) -> Iterator[str]:
    """The words on lines that fit the terminal, and that the shell joins again."""
    room = (columns() or WIDTH) - LABEL - len(_CONTINUED)
    line = ""
    for word in words:
        if line.strip() and width(f"{line} {word}") > room:
            yield f"{line}{_CONTINUED}"
            line = "  "
        line += word if not line.strip() else f" {word}"
    yield line
