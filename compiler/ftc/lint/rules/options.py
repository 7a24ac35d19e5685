"""Rules on the words of launchers' commands: programs, subcommands and options are spelt as they are."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.diagnostics.redact import on_a_line
from ftc.lint.program import unwrapped
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step
from ftc.lint.world import spot_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.shell.script import Command, Word


def options_are_known(step: Step) -> Iterator[Finding]:
    """An option of torchrun or accelerate is one that it has.

    torchrun stops with: unrecognized arguments; a beginning that only one option has stands for that option. accelerate
    takes the next word for the program.
    Source: PyTorch, torch/distributed/run.py; Python, argparse (allow_abbrev); accelerate, commands/launch.py.

    Wrong: tests/corpus/bad/FTC896-processes-misspelt.yaml
    Right: tests/corpus/good/FTC896-beginning-of-an-option.yaml
    """
    for launch in step.launches:
        known = _OPTIONS.get(launch.tool, ())
        whole = launch.tool == "accelerate"
        for name, word in launch.options.items():
            begun = any(one == name or (one.startswith(name) and not whole) for one in known)
            near = [] if begun or len(name) <= 1 else get_close_matches(name, known, n=1)
            if near:
                message = f"{launch.tool} has no option --{name}"
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


def programs_are_spelt_right(step: Step) -> Iterator[Finding]:
    """A launcher is called by its name, and its subcommand and module too.

    The shell says: command not found; LLaMA-Factory: Unknown command; Python: No module named.
    Source: the console scripts of torch, accelerate, deepspeed and llamafactory; LLaMA-Factory, launcher.py.

    Wrong: tests/corpus/bad/FTC828-launcher-misspelt.yaml
    Right: tests/corpus/good/FTC828-program-of-ones-own.yaml
    """
    first = next(iter(step.container.command), "")
    if " " in first and "/" not in first.partition(" ")[2]:
        help_ = f"write a word an item: [{', '.join(first.split())}]"
        yield Finding(step.at("command", 0), f"there is no program {on_a_line(first)}", help_, Severity.ERROR)
    own = {name.rpartition("/")[2] for name in step.script.functions}
    for command in map(unwrapped, step.script.commands):
        for word, known in _spelt(command):
            text = step.value(word) or ""
            near = _meant(text, known) if text not in own and "/" not in text else ""
            if near:
                yield Finding(spot_of(step, word), f"there is no '{text}'", f"did you mean '{near}'?")


@lru_cache(maxsize=4096)
def _meant(text: str, known: tuple[str, ...]) -> str:
    """The one of these that a word is nearly, where it is none of them."""
    return "" if text in known else next(iter(get_close_matches(text, known, n=1, cutoff=_NEAR)), "")


def _spelt(command: Command) -> Iterator[tuple[Word, tuple[str, ...]]]:
    """The words that name something of a launcher's, each with the names that there are."""
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

RULES = (
    Rule("FTC828", programs_are_spelt_right, Step, Severity.WARNING),
    Rule("FTC896", options_are_known, Step),
)
