"""The wheel: what is in it, and that it works where nothing of the checkout is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftc import __version__
from unit.compiling import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SOURCES = [
    file
    for file in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if (ROOT / file).is_file()
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = place.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run Python, in an empty directory, with the wheel in place of the checkout."""
    place, here = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("here")
    uv = str(Path(sys.executable).parent / "uv")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(place)}

    def python(*words: str) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert python("-c", "import ftc; print(ftc.__file__)").startswith(str(place))
    return python


def test_the_changelog_is_read_from_the_package(run: Callable[..., str]) -> None:
    said = run("-c", "from ftc.resources import changelog; print(changelog())")
    assert said.startswith("# Changelog\n")


def test_the_wheel_has_the_package_and_its_data_only(wheel: Path) -> None:
    expected = {file.removeprefix("compiler/") for file in SOURCES if file.startswith("compiler/ftc/")}
    expected |= {f"ftc/{file}" for file in SOURCES if file.startswith(("conf/", "schemas/")) or file == "CHANGELOG.md"}
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
    assert names == expected
    assert "ftc/py.typed" in names
    assert not [name for name in names if "tests" in name.split("/")]


def test_the_metadata_has_no_address_that_does_not_exist(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        (name,) = (name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(content.read(name).decode())
    assert (metadata["Name"], metadata["Version"], metadata["Author"]) == ("ftc", __version__, "The ftc authors")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Project-URL") is None
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_an_installed_ftc_compiles(run: Callable[..., str]) -> None:
    assert "kind: Job" in run("-m", "ftc", "compile", "hardware=ascend", "devices=8")


def test_an_installed_ftc_shows_the_page_of_a_rule_with_its_manifests(run: Callable[..., str]) -> None:
    assert run("-m", "ftc", "rule", "FTC301").startswith("FTC301 ")
    assert "restartPolicy: Never" in run("-m", "ftc", "rule", "FTC866")


def test_a_program_uses_an_installed_ftc(run: Callable[..., str]) -> None:
    script = "import ftc, json; print(json.dumps(sorted(ftc.compile('nodes=2', 'storage=shared').artifacts)))"
    assert "volcano.yaml" in json.loads(run("-c", script))


def test_a_typed_program_passes_mypy(run: Callable[..., str], tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import ftc\n\n"
        "def manifest(devices: int) -> str:\n"
        "    try:\n"
        "        made: ftc.Compiled = ftc.compile('hardware=ascend', f'devices={devices}')\n"
        "    except ftc.RefusedError as error:\n"
        "        return ', '.join(finding.code for finding in error.findings)\n"
        "    nodes: int = made.spec.nodes + ftc.plan('devices=2').summary.topology.nodes\n"
        "    changes: tuple[ftc.Change, ...] = ftc.diff(made, made).changes\n"
        "    return made.text + str(nodes) + str(changes) + ftc.lint('a.yaml').text\n",
        encoding="utf-8",
    )
    arguments = ("--strict", "--cache-dir", str(tmp_path / "cache"), str(program))
    assert run("-m", "mypy", *arguments).startswith("Success")
