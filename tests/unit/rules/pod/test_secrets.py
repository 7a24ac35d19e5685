"""A spec does not contain secrets, and messages do not repeat them."""

from __future__ import annotations

import pytest

from unit.compiling import found, ftc
from unit.rules.pairs import Pair, pages, passes, refuses

HF = "hf_" + "a1B2" * 9
GIT = "source@model.source=git model.source.url="
PAIRS = (
    Pair("FTC601", f"env.HF_TOKEN={HF}", "env.HF_TOKEN_PATH=/workspace/token", "env.HF_TOKEN"),
    Pair("FTC601", f"cluster.env.X={HF}", "cluster.env.X=hf_transfer", "cluster.env.X"),
    Pair("FTC601", "annotations.note=ghp_" + "a1" * 18, "annotations.note=ghp_here", "annotations.note"),
    Pair("FTC601", "labels.a=glpat-" + "a1" * 10, "labels.a=glpat", "labels.a"),
    Pair("FTC601", f"train.hub_token={HF}", "train.max_steps=1", "train.hub_token"),
    Pair("FTC601", "env.K=AKIA" + "A1" * 8, "env.K=AKIA", "env.K"),
    Pair(
        "FTC601",
        "setup=[[pip,install,-i,'https://u:pw1@example.com/simple',x]]",
        "setup=[[pip,install,-i,'https://example.com/simple',x]]",
        "setup.0.3",
    ),
    Pair(
        "FTC601",
        "'env.URL=\"https://example.com/d?access_token=0123456789\"'",
        "'env.URL=\"https://example.com/d?page=0123456789\"'",
        "env.URL",
    ),
    Pair("FTC601", "env.HTTPS_PROXY=http://user:pw@proxy:3128", "env.HTTPS_PROXY=http://proxy:3128", "env.HTTPS_PROXY"),
    Pair(
        "FTC601",
        f"'pod={{spec: {{containers: [{{name: train, env: [{{name: A, value: {HF}}}]}}]}}}}'",
        "'pod={spec: {containers: [{name: train, env: [{name: A, "
        "valueFrom: {secretKeyRef: {name: hub, key: token}}}]}]}}'",
        "pod.spec.containers.0.env.0",
    ),
    *(
        Pair("FTC601", wrong, right, key)
        for wrong, right, key in (
            ("env.HTTPS_PROXY=http://ab1@proxy:3128", "env.HTTPS_PROXY=http://proxy:3128/", "env.HTTPS_PROXY"),
            ("cluster.env.https_proxy=me:pw1@proxy:3128", "cluster.env.https_proxy=proxy:3128", "cluster.env"),
            ("env.ALL_PROXY=socks5h://ab1@proxy", "env.ALL_PROXY=socks5h://proxy", "env.ALL_PROXY"),
            ("env.http_proxy=http://me%3Apw1%40proxy", "env.http_proxy=http://proxy", "env.http_proxy"),
            ("setup=[[git,clone,'https://ab1@h.example/m']]", "setup=[[git,clone,'git@h.example/m']]", "setup.0.2"),
            ("setup=[[pip,install,'git+https://ab1@h.example/m']]", "setup=[[pip,install,'x@y']]", "setup.0.2"),
            ("setup=[[env,'\"HTTPS_PROXY=me:pw1@p\"',x]]", "setup=[[env,'\"HTTPS_PROXY=p\"',x]]", "setup.0.1"),
            ("setup=[[curl,-u,'me:pw1','https://h.example']]", "setup=[[curl,-u,me,'https://h.example']]", "setup.0"),
            ("setup=[[bash,-c,\"'curl --user=me:pw1 h'\"]]", "setup=[[bash,-c,\"'curl -s h:80'\"]]", "setup.0.2"),
            ("setup=[[curl,-H,'\"PRIVATE-TOKEN: ab1\"',h]]", "setup=[[curl,-H,'\"Accept: ab1\"',h]]", "setup.0.2"),
            (
                "setup=[[curl,'\"https://h.example/?Private-Token=ab1\"']]",
                "setup=[[curl,'\"https://h.example/?Private=ab1\"']]",
                "setup.0.1",
            ),
            (
                "'pod={spec: {containers: [{name: train, env: [{name: HTTPS_PROXY, value: \"http://ab1@p\"}]}]}}'",
                "'pod={spec: {containers: [{name: train, env: [{name: HTTPS_PROXY, value: \"http://p\"}]}]}}'",
                "pod.spec.containers.0.env.0",
            ),
        )
    ),
    Pair("FTC602", "env.WANDB_API_KEY=0123456789abcdef", "env.WANDB_PROJECT=0123456789abcdef", "env.WANDB_API_KEY"),
    Pair("FTC602", "env.MYSQL_PASSWORD=hunter22", "env.MYSQL_PASSWORD_FILE=/run/secrets/p", "env.MYSQL_PASSWORD"),
    Pair(
        "FTC602",
        "launcher=command launcher.command=[python] launcher.args=[--token,abcd1234]",
        "launcher=command launcher.command=[python] launcher.args=[--pad-token,'\"<pad>\"']",
        "launcher.args.0",
    ),
    Pair("FTC602", "'setup=[[env,\"HF_TOKEN=abcd1234\",hf]]'", "'setup=[[env,\"HF_HOME=abcd1234\",hf]]'", "setup.0.1"),
    Pair(
        "FTC602",
        "'pod={spec: {containers: [{name: train, env: [{name: AUTH_TOKEN, value: abcd1234}]}]}}'",
        "'pod={spec: {containers: [{name: train, env: [{name: AUTH_TOKEN, value: \"$(OTHER)\"}]}]}}'",
        "pod.spec.containers.0.env.0",
    ),
    Pair("FTC603", "env.GIT_SSL_NO_VERIFY=1", "env.GIT_SSL_NO_VERIFY='\"0\"'", "env.GIT_SSL_NO_VERIFY"),
    Pair("FTC603", "cluster.env.CURL_CA_BUNDLE=", "cluster.env.CURL_CA_BUNDLE=/etc/ssl/ca.pem", "cluster.env"),
    Pair("FTC603", "env.PYTHONHTTPSVERIFY=0", "env.PYTHONHTTPSVERIFY=1", "env.PYTHONHTTPSVERIFY"),
    Pair("FTC603", "setup=[[curl,-sk,x]]", "setup=[[curl,-s,x]]", "setup.0.1"),
    Pair("FTC603", "setup=[[pip,install,--trusted-host,h,x]]", "setup=[[pip,install,-i,h,x]]", "setup.0.2"),
    Pair("FTC603", "setup=[[pip3,install,--trusted-host,h,x]]", "setup=[[pip3,install,-i,h,x]]", "setup.0.2"),
    Pair(
        "FTC603",
        "'setup=[[git,config,--global,http.sslVerify,\"false\"]]'",
        "'setup=[[git,config,--global,http.sslVerify,\"true\"]]'",
        "setup.0.3",
    ),
    Pair(
        "FTC603",
        "'setup=[[git,-c,\"http.sslVerify=false\",clone,x]]'",
        "'setup=[[git,-c,\"http.sslVerify=true\",clone,x]]'",
        "setup.0.2",
    ),
    Pair(
        "FTC604", f"cluster=alauda {GIT}http://a.example/m", f"cluster=alauda {GIT}https://a.example/m", "model.source"
    ),
    Pair("FTC604", f"cluster=alauda {GIT}http://a.example/m", f"{GIT}http://a.example/m", "model.source.url"),
    Pair(
        "FTC604",
        "cluster=alayanew model.source.token.secret=hub",
        "cluster=alayanew",
        "model.source.endpoint",
    ),
    Pair(
        "FTC604",
        "cluster=alauda publish=git publish.url=http://gitlab.example.com/m",
        "cluster=alauda publish=git publish.url=http://gitlab.team-a.svc/m",
        "publish.url",
    ),
    Pair(
        "FTC208",
        f"{GIT}https://git.example.com/m model.source.tls_verify=false",
        f"{GIT}https://git.example.com/m",
        "model.source.tls_verify",
    ),
    Pair(
        "FTC208",
        ("publish=git", "publish.url=https://a.b/c", "publish.tls_verify=false"),
        ("publish=git", "publish.url=https://a.b/c"),
        "publish.tls_verify",
    ),
)


ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_secret_in_a_spec_is_reported_at_its_key(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_similar_value_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize(
    "override",
    [
        "env.HF_HUB_DISABLE_IMPLICIT_TOKEN=1",
        "env.TOKENIZERS_PARALLELISM=false",
        "env.HF_TOKEN_PATH=/run/secrets/hf",
        "env.CUDA_DEVICE_MAX_CONNECTIONS=1",
        "env.EOS_TOKEN='<|im_end|>'",
        "train.max_new_tokens=512",
        "train.run_name=sk-learn-against-hf_transfer-and-more",
        "annotations.revision=8f3b1c2d4e5f60718293a4b5c6d7e8f901234567",
    ],
)
def test_names_and_values_that_resemble_a_secret_pass(override: str) -> None:
    assert [d for d in found(override) if d.code.startswith("FTC60")] == []


@pytest.mark.parametrize(
    ("secret", "overrides"),
    [
        (HF, (f"env.HF_TOKEN={HF}",)),
        (HF, (f"nodes={HF}", f"no.such.key={HF}")),
        ("hunter22", ("env.DB_PASSWORD=hunter22",)),
        ("hunter22", ("launcher=command", "launcher.command=[python]", "launcher.args=[--password,hunter22]")),
        ("hunter22", ("pod={spec: {containers: [{name: train, env: [{name: DB_PASSWORD, value: hunter22}]}]}}",)),
        ("hunter22", ("env.PROXY=http://me:hunter22@proxy:3128",)),
        ("hunter22", ("env.API_KEY=hunter22", "env.NNODES=2")),
        ("hunter22", ("env.HTTPS_PROXY=http://hunter22@proxy:3128",)),
        ("hunter22", ("env.HTTPS_PROXY=hunter:hunter22@proxy:3128",)),
        ("hunter22", ("setup=[[curl,-u,me:hunter22,h]]",)),
    ],
)
def test_no_message_repeats_a_secret(secret: str, overrides: tuple[str, ...]) -> None:
    said = ftc("compile", *overrides).stderr
    assert "FTC" in said
    assert secret not in said
    assert "***" in said


def test_a_reserved_secret_variable_is_reported_once() -> None:
    assert [d.code for d in found("env.GIT_TOKEN=abcd1234")] == ["FTC106"]
