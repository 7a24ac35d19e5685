"""Rules on the variables of a container: their names, their length, and who sets them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.environment import plugin_variables, size_of
from ftc.manifests.steps import Step
from ftc.plan.environment import objection
from ftc.rules.given import named_containers, pods
from ftc.rules.pod.contents import duplicates
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


def variables_stay(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment leaves the variables of ftc alone.

    A fragment's variables come last, over those that ftc sets for each pod (rank, address, directories). Those that
    bash reads at its start change what the scripts do.

    Wrong: 'pod={spec: {containers: [{name: train, env: [{name: NNODES, value: "3"}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}'
    """
    ours = {step.name for step in run.steps}
    for path, pod in pods(spec):
        for field, container in named_containers(pod):
            for name in sorted({variable["name"] for variable in container.get("env", [])}):
                if (message := objection(name)) and container["name"] in ours:
                    yield Finding((*path, field), f"{name} {message}", "leave it out")


# Rules on manifests.


def variables_are_given_once(step: Step) -> Iterator[Finding]:
    """A container gives a variable once.

    The API server takes two of a name, and the last counts.
    Source: Kubernetes, pkg/kubelet (makeEnvironmentVariables).

    Wrong: tests/corpus/bad/FTC821-variable-twice.yaml
    Right: tests/corpus/good/FTC821-variable-in-two-containers.yaml
    """
    entries: list[tuple[KeyPath, str]] = [(("env", i), variable.name) for i, variable in enumerate(step.container.env)]
    for place, name, first in duplicates(entries):
        message = f"{name} is given already, and the last one counts"
        yield Finding(step.at(*place), message, "keep one of the two", related=(step.at(*first),))


def variables_can_be_read(step: Step) -> Iterator[Finding]:
    """A variable has a name that a program can read.

    A shell passes over one with other characters than letters, digits and '_'; older clusters refuse some of them. A
    name in small letters with '-' or '.' is a program's own.
    Source: Kubernetes, relaxed environment variable validation (1.32); bash, names.

    Wrong: tests/corpus/bad/FTC827-variable-with-a-blank.yaml
    Right: tests/corpus/good/FTC827-variable-with-digits.yaml
    """
    for index, variable in enumerate(step.container.env):
        if variable.name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|[a-z][a-z0-9.-]*", variable.name):
            message = f"no shell reads a variable called '{variable.name}'"
            yield Finding(step.at("env", index), message, "use letters, digits and '_', not a digit first")


def own_values_count(step: Step) -> Iterator[Finding]:
    """A variable of a container is what it says.

    Plugins add theirs behind the container's own, and the last of a name counts. So `$(VC_WORKER_HOSTS)` in a value
    stands before its variable, and stays as it is, letter by letter.
    Source: Volcano, pkg/controllers/job/plugins; Kubernetes, dependent environment variables.

    Wrong: tests/corpus/bad/FTC835-variable-of-a-variable.yaml
    Right: tests/corpus/good/FTC835-variable-in-the-script.yaml
    """
    added = {variable.name: variable.plugin for variable in plugin_variables(step.pod, init=step.init)}
    for index, variable in enumerate(step.container.env):
        if variable.name in added:
            message = f"plugin {added[variable.name]} sets {variable.name}, and its value counts"
            yield Finding(step.at("env", index), message, "leave it out", severity=Severity.WARNING)
        for name in re.findall(r"\$\(([A-Za-z_]\w*)\)", variable.value or ""):
            if name in added:
                message = f"$({name}) is not expanded here: plugin {added[name]} sets {name} behind it"
                yield Finding(step.at("env", index), message, f"use ${name} in the script")


# MAX_ARG_STRLEN, 32 pages of 4 KiB; it counts a variable's name, the `=` and the NUL at the end.
MAX_STRING = 131_072


def no_string_is_longer_than_linux_takes(step: Step) -> Iterator[Finding]:
    """A variable or an argument of a container has less than 131072 bytes.

    Linux starts no program with a longer one, on nodes with pages of 4 KiB: the container ends at once with "argument
    list too long". It is counted as Kubernetes expands it, with the variables that `$(NAME)` puts in; one that is made
    of others several times doubles and doubles again. A longer text belongs into a file, from a ConfigMap say.
    Source: Linux, include/uapi/linux/binfmts.h, MAX_ARG_STRLEN; execve(2).

    Wrong: tests/corpus/bad/FTC017-variable-that-doubles.yaml
    Right: tests/corpus/good/FTC017-variable-of-another.yaml
    """
    found = step.environment.variables
    for one in found.values():
        size = len(one.name) + one.size + 2
        if size > MAX_STRING and one.index is not None:
            yield Finding(step.at("env", one.index, "value"), *_said(f"the variable {one.name}", size))
    for field, words in (("command", step.container.command), ("args", step.container.args)):
        for index, word in enumerate(words):
            size = size_of(word, found) + 1
            if size > MAX_STRING:
                yield Finding(step.at(field, index), *_said("the argument", size))


def _said(what: str, size: int) -> tuple[str, str]:
    count = f"{size} bytes" if size < _MANY else "billions of bytes"
    return f"{what} has {count}, and Linux takes {MAX_STRING}", "put the text into a file, from a ConfigMap say"


_MANY = 10**9


RULES = (
    Rule("FTC511", "reserved-variable-in-fragment", variables_stay, JobSpec, needed=True),
    Rule("FTC821", "duplicate-variable", variables_are_given_once, Step, Severity.WARNING),
    Rule("FTC827", "invalid-variable-name", variables_can_be_read, Step, Severity.WARNING),
    Rule("FTC835", "variable-overwritten-by-plugin", own_values_count, Step),
    Rule("FTC017", "argument-exceeds-kernel-limit", no_string_is_longer_than_linux_takes, Step, Severity.WARNING),
)
