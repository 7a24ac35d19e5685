"""The kinds of inputs: each is a command line and the files that it reads, generated only from a seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import yaml

from ftc.targets import TARGETS
from fuzz import files as data
from fuzz.mutators import (
    CHOICES,
    GROUPS,
    LIKELY,
    SCALARS,
    TEXTS,
    WORDS,
    keys,
    manifests,
    mutate,
    mutated_text,
)
from golden import cases
from unit.compiling import COMMAND, document
from unit.loading import load_all

CONF = cases.ROOT / "conf"
FORMATS = ("text", "text", "json", "github", "sarif")
BASES: tuple[tuple[str, ...], ...] = (
    (),
    ("launcher=accelerate", "nodes=2", "devices=2", "engine=fsdp2", "tracking=tensorboard"),
    ("launcher=torchrun", "engine=deepspeed-z3", "hardware=ascend-910b-mindcluster", "devices=8", "naming=fixed"),
    (*COMMAND, "storage=per-pod", "hardware=cpu"),
    ("storage=job-lifetime", "hardware=alauda-vgpu", "source@model.source=git", "model.source.url=https://a.example/b"),
    ("publish=git", "publish.url=https://a.example/c", "tracking=mlflow", "tracking.mlflow.uri=http://m"),
)
NEEDS = {"launcher/command": COMMAND[1:], "publish/git": ("publish.url=https://a.example/b",)}
# Functions and sweeps of Hydra's grammar, references, and values that expand.
FUNCTIONS = (
    *("int(1.5)", "str(2)", "float(1)", "bool(1)", "json_str({a:1})", "cast(1)", "extend_list(1,2)", "glob(*)"),
    *("choice(1,2)", "range(1,9)", "range(1,300000000)", "interval(0,1)", "sort(2,1)", "tag(a,choice(1,2))", "1,2"),
    *("shuffle(1,2)", "a,b,c", "[1,2],[3]", "{a:1},{a:2}", "${nodes}${nodes}", "${train}", "${env}", "${.}", "${..a}"),
    *("${oc.env:HOME}", "${hydra:x}", "${a:${b:c}}", "${${nodes}}", "'${name}'", "${name", "x${devices}y", "\\${a}"),
)
SNIPPETS = (
    *("A0=x; A1=$A0$A0; A2=$A1$A1", "export NNODES=$(hostname)", 'eval "$X"', "cat <<EOF\n$A\nEOF", "case $X in a) ;;"),
    *(
        "if [ $NODE_RANK",
        "for i in {1..99999999}; do",
        "$((1/0))",
        "${A:-${B:-${C}}}",
        "${A//a/b}",
        "trap '' TERM",
        "`",
    ),
    *("exec torchrun --nnodes $N --nproc_per_node=8 train.py", "llamafactory-cli train a.yaml learning_rate=1", "\\\n"),
    *(
        "deepspeed --num_gpus 8 x",
        "accelerate launch --config_file a.yaml",
        "source x",
        ". /a",
        "A=(1 2)",
        "((",
        "$'\\x'",
    ),
    *(
        "set -euo pipefail",
        "python -c 'import os'",
        "sleep infinity",
        "a | b && c || d &",
        "f() { f; }; f",
        "<(",
        "\r\n",
    ),
)


class Input(NamedTuple):
    """The input of one run of `ftc`."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = MappingProxyType({})
    stdin: bytes = b""


Make: TypeAlias = Callable[[random.Random], Input]


def make(kind: str, index: int, seed: int) -> Input:
    """Generate the input of a number, the same in every run."""
    return KINDS[kind](random.Random(f"{seed}:{kind}:{index}"))  # noqa: S311 - nothing secret


def _overrides(rng: random.Random) -> Input:
    base = rng.choice(BASES)
    words = [_override(rng, base) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:  # a likely valid input goes through all passes
        words = [_likely(rng, base)]
    command = rng.choice([("compile",), ("compile",), ("compile", "-t", rng.choice([*TARGETS])), ("show",), ("plan",)])
    if rng.random() < 0.1:
        command = ("compile", "-m", "-o", "out")
    elif rng.random() < 0.1:
        command = ("show", "--origins")
    return Input((*command, *_format(rng), "--", *base, *words))


def _likely(rng: random.Random, base: tuple[str, ...]) -> str:
    """Override a key, usually by another value of the same type."""
    key = rng.choice(keys(base))
    value = _spec(base)
    for part in key.split("."):
        value = value[part] if isinstance(value, dict) and part in value else None
    match value:
        case bool():
            return f"{key}={rng.choice(['true', 'false'])}"
        case int() | float():
            return f"{key}={rng.choice([0, 1, 2, 4, 8, 1000])}"
        case str():
            return f"{key}='{rng.choice([value, f'{value}x', 'a', '/workspace/a'])}'"
        case _:
            return f"{key}={rng.choice(LIKELY)}"


@cache
def _spec(base: tuple[str, ...]) -> Any:
    return document("spec.yaml", *base)


def _override(rng: random.Random, base: tuple[str, ...]) -> str:
    key = rng.choice(keys(base)) + rng.choice(["", "", "", "", ".extra", ".kind", ".a.b", "[0]", "@x"])
    match rng.randrange(8):
        case 0:
            return f"~{key}"
        case 1:
            return f"{rng.choice(GROUPS)}={rng.choice([*CHOICES, *FUNCTIONS])}"
        case 2:
            return f"{key}={rng.choice(FUNCTIONS)}"
        case 3:
            return _noise(rng, f"{key}={rng.choice(TEXTS)}")
        case _:
            return f"{rng.choice(['', '', '', '+', '++'])}{key}={rng.choice([*LIKELY, *TEXTS])}"


def _noise(rng: random.Random, text: str) -> str:
    """Replace or double characters of a text, preferring those of Hydra's grammar."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        odd = rng.choice(
            ["=", ",", "'", '"', "[", "{", "}", "]", "(", "$", "\\", ":", "\n", "\t", "é", "\u202e", "\udcff"]
        )
        text = text[:at] + odd + text[at:] if rng.random() < 0.8 else text[:at] + text[at:] * 2
    return text[:5000]


def _format(rng: random.Random) -> tuple[str, ...]:
    return ("--format", rng.choice(FORMATS)) if rng.random() < 0.5 else ()


def _conf(rng: random.Random) -> Input:
    """Change an option of any group as text, as values, or by random bytes."""
    file = rng.choice(sorted(CONF.glob("*/*.yaml")))
    group, option = file.parent.name, file.stem
    text = file.read_text(encoding="utf-8")
    word = f"source@model.source={option}" if group == "source" else f"{group}={option}"
    command = rng.choice([("compile",), ("show", "--origins"), ("list", group), ("compile", "-t", "job")])
    overrides = () if command[0] == "list" else (word, *NEEDS.get(f"{group}/{option}", ()))
    return Input((*command, "--config-dir", "conf", *overrides), {f"conf/{group}/{file.name}": _changed(rng, text)})


def _changed(rng: random.Random, text: str) -> bytes:
    """Change a document in one of several ways."""
    match rng.randrange(18):
        case 0:
            return rng.randbytes(rng.randrange(300))
        case 1 | 2 | 3:
            return mutated_text(text, rng)
        case 4:
            return mutated_text(text, rng).replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\x85"]))
        case 5:
            return _grown(rng).encode("utf-8", "surrogatepass")
        case _:
            documents = copy.deepcopy(_loaded(text))
            for _ in range(rng.choice([1, 1, 1, 2, 4]) if documents else 0):
                at = rng.randrange(len(documents))
                documents[at] = mutate(documents[at], rng)
            return yaml.safe_dump_all(documents, allow_unicode=rng.random() < 0.5).encode("utf-8", "surrogatepass")


@cache
def _loaded(text: str) -> list[Any]:
    return load_all(text)


def _grown(rng: random.Random) -> str:
    """Small documents that expand, or that are deep, long or wide."""
    number = rng.choice([2, 30, 300, 3000])
    doubled = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, min(number, 60)))
    referred = "".join(f"  A{n}: ${{env.A{n - 1}}}${{env.A{n - 1}}}\n" for n in range(1, min(number, 60)))
    return rng.choice(
        [
            "a: " + "[" * number,
            "a: " + "{a: " * number,
            "- " * number,
            f"a0: &a0 x\n{doubled}",
            f"env:\n  A0: x\n{referred}",
            f"a: {'x' * number * 100}",
            "".join(f"k{n}: {n}\n" for n in range(number)),
            "---\n" * number,
            f"? {'a' * number}\n: b",
            f"a: {'9' * number}",
            f"<<: [{', '.join(['{a: b}'] * min(number, 300))}]",
        ]
    )


def _fragments(rng: random.Random) -> Input:
    """A user's run with a fragment of the pod: parts of a real one, changed."""
    template = _template(rng)
    for _ in range(rng.choice([0, 1, 1, 3])):
        template = mutate(template, rng)
    where = rng.choice(["pod", "cluster.pod", "hardware.pod", "network.pod"]).split(".")
    data: Any = template
    for key in reversed(where):
        data = {key: data}
    run = {"defaults": ["config", "_self_"], **data}
    text = yaml.safe_dump(run, sort_keys=False).encode("utf-8", "surrogatepass")
    base = rng.choice(BASES[:4])
    target = rng.choice(["volcano", "volcano", "job", "storage", "script"])
    return Input(("compile", "--config-dir", ".", "-c", "run", "-t", target, *_format(rng), *base), {"run.yaml": text})


def _template(rng: random.Random) -> Any:
    """A field or two of the pod of a golden file, without the names that ftc adds."""
    text = (cases.SCENARIOS / rng.choice(_scenarios()) / "job.yaml").read_text(encoding="utf-8")
    found = next(one for one in _loaded(text) if one["kind"] == "Job")["spec"]["template"]["spec"]
    kept = rng.sample(sorted(found), k=rng.choice([1, 1, 2, 5]))
    pod = {field: copy.deepcopy(found[field]) for field in kept}
    for field in ("containers", "initContainers", "volumes"):
        for item in pod.get(field, []):
            item["name"] = rng.choice([item["name"], "own", "train"])
    return {"spec": pod}


@cache
def _scenarios() -> list[str]:
    return sorted(file.parent.name for file in cases.SCENARIOS.glob("*/job.yaml"))


@cache
def _goldens(name: str) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in sorted(cases.SCENARIOS.glob(f"*/{name}"))]


def _lint(rng: random.Random) -> Input:
    text = rng.choice([*manifests(), *_goldens("volcano.yaml")])
    files = {"m.yaml": _changed(rng, text)}
    if rng.random() < 0.2:
        files["n.yaml"] = _changed(rng, rng.choice(manifests()))
    if rng.random() < 0.1:
        return Input(("lint", *_format(rng), "-"), stdin=files["m.yaml"])
    return Input(("lint", *_format(rng), *rng.choice([(*files,), (".",)])), files)


def _shell(rng: random.Random) -> Input:
    """A job whose script consists of lines of other scripts, and of lines that are hard to parse."""
    lines = [rng.choice([*_script_lines(), *SNIPPETS, *SCALARS]) for _ in range(rng.randint(1, 12))]
    script = "\n".join(_noise(rng, line) if rng.random() < 0.2 else line for line in lines)
    if rng.random() < 0.1:
        script = "A0=x\n" + "".join(f"A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 40)) + script
    env = [{"name": f"A{n}", "value": f"$(A{n - 1})$(A{n - 1})"} for n in range(rng.choice([0, 0, 3, 40]))]
    words = rng.choice([["bash", "-c", script], ["sh", "-ec", script, *lines[:2]], [*lines], [script]])
    container = {"name": "train", "image": "a:1", "command": words, "env": env}
    pod = {"restartPolicy": "Never", "containers": [container]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": pod}}}
    return Input(("lint", *_format(rng), "m.yaml"), {"m.yaml": json.dumps(job).encode()})


@cache
def _script_lines() -> list[str]:
    found = {line for text in manifests() for line in text.splitlines() if "$" in line or "llamafactory" in line}
    return sorted(found)


def _trainer(rng: random.Random) -> Input:
    """The trainer's files, alone or mounted from a ConfigMap next to a job."""
    name = rng.choice(["train.yaml", "accelerate.yaml", "dataset_info.json", "ds.json"])
    texts = _goldens(name) or [
        '{"zero_optimization": {"stage": 3}, "bf16": {"enabled": true}, "train_batch_size": "auto"}'
    ]
    content = _changed(rng, rng.choice(texts))
    if rng.random() < 0.5:
        return Input(
            ("lint", *_format(rng), name if name.endswith(".yaml") else "."), {name: content, "x.yaml": content}
        )
    run: dict[str, Any] = {
        "name": "t",
        "image": "a:1",
        "command": ["llamafactory-cli", "train", f"/c/{name}", rng.choice(TEXTS)],
    }
    run["volumeMounts"] = [{"name": "c", "mountPath": "/c"}]
    pod = {"containers": [run], "volumes": [{"name": "c", "configMap": {"name": "c"}}]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": pod}}}
    data = {name: content.decode("utf-8", "replace")}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}
    return Input(("lint", *_format(rng), "m.yaml"), {"m.yaml": "\n---\n".join(map(json.dumps, (job, config))).encode()})


def _diff(rng: random.Random) -> Input:
    text = rng.choice([*manifests(), *_goldens("volcano.yaml"), *_goldens("spec.yaml"), *_goldens("train.yaml")])
    form = ("--format", rng.choice(["text", "markdown", "json"]))
    sides = text.encode() if rng.random() < 0.5 else _changed(rng, text), _changed(rng, text)
    match rng.randrange(5):
        case 0:
            base = rng.choice(BASES)
            word = rng.choice([_likely, _likely, _override])(rng, base)
            return Input(("diff", *form, *base, word, "--", *base))
        case 1:
            return Input(("diff", *form, "--manifest", "a.yaml", *rng.choice(BASES)), {"a.yaml": sides[1]})
        case 2:
            names = rng.choice(["volcano.yaml", "x.json", "spec.yaml", "kustomization.yaml", "run.sh", "x\n.yaml"])
            return Input(
                ("diff", *form, "a", "b"), {f"a/{names}": sides[0], f"b/{names}": sides[1], "b/z.yaml": sides[0]}
            )
        case _:
            return Input(("diff", *form, "a.yaml", "b.yaml"), {"a.yaml": sides[0], "b.yaml": sides[1]})


def _explain(rng: random.Random) -> Input:
    base = rng.choice(BASES)
    paths = (
        "spec.tasks[0].template.spec.containers[train].env[0]",
        "metadata.labels",
        "spec.minAvailable",
        "42",
        "9999",
    )
    what = rng.choice(
        [*paths, *keys(base), *TEXTS, *WORDS, "a:b", "merge.yaml:template", "train.yaml:x", '["a"]', "[0]"]
    )
    what = _noise(rng, what) if rng.random() < 0.4 else what
    target = ("-t", rng.choice(["volcano", "llamafactory", "job"])) if rng.random() < 0.4 else ()
    extra = (_override(rng, base),) if rng.random() < 0.3 else ()
    return Input(("explain", *_format(rng), *target, "--", what, *base, *extra))


def _golden(rng: random.Random) -> Input:
    """A golden tree: a changed case, with a record and files, or with a user's conf tree."""
    case = (
        'why: A run.\noverrides: [nodes=2]\nmatrix: ["devices=1,2"]\nexclude: [[devices=2]]\ntargets: [volcano, job]\n'
    )
    name = rng.choice(["one", "a b", "é", "\n", "::error::", "x" * 200, "-x", "one/two"])
    files = {f"golden/{name}/case.yaml": rng.choice([case.encode(), _changed(rng, case)])}
    if rng.random() < 0.5:
        files[f"golden/{name}/DIGESTS"] = _changed(rng, f"{'a' * 64}  volcano.yaml\n")
        files[f"golden/{name}/volcano.yaml"] = _changed(rng, rng.choice(_goldens("volcano.yaml")))
    if rng.random() < 0.3:
        files["golden/devices=1/DIGESTS"] = rng.randbytes(40)
    if rng.random() < 0.3:
        files["conf/run.yaml"] = _changed(rng, "defaults: [config, _self_]\nnodes: 2\n")
    words = rng.choice(
        [("check",), ("check",), ("update",), ("check", name), ("update", "--", name), ("check", "--dir", "x")]
    )
    return Input(("golden", *words), files)


def _arguments(rng: random.Random) -> Input:
    """Commands that take a word or two, and malformed command lines."""
    word = rng.choice([*TEXTS, *WORDS, *GROUPS, "FTC301", "301", "case", "config", "ftc301", "٣", "²", "x" * 9000])
    word = _noise(rng, word) if rng.random() < 0.5 else word
    commands = ("rule", "list", "schema", "completion", "init", "compile", "lint", "nope", "golden", "diff", "plan")
    options = (
        "--json",
        "--wide",
        "--format",
        "json",
        "--ignore",
        "FTC209",
        "--strict",
        "-o",
        "-t",
        "--",
        "-",
        "--help",
        "-m",
    )
    words = [rng.choice(commands), *rng.sample([word, word, *options], k=rng.randint(1, 4))]
    if rng.random() < 0.1:
        rng.shuffle(words)
    return Input(tuple(word.replace("\0", "") for word in words))  # no command line can hold a NUL


def _dataset(rng: random.Random) -> Input:
    return Input(*data.dataset(rng))


def _model(rng: random.Random) -> Input:
    return Input(*data.model(rng))


def _inference(rng: random.Random) -> Input:
    return Input(data.inference(rng, rng.choice(keys(BASES[0]))))


def _clean(rng: random.Random) -> Input:
    return Input(*data.workspace(rng))


KINDS: dict[str, Make] = {
    "overrides": _overrides,
    "conf": _conf,
    "fragments": _fragments,
    "manifests": _lint,
    "shell": _shell,
    "trainer": _trainer,
    "diff": _diff,
    "explain": _explain,
    "golden": _golden,
    "arguments": _arguments,
    "dataset": _dataset,
    "model": _model,
    "inference": _inference,
    "clean": _clean,
}
