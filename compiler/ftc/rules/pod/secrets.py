"""Rules on secrets and certificates: credentials come from Secrets, and servers are verified."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.certificates import SWITCHES, UNVERIFIED
from ftc.diagnostics.model import KeyPath, Severity
from ftc.diagnostics.redact import could_be_a_secret, kind_of_secret, names_a_secret
from ftc.manifests.objects import Object
from ftc.manifests.steps import Step
from ftc.manifests.text import Spot, Text
from ftc.plan.environment import OURS
from ftc.rules.given import commands, containers, pods, variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.source import FromHub, Git, GitPush, HubPush, HuggingFace, ModelScope
from ftc.trainer.arguments import groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.manifests.shell.script import Word
    from ftc.plan.types import RunPlan

# Rules on a spec.


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


def transport_is_verified(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Certificates are verified.

    Without verification anyone on the way reads the token and changes the files.

    Wrong: source@model.source=git model.source.url=https://git.example.com/m model.source.tls_verify=false
    Right: source@model.source=git model.source.url=https://git.example.com/m cluster.ca_bundle.config_map=our-ca
    """
    for name, source in spec.sources.items():
        if isinstance(source, Git) and not source.tls_verify:
            yield Finding((name, "source", "tls_verify"), "certificates are not verified", _TRUST)
    if isinstance(spec.publish, GitPush) and not spec.publish.tls_verify:
        yield Finding(("publish", "tls_verify"), "certificates are not verified", _TRUST)


# Rules on manifests.


_BY_REFERENCE_IN_MANIFESTS = "keep it in a Secret, and name that: valueFrom.secretKeyRef"


_LONGEST = 256_000


def secrets_are_references_in_manifests(manifest: Object) -> Iterator[Finding]:
    """A secret is named, never written out.

    The manifest is kept in Git, read in reviews and shown by `kubectl get -o yaml`. The shapes are those that the
    issuers of tokens document, and passwords in URLs.
    Source: the issuers' documents on the prefixes of their tokens.

    Wrong: tests/corpus/bad/FTC890-token-written-out.yaml
    Right: tests/corpus/good/FTC890-token-from-a-secret.yaml
    """
    for path, value in _texts_in_manifests(manifest.data, ()):
        offset = 0
        for line in value[:_LONGEST].split("\n"):
            if kind := kind_of_secret(line):
                text = Text(manifest.document, (*manifest.path, *path), value)
                message = f"holds {kind}, and everybody who sees the job can read it"
                yield Finding(text.at(offset + len(line) - len(line.lstrip())), message, _BY_REFERENCE_IN_MANIFESTS)
            offset += len(line) + 1


def _texts_in_manifests(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts_in_manifests(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts_in_manifests(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value


def secret_names_hold_references_in_manifests(step: Step) -> Iterator[Finding]:
    """What is called a token, a password or a key is not given as it is.

    Its value has no known shape, so it may be harmless; if it is a secret, everybody who sees the job can read it.
    A switch, a number, a path, `<…>` and `$(NAME)` are none.
    Source: Kubernetes, Secrets: good practices.

    Wrong: tests/corpus/bad/FTC891-password-written-out.yaml
    Right: tests/corpus/good/FTC891-path-of-a-token.yaml
    """
    for place, name, value in _named_in_manifests(step):
        if names_a_secret(name) and could_be_a_secret(value) and not kind_of_secret(value):
            yield Finding(
                place, f"{name} has a literal value, which everybody who sees the job reads", _BY_REFERENCE_IN_MANIFESTS
            )


def _named_in_manifests(step: Step) -> Iterator[tuple[Spot, str, str]]:
    for index, variable in enumerate(step.container.env):
        yield step.at("env", index), variable.name, variable.value or ""
    program = step.program
    if program is None:
        return
    for assignment in program.script.assignments:
        yield program.at(assignment.start), assignment.name, (assignment.value and assignment.value.text) or ""
    for command in program.script.commands:
        for setting in command.settings:
            yield program.at(setting.start), setting.name, (setting.value and setting.value.text) or ""
        for word, following in zip(command.words, (*command.words[1:], None), strict=True):
            name, equals, value = (word.text or "").partition("=")
            if equals and name.startswith("-"):
                yield program.at(word.start), name, value
            elif name.startswith("-") and following is not None and not following.raw.startswith("-"):
                yield program.at(word.start), name, following.text or ""


def urls_hold_no_secret(step: Step) -> Iterator[Finding]:
    """A script puts no token into a URL.

    git writes it into .git/config, on the shared volume too; it stands in the process list, in error messages, and with
    `set -x` in the log.
    Source: git, gitcredentials(7).

    Wrong: tests/corpus/bad/FTC892-token-in-a-clone.yaml
    Right: tests/corpus/good/FTC892-credential-helper.yaml
    """
    program = step.program
    if program is None:
        return
    secret = _secret(step)
    words = [word for command in program.script.commands for word in command.words]
    words += [one.value for one in program.script.assignments if one.value is not None]
    for word in words:
        user = re.search(r"://([^/\s]*)@", word.raw)
        if user is not None and set(re.findall(r"[A-Za-z_]\w*", user[1])) & secret:
            message = "puts a token into a URL, which git keeps and prints"
            help_ = "give git a credential helper that reads the variable"
            yield Finding(program.at(word.start), message, help_)


def _secret(step: Step) -> set[str]:
    """The variables that hold a secret: from a Secret, by their name, or made from such ones."""
    found = {name for name, variable in step.environment.variables.items() if variable.secret}
    found = {name for name in found if not name.endswith(("USER", "USERNAME", "LOGIN"))}
    if step.program is None:
        return found
    found |= {read.name for read in step.program.script.reads if names_a_secret(read.name)}
    for assignment in step.program.script.assignments:
        if assignment.value is not None and set(assignment.value.names) & found:
            found.add(assignment.name)
    return found


def secrets_are_not_traced(step: Step) -> Iterator[Finding]:
    """A script that uses a secret does not print its commands.

    `set -x` writes every command with the values of its variables into the pod's log.
    Source: bash, set -x.

    Wrong: tests/corpus/bad/FTC893-token-in-the-log.yaml
    Right: tests/corpus/good/FTC893-traced-without-a-token.yaml
    """
    program = step.program
    if program is None or program.text is None:
        return
    secret = _secret(step)
    used = [read.start for read in program.script.reads if read.name in secret and not read.tested]
    start = 0 if "x" in program.options else None
    for command in program.script.named("set"):
        words = [word.text or "" for word in command.arguments]
        if start is None and ("xtrace" in words or any(re.fullmatch(r"-\w*x\w*", word) for word in words)):
            start = command.start
    if start is not None and any(use > start for use in used):
        name = next(read.name for read in program.script.reads if read.start > start and read.name in secret)
        message = f"prints every command into the log, with the value of {name}"
        yield Finding(program.at(start), message, "leave -x out")


_OFF_WORDS = ("false", "0", "no", "off")


def certificates_are_verified(step: Step) -> Iterator[Finding]:
    """Certificates are verified by every tool of a script.

    Without it anyone on the way reads the tokens, and changes what is installed and trained on.
    Source: git-config, http.sslVerify; curl, --insecure; pip, --trusted-host.

    Wrong: tests/corpus/bad/FTC894-certificates-ignored.yaml
    Right: tests/corpus/good/FTC894-authority-of-ones-own.yaml
    """
    help_ = "give the tool the authority's certificates: GIT_SSL_CAINFO, SSL_CERT_FILE, REQUESTS_CA_BUNDLE"
    for index, variable in enumerate(step.container.env):
        pattern = UNVERIFIED.get(variable.name)
        if pattern is not None and variable.value_from is None and pattern.fullmatch(variable.value or ""):
            message = f"{variable.name} turns the verification of certificates off"
            yield Finding(step.at("env", index), message, help_)
    program = step.program
    if program is None:
        return
    settings = [setting for command in program.script.commands for setting in command.settings]
    for one in (*program.script.assignments, *settings):
        pattern = UNVERIFIED.get(one.name)
        if pattern is not None and one.value is not None and pattern.fullmatch(one.value.text or ""):
            message = f"{one.name} turns the verification of certificates off"
            yield Finding(program.at(one.start), message, help_)
    for command in program.script.commands:
        word = _switch(command.name.rstrip("3"), command.words)
        if word is not None:
            message = f"{command.name} does not verify certificates with {word.raw}"
            yield Finding(program.at(word.start), message, help_)


def _switch(tool: str, words: tuple[Word, ...]) -> Word | None:
    """The word that turns it off; `git config http.sslVerify false` takes two."""
    texts = [word.text or "" for word in words]
    for index, text in enumerate(texts):
        if tool in SWITCHES and SWITCHES[tool].fullmatch(text):
            return words[index]
        following = texts[index + 1].lower() if index + 1 < len(texts) else ""
        if tool == "git" and re.fullmatch(r"http\.(.*\.)?sslverify", text.lower()) and following in _OFF_WORDS:
            return words[index]
    return None


RULES = (
    Rule("FTC601", "no-inline-secret", secrets_are_references, JobSpec),
    Rule("FTC602", "secret-variable-needs-reference", secret_names_hold_references, JobSpec, Severity.WARNING),
    Rule("FTC603", "no-disabled-tls-verification", nothing_turns_verification_off, JobSpec, Severity.WARNING),
    Rule("FTC604", "no-token-over-plain-http", tokens_travel_encrypted, JobSpec, Severity.WARNING),
    Rule("FTC605", "no-shared-process-namespace-for-publishing", publishing_is_out_of_sight, JobSpec),
    Rule("FTC208", "no-insecure-transport", transport_is_verified, JobSpec, Severity.WARNING),
    Rule("FTC890", "inline-secret-in-manifest", secrets_are_references_in_manifests, Object),
    Rule("FTC891", "plain-value-of-secret-variable", secret_names_hold_references_in_manifests, Step, Severity.WARNING),
    Rule("FTC892", "no-token-in-url", urls_hold_no_secret, Step, Severity.WARNING),
    Rule("FTC893", "no-tracing-of-secrets", secrets_are_not_traced, Step, Severity.WARNING),
    Rule("FTC894", "tls-verification-disabled-in-script", certificates_are_verified, Step, Severity.WARNING),
)
