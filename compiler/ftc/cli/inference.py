"""`ftc inference`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftc.cli.options import Reporting, configuration, in_cluster, not_empty, refusals, say

if TYPE_CHECKING:
    from pathlib import Path


@click.command("inference")
@click.argument("uri", type=not_empty, required=False)
@configuration
@click.option("--run", type=not_empty, metavar="NAME", help="Serve the result of a run on the cluster instead of URI.")
@in_cluster
def command(  # noqa: PLR0913 - click hands over each option
    *,
    uri: str | None,
    overrides: tuple[str, ...],
    run: str | None,
    namespace: str | None,
    context: str | None,
    config_dirs: tuple[Path, ...],
    config_name: str,
) -> None:
    """Print an InferenceService of KServe that serves a model with vLLM.

    URI is pvc://CLAIM/PATH, hf://OWNER/NAME[:REVISION] or s3://BUCKET/PREFIX; its credentials are in Secrets of the
    ServiceAccount (cluster.service_account), never in the address. The overrides name the model, the hardware and the
    cluster. The service gets the fewest devices, from `devices` on, whose memory holds the weights, and conversations
    as long as the rest of the memory allows. How to try it is on stderr.

    \b
      ftc inference pvc://runs/qwen3-lora-sft-x7k2p/merged model=qwen3-8b hardware=a10 | kubectl apply -f -
      ftc inference hf://team/support model=qwen3-32b hardware=a100-80gb cluster=alauda-2 name=support
      ftc inference --run qwen3-lora-sft-x7k2p model=qwen3-8b
      ftc inference s3://models/support cluster.service_account=models
    """
    from ftc.api.inference import inference, of_run  # noqa: PLC0415 - `--help` compiles nothing

    if run and uri:  # the first override takes the place of the address
        overrides, uri = (uri, *overrides), None
    if not (run or uri):
        raise click.UsageError("give the address of a model, or a run with --run NAME")
    with refusals(Reporting()):
        found = of_run(run, namespace=namespace, context=context) if run else str(uri)
        made = inference(found, *overrides, config_name=config_name, config_dirs=config_dirs)
    click.echo(made.text.encode(), nl=False)
    for line in made.notes:
        say(f"ftc: note: {line}", err=True)
    say("ftc: to try it:", err=True)
    for line in made.request:
        say(f"  {line}", err=True)
