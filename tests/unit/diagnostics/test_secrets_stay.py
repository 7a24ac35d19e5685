"""No format repeats a secret from a spec."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from unit.compiling import conf, ftc

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ("text", "json", "github", "sarif")
HF = "hf_" + "a1B2" * 9
ODD = "correct-horse-battery"

OVERRIDES = (
    f"model.source.token={HF}",
    f"model.source.token={ODD}",
    f"env.HF_TOKEN={HF} env.HF_TOKEN.x=1",
    f"env.DB_PASSWORD=[{ODD}]",
    f"'env.DB_PASSWORD={{a: {ODD}}}'",
    f"'env={{DB_PASSWORD: {ODD}, NNODES: 2}}'",
    f"'env=[{{DB_PASSWORD: {ODD}}}]'",
    f"source@model.source=git model.source.url=https://user:{ODD}@git.example.com/m",
    f"source@model.source=git 'model.source.url=https://{ODD}x99@git.example.com/m b'",
    f"cluster.git_credentials={ODD}",
    f"'train.hub_token={{a: {ODD}}}'",
    f"train.hub_tokenn={HF}",
    f"hardware={HF}",
    f"'setup=[\"pip install a b --extra-index-url https://user:{ODD}@git.example.com/\"]'",
    f"'env.WANDB_API_KEY=${{oc.env:X,{ODD}}}' devices=9",
    f"'pod={{spec: {{containers: [{{name: train, env: [{{name: API_TOKEN, value: {ODD}, x: 1}}]}}]}}}}'",
)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("words", OVERRIDES)
def test_an_override_is_reported_without_its_secret(words: str, kind: str) -> None:
    said = ftc("compile", "--format", kind, *shlex.split(words))
    assert said.exit_code == 1, said
    assert "FTC" in said.stderr
    assert ODD not in said.stderr
    assert ODD[:5] not in said.stderr  # nor half of it, if a value is cut
    assert HF not in said.stderr
    assert HF[:20] not in said.stderr


FILE = f"""\
defaults: [config, _self_]
nodes: two
env: {{DB_PASSWORD: {ODD}, A: [1]}}
model:
  source:
    token: {ODD}
    url: https://user:{ODD}@example.com/m
hardware:
  env:
    DB_PASSWORD: [{ODD}]
train: {{hub_token: "{ODD}", learning_rat: 1}}
pod:
  spec:
    containers:
    - name: train
      env:
      - name: DB_PASSWORD
        value: [{ODD}]
      args:
      - --password
      - [{ODD}]
"""


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_is_reported_without_its_secrets(kind: str, tmp_path: Path) -> None:
    tree = conf(tmp_path, {"run": FILE})
    said = ftc("compile", "--format", kind, "--config-dir", tree, "-c", "run")
    assert said.exit_code == 1
    assert "FTC012" in said.stderr
    assert ODD not in said.stderr


def test_the_lines_of_a_fragment_are_shown_without_their_secrets(tmp_path: Path) -> None:
    pod = FILE[FILE.index("pod:") :]
    tree = conf(tmp_path, {"run": f"defaults: [config, _self_]\n{pod}"})
    said = ftc("compile", "--config-dir", tree, "-c", "run").stderr
    assert "        value: ***\n" in said
    assert "      - ***\n" in said
    assert ODD not in said


def test_the_caret_is_still_under_its_word(tmp_path: Path) -> None:
    tree = conf(tmp_path, {"run": f"defaults: [config, _self_]\nenv: {{DB_PASSWORD: {ODD}, WRONG: [1]}}\n"})
    said = ftc("compile", "--config-dir", tree, "-c", "run").stderr
    assert "  2 | env: {DB_PASSWORD: ***, WRONG: [1]}\n    |                         ^^^^^\n" in said


@pytest.mark.parametrize(
    "word",
    ["model.source.token.secret=My_Secret", "cluster.git_credentials.secret=My_Secret", "hardware=tokens-and-more"],
)
def test_the_name_of_a_secret_is_not_redacted(word: str) -> None:
    said = ftc("compile", word).stderr
    assert f"override '{word}': error[" in said
    assert "***" not in said


GIVEN = (
    f"env.HF_TOKEN={HF}",
    f"env.DB_PASSWORD={ODD}",
    f"train.hub_token={ODD}",
    f"'pod={{spec: {{containers: [{{name: train, env: [{{name: API_TOKEN, value: {ODD}}}]}}]}}}}'",
)


@pytest.mark.parametrize("command", ["show", "show --origins"])
@pytest.mark.parametrize("words", GIVEN)
def test_the_spec_is_shown_without_its_secrets(words: str, command: str) -> None:
    said = ftc(*command.split(), *shlex.split(words)).stdout
    assert "***" in said
    assert ODD not in said
    assert HF not in said


def test_a_spec_without_secrets_is_shown_as_it_is() -> None:
    said = ftc("show", "model.source.token.secret=my-secret", "env.HF_TOKEN_PATH=/run/token").stdout
    assert "secret: my-secret" in said
    assert "HF_TOKEN_PATH: /run/token" in said
    assert "***" not in said
