"""Secrets in a user's input are redacted, and the rest of the text is unchanged."""

from __future__ import annotations

import pytest

from ftc.diagnostics.printable import kind_of_secret, redacted, without_secrets


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
        ("setup=[[curl,-u,me:hunter22,x]]", "setup=[[curl,-u,me:***,x]]"),
        ("curl --proxy-user me:hunter22 x", "curl --proxy-user me:*** x"),
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
        "https://example.com/a?page=1&access_token=$TOKEN",
        "curl -H 'PRIVATE-TOKEN: $TOKEN'",
        "docker run -u 1000:1000 x",
        "python -u train.py",
        "https://example.com/@scope/a",
        "git@example.com:team/m",
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redacted(text) == text


# The shapes that the issuers document:
# - huggingface.co/docs/hub/security-tokens
# - docs.github.com, "About authentication to GitHub", the table of token formats
# - docs.gitlab.com/security/tokens, "Token prefixes"
# - docs.aws.amazon.com/IAM, "IAM identifiers", the table of unique ID prefixes
# - docs.slack.dev/authentication/tokens
# - RFC 7468 (PEM) and RFC 7519 (JWT)
# - the keys of OpenAI (sk-), Google Cloud (AIza) and npm (npm_)
LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6"
TOKENS = (
    ("a Hugging Face token", f"hf_{LETTERS}"),
    *(("a GitHub token", f"{prefix}_{LETTERS}") for prefix in ("ghp", "gho", "ghu", "ghs", "ghr")),
    ("a GitHub token", f"github_pat_{LETTERS[:22]}_{LETTERS}"),
    *(("a GitLab token", f"{prefix}-{LETTERS[:20]}") for prefix in ("glpat", "gldt", "glrt", "glcbt", "glptt")),
    *(("an AWS access key", f"{prefix}{LETTERS[:16].upper()}") for prefix in ("AKIA", "ASIA")),
    *(("a Slack token", f"{prefix}-12345678901-{LETTERS}") for prefix in ("xoxb", "xoxp", "xoxa", "xoxe", "xoxs")),
    *(("an API key", f"{prefix}{LETTERS}") for prefix in ("sk-", "sk-proj-", "AIza", "npm_")),
    ("a JSON Web Token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl"),
    ("a private key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n"),
    ("a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"),
)


@pytest.mark.parametrize(("kind", "token"), TOKENS, ids=[token[:12] for _, token in TOKENS])
def test_a_token_is_known_by_its_shape_wherever_it_is(kind: str, token: str) -> None:
    assert kind_of_secret(token) == kind
    assert kind_of_secret(f"pip install --index {token} x") == kind
    assert redacted(f"echo {token}").startswith("echo ***")
    assert token[-6:] not in redacted(f"echo {token}")


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("a password in a URL", "https://me:hunter22@example.com/m", "https://***@example.com/m"),
        ("a token in a URL", "https://abcdefghij0123456789@example.com/m", "https://***@example.com/m"),
        *(
            ("a token in a query", f"https://example.com/?a=1&{key}=abcd12345", "https://example.com/?a=1&***")
            for key in ("access_token", "private_token", "token", "api_key", "apikey", "sig", "X-Amz-Signature")
        ),
        *(  # GitLab, REST API authentication: the parameter in any case; a token of any length
            ("a token in a query", f"https://example.com/?a=1&{key}=ab1", "https://example.com/?a=1&***")
            for key in ("access_token", "PRIVATE_TOKEN", "Private-Token", "private_token", "job_token", "password")
        ),
        ("a token in a header", "PRIVATE-TOKEN: ab1cd", "***"),
        ("a token in a header", "Job-Token: ab1cd", "***"),
        ("a token in a header", "Authorization: Basic bWU6aHVudGVyMjI=", "Authorization: ***"),
        ("a token in a header", "Authorization: Bearer abcd.efgh-1234_5678", "Authorization: ***"),
    ],
)
def test_a_secret_is_known_by_where_it_is(kind: str, text: str, shown: str) -> None:
    assert kind_of_secret(text) == kind
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "hf_transfer",
        "sk-learn",
        "sk-a-name-of-only-letters-and-dashes",
        "github_pattern",
        "ghp_short",
        "AKIA1234",
        "eyJ.eyJ.a",
    ],
)
def test_a_name_that_begins_like_a_token_is_not_one(text: str) -> None:
    assert kind_of_secret(text) == ""
    assert redacted(text) == text


def test_the_word_after_a_flag_of_a_secret_is_starred() -> None:
    words = ["--api-key=hunter22", "--token", "hunter22", "--max-tokens", "7", "--token", "--verbose"]
    assert without_secrets({"args": words})["args"] == [
        *("--api-key=***", "--token", "***", "--max-tokens", "7", "--token", "--verbose")
    ]
