"""What a user types, and what comes out; in one process, as the tests have it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.diagnostics.model import has_errors
from ftc.diagnostics.render_text import render
from ftc.driver import Request, State, compile_job
from unit.loading import load, load_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftc.diagnostics.model import Diagnostic

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("launcher=command", "launcher.command=[python,train.py]")


class Said(NamedTuple):
    stdout: str
    stderr: str
    exit_code: int


def ftc(*arguments: str) -> Said:
    """Run the command; a bug in ftc comes through as the exception that it is."""
    result = CliRunner().invoke(cli, list(arguments), prog_name="ftc")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.stdout, result.stderr, result.exit_code)


def refused(*arguments: str) -> str:
    """What a compile that must be refused says: nothing on stdout, no trace, exit code 1."""
    said = ftc("compile", *arguments)
    assert said.exit_code == 1, said
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    return said.stderr


def errors(*arguments: str) -> list[str]:
    """The first lines of a refused compile's errors: position, code, key and message."""
    return [line for line in refused(*arguments).splitlines() if " error[" in f" {line}"]


def compiled(*overrides: str) -> State:
    """A compile that must not be refused."""
    state = compile_job(Request(overrides))
    assert not has_errors(state.diagnostics), render(state.diagnostics)
    return state


def found(*overrides: str, targets: tuple[str, ...] = ("volcano", "llamafactory")) -> tuple[Diagnostic, ...]:
    """All diagnostics of a compile."""
    return compile_job(Request(overrides, targets=targets)).diagnostics


def artifacts(*overrides: str) -> dict[str, str]:
    """Every file of a compile: name to text."""
    return {artifact.name: artifact.text for artifact in compiled(*overrides).artifacts()}


def without_origin(text: str) -> list[Any]:
    """The objects without the annotations that say what they were made from."""
    return [_without_origin(one) for one in load_all(text)]


def _without_origin(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_origin(one) for one in value]
    if isinstance(value, dict):
        made = ("ftc.dev/overrides", "ftc.dev/spec.yaml")
        return {key: _without_origin(one) for key, one in value.items() if key not in made}
    return value


def document(name: str, *overrides: str) -> Any:
    """One artifact, read."""
    return load(artifacts(*overrides)[name])


def job(*overrides: str) -> Any:
    """The VolcanoJob."""
    return document("volcano.yaml", *overrides)


def annotated(made: Any) -> Any:
    """The annotations of an object, without those that tell what it was made from."""
    given = made["metadata"].get("annotations", {})
    return {key: value for key, value in given.items() if not key.startswith("ftc.dev/")}


def objects(text: str) -> list[Any]:
    """The objects of a manifest without the annotations that tell what they were made from, the overrides above all."""
    found = load_all(text)
    return [{**one, "metadata": {**one["metadata"], "annotations": annotated(one)}} for one in found]


def template(*overrides: str) -> Any:
    """The pod template of the only task."""
    (task,) = job(*overrides)["spec"]["tasks"]
    return task["template"]


def pod(*overrides: str) -> Any:
    """The pod's spec."""
    return template(*overrides)["spec"]


def trainer(*overrides: str) -> Any:
    """The container that trains."""
    return next(container for container in pod(*overrides)["containers"] if container["name"] == "train")


def fetcher(name: str, *overrides: str) -> Any:
    """The init container that fetches the model or the dataset."""
    return next(container for container in pod(*overrides)["initContainers"] if container["name"] == f"fetch-{name}")


def variables(container: Any) -> dict[str, str]:
    """The literal variables of a container, as Kubernetes' text."""
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


def conf(directory: Path, files: Mapping[str, str]) -> str:
    """A user's conf tree: group/option to text. Returns the directory as an argument."""
    for name, text in files.items():
        file = directory / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return str(directory)


def calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls: its cost, the same on a busy machine."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted
