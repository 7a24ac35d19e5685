"""Rules on secrets and certificates: credentials come from Secrets, and servers are verified."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.diagnostics.printable import could_be_a_secret, kind_of_secret, names_a_secret
from ftc.manifests.steps import Step
from ftc.patterns import lazily
from ftc.plan.environment import OURS
from ftc.rules.given import commands, containers, variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec, source_path
from ftc.spec.source import FromHub, Git, GitPush, HubPush, HuggingFace, ModelScope
from ftc.trainer.arguments import groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan


_BY_REFERENCE = (
    "store it in a Secret: use token or credentials of a source or of publish, or valueFrom.secretKeyRef of a variable"
)


def _commands(spec: JobSpec) -> Iterator[tuple[KeyPath, Sequence[str]]]:
    """The argument lists of the spec and of the fragments."""
    yield from commands(spec)
    for place, container in containers(spec):
        for field in ("command", "args"):
            yield (*place, field), container.get(field, [])


def secret_variable_is_a_reference(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A variable or argument named like a token, password or key does not hold a literal value.

    The value does not have a known token format, so it may be harmless. If it is a secret, everyone who sees the job
    can read it. Switches, numbers, paths, `<…>` and `$(NAME)` are not reported.
    Source: Kubernetes, Good practices for Kubernetes Secrets.

    Wrong: env.WANDB_API_KEY=0123456789abcdef
    Right: env.WANDB_MODE=offline
    """
    for path, name, value in _named_values(spec):
        if name not in OURS and _may_be_a_secret(name, value):
            yield Finding(path, _is_literal(name), _BY_REFERENCE)


def _may_be_a_secret(name: str, value: str) -> bool:
    """Whether a literal value may be a secret, by its name; FTC601 reports values of a known format."""
    return names_a_secret(name) and could_be_a_secret(value) and not kind_of_secret(value)


def _is_literal(name: str) -> str:
    return f"{name} has a literal value, which everyone who sees the job can read"


def _named_values(spec: JobSpec) -> Iterator[tuple[KeyPath, str, str]]:
    yield from variables(spec)
    for path, arguments in groups(spec):
        yield from (((*path, name), name, text) for name, text in arguments.items() if isinstance(text, str))
    for place, words in _commands(spec):
        yield from _flags(place, words)


def _flags(path: KeyPath, words: Sequence[str]) -> Iterator[tuple[KeyPath, str, str]]:
    """The values of `--token=value`, `--token value`, and `TOKEN=value` before a program."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if equals:
            yield (*path, index), name, value
        elif word.startswith("-") and index + 1 < len(words) and not words[index + 1].startswith("-"):
            yield (*path, index), word, words[index + 1]


_TRUST = "set the certificates of the authority instead: cluster.ca_bundle.config_map=…"


def no_disabled_tls_verification(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Every tool that a variable, a command or a script configures verifies certificates.

    Without verification an attacker on the network can read the tokens and change packages and training data.
    Source: git-config, http.sslVerify; curl, --insecure; pip, --trusted-host.

    Wrong: env.GIT_SSL_NO_VERIFY=true
    Right: cluster.ca_bundle.config_map=company-ca
    """
    for path, name, value in variables(spec):
        if _disables(name, value):
            yield Finding(path, _not_verified(name), _TRUST)
    for path, words in commands(spec):
        for tool in dict.fromkeys(word.rpartition("/")[2] for word in words):
            index = _disabling_word(tool, words)
            if index is not None:
                yield Finding((*path, index), _not_verified(words[index], tool), _TRUST)


def _disables(variable: str, value: str) -> bool:
    return variable in UNVERIFIED and UNVERIFIED[variable].fullmatch(value) is not None


def _not_verified(by: str, tool: str = "") -> str:
    return f"{by} disables certificate verification{tool and f' in {tool}'}"


_OFF_WORDS = ("false", "0", "no", "off")


def _disabling_word(tool: str, words: Sequence[str]) -> int | None:
    """The index of the word that disables verification; `git config http.sslVerify false` takes two."""
    switch = SWITCHES.get(tool.rstrip("3"))
    for index, word in enumerate(words):
        if switch is not None and switch.fullmatch(word):
            return index
        following = words[index + 1].lower() if index + 1 < len(words) else ""
        if tool == "git" and re.fullmatch(r"http\.(.*\.)?sslverify", word.lower()) and following in _OFF_WORDS:
            return index
    return None


_IN_CLUSTER = re.compile(r"http://(?:[^/:]+\.svc(?:\.[^/:]+)?|localhost|127\.[0-9.]+)(?=[:/]|$)")


def no_token_over_plain_http(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A token is sent over https or inside the cluster.

    git and the clients of the hubs send the token with each request. Over plain http everyone on the network can read
    it.
    Source: git, gitcredentials(7); RFC 7617, section 4; RFC 6750, section 5.3.

    Wrong: source@model.source=git model.source.url=http://git.example.com/m cluster=alauda
    Right: source@model.source=git model.source.url=https://git.example.com/m cluster=alauda
    """
    for path, url in _with_token(spec):
        if url is not None and url.lower().startswith("http://") and not _IN_CLUSTER.match(url.lower()):
            yield Finding(path, "sends the token of the Secret over plain http", "use https://")


def _with_token(spec: JobSpec) -> Iterator[tuple[KeyPath, str | None]]:
    for name, source in spec.sources.items():
        match source:
            case Git(url=url, credentials=credentials) if credentials is not None:
                yield (*source_path(name), "url"), url
            case HuggingFace() | ModelScope() | FromHub() as hub if hub.token is not None:
                yield (*source_path(name), "endpoint"), hub.endpoint
    match spec.publish:
        case GitPush(url=url, credentials=credentials) if credentials is not None:
            yield ("publish", "url"), url
        case HubPush(endpoint=endpoint):
            yield ("publish", "endpoint"), endpoint


def transport_is_verified(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Sources and publishing verify certificates.

    Without verification an attacker on the network can read the token and change the files.
    Source: git-config, http.sslVerify; Python, ssl.

    Wrong: source@model.source=git model.source.url=https://git.example.com/m model.source.tls_verify=false
    Right: source@model.source=git model.source.url=https://git.example.com/m cluster.ca_bundle.config_map=our-ca
    """
    for name, source in spec.sources.items():
        if isinstance(source, Git) and not source.tls_verify:
            yield Finding((*source_path(name), "tls_verify"), "certificates are not verified", _TRUST)
    if isinstance(spec.publish, GitPush) and not spec.publish.tls_verify:
        yield Finding(("publish", "tls_verify"), "certificates are not verified", _TRUST)


# Rules on manifests.


_BY_REFERENCE_IN_MANIFESTS = "store it in a Secret and reference it: valueFrom.secretKeyRef"


def secret_variable_is_a_reference_in_manifests(step: Step) -> Iterator[Finding]:
    """The variables and arguments of a container that are named like a secret do not hold a literal value."""
    for place, name, value in _named_values_in_manifests(step):
        if _may_be_a_secret(name, value):
            yield Finding(place, _is_literal(name), _BY_REFERENCE_IN_MANIFESTS)


def _named_values_in_manifests(step: Step) -> Iterator[tuple[Spot, str, str]]:
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


def no_token_in_url(step: Step) -> Iterator[Finding]:
    """A script does not put a token into a URL.

    git stores the URL in .git/config, even on a shared volume. The token also appears in the process list, in error
    messages and, with `set -x`, in the log.
    Source: git, gitcredentials(7).

    Wrong: tests/corpus/bad/FTC892-token-in-a-clone.yaml
    Right: tests/corpus/good/FTC892-credential-helper.yaml
    """
    program = step.program
    if program is None:
        return
    secret = _secret_variables(step)
    words = [word for command in program.script.commands for word in command.words]
    words += [one.value for one in program.script.assignments if one.value is not None]
    for word in words:
        user = re.search(r"://([^/\s]*)@", word.raw) if "://" in word.raw else None
        if user is not None and set(re.findall(r"[A-Za-z_]\w*", user[1])) & secret:
            message = "puts a token into a URL, which git stores and prints"
            help_ = "use a git credential helper that reads the variable"
            yield Finding(program.at(word.start), message, help_)


def _secret_variables(step: Step) -> set[str]:
    """The variables that hold a secret: from a Secret, by their name, or derived from such variables."""
    found = {name for name, variable in step.environment.variables.items() if variable.secret}
    found = {name for name in found if not name.endswith(("USER", "USERNAME", "LOGIN"))}
    if step.program is None:
        return found
    found |= {read.name for read in step.program.script.reads if names_a_secret(read.name)}
    for assignment in step.program.script.assignments:
        if assignment.value is not None and set(assignment.value.names) & found:
            found.add(assignment.name)
    return found


def no_tracing_of_secrets(step: Step) -> Iterator[Finding]:
    """A script that uses a secret does not trace its commands.

    `set -x` writes every command, with the values of its variables, into the log of the pod.
    Source: bash, set -x.

    Wrong: tests/corpus/bad/FTC893-token-in-the-log.yaml
    Right: tests/corpus/good/FTC893-traced-without-a-token.yaml
    """
    program = step.program
    if program is None or program.text is None:
        return
    secret = _secret_variables(step)
    used = [read.start for read in program.script.reads if read.name in secret and not read.tested]
    start = 0 if "x" in program.options else None
    for command in program.script.named("set"):
        words = [word.text or "" for word in command.arguments]
        if start is None and ("xtrace" in words or any(re.fullmatch(r"-\w*x\w*", word) for word in words)):
            start = command.start
    if start is not None and any(use > start for use in used):
        name = next(read.name for read in program.script.reads if read.start > start and read.name in secret)
        message = f"writes every command to the log, with the value of {name}"
        yield Finding(program.at(start), message, "remove -x")


def no_disabled_tls_verification_in_manifests(step: Step) -> Iterator[Finding]:
    """The variables and the script of a container do not disable certificate verification."""
    help_ = "set the certificates of the authority: GIT_SSL_CAINFO, SSL_CERT_FILE, REQUESTS_CA_BUNDLE"
    for index, variable in enumerate(step.container.env):
        if variable.value_from is None and _disables(variable.name, variable.value or ""):
            yield Finding(step.at("env", index), _not_verified(variable.name), help_)
    program = step.program
    if program is None:
        return
    settings = [setting for command in program.script.commands for setting in command.settings]
    for one in (*program.script.assignments, *settings):
        if one.value is not None and _disables(one.name, one.value.text or ""):
            yield Finding(program.at(one.start), _not_verified(one.name), help_)
    for command in program.script.commands:
        texts = [word.text or "" for word in command.words]
        found = _disabling_word(command.name, texts)
        if found is not None:
            yield Finding(program.at(command.words[found].start), _not_verified(texts[found], command.name), help_)


RULES = (
    Rule(
        "FTC602",
        "secret-variable-needs-reference",
        secret_variable_is_a_reference,
        JobSpec,
        Severity.WARNING,
        in_manifests=(secret_variable_is_a_reference_in_manifests, Step),
    ),
    Rule(
        "FTC603",
        "no-disabled-tls-verification",
        no_disabled_tls_verification,
        JobSpec,
        Severity.WARNING,
        in_manifests=(no_disabled_tls_verification_in_manifests, Step),
    ),
    Rule("FTC604", "no-token-over-plain-http", no_token_over_plain_http, JobSpec, Severity.WARNING),
    Rule("FTC208", "unverified-certificates", transport_is_verified, JobSpec, Severity.WARNING),
    Rule("FTC892", "no-token-in-url", no_token_in_url, Step, Severity.WARNING),
    Rule("FTC893", "no-tracing-of-secrets", no_tracing_of_secrets, Step, Severity.WARNING),
)


_OFF = lazily(r"0|false|no|off", re.IGNORECASE)
_ON = lazily(r"(?!(?:0|false|no|off)$).+", re.IGNORECASE)
_NOWHERE = lazily(r"(?:/dev/null)?")
# The value of a variable that turns it off, in git, Python, curl, requests, pip, ….
UNVERIFIED = {
    "GIT_SSL_NO_VERIFY": _ON,
    "PYTHONHTTPSVERIFY": _OFF,
    "CURL_CA_BUNDLE": _NOWHERE,
    "REQUESTS_CA_BUNDLE": _NOWHERE,
    "SSL_CERT_FILE": _NOWHERE,
    "GIT_SSL_CAINFO": _NOWHERE,
    "HF_HUB_DISABLE_SSL_VERIFY": _ON,
    "HF_HUB_DISABLE_SSL_VERIFICATION": _ON,
    "MLFLOW_TRACKING_INSECURE_TLS": _ON,
    "WANDB_INSECURE_DISABLE_SSL": _ON,
    "NODE_TLS_REJECT_UNAUTHORIZED": _OFF,
    "CONDA_SSL_VERIFY": _OFF,
    "PIP_TRUSTED_HOST": _ON,
    "UV_INSECURE_HOST": _ON,
}
SWITCHES = {
    "curl": lazily(r"-[a-zA-Z]*k[a-zA-Z]*|--insecure"),
    "wget": lazily(r"--no-check-certificate"),
    "git": lazily(r"http\.(?:.*\.)?sslverify=(?:false|0)", re.IGNORECASE),
    "pip": lazily(r"--trusted-host(?:=.*)?"),
    "uv": lazily(r"--(?:allow-insecure|trusted)-host(?:=.*)?"),
}
