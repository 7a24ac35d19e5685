"""`ftc compile`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ftc.cli.options import Place, Reporting, cannot_write, configuration, refuse, report, reporting, say
from ftc.diagnostics.model import has_errors
from ftc.driver import ALL_TARGETS, ARTIFACTS, SPEC, Request, State, compile_job
from ftc.output.artifact import Artifact
from ftc.output.write import also_marked, foreign, only_writer, write, written_before
from ftc.targets import TARGETS

_TARGETS_HELP = "  ".join(f"{target.name}: {target.help}." for target in TARGETS.values())


@click.command("compile")
@configuration
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    type=click.Choice(list(TARGETS)),
    help=f"The target to emit, volcano by default.  {_TARGETS_HELP}",
)
@click.option(
    "-o",
    "--output-dir",
    type=Place(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write every artifact into DIR instead of printing one: the resolved spec, the manifests, train.yaml, …; "
    "with naming=fixed also a kustomization.yaml.",
)
@click.option(
    "-m",
    "--matrix",
    is_flag=True,
    help="Compile every combination of the overrides that give several values, a=1,2, each into a directory in DIR, "
    "and all manifests into DIR/manifests, for `kubectl create -f`. A refused combination does not stop the others, "
    "but the exit code is 1.",
)
@reporting
def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    targets: tuple[str, ...],
    output_dir: Path | None,
    matrix: bool,  # noqa: FBT001 - click passes it by name
    reporting: Reporting,
) -> None:
    """Compile a run to a manifest on stdout.

    OVERRIDE is group=option (see `ftc list`) or key.path=value (see `ftc show`). Diagnostics go to stderr in every
    format. If there is an error, nothing is written, and the exit code is 1.

    \b
      ftc compile
      ftc compile hardware=ascend launcher=torchrun nodes=2 devices=8 | kubectl create -f -
      ftc compile model=qwen3-8b train.learning_rate=2.0e-5 train.num_train_epochs=1.0
      ftc compile source@model.source=git model.source.url=https://git.example.com/models/Qwen3-0.6B
      ftc compile launcher=command 'launcher.command=[python,train.py]' image=registry.example.com/vendor:1.0
      ftc compile -t llamafactory
      ftc compile --config-dir conf -c my-run -o build/my-run
      ftc compile -m hardware=ascend,h800 launcher=torchrun,accelerate nodes=1,2,4 devices=8 -o build/matrix
    """
    if matrix and output_dir is None:
        raise click.UsageError("-m writes directories: give -o DIR")
    if output_dir is None and len(targets) > 1:
        raise click.UsageError("only one target can go to stdout: give -t once, or -o DIR")
    chosen = targets or ALL_TARGETS
    request = Request(overrides, config_dirs, config_name, chosen, reporting.ignore, reporting.strict)
    if matrix and output_dir is not None:
        from ftc.cli.matrix import run  # noqa: PLC0415 - a usual compile has one run

        run(request, output_dir, reporting)
        return
    state = compile_job(request)
    report(state.diagnostics, reporting)
    if has_errors(state.diagnostics):
        sys.exit(1)
    if output_dir is None:
        click.echo(state.outputs[chosen[0]].encode(), nl=False)
    else:
        written = _write(state, output_dir)
        if not reporting.is_document:
            for line in written:
                say(line, err=True)


def _write(state: State, directory: Path) -> list[str]:
    """Write the artifacts, and return what to report."""
    artifacts = state.artifacts()
    try:
        with only_writer(directory):
            before = written_before(directory / SPEC, ARTIFACTS)
            if there := foreign(directory, artifacts, before):
                refuse(f"{directory} has files that ftc did not write ({', '.join(there)}): choose another directory")
            stale = write(directory, artifacts, before, _journal(artifacts, before))
    except OSError as error:
        cannot_write(directory, error)
    wrote = f"ftc: wrote {', '.join(artifact.name for artifact in artifacts)} to {directory}"
    gone = [f"ftc: removed {', '.join(stale)}, {_why_gone(stale, state.request.targets)}"] if stale else []
    return [wrote, *gone]


def _journal(artifacts: tuple[Artifact, ...], before: tuple[str, ...]) -> Artifact:
    """The spec, whose list of written files also names those of the previous compile."""
    spec = next(artifact for artifact in artifacts if artifact.name == SPEC)
    return Artifact(SPEC, also_marked(spec.text, before))


def _why_gone(stale: list[str], targets: tuple[str, ...]) -> str:
    """Explain a removal: a directory holds one compile, which removes the files of another target."""
    others = [name for name, target in TARGETS.items() if target.file in stale]
    if not others:
        return "which this run does not have"
    return f"from the previous compile: {' '.join(f'-t {name}' for name in (*others, *targets))} writes all of them"
