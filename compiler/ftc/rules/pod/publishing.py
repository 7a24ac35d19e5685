"""Rules on the credentials of publishing, which the training does not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.plan.types import FromSecret
from ftc.rules.given import containers, pods, train
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def publishing_credentials_are_hidden(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The training cannot read the credentials for publishing.

    The training runs code from models and packages. Only the container that publishes has the credentials, in its
    variables. The training reads them too if it gets the same key of the Secret as a variable or a file, or if it sees
    the processes of the pod: with `shareProcessNamespace` or `hostPID` the variables are in /proc. A privileged
    container can read all of its node, which is a warning.
    Source: Kubernetes, Share Process Namespace between Containers in a Pod; Secrets; Pod Security Standards.

    Wrong: publish=git publish.url=https://git.example.com/o pod.spec.shareProcessNamespace=true
    Right: publish=git publish.url=https://git.example.com/o
    """
    if run.publish_step is None:
        return
    yield from _visible_processes(spec, run)
    used = {(value.secret, value.key) for value in run.publish_step.env.values() if isinstance(value, FromSecret)}
    for path, container in containers(spec):
        if container["name"] == NAME:
            yield from _in_variables(path, container, used)
    yield from _in_files(spec, run, used)
    for name, value in run.train_step.env.items():
        if isinstance(value, FromSecret) and (value.secret, value.key) in used:
            message = (
                f"publishes with the key '{value.key}' of Secret '{value.secret}', which the training gets as {name}"
            )
            yield Finding(("publish",), message, "use a token that can only publish, in another Secret or key")


_REMOVE = "remove it, or set publish=none"
_OTHER_KEY = "use another Secret or key for the training"


def _visible_processes(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    body = with_fragments(run)["spec"]
    shared = [field for field in ("shareProcessNamespace", "hostPID") if body.get(field)]
    for path, pod in pods(spec):
        for field in shared:
            if pod.get(field):
                yield Finding((*path, field), "lets the training read the credentials for publishing", _REMOVE)
    for where, container in containers(spec):
        context, place = container.get("securityContext", {}), (*where, "securityContext")
        if container["name"] != NAME:
            continue
        if context.get("privileged"):
            message = "lets the training read the credentials for publishing from the node"
            severity = None if shared else Severity.WARNING
            yield Finding((*place, "privileged"), message, _REMOVE, severity=severity)
        for index, name in enumerate(context.get("capabilities", {}).get("add", []) if shared else ()):
            if name.removeprefix("CAP_") in _OVER_PROCESSES:
                message = f"{name} lets the training read the memory of the container that publishes"
                yield Finding((*place, "capabilities", "add", index), message, _REMOVE)


# capabilities(7): these read the memory or the variables of other users' processes.
_OVER_PROCESSES = frozenset(("ALL", "SYS_ADMIN", "SYS_PTRACE"))


def _in_variables(path: KeyPath, container: Json, used: set[tuple[str, str]]) -> Iterator[Finding]:
    for index, variable in enumerate(container.get("env", [])):
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if (reference.get("name"), reference.get("key")) in used:
            yield _finding((*path, "env", index), reference["name"])
    names = {secret for secret, _ in used}
    for index, source in enumerate(container.get("envFrom", [])):
        name = source.get("secretRef", {}).get("name")
        if name in names:
            yield _finding((*path, "envFrom", index), name)


def _in_files(spec: JobSpec, run: RunPlan, used: set[tuple[str, str]]) -> Iterator[Finding]:
    mounted = {mount["name"] for mount in train(run).get("volumeMounts", [])}
    for path, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            for secret, keys in _projected(volume) if volume["name"] in mounted else ():
                if any(name == secret and (keys is None or key in keys) for name, key in used):
                    yield _finding((*path, "volumes", index), secret)


def _projected(volume: Json) -> Iterator[tuple[str, set[str] | None]]:
    """The Secrets in a volume, each with the keys that the volume contains; None for all keys."""
    sources = [("secretName", volume.get("secret", {}))]
    sources += [("name", source.get("secret", {})) for source in volume.get("projected", {}).get("sources", [])]
    for field, secret in sources:
        if field in secret:
            yield secret[field], {item.get("key") for item in secret["items"]} if secret.get("items") else None


def _finding(path: KeyPath, secret: str) -> Finding:
    message = f"gives the training the credentials for publishing, which are in Secret '{secret}'"
    return Finding(path, message, _OTHER_KEY)


RULES = (Rule("FTC605", "publishing-credentials-visible-to-training", publishing_credentials_are_hidden, JobSpec),)
