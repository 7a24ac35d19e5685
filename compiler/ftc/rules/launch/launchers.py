"""Rules on launchers: required groups, options, and the switches of LLaMA-Factory."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.diagnostics.printable import on_a_line
from ftc.manifests.program import unwrapped
from ftc.manifests.steps import Step, given_once, spot_of
from ftc.rules.given import commands, variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.method import Accelerate, Command, Ddp, DeepSpeed, Fsdp, LlamafactoryCli
from ftc.spec.source import KeepOnVolume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.manifests.shell.script import Command as ShellCommand
    from ftc.manifests.shell.script import Word
    from ftc.plan.types import RunPlan

# Rules on a spec.


_LAUNCHER = ("launcher", "kind")


def trainer_needs_model_dataset_and_method(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory needs a model, a dataset and a method.

    `llamafactory-cli train` does not start without a model and a dataset, and ftc writes its YAML from the three
    groups. Your own program (launcher=command) does not need them.
    Source: LLaMA-Factory, hparams/parser.py and hparams/model_args.py.

    Wrong: dataset=none
    Right: launcher=command 'launcher.command=[python,train.py]' dataset=none
    """
    if not spec.trains:
        return
    for name, value in (("model", spec.model), ("dataset", spec.dataset), ("method", spec.method)):
        if value is None:
            message = f"is missing, but LLaMA-Factory needs a {name}"
            help_ = f"choose one ({name}=…), or run your own program (launcher=command)"
            yield Finding((name,), message, help_, (_LAUNCHER,))


def command_with_trainer_settings(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A command is not combined with settings that only LLaMA-Factory reads.

    launcher=command starts your program as it is, without train.yaml, engine, setup, merge or push. Such settings would
    be dropped silently.
    Source: ftc, which passes none of these settings to a command.

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
        message = "is set, but launcher=command does not pass it to the program"
        yield Finding((name,), message, "leave it out, or handle it in the program", (_LAUNCHER,))


def llamafactory_target_needs_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """`-t llamafactory` needs a run that LLaMA-Factory trains.

    launcher=command does not use a train.yaml, so there would be nothing to print.
    Source: ftc, which writes train.yaml for LLaMA-Factory only.

    Wrong: -t llamafactory launcher=command 'launcher.command=[python,train.py]'
    Right: -t llamafactory launcher=torchrun
    """
    if not spec.trains:
        yield Finding(("launcher",), "launcher=command does not use a train.yaml", "leave -t out, or use -t volcano")


def fsdp_needs_accelerate(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """FSDP is started by accelerate.

    ftc configures FSDP2 in accelerate's config file (`accelerate launch --config_file`), which no other launcher reads:
    every process would hold the whole model.
    Source: accelerate, commands/launch.py.

    Wrong: engine=fsdp2 devices=2
    Right: engine=fsdp2 devices=2 launcher=accelerate
    """
    if isinstance(spec.engine, Fsdp) and not isinstance(spec.launcher, Accelerate | Command):
        message = "FSDP is configured in accelerate's config file only"
        yield Finding(("engine",), message, "add launcher=accelerate", (_LAUNCHER,))


def sharding_needs_several_processes(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """DeepSpeed and FSDP have more than one process under accelerate.

    `accelerate launch` starts a single process without a process group. LLaMA-Factory then stops: `Please use
    FORCE_TORCHRUN=1 to launch DeepSpeed training`.
    Source: accelerate, commands/launch.py; LLaMA-Factory, hparams/parser.py.

    Wrong: launcher=accelerate engine=deepspeed-z2
    Right: launcher=torchrun engine=deepspeed-z2
    """
    alone = spec.processes == 1
    if alone and isinstance(spec.launcher, Accelerate) and isinstance(spec.engine, DeepSpeed | Fsdp):
        message = "needs several processes under accelerate, but there is only one"
        help_ = "use engine=ddp, more devices, or launcher=torchrun with DeepSpeed"
        yield Finding(("engine",), message, help_, (_LAUNCHER, ("nodes",), ("devices",)))


def script_target_needs_one_node(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A script runs on one machine.

    `ftc compile -t script` prints a script for the local machine. The other nodes would be missing, and the first would
    wait for them.
    Source: ftc, whose script starts one node.

    Wrong: -t script nodes=2
    Right: -t script nodes=1
    """
    if spec.nodes > 1:
        yield Finding(("nodes",), f"a script runs on one machine, but the job has {spec.nodes} nodes", "set nodes=1")


# LLaMA-Factory 0.9.3 to 0.9.5, extras/misc.py (is_env_enabled) and its callers.
_ON = frozenset(("1", "true", "y"))


_OFF = frozenset(("", "0", "false", "n", "no", "off"))


_SWITCHES = frozenset(
    (
        *("OPTIM_TORCH", "USE_RAY", "USE_KT", "USE_MCA", "USE_V1", "ALLOW_EXTRA_ARGS", "DISABLE_VERSION_CHECK"),
        *("FORCE_CHECK_IMPORTS", "USE_MODELSCOPE_HUB", "USE_OPENMIND_HUB", "RECORD_VRAM"),
    )
)


def invalid_trainer_switch_value(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A switch of LLaMA-Factory is turned on with 1, true or y.

    LLaMA-Factory reads any other value as off, without a message.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, extras/misc.py (is_env_enabled).

    Wrong: env.DISABLE_VERSION_CHECK=on
    Right: env.DISABLE_VERSION_CHECK=1
    """
    for path, name, value in variables(spec) if spec.trains else ():
        if name in _SWITCHES and value.lower() not in _ON | _OFF:
            yield Finding(path, f"is '{value[:20]}', which LLaMA-Factory reads as off", "write 1, true or y")


def conflicting_launch_mode(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory is started in the mode that ftc configures.

    USE_V1 starts another program, which takes another YAML, and USE_RAY turns each process of torchrun into a separate
    Ray driver.
    Source: LLaMA-Factory 0.9.4, cli.py and train/tuner.py.

    Wrong: env.USE_V1=1
    Right: env.USE_V1=0
    """
    if not spec.trains:
        return
    other = ("USE_V1",) if isinstance(spec.launcher, LlamafactoryCli) else ("USE_V1", "USE_RAY")
    for path, name, value in variables(spec):
        if name in other and value.lower() in _ON:
            help_ = "leave it out, or run your own program (launcher=command)"
            yield Finding(path, "starts a different program from the one that ftc writes the files for", help_)


_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash"))


_OPERATORS = frozenset(("&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1", "&>"))


_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|\([A-Za-z_]\w*\))")


def shell_syntax_in_argument_list(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A command is a list of words, and no shell interprets it.

    A program with blanks in its name is not found, `&&` and `>` are passed as arguments, and `$NAME` and `$(NAME)` are
    passed literally: ftc keeps Kubernetes from expanding them.
    Source: Kubernetes, Define a Command and Arguments for a Container.

    Wrong: 'setup=[["pip install tensorboard"]]'
    Right: 'setup=[[pip,install,tensorboard]]'
    """
    launcher_is_shell = any(_calls_shell(words) for path, words in commands(spec) if path[0] == "launcher")
    for path, words in commands(spec):
        if _calls_shell(words) or (path[0] == "launcher" and launcher_is_shell):
            continue
        if path[-1] != "args" and len(words[0].split()) > 1:
            yield Finding(
                (*path, 0), "names a single program with blanks in its name", "write a list: [python,train.py]"
            )
        for index, word in enumerate(words):
            if word in _OPERATORS:
                yield Finding(
                    (*path, index), f"'{word}' is passed as an argument: no shell interprets it", _START_SHELL
                )
            elif expanded := _VARIABLE.search(word):
                yield Finding((*path, index), f"'{expanded[0]}' is passed literally: no shell expands it", _START_SHELL)


_START_SHELL = "start a shell: [bash,-c,'…']"


def _calls_shell(words: Sequence[str]) -> bool:
    return any(word.rpartition("/")[2] in _SHELLS for word in words)


# Rules on manifests.


def unknown_launcher_option(step: Step) -> Iterator[Finding]:
    """Options of torchrun and accelerate exist.

    torchrun stops with `unrecognized arguments`, but accepts an unambiguous prefix of an option. accelerate takes the
    next word for the program.
    Source: PyTorch, torch/distributed/run.py; Python, argparse (allow_abbrev); accelerate, commands/launch.py.

    Wrong: tests/corpus/bad/FTC896-processes-misspelt.yaml
    Right: tests/corpus/good/FTC896-beginning-of-an-option.yaml
    """
    for launch in step.launches:
        known = _OPTIONS.get(launch.tool, ())
        takes_prefixes = launch.tool != "accelerate"
        for name, word in launch.options.items():
            accepted = any(one == name or (one.startswith(name) and takes_prefixes) for one in known)
            near = [] if accepted or len(name) <= 1 else get_close_matches(name, known, n=1)
            if near:
                message = f"--{name} is not an option of {launch.tool}"
                yield Finding(spot_of(step, word), message, f"did you mean '--{near[0]}'?")


_TORCHRUN = (
    *("nnodes", "nproc_per_node", "node_rank", "master_addr", "master_port", "local_addr", "role", "standalone"),
    *("rdzv_backend", "rdzv_endpoint", "rdzv_id", "rdzv_conf", "max_restarts", "monitor_interval", "start_method"),
    *("module", "no_python", "run_path", "log_dir", "logs_specs", "redirects", "tee", "local_ranks_filter", "use_env"),
    *("event_log_handler", "numa_binding", "signals_to_handle", "virtual_local_rank", "use_agent_store"),
    *("duplicate_stdout_filters", "duplicate_stderr_filters", "help"),
)


_ACCELERATE = (
    *("config_file", "cpu", "multi_gpu", "tpu", "ipex", "use_xpu", "mixed_precision", "num_processes", "num_machines"),
    *("num_cpu_threads_per_process", "enable_cpu_affinity", "use_deepspeed", "use_fsdp", "use_parallelism_config"),
    *("use_megatron_lm", "gpu_ids", "same_network", "machine_rank", "main_process_ip", "main_process_port", "tee"),
    *("log_dir", "role", "rdzv_backend", "rdzv_conf", "max_restarts", "monitor_interval", "module", "no_python"),
    *("main_training_function", "downcast_bf16", "debug", "quiet", "help", "mpirun_hostfile", "mpirun_ccl", "env"),
    *("dynamo_backend", "dynamo_mode", "dynamo_use_fullgraph", "dynamo_use_dynamic", "gradient_accumulation_steps"),
    *("gradient_clipping", "zero_stage", "zero3_init_flag", "zero3_save_16bit_model", "offload_optimizer_device"),
    *("offload_param_device", "offload_optimizer_nvme_path", "offload_param_nvme_path", "deepspeed_config_file"),
    *("deepspeed_hostfile", "deepspeed_exclusion_filter", "deepspeed_inclusion_filter", "deepspeed_multinode_launcher"),
    *(
        "deepspeed_moe_layer_cls_names",
        "fsdp_version",
        "fsdp_offload_params",
        "fsdp_min_num_params",
        "vm",
        "tpu_cluster",
    ),
    *("fsdp_sharding_strategy", "fsdp_reshard_after_forward", "fsdp_auto_wrap_policy", "fsdp_backward_prefetch"),
    *("fsdp_transformer_layer_cls_to_wrap", "fsdp_state_dict_type", "fsdp_forward_prefetch", "fsdp_use_orig_params"),
    *("fsdp_cpu_ram_efficient_loading", "fsdp_sync_module_states", "fsdp_activation_checkpointing"),
)


_OPTIONS = {"torchrun": _TORCHRUN, "accelerate": _ACCELERATE}


def misspelled_launcher(step: Step) -> Iterator[Finding]:
    """The names of launchers, of their subcommands and of their modules are spelled correctly.

    Otherwise the shell reports `command not found`, LLaMA-Factory `Unknown command`, and Python `No module named`.
    Source: the console scripts of torch, accelerate, deepspeed and llamafactory; LLaMA-Factory, launcher.py.

    Wrong: tests/corpus/bad/FTC828-launcher-misspelt.yaml
    Right: tests/corpus/good/FTC828-program-of-ones-own.yaml
    """
    first = next(iter(step.container.command), "")
    if " " in first and "/" not in first.partition(" ")[2]:
        help_ = f"write one word per item: [{', '.join(first.split())}]"
        yield Finding(step.at("command", 0), f"{on_a_line(first)} is not a program", help_, severity=Severity.ERROR)
    functions = {name.rpartition("/")[2] for name in step.script.functions}
    for command in map(unwrapped, step.script.commands):
        for word, known in _names(command):
            text = step.value(word) or ""
            near = _intended(text, known) if text not in functions and "/" not in text else ""
            if near:
                yield Finding(
                    spot_of(step, word),
                    f"'{text}' is not a known program, subcommand or module",
                    f"did you mean '{near}'?",
                )


@lru_cache(maxsize=4096)
def _intended(text: str, known: tuple[str, ...]) -> str:
    """The known name that a word nearly matches; empty if it is a known name itself."""
    return "" if text in known else next(iter(get_close_matches(text, known, n=1, cutoff=_NEAR)), "")


def _names(command: ShellCommand) -> Iterator[tuple[Word, tuple[str, ...]]]:
    """The words that name a program, a subcommand or a module, each with the known names."""
    if command.words:
        yield command.words[0], _PROGRAMS
    words = command.arguments
    if command.name in _SUBCOMMANDS and words:
        yield words[0], _SUBCOMMANDS[command.name]
    for before, word in pairwise(words):
        if before.text in ("-m", "--module"):
            yield word, _MODULES


_NEAR = 0.8


_PROGRAMS = ("torchrun", "accelerate", "llamafactory-cli", "lmf", "deepspeed", "mpirun", "mpiexec")


_LLAMAFACTORY = ("api", "chat", "eval", "export", "train", "webchat", "webui", "env", "version", "help")


_SUBCOMMANDS = {
    "llamafactory-cli": _LLAMAFACTORY,
    "lmf": _LLAMAFACTORY,
    "accelerate": ("config", "env", "estimate-memory", "launch", "merge-weights", "test", "tpu-config", "to-fsdp2"),
}


_MODULES = (
    *("llamafactory.launcher", "llamafactory.cli", "torch.distributed.run", "torch.distributed.launch"),
    *("torch.distributed.elastic", "accelerate.commands.launch", "deepspeed.launcher.launch"),
)


def invalid_force_torchrun_value(step: Step) -> Iterator[Finding]:
    """FORCE_TORCHRUN is turned on with 1, true or y.

    LLaMA-Factory reads any other value as off: FORCE_TORCHRUN=yes does not start torchrun.
    Source: LLaMA-Factory, extras/misc.py (is_env_enabled).

    Wrong: tests/corpus/bad/FTC845-yes-is-no.yaml
    Right: tests/corpus/good/FTC845-one-is-yes.yaml
    """
    for launch in step.launches:
        if launch.tool != "llamafactory":
            continue
        word = given_once(step, launch, "FORCE_TORCHRUN")
        variable = step.environment.get("FORCE_TORCHRUN")
        text = step.value(word) if word is not None else variable.value if variable is not None else None
        if text is not None and text.lower() in ("yes", "on", "t", "enable", "enabled"):
            index = variable.index if variable is not None else None
            place = spot_of(step, word) if word is not None else step.at("env", index or 0)
            yield Finding(place, f"llamafactory-cli reads FORCE_TORCHRUN={text} as off", "write FORCE_TORCHRUN=1")


RULES = (
    Rule(
        "FTC101", "trainer-needs-model-dataset-and-method", trainer_needs_model_dataset_and_method, JobSpec, needed=True
    ),
    Rule("FTC102", "command-with-trainer-settings", command_with_trainer_settings, JobSpec),
    Rule("FTC103", "fsdp-needs-accelerate", fsdp_needs_accelerate, JobSpec, needed=True),
    Rule("FTC104", "sharding-needs-several-processes", sharding_needs_several_processes, JobSpec),
    Rule(
        "FTC107",
        "llamafactory-target-needs-trainer",
        llamafactory_target_needs_trainer,
        JobSpec,
        target="llamafactory",
        needed=True,
    ),
    Rule("FTC507", "script-target-needs-one-node", script_target_needs_one_node, JobSpec, target="script", needed=True),
    Rule("FTC134", "invalid-trainer-switch-value", invalid_trainer_switch_value, JobSpec, Severity.WARNING),
    Rule("FTC135", "conflicting-launch-mode", conflicting_launch_mode, JobSpec),
    Rule("FTC136", "shell-syntax-in-argument-list", shell_syntax_in_argument_list, JobSpec, Severity.WARNING),
    Rule("FTC828", "misspelled-launcher", misspelled_launcher, Step, Severity.WARNING),
    Rule("FTC896", "unknown-launcher-option", unknown_launcher_option, Step),
    Rule("FTC845", "invalid-force-torchrun-value", invalid_force_torchrun_value, Step),
)
