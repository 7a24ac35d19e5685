"""Rules on what is started: the launcher with the groups that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.plan.environment import objection
from ftc.spec.launcher import Accelerate, Command
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.spec.source import KeepOnVolume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_LAUNCHER = ("launcher", "kind")


def trainer_is_complete(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A launcher of LLaMA-Factory has a model, a dataset and a method.

    `llamafactory-cli train` needs a model and a dataset to start (hparams/parser.py), and ftc writes its YAML from the
    three groups. A program of your own needs none of them.

    Wrong: dataset=none
    Right: launcher=command 'launcher.command=[python,train.py]' dataset=none
    """
    if not spec.trains:
        return
    for name, value in (("model", spec.model), ("dataset", spec.dataset), ("method", spec.method)):
        if value is None:
            message = f"is none, and LLaMA-Factory needs a {name}"
            help_ = f"choose one ({name}=…), or run a program of your own (launcher=command)"
            yield Finding((name,), message, help_, (_LAUNCHER,))


def command_stands_alone(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A command gets no settings that only LLaMA-Factory would read.

    launcher=command starts your program as it is: no train.yaml, no engine, no setup, no merge and no push come with
    it. What is set all the same would be left out without a word.

    Wrong: launcher=command 'launcher.command=[python,train.py]' train.max_steps=1
    Right: launcher=command 'launcher.command=[python,train.py,--max-steps,1]'
    """
    if spec.trains:
        return
    unused = {
        "method": spec.method is not None,
        "engine": not isinstance(spec.engine, Ddp),
        "train": bool(spec.train),
        "setup": bool(spec.setup),
        "publish": not isinstance(spec.publish, KeepOnVolume),
    }
    for name in [name for name, given in unused.items() if given]:
        message = "is given, and launcher=command runs a program that does not get it"
        yield Finding((name,), message, "leave it out, or do it in the program", (_LAUNCHER,))


def trainer_has_yaml(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What is printed with `-t llamafactory` is the YAML of a run that LLaMA-Factory trains.

    A run of launcher=command has no train.yaml, so there would be nothing to print.

    Wrong: -t llamafactory launcher=command 'launcher.command=[python,train.py]'
    Right: -t llamafactory launcher=torchrun
    """
    if not spec.trains:
        yield Finding(("launcher",), "a command has no LLaMA-Factory YAML", "leave -t out, or use -t volcano")


def fsdp_needs_accelerate(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """FSDP is started by accelerate.

    ftc sets FSDP2 up through accelerate's config file (`accelerate launch --config_file`), which no other launcher
    reads: every process would hold the whole model.

    Wrong: engine=fsdp2 devices=2
    Right: engine=fsdp2 devices=2 launcher=accelerate
    """
    if isinstance(spec.engine, Fsdp) and not isinstance(spec.launcher, Accelerate | Command):
        message = "FSDP is set up by accelerate's config file only"
        yield Finding(("engine",), message, "add launcher=accelerate", (_LAUNCHER,))


def sharding_needs_peers(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Under accelerate, DeepSpeed and FSDP have more than one process.

    `accelerate launch` starts a single process without a process group. LLaMA-Factory then says: Please use
    `FORCE_TORCHRUN=1` to launch DeepSpeed training (hparams/parser.py).

    Wrong: launcher=accelerate engine=deepspeed-z2
    Right: launcher=torchrun engine=deepspeed-z2
    """
    alone = spec.processes == 1
    if alone and isinstance(spec.launcher, Accelerate) and isinstance(spec.engine, DeepSpeed | Fsdp):
        message = "needs several processes under accelerate, and there is one"
        help_ = "use engine=ddp, more devices, or launcher=torchrun with DeepSpeed"
        yield Finding(("engine",), message, help_, (_LAUNCHER, ("nodes",), ("devices",)))


def merge_needs_adapter(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only a LoRA adapter is merged.

    LLaMA-Factory's export says: Adapter is only valid for the LoRA method (hparams/parser.py). The job would train to
    the end and fail then.

    Wrong: method=full-sft 'method.merge={export_size: 4}'
    Right: method=full-sft
    """
    if spec.method is not None and spec.method.merge is not None and spec.method.finetuning_type != "lora":
        message = f"only a LoRA adapter can be merged, and finetuning_type is {spec.method.finetuning_type}"
        yield Finding(("method", "merge"), message, "set method.merge=null", (("method", "finetuning_type"),))


def whole_weights_are_quantized(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What is exported in fewer bits are whole weights.

    LLaMA-Factory's export says: Please merge adapters before quantizing the model (train/tuner.py, export_model).

    Wrong: method.merge=null 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    Right: 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    """
    method = spec.method
    if method is None or method.quantize is None or method.merge is not None:
        return
    if method.finetuning_type in ("lora", "oft"):
        message = "an adapter cannot be quantized"
        help_ = "leave it out, or merge before: method.merge={…}"
        yield Finding(("method", "quantize"), message, help_, (("method", "merge"),))


_FILES_OF_TEXTS = (".arrow", ".csv", ".json", ".jsonl", ".parquet", ".txt")


def calibration_is_read(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The texts to calibrate with are a file that LLaMA-Factory reads, or a dataset of the hub.

    A name that is no file there is taken for a dataset of the hub, and a file of another kind is not read: the export
    fails when the training is done (model/model_utils/quantization.py, FILEEXT2TYPE).

    Wrong: 'method.quantize={bits: 4, dataset: texts.jsonl}'
    Right: 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    """
    if spec.method is None or spec.method.quantize is None:
        return
    name = spec.method.quantize.dataset
    known = name.endswith(_FILES_OF_TEXTS)
    message = ""
    if name.startswith("/") and not known:
        message = f"{name} is of no kind that LLaMA-Factory reads"
    elif known and not name.startswith("/"):
        message = f"{name} is looked for in the run's directory, where nobody puts it"
    if message:
        help_ = f"give the whole path of a file in {', '.join(_FILES_OF_TEXTS)}, or a dataset of the hub"
        yield Finding(("method", "quantize", "dataset"), message, help_)


def variables_are_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The variables of the rendezvous, of the scripts and of bash are not set by the user.

    ftc gives them to each pod (rank, address, directories). One that is the same everywhere makes ranks wait for each
    other forever, or scripts look in the wrong place. Those of bash change what the scripts do: SHELLOPTS=xtrace would
    print credentials to the log.

    Wrong: env.MASTER_ADDR=10.0.0.1
    Right: env.NCCL_DEBUG=INFO
    """
    groups = {"hardware": spec.hardware.env, "network": spec.network.env, "cluster": spec.cluster.env}
    given = [(("env",), spec.env), *(((name, "env"), variables) for name, variables in groups.items())]
    for path, variables in given:
        for name in sorted(variables):
            if message := objection(name):
                yield Finding((*path, name), message, "leave it out", at_key=True)


RULES = (
    Rule("FTC101", trainer_is_complete, needed=True),
    Rule("FTC102", command_stands_alone),
    Rule("FTC103", fsdp_needs_accelerate, needed=True),
    Rule("FTC104", sharding_needs_peers),
    Rule("FTC105", merge_needs_adapter),
    Rule("FTC106", variables_are_free, needed=True),
    Rule("FTC107", trainer_has_yaml, target="llamafactory", needed=True),
    Rule("FTC108", whole_weights_are_quantized),
    Rule("FTC109", calibration_is_read),
)
