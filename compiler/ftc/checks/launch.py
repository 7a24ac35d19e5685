"""Rules on what is started: the launcher with the groups that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.plan.environment import OURS
from ftc.spec.launcher import Accelerate, Command
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.spec.source import GitPush

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def trainer_is_complete(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A launcher of LLaMA-Factory needs a model, a dataset and a method."""
    if isinstance(spec.launcher, Command):
        return
    for name, value in (("model", spec.model), ("dataset", spec.dataset), ("method", spec.method)):
        if value is None:
            message = f"is none, and LLaMA-Factory needs a {name}"
            yield Finding((name,), message, f"choose one ({name}=…), or run a program of your own (launcher=command)")


def command_stands_alone(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A command knows nothing of what ftc writes for LLaMA-Factory."""
    if not isinstance(spec.launcher, Command):
        return
    unused = {
        "method": spec.method is not None,
        "engine": not isinstance(spec.engine, Ddp),
        "train": bool(spec.train),
        "setup": bool(spec.setup),
        "publish": isinstance(spec.publish, GitPush),
    }
    for name in [name for name, given in unused.items() if given]:
        message = "is given, and launcher=command runs a program that does not get it"
        yield Finding((name,), message, "leave it out, or do it in the program")


def trainer_has_yaml(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A command has no LLaMA-Factory YAML to print."""
    if isinstance(spec.launcher, Command):
        yield Finding(("launcher",), "a command has no LLaMA-Factory YAML", "leave -t out, or use -t volcano")


def fsdp_needs_accelerate(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """FSDP2 is configured through accelerate's config file."""
    if isinstance(spec.engine, Fsdp) and not isinstance(spec.launcher, Accelerate | Command):
        yield Finding(("engine",), "FSDP is set up by accelerate's config file only", "add launcher=accelerate")


def sharding_needs_peers(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`accelerate launch` starts a single process without a process group.

    LLaMA-Factory then says: Please use `FORCE_TORCHRUN=1` to launch DeepSpeed training (hparams/parser.py).
    """
    alone = spec.nodes * spec.devices == 1
    if alone and isinstance(spec.launcher, Accelerate) and isinstance(spec.engine, DeepSpeed | Fsdp):
        message = "needs several processes under accelerate, and there is one"
        yield Finding(("engine",), message, "use engine=ddp, more devices, or launcher=torchrun with DeepSpeed")


def merge_needs_adapter(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory's export says: Adapter is only valid for the LoRA method (hparams/parser.py)."""
    if spec.method is not None and spec.method.merge is not None and spec.method.finetuning_type != "lora":
        message = f"only a LoRA adapter can be merged, and finetuning_type is {spec.method.finetuning_type}"
        yield Finding(("method", "merge"), message, "set method.merge=null")


def variables_are_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The variables of the rendezvous and of the scripts are not the user's to set."""
    given = {("env",): spec.env, ("hardware", "env"): spec.hardware.env, ("cluster", "env"): spec.cluster.env}
    for path, variables in given.items():
        for name in sorted(OURS & variables.keys()):
            yield Finding((*path, name), "is set by ftc for each pod", "leave it out")


RULES = (
    Rule("FTC101", trainer_is_complete),
    Rule("FTC102", command_stands_alone),
    Rule("FTC103", fsdp_needs_accelerate),
    Rule("FTC104", sharding_needs_peers),
    Rule("FTC105", merge_needs_adapter),
    Rule("FTC106", variables_are_free),
    Rule("FTC107", trainer_has_yaml, target="llamafactory"),
)
