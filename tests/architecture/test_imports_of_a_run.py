"""A run of the command loads only the libraries that it uses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def loaded(*arguments: str) -> set[str]:
    """The top-level modules that are loaded when the command ends."""
    script = (
        "import json, sys, ftc.cli.main as m\n"
        f"sys.argv = ['ftc', *{list(arguments)!r}]\n"
        "try:\n    m.main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("module", ["kubernetes", "kubernetes_validate", "torch", "rich", "transformers", "requests"])
def test_compile_loads_no_unneeded_library(module: str) -> None:
    assert module not in loaded("compile", "nodes=2")


def test_help_loads_neither_hydra_nor_jsonschema() -> None:
    assert not {"hydra", "omegaconf", "jsonschema", "antlr4"} & loaded("--help")
    assert not {"hydra", "omegaconf", "jsonschema", "antlr4"} & loaded("--version")
    assert not {"hydra", "omegaconf", "jsonschema", "antlr4"} & loaded("completion", "bash")


def test_list_does_not_load_jsonschema() -> None:
    assert not {"jsonschema", "jsonschema_rs"} & loaded("list")


def test_a_compile_loads_what_it_uses() -> None:
    assert {"hydra", "omegaconf", "jsonschema_rs", "msgspec", "yaml"} <= loaded("compile")


def test_a_valid_value_does_not_load_jsonschema() -> None:
    assert "jsonschema" not in loaded("compile", "hardware=ascend", "network=host-ascend", "nodes=2")


def test_findings_and_plans_are_not_rendered_without_need() -> None:
    script = "import sys, ftc.cli.main as m\nsys.argv = ['ftc', 'compile']\nm.gc.disable()\ntry:\n    m.main()\n"
    script += "except SystemExit:\n    pass\nsys.stderr.write(' '.join(sys.modules))\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert "ftc.driver" in modules
    telling = ("render_text", "formats", "page", "shown")
    assert not modules & {"ftc.summary.build", "ftc.compose.defaults_problems"}
    assert not modules & {"ftc.cli.rendering", *(f"ftc.diagnostics.{name}" for name in telling)}
