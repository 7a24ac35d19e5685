"""Secrets in a user's input are redacted, and the rest of the text is unchanged."""

from __future__ import annotations

import pytest

from ftc.diagnostics.redact import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("env.TOKEN=abcd1234", "env.TOKEN=***"),
        ("    HF_TOKEN: abcd1234 # mine", "    HF_TOKEN: *** # mine"),
        ('{"API_KEY": "abcd1234", "A": 1}', '{"API_KEY": "***", "A": 1}'),
        ("- {name: DB_PASSWORD, value: hunter22}", "- {name: DB_PASSWORD, value: ***}"),
        ("launcher.args=[--api-key,abcd1234,--epochs,3]", "launcher.args=[--api-key,***,--epochs,3]"),
        ("curl --password=hunter22 x", "curl --password=*** x"),
        ("git clone https://me:hunter22@example.com/m", "git clone https://***@example.com/m"),
        ("git clone Https://hunter22@example.com/m", "git clone Https://***@example.com/m"),
        ("https://me%3Ahunter22%40example.com/m", "https://***%40example.com/m"),
        ("me:hunter22@example.com:team/m", "***@example.com:team/m"),
        ("model.source.url='me:hunter22@example.com:m'", "model.source.url='***@example.com:m'"),
        ("https://hooks.example.com/?token=abcd12345", "https://hooks.example.com/?***"),
        ("train.hub_token=abcd1234", "train.hub_token=***"),
    ],
)
def test_a_secret_is_starred(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "model.source.token.secret=hub-token",
        "  secret: aml-image-builder-secret",
        "  password_key: MODEL_REPO_GIT_TOKEN",
        "cluster.git_credentials=null",
        "env.HF_HUB_DISABLE_IMPLICIT_TOKEN=1",
        "env.HF_TOKEN_PATH=/run/secrets/hf",
        "env.A=$(HF_TOKEN)",
        "train.max_new_tokens=5120",
        "image=registry.example.com:5000/team/image:1.0@sha256:aaaa",
        "https://example.com/a?page=1",
        "https://example.com/@scope/a",
        "git@example.com:team/m",
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redacted(text) == text
