"""Mutations of an input, one change at a time; the property tests and the fuzz harness share them."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from golden import cases
from unit.compiling import document

if TYPE_CHECKING:
    import random

# Words that a line of YAML may contain, and values of a document.
WORDS = (
    *("null", "~", "true", "no", "0", "-1", "1e999", ".inf", ".nan", "0x1F", "1_000", "2026-01-01", "'", '"', "[", "{"),
    *("]", "}", ": ", "- ", "#", "&a", "*a", "<<: *a", "!!python/object:os.system", "!!binary x", "?", "|", ">-", "\t"),
    *("${nodes}", "${oc.env:HOME}", "${", "}", "???", "defaults:", "  - _self_", "  - override /launcher: torchrun"),
    *("# @package _global_", "\0", "\x1b[31m", "é", "中文", "\u2028", "\ufeff", "a: &x [*x]", "..", "../../etc/passwd"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2, 8, 63, 10**9, 2**31, 2**63, 10**30, 0.5, -0.0, 1e300, float("inf"), float("nan")),
    *("", " ", "a", "a" * 300, "A_B", "a b", "a/b", "/a", "/", "..", "/a/../b", "x.example/y", "10Gi", "$(A)", "${a}"),
    *(
        "$$",
        "`id`",
        "'; id",
        "a\nb",
        "a\0b",
        "\x1b[31m",
        "é",
        "中文",
        "1.12",
        "none",
        "lora",
        "git",
        "kind",
        "hf_" + "a" * 34,
    ),
    *(
        [],
        [None],
        ["a"],
        [["a"]],
        [1],
        [{}],
        {},
        {"a": 1},
        {"": ""},
        {"a": {"b": None}},
        {"kind": "path"},
        {"name": "x"},
    ),
    *({"spec": {}}, {"spec": None}, {"spec": {"containers": [{"name": "train"}]}}, {"metadata": {"labels": {"a": 1}}}),
)


# Values and choices as overrides write them.
TEXTS = (
    *("null", "true", "0", "1", "-1", "2", "64", "99999999999", "1.0", "0.5", "1e300", "inf", "nan", "''", "' '"),
    *("a", "A_B", "'a b'", "'a: b'", "'$(A)'", r"'\${a}'", "'中'", "'é\t'", "/", "/a", "/a/", "'/a b'", "a/b", "10Gi"),
    *("none", "lora", "kind", "git", "'x.example/y'", "1.12", "1.31", "9.9", "???", "${nodes}", "${nope}", "${.id}"),
    *(
        "[]",
        "{}",
        "[a]",
        "[1]",
        "[[a]]",
        "[{}]",
        "[null]",
        "{a: b}",
        "{a: 1}",
        "{a: {b: c}}",
        "{a: [b]}",
        "{kind: path}",
    ),
    *("{spec: {}}", "{spec: 3}", "{spec: null}", "{spec: {containers: []}}", "{spec: {containers: [{name: train}]}}"),
    *(
        "{spec: {volumes: [{name: ftc, emptyDir: {}}]}}",
        "{metadata: {labels: {a: 1}}}",
        "{metadata: {annotations: {}}}",
    ),
    *("{spec: {containers: null}}", "{spec: {containers: [{name: train, env: null}]}}", "{spec: {tolerations: [{}]}}"),
    *("{spec: {containers: [{name: train, volumeMounts: [{name: nothing, mountPath: /a}]}]}}", "{alpaca: {}}"),
    *(
        "{spec: {initContainers: [{name: fetch-model, env: [{name: A}]}]}}",
        "{alpaca: {file_name: 3}}",
        "{alpaca: null}",
    ),
)
GROUPS = ("hardware", "launcher", "storage", "engine", "model", "dataset", "method", "tracking", "publish", "cluster")
CHOICES = (
    "none",
    "ddp",
    "cpu",
    "ascend",
    "custom",
    "shared",
    "per-pod",
    "git",
    "mlflow",
    "command",
    "'x'",
    "null",
    "[a,b]",
)


# Values that are often valid, so that whole compiles are covered too.
LIKELY = ("1", "2", "a", "'a'", "{}", "[]", "[a]", "null", "true", "false", "/workspace/a", "'1'", "1.0")


# Scalars and prefixes that YAML or a shell reads in a special way.
SCALARS = (
    *("null", "~", "[]", "{}", '""', "-1", "0", "0.5", "1e999", "9" * 40, "true", "y", "x" * 300, "中", "\U0001f600"),
    *("&a x", "*a", "!!int x", "!!binary aGk=", "!!set {a, b}", "2026-01-01", "1:30", "0x10", ".inf", ".nan", "<<: *a"),
    *(
        "${X",
        "$((",
        "`",
        "|",
        ">-",
        "$(hostname)",
        "$(VC_WORKER_HOSTS)",
        "if",
        "<<EOF",
        "EOF",
        "\\",
        "#",
        "@",
        "%",
        "=",
    ),
    *(
        "{a: b}",
        "[1, 2]",
        "[[a]]",
        "[{}]",
        "- a",
        "? a",
        "\t",
        "\u2028",
        "'",
        '"',
        "100Ei",
        "1.2.3",
        "5e",
        "-5Gi",
        "/",
        "..",
    ),
)
ODD: tuple[Any, ...] = (None, True, 0, -1, 2**70, 1.5, "", "x", "0", [], {}, [None], [[]], [{}], {"a": None}, {"": {}})


@cache
def keys(overrides: tuple[str, ...]) -> list[str]:
    """Every key of a spec, as overrides name it."""

    def walk(value: Any, path: str) -> list[str]:
        inner = value.items() if isinstance(value, dict) else ()
        return [path, *(found for key, child in inner for found in walk(child, f"{path}.{key}"))]

    spec = document("spec.yaml", *overrides)
    return [found for key, value in spec.items() for found in walk(value, key)]


@cache
def manifests() -> tuple[str, ...]:
    files = [*sorted(cases.CORPUS.glob("*/*.yaml")), *sorted((cases.ROOT / "tests/unit/lint").rglob("*.yaml"))]
    return tuple(file.read_text(encoding="utf-8") for file in files)


def mutated_text(text: str, rng: random.Random) -> bytes:
    """Make one to four changes of lines, words or bytes."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(9):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines[at] = " " * rng.randrange(9) + lines[at].lstrip()
            case 3:
                lines[at] = lines[at].partition(":")[0] + ": " + rng.choice(WORDS)
            case 4:
                place = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + rng.choice(WORDS) + lines[at][place:]
            case 5:
                lines.insert(at, rng.choice(WORDS))
            case 6:
                lines[at] = lines[at].replace(":", "", 1)
            case 7:
                lines[at], other = lines[rng.randrange(len(lines))], lines[at]
                lines.append(other)
            case _:
                return bytes(b if rng.random() > 0.01 else rng.randrange(256) for b in "\n".join(lines).encode())
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def mutate(value: Any, rng: random.Random) -> Any:
    """Make one change of a value, a key or an item, at any depth."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not inner or rng.random() < 0.15:
        return copy.deepcopy(rng.choice(VALUES))
    key, child = rng.choice(inner)
    if rng.random() < 0.8:
        value[key] = mutate(child, rng)
    elif isinstance(value, list):
        value.insert(key, copy.deepcopy(rng.choice([child, *VALUES])))
    elif rng.random() < 0.5:
        del value[key]
    else:
        value[rng.choice(["", "a", "kind", "name", "extra", f"{key}x", "NNODES", "a.b", "\n"])] = value.pop(key)
    return value
