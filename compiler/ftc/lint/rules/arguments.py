"""Rules on single arguments of LLaMA-Factory: their names, their values, the template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import did_you_mean, nearest
from ftc.lint.configs import Config
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step
from ftc.trainer import release, values
from ftc.trainer.ranges import OF_LORA, RANGES, REPORTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.shell.script import Word


def _command(config: Config) -> str:
    return "export" if config.exports else "train"


# With these in its environment LLaMA-Factory passes over keys that it does not know, or has others.
_OTHERWISE = {"ALLOW_EXTRA_ARGS", "USE_V1"}


def arguments_are_known(config: Config) -> Iterator[Finding]:
    """The trainer's YAML has no key that the trainer does not know.

    LLaMA-Factory stops at once: Some keys are not used by the HfArgumentParser. Said where no release that may run it
    knows the key.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py; schemas made of its own code.

    Wrong: tests/corpus/bad/FTC871-learning-rte.yaml
    Right: tests/corpus/good/FTC871-key-of-one-release.yaml
    """
    command = _command(config)
    known = config.arguments(command)
    if known is None or (config.step is not None and _OTHERWISE & config.step.environment.variables.keys()):
        return
    for name in [name for name in config.data if name not in known]:
        releases = " or ".join(pair.partition("+")[0] for pair in config.releases)
        message = f"'{name}' is no argument of `llamafactory-cli {command}` in llamafactory {releases}"
        yield Finding(config.at(name), message, nearest(name, known) if len(name) > 1 else "")


def values_fit(config: Config) -> Iterator[Finding]:
    """A value of the trainer's YAML is one that its argument takes.

    LLaMA-Factory looks at neither types nor choices of a YAML file: a wrong one fails after the model is loaded, or
    trains otherwise than it says.
    Source: transformers, HfArgumentParser.parse_dict; schemas made of LLaMA-Factory's own code.

    Wrong: tests/corpus/bad/FTC872-rank-of-a-text.yaml
    Right: tests/corpus/good/FTC872-value-of-the-shell.yaml
    """
    for name in config.data:
        value = config.value(name)
        problems = [
            values.problem(value, release.arguments(pair)["arguments"].get(name, {})) for pair in config.releases
        ]
        if value is not None and all(problems):
            choices = release.arguments(config.releases[-1])["arguments"].get(name, {}).get("enum", [])
            help_ = did_you_mean(str(value), [str(choice) for choice in choices]) if choices else ""
            yield Finding(config.at(name), f"{name} {problems[-1]}", help_)
        elif name in _RANGES and not _RANGES[name].takes(value):
            yield Finding(config.at(name), f"{name} is {value}, out of range", f"give {_RANGES[name].text}")
    reporter = config.value("report_to")
    if isinstance(reporter, str) and reporter not in REPORTERS and (near := nearest(reporter, REPORTERS)):
        yield Finding(config.at("report_to"), f"transformers does not report to '{reporter}'", near)


_RANGES = RANGES | OF_LORA


def template_is_known(config: Config) -> Iterator[Finding]:
    """The chat template is one of LLaMA-Factory's.

    It says so after it has loaded the tokenizer: Template … does not exist.
    Source: LLaMA-Factory, data/template.py.

    Wrong: tests/corpus/bad/FTC873-template-misspelt.yaml
    Right: tests/corpus/good/FTC873-template-of-one-release.yaml
    """
    name = config.value("template")
    known = {template for pair in config.releases for template in release.data(pair)["templates"]}
    if isinstance(name, str) and name not in known:
        yield Finding(config.at("template"), f"there is no template '{name}'", did_you_mean(name, known))


def configs_are_yaml(config: Config) -> Iterator[Finding]:
    """The trainer's YAML is YAML.

    LLaMA-Factory from 0.9.4 on reads it with OmegaConf, which takes no key twice.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: tests/corpus/bad/FTC880-key-twice.yaml
    Right: tests/corpus/good/FTC880-keys-once.yaml
    """
    for problem in config.problems:
        if config.text is not None and problem.position is not None:
            yield Finding(
                config.text.at_line(problem.position.line, problem.position.column), problem.message, problem.help
            )


def flags_are_known(step: Step) -> Iterator[Finding]:
    """Arguments of LLaMA-Factory on a command line are ones that it knows.

    It stops at once: Some keys are not used by the HfArgumentParser.
    Source: LLaMA-Factory, hparams/parser.py (read_args); schemas made of its own code.

    Wrong: tests/corpus/bad/FTC881-flag-misspelt.yaml
    Right: tests/corpus/good/FTC881-flags.yaml
    """
    for launch in step.launches:
        words = list(launch.rest)
        texts = [word.text or "" for word in words[:3]]
        ours = launch.tool == "llamafactory" or any(
            t.endswith(("src/train.py", "llamafactory.launcher")) for t in texts
        )
        known = Config({}, step.pod.job.object.document, step=step).arguments("train") if ours else None
        if known is None:
            continue
        for word in words[1:]:
            name = _flag(word)
            if name and name not in known and step.program is not None:
                message = f"'{name}' is no argument of LLaMA-Factory's train"
                yield Finding(step.program.at(word.start), message, nearest(name, known))


def _flag(word: Word) -> str:
    """The name in `--name`, `--name=value` and `name=value`."""
    found = re.match(r"(?:--)?([a-z][a-z0-9_]{2,})(=|$)", word.literal)
    return found[1] if found and (word.literal.startswith("--") or found[2]) else ""


RULES = (
    Rule("FTC871", arguments_are_known, Config),
    Rule("FTC872", values_fit, Config),
    Rule("FTC873", template_is_known, Config),
    Rule("FTC880", configs_are_yaml, Config),
    Rule("FTC881", flags_are_known, Step),
)
