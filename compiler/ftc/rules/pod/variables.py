"""Rules on the variables of a container: their names, their length, and what sets them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.constraints import OLD_VARIABLE, VARIABLE
from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.environment import Variable, plugin_variables, size_of
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Step, spot_of
from ftc.plan.environment import objection
from ftc.plan.pod import recorded
from ftc.rules.given import commands, named_containers, pods, variables
from ftc.rules.pod.contents import duplicates
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


def no_reserved_variable(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment does not override the variables of ftc.

    The variables of a fragment override those that ftc sets for each pod, such as rank, address and directories.
    Variables that bash reads at startup change the behavior of the scripts.
    Source: ftc, whose scripts read these variables; bash, Bash Variables.

    Wrong: 'pod={spec: {containers: [{name: train, env: [{name: NNODES, value: "3"}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}'
    """
    ours = {step.name for step in run.steps}
    for path, pod in pods(spec):
        for field, container in named_containers(pod):
            for name in sorted({variable["name"] for variable in container.get("env", [])}):
                if (message := objection(name)) and container["name"] in ours:
                    yield Finding((*path, field), f"{name} {message}", "remove it")


# Their clients use the text as it is: requests refuses an address without a scheme.
_ADDRESSES = ("HF_ENDPOINT", "WANDB_BASE_URL")


def hub_address_needs_scheme(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The address of a hub or a tracker, in a variable or a script, begins with https://.

    The client uses it as it is: `MissingSchema: Invalid URL 'hf-mirror.com/api/models/…': No scheme supplied`, after
    the pod has started.
    Source: huggingface_hub, constants.py (HF_ENDPOINT); requests, models.py; wandb, sdk/wandb_settings.py.

    Wrong: env.HF_ENDPOINT=hf-mirror.com
    Right: env.HF_ENDPOINT=https://hf-mirror.com
    """
    for path, name, value in variables(spec):
        if name in _ADDRESSES and _lacks_scheme(value):
            yield Finding(path, *_without_scheme(name, value))


def _without_scheme(name: str, value: str) -> tuple[str, str]:
    return f"{name} is {value}, which does not begin with https://", f"write https://{value}"


def _lacks_scheme(value: str | None) -> bool:
    return bool(value) and "$" not in str(value) and not re.match(r"https?://", str(value), re.IGNORECASE)


def no_string_of_a_pod_exceeds_kernel_limit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A variable, an argument or a word of a command is shorter than 131072 bytes.

    On nodes with 4 KiB pages Linux does not start a program with a longer string: the container fails with "argument
    list too long". The limit includes the name of a variable, and applies after Kubernetes has expanded `$(NAME)`.
    Source: Linux, include/uapi/linux/binfmts.h (MAX_ARG_STRLEN); execve(2).

    Wrong: "env.A=$(printf a%070000d)" 'env.B="$(A)$(A)"'
    Right: "env.A=$(printf a%070000d)" 'env.B="$(A)"'
    """
    for key, listed in commands(spec):
        for (_, index), problem in _long_strings({}, {"args": listed}):
            yield Finding((*key, index), *problem)
    pod = recorded(run)
    given = {name: path for path, name, _ in variables(spec)}
    for field in ("initContainers", "containers"):
        for number, container in enumerate(pod.content["spec"].get(field, ())):
            words = {name: container.get(name, ()) for name in ("command", "args")}
            for (part, index), problem in _long_strings(_sizes(container), words):
                set_by = pod.record.at(("spec", field, number, part, index)).source.key
                own = given.get(container["env"][index]["name"]) if part == "env" else None
                if place := set_by or own:
                    yield Finding(place, *problem)


def _sizes(container: Json) -> dict[str, Variable]:
    """The variables of a container with the sizes of their values."""
    found: dict[str, Variable] = {}
    for index, one in enumerate(container.get("env", ())):
        found[one["name"]] = Variable(one["name"], index=index, size=size_of(one.get("value") or "", found))
    return found


# Rules on manifests.


def hub_address_needs_scheme_in_manifests(step: Step) -> Iterator[Finding]:
    """The address of a hub or a tracker in a container of a manifest, or in its script, begins with https://."""
    for name in _ADDRESSES:
        given = step.environment.get(name)
        if given is not None and given.index is not None and _lacks_scheme(given.value):
            yield Finding(step.at("env", given.index), *_without_scheme(name, given.value or ""))
    settings = [one for command in step.script.commands for one in command.settings]
    for one in (*step.script.assignments, *settings):
        value = step.value(one.value) if one.name in _ADDRESSES and one.value is not None else None
        if one.value is not None and value is not None and _lacks_scheme(value):
            yield Finding(spot_of(step, one.value), *_without_scheme(one.name, value))


def no_duplicate_variable(step: Step) -> Iterator[Finding]:
    """A container sets each variable only once.

    The API server rejects duplicates in a VolcanoJob (`Duplicate value`), whose definition makes the name the key of
    the list. In other objects it accepts them with a warning, and the last one takes effect.
    Source: Volcano's resource definitions (x-kubernetes-list-map-keys); Kubernetes, pkg/kubelet
    (makeEnvironmentVariables).

    Wrong: tests/corpus/bad/FTC821-duplicate-variable.yaml
    Right: tests/corpus/good/FTC821-variable-in-two-containers.yaml
    """
    entries: list[tuple[KeyPath, str]] = [(("env", i), variable.name) for i, variable in enumerate(step.container.env)]
    for place, name, first in duplicates(entries):
        refused = step.pod.job.kind is Kind.VOLCANO
        effect = "which the API server rejects in a VolcanoJob" if refused else "and only the last value takes effect"
        severity = Severity.ERROR if refused else None
        message, related = f"{name} is a duplicate, {effect}", (step.at(*first),)
        yield Finding(step.at(*place), message, "keep one of the two", related=related, severity=severity)


def variable_name_is_valid(step: Step) -> Iterator[Finding]:
    """A variable has a name that the server accepts and a shell can read.

    Volcano's webhook, and Kubernetes before 1.32, reject a name that begins with a digit or has characters other than
    letters, digits, '_', '-' and '.'. Later servers reject only '=' and characters that are not printable, but a shell
    ignores such names: that is a warning. A lower-case name with '-' or '.' is not reported, because some programs use
    such names.
    Source: Kubernetes, pkg/apis/core/validation (ValidateEnv) and RelaxedEnvironmentVariableValidation (1.32); Volcano,
    pkg/webhooks/admission/jobs/validate; bash, Definitions (name).

    Wrong: tests/corpus/bad/FTC827-variable-with-a-blank.yaml
    Right: tests/corpus/good/FTC827-variable-with-digits.yaml
    """
    for index, variable in enumerate(step.container.env):
        if variable.name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|[a-z][a-z0-9.-]*", variable.name):
            refused = not _accepted_names(step).search(variable.name)
            effect = "the server rejects the name" if refused else "a shell cannot read the variable"
            help_, severity = "use letters, digits and '_', and do not begin with a digit", Severity.ERROR
            message = f"{effect} '{variable.name}'"
            yield Finding(step.at("env", index), message, help_, severity=severity if refused else None)


def _accepted_names(step: Step) -> re.Pattern[str]:
    """The names that the server of the job accepts."""
    job = step.pod.job
    minor = tuple(int(part) for part in job.object.versions.kubernetes.split("."))
    old = job.kind is Kind.VOLCANO or minor < _RELAXED
    return re.compile((OLD_VARIABLE if old else VARIABLE)["pattern"])


_RELAXED = (1, 32)


def variable_is_not_overwritten(step: Step) -> Iterator[Finding]:
    """A Volcano plugin does not overwrite a variable of the container.

    Plugins append their variables, and the last value takes effect. `$(VC_WORKER_HOSTS)` in a value therefore precedes
    the definition and is not expanded.
    Source: Volcano, pkg/controllers/job/plugins; Kubernetes, Define Dependent Environment Variables.

    Wrong: tests/corpus/bad/FTC835-variable-of-a-variable.yaml
    Right: tests/corpus/good/FTC835-variable-in-the-script.yaml
    """
    added = {variable.name: variable.plugin for variable in plugin_variables(step.pod, init=step.init)}
    for index, variable in enumerate(step.container.env):
        if variable.name in added:
            message = f"plugin {added[variable.name]} overwrites {variable.name}"
            yield Finding(step.at("env", index), message, "remove it", severity=Severity.WARNING)
        for name in re.findall(r"\$\(([A-Za-z_]\w*)\)", variable.value or ""):
            if name in added:
                message = f"$({name}) is not expanded here, because plugin {added[name]} defines {name} later"
                yield Finding(step.at("env", index), message, f"use ${name} in the script")


# MAX_ARG_STRLEN, 32 pages of 4 KiB, which includes a variable's name, the `=` and the final NUL.
MAX_STRING = 131_072


def no_string_exceeds_kernel_limit(step: Step) -> Iterator[Finding]:
    """A variable or argument of a container is shorter than 131072 bytes.

    On nodes with 4 KiB pages Linux does not start a program with a longer string: the container fails with "argument
    list too long". ftc measures the text as Kubernetes expands it: variables that repeat other variables through
    `$(NAME)` grow exponentially.
    Source: Linux, include/uapi/linux/binfmts.h (MAX_ARG_STRLEN); execve(2).

    Wrong: tests/corpus/bad/FTC017-variable-that-doubles.yaml
    Right: tests/corpus/good/FTC017-variable-of-another.yaml
    """
    words = {"command": step.container.command, "args": step.container.args}
    for path, problem in _long_strings(step.environment.variables, words):
        place = (*path, "value") if path[0] == "env" else path
        yield Finding(step.at(*place), *problem)


def _long_strings(
    found: Mapping[str, Variable], words: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str, int], tuple[str, str]]]:
    """The variables and words of a container that are too long: the path in the container, and message and help."""
    for one in found.values():
        size = len(one.name.encode()) + one.size + 2
        if size > MAX_STRING and one.index is not None:
            yield ("env", one.index), _too_long(f"the variable {one.name}", size)
    for field, texts in words.items():
        for index, word in enumerate(texts):
            size = size_of(word, found) + 1
            if size > MAX_STRING:
                yield (field, index), _too_long("the argument", size)


def _too_long(what: str, size: int) -> tuple[str, str]:
    count = f"{size} bytes" if size < _MANY else "billions of bytes"
    return (
        f"{what} has {count}, but Linux accepts at most {MAX_STRING}",
        "put the text into a file, such as one from a ConfigMap",
    )


_MANY = 10**9


RULES = (
    Rule(
        "FTC348",
        "hub-address-needs-scheme",
        hub_address_needs_scheme,
        JobSpec,
        in_manifests=(hub_address_needs_scheme_in_manifests, Step),
    ),
    Rule("FTC511", "reserved-variable-in-fragment", no_reserved_variable, JobSpec, needed=True),
    Rule("FTC513", "string-exceeds-kernel-limit", no_string_of_a_pod_exceeds_kernel_limit, JobSpec),
    Rule("FTC821", "duplicate-variable", no_duplicate_variable, Step, Severity.WARNING),
    Rule("FTC827", "invalid-variable-name", variable_name_is_valid, Step, Severity.WARNING),
    Rule("FTC835", "variable-overwritten-by-plugin", variable_is_not_overwritten, Step),
    Rule("FTC017", "argument-exceeds-kernel-limit", no_string_exceeds_kernel_limit, Step, Severity.WARNING),
)
