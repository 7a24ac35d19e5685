"""Rules on secrets: not in manifests, not in URLs, not in logs; and on certificates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.certificates import SWITCHES, UNVERIFIED
from ftc.diagnostics.model import KeyPath, Severity
from ftc.diagnostics.redact import could_be_a_secret, kind_of_secret, names_a_secret
from ftc.lint.objects import Object
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step
from ftc.lint.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.shell.script import Word
    from ftc.lint.text import Spot

_BY_REFERENCE = "keep it in a Secret, and name that: valueFrom.secretKeyRef"
_LONGEST = 256_000


def secrets_are_references(manifest: Object) -> Iterator[Finding]:
    """A secret is named, never written out.

    The manifest is kept in Git, read in reviews and shown by `kubectl get -o yaml`. The shapes are those that the
    issuers of tokens document, and passwords in URLs.
    Source: the issuers' documents on the prefixes of their tokens.

    Wrong: tests/corpus/bad/FTC890-token-written-out.yaml
    Right: tests/corpus/good/FTC890-token-from-a-secret.yaml
    """
    for path, value in _texts(manifest.data, ()):
        offset = 0
        for line in value[:_LONGEST].split("\n"):
            if kind := kind_of_secret(line):
                text = Text(manifest.document, (*manifest.path, *path), value)
                message = f"holds {kind}, and everybody who sees the job can read it"
                yield Finding(text.at(offset + len(line) - len(line.lstrip())), message, _BY_REFERENCE)
            offset += len(line) + 1


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value


def secret_names_hold_references(step: Step) -> Iterator[Finding]:
    """What is called a token, a password or a key is not given as it is.

    Its value has no known shape, so it may be harmless; if it is a secret, everybody who sees the job can read it.
    A switch, a number, a path, `<…>` and `$(NAME)` are none.
    Source: Kubernetes, Secrets: good practices.

    Wrong: tests/corpus/bad/FTC891-password-written-out.yaml
    Right: tests/corpus/good/FTC891-path-of-a-token.yaml
    """
    for place, name, value in _named(step):
        if names_a_secret(name) and could_be_a_secret(value) and not kind_of_secret(value):
            yield Finding(place, f"{name} has a literal value, which everybody who sees the job reads", _BY_REFERENCE)


def _named(step: Step) -> Iterator[tuple[Spot, str, str]]:
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
    Rule("FTC890", secrets_are_references, Object),
    Rule("FTC891", secret_names_hold_references, Step, Severity.WARNING),
    Rule("FTC892", urls_hold_no_secret, Step, Severity.WARNING),
    Rule("FTC893", secrets_are_not_traced, Step, Severity.WARNING),
    Rule("FTC894", certificates_are_verified, Step, Severity.WARNING),
)
