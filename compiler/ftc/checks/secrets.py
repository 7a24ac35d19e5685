"""Rules on secrets: they come from Secrets, and what is read with them is verified and not in the clear."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.certificates import SWITCHES, UNVERIFIED
from ftc.checks.given import commands, containers, pods, variables
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.diagnostics.redact import could_be_a_secret, kind_of_secret, names_a_secret
from ftc.plan.environment import OURS
from ftc.spec.source import FromHub, Git, GitPush, HubPush, HuggingFace, ModelScope
from ftc.trainer.arguments import groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_BY_REFERENCE = "keep it in a Secret: sources and publish have credentials or token, a variable valueFrom.secretKeyRef"


def secrets_are_references(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A secret is named, never written out.

    The manifest is read in reviews, kept in Git and shown by `kubectl get vcjob -o yaml`, and an argument stands in the
    process list. The shapes are those that the issuers of tokens document, and passwords in URLs.

    Wrong: env.HF_TOKEN=hf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    Right: model.source.token.secret=hub
    """
    for path, text in _texts(msgspec.to_builtins(spec), ()):
        if kind := kind_of_secret(text):
            yield Finding(path, f"holds {kind}, and everybody who sees the job can read it", _BY_REFERENCE)


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value


def secret_names_hold_references(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What is called a token, a password or a key is not given as it is.

    Its value has no known shape, so it may be harmless; if it is a secret, everybody who sees the job can read it.
    A switch, a number, a path, `<…>` and `$(NAME)` are none.

    Wrong: env.WANDB_API_KEY=0123456789abcdef
    Right: env.WANDB_MODE=offline
    """
    for path, name, value in _named(spec):
        if names_a_secret(name) and name not in OURS and could_be_a_secret(value) and not kind_of_secret(value):
            yield Finding(path, f"gives {name} a literal value, which everybody who sees the job reads", _BY_REFERENCE)


def _named(spec: JobSpec) -> Iterator[tuple[KeyPath, str, str]]:
    yield from variables(spec)
    for path, arguments in groups(spec):
        yield from (((*path, name), name, text) for name, text in arguments.items() if isinstance(text, str))
    for place, words in commands(spec):
        yield from _flags(place, words)
    for place, container in containers(spec):
        for field in ("command", "args"):
            yield from _flags((*place, field), container.get(field, []))


def _flags(path: KeyPath, words: Sequence[str]) -> Iterator[tuple[KeyPath, str, str]]:
    """`--token=value` and `--token value`; a variable before a program, `TOKEN=value`, is the same."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if equals:
            yield (*path, index), name, value
        elif word.startswith("-") and index + 1 < len(words) and not words[index + 1].startswith("-"):
            yield (*path, index), word, words[index + 1]


_TRUST = "name the authority's certificates instead: cluster.ca_bundle.config_map=…"


def nothing_turns_verification_off(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Certificates are verified by every tool of the run, not only by ftc's own.

    Without it anyone on the way reads the tokens and changes what is installed and trained on (git-config
    http.sslVerify, curl --insecure, pip --trusted-host).

    Wrong: env.GIT_SSL_NO_VERIFY=true
    Right: cluster.ca_bundle.config_map=company-ca
    """
    for path, name, value in variables(spec):
        if name in UNVERIFIED and UNVERIFIED[name].fullmatch(value):
            yield Finding(path, f"{name} turns the verification of certificates off", _TRUST)
    for path, words in commands(spec):
        tools = {word.rpartition("/")[2] for word in words}
        for index, word in enumerate(words):
            for tool in sorted(tools & SWITCHES.keys()):
                if SWITCHES[tool].fullmatch(word):
                    yield Finding((*path, index), f"{tool} does not verify certificates with it", _TRUST)


_INSIDE = re.compile(r"http://(?:[^/:]+\.svc(?:\.[^/:]+)?|localhost|127\.[0-9.]+)(?=[:/]|$)")


def tokens_travel_encrypted(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A token goes over https, or inside the cluster.

    Over plain http everyone on the way reads it: git and the hubs' clients send it with each request.

    Wrong: source@model.source=git model.source.url=http://git.example.com/m cluster=alauda
    Right: source@model.source=git model.source.url=https://git.example.com/m cluster=alauda
    """
    for path, url in _with_token(spec):
        if url is not None and url.lower().startswith("http://") and not _INSIDE.match(url.lower()):
            yield Finding(path, "sends the token of the Secret over plain http", "use https://")


def _with_token(spec: JobSpec) -> Iterator[tuple[KeyPath, str | None]]:
    for name, source in spec.sources.items():
        match source:
            case Git(url=url, credentials=credentials) if credentials is not None:
                yield (name, "source", "url"), url
            case HuggingFace() | ModelScope() | FromHub() as hub if hub.token is not None:
                yield (name, "source", "endpoint"), hub.endpoint
    match spec.publish:
        case GitPush(url=url, credentials=credentials) if credentials is not None:
            yield ("publish", "url"), url
        case HubPush(endpoint=endpoint):
            yield ("publish", "endpoint"), endpoint


def publishing_is_out_of_sight(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The container that publishes has processes that the training does not see.

    Its variables hold the credentials, and the training runs code that comes with models and packages. With
    `shareProcessNamespace` or `hostPID` that code finds them in /proc (Kubernetes, "Share Process Namespace between
    Containers in a Pod").

    Wrong: publish=git publish.url=https://git.example.com/o pod.spec.shareProcessNamespace=true
    Right: publish=git publish.url=https://git.example.com/o
    """
    if run.publish_step is None:
        return
    for path, pod in pods(spec):
        for field in ("shareProcessNamespace", "hostPID"):
            if pod.get(field):
                message = "lets the training read the credentials of publishing"
                yield Finding((*path, field), message, "leave it out, or set publish=none")


RULES = (
    Rule("FTC601", secrets_are_references),
    Rule("FTC602", secret_names_hold_references, Severity.WARNING),
    Rule("FTC603", nothing_turns_verification_off, Severity.WARNING),
    Rule("FTC604", tokens_travel_encrypted, Severity.WARNING),
    Rule("FTC605", publishing_is_out_of_sight),
)
