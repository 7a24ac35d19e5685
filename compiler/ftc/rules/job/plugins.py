"""Rules on Volcano's plugins."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean
from ftc.manifests import schemas
from ftc.manifests.environment import flag
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import Job
from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BOOLEAN = "boolean"


_TEXT = "text"


# The flags of each plugin (pkg/controllers/job/plugins).
_FLAGS: dict[str, dict[str, str]] = {
    "env": {},
    "svc": dict.fromkeys(("publish-not-ready-addresses", "disable-network-policy"), _BOOLEAN),
    "ssh": dict.fromkeys(("ssh-key-file-path", "ssh-private-key", "ssh-public-key", "ssh-port"), _TEXT),
    "pytorch": {
        **dict.fromkeys(("master", "worker", "port", "wait-master-timeout", "wait-master-image"), _TEXT),
        "wait-master-enabled": _BOOLEAN,
    },
    "tensorflow": dict.fromkeys(("ps", "worker", "chief", "evaluator", "port"), _TEXT),
    "mpi": dict.fromkeys(("master", "worker", "port"), _TEXT),
    "hcclrank": dict.fromkeys(("master", "worker"), _TEXT),
    "ray": dict.fromkeys(
        ("head", "worker", "headContainer", "workerContainer", "port", "dashboardPort", "clientPort"), _TEXT
    ),
}


_TRUTH = ("1", "0", "t", "f", "T", "F", "true", "false", "TRUE", "FALSE", "True", "False")


def plugin_arguments_are_valid(job: Job) -> Iterator[Finding]:
    """A plugin exists and accepts its arguments.

    The webhook rejects an unknown plugin (`unable to find job plugin`) but does not check arguments. A plugin stops at
    the first argument that it cannot parse, logs that, and uses its defaults for the rest.
    Source: Volcano, validate/admit_job.go, pkg/controllers/job/plugins; Go, package flag.

    Wrong: tests/corpus/bad/FTC830-misspelled-plugin.yaml
    Right: tests/corpus/good/FTC830-flag-and-its-value.yaml
    """
    known = schemas.plugins(*job.cluster)
    for name, arguments in job.volcano.plugins.items() if job.volcano else ():
        if name not in known:
            message = f"Volcano {job.cluster[0]} does not have a plugin '{name}'"
            yield Finding(
                job.at("spec", "plugins", name),
                message,
                did_you_mean(name, known),
                severity=_severity(name, known, 0.6),
            )
        else:
            yield from _invalid_arguments(job, name, arguments)


def _severity(word: str, known: Iterable[str], cutoff: float) -> Severity | None:
    """An unfamiliar word may belong to a newer Volcano, so it is an error only if it is similar to a known one.

    A short word needs a higher cutoff.
    """
    return None if get_close_matches(word, list(known), cutoff=cutoff) else Severity.WARNING


def _invalid_arguments(job: Job, plugin: str, arguments: tuple[str, ...]) -> Iterator[Finding]:
    index = 0
    while index < len(arguments):
        argument, known = arguments[index], _FLAGS[plugin]
        place = job.at("spec", "plugins", plugin, index)
        name, equals, value = re.sub("^--?", "", argument).partition("=")
        if not argument.startswith("-"):
            yield Finding(
                place, f"'{argument}' is not a flag, and plugin {plugin} ignores the rest", f"write --{argument}"
            )
            return
        if name not in known:
            help_ = f"write {argument.replace(' ', '=', 1)}" if " " in name else did_you_mean(name, known)
            message = f"plugin {plugin} does not have a flag '{name}' and ignores the rest"
            yield Finding(place, message, help_, severity=None if " " in name else _severity(name, known, 0.7))
            return
        if known[name] == _BOOLEAN and equals and value not in _TRUTH:
            yield Finding(place, f"'{value}' is neither true nor false", f"write --{name}=true")
            return
        index += 1 if equals or known[name] == _BOOLEAN else 2


def plugin_tasks_exist(job: Job) -> Iterator[Finding]:
    """The tasks that the arguments of a plugin name exist, and the master has one replica.

    Without its master task the pytorch plugin only logs an error and sets no variables. With two masters, both are rank
    0.
    Source: Volcano, pkg/controllers/job/plugins/distributed-framework.

    Wrong: tests/corpus/bad/FTC831-no-master.yaml
    Right: tests/corpus/good/FTC831-master-under-another-name.yaml
    """
    counts = {crew.name: crew.replicas for crew in job.crews}
    for plugin, arguments in job.volcano.plugins.items() if job.volcano else ():
        roles = [
            role for role in ("master", "worker", "head", "ps", "chief", "evaluator") if role in _FLAGS.get(plugin, {})
        ]
        for role in roles:
            needed = role in ("master", "head") and plugin in ("pytorch", "mpi", "ray")
            task = flag(arguments, role, role if needed else "")
            if task and task not in counts:
                what = "sets no variables" if plugin == "pytorch" and needed else "does not find it"
                message = f"the job does not have a task '{task}', so plugin {plugin} {what}"
                yield Finding(job.at("spec", "plugins", plugin), message, did_you_mean(task, counts))
            elif task and role == "master" and plugin == "pytorch" and (counts[task] or 1) > 1:
                message = f"task '{task}' is the master, but has {counts[task]} pods, all with rank 0"
                yield Finding(job.at("spec", "plugins", plugin), message, f"set replicas: 1 in '{task}'")


def pods_have_host_names(run: Run) -> Iterator[Finding]:
    """Pods that train together have host names.

    Without the svc plugin a job does not have a Service, host names or a host list, and its pods cannot reach each
    other by name.
    Source: Volcano, pkg/controllers/job/plugins/svc; issues 452, 2745, 3289.

    Wrong: tests/corpus/bad/FTC832-no-service.yaml
    Right: tests/corpus/good/FTC832-service-of-another-plugin.yaml
    """
    job = run.job
    if job.volcano is None or not job.several or "svc" in job.plugins or run.apart:
        return
    together = [launch for _, launch in run.launches if launch.tool != "mpirun"]
    if together or not job.volcano.plugins:
        accelerated = [step for step in run.steps if step.devices]
        if together or len(accelerated) == len({step.pod.crew.name for step in run.steps}):
            severity = Severity.ERROR if together else Severity.WARNING
            message = f"{job.total} pods train together, but they do not have host names"
            place = job.at("spec", "plugins") if job.object.has("spec", "plugins") else job.at("spec")
            yield Finding(
                place, message, 'add to plugins: svc: ["--publish-not-ready-addresses=true"]', severity=severity
            )


_LIST = re.compile(r"VC_(\w+)_(HOSTS|NUM)")


def waiting_pods_resolve(step: Step) -> Iterator[Finding]:
    """An init container that waits for other pods can resolve their names.

    A pod's name resolves when the pod is ready, and it is not ready before its init containers have completed. The pods
    wait for each other, and none of them starts.
    Source: Volcano, plugin svc, --publish-not-ready-addresses (false by default).

    Wrong: tests/corpus/bad/FTC837-pods-wait-for-each-other.yaml
    Right: tests/corpus/good/FTC837-addresses-before-ready.yaml
    """
    job = step.pod.job
    published = flag(job.plugins.get("svc", ()), "publish-not-ready-addresses", "false")
    bare = "--publish-not-ready-addresses" in job.plugins.get("svc", ())
    if not step.init or step.program is None or "svc" not in job.plugins or bare or published in ("1", "t", "true"):
        return
    for read in step.program.script.reads:
        if read.context.loop and _LIST.fullmatch(read.name):
            message = f"the pods of {read.name} wait for each other here, but their names resolve only when ready"
            help_ = 'set svc: ["--publish-not-ready-addresses=true"]'
            yield Finding(step.program.at(read.start), message, help_)
            return


RULES = (
    Rule("FTC830", "invalid-plugin-arguments", plugin_arguments_are_valid, Job),
    Rule("FTC831", "plugin-needs-matching-tasks", plugin_tasks_exist, Job),
    Rule("FTC832", "pods-need-host-names", pods_have_host_names, Run),
    Rule("FTC837", "init-container-waits-for-unresolvable-host", waiting_pods_resolve, Step),
)
