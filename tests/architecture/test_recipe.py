"""The recipe of CONTRIBUTING works as it is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from unit.compiling import ROOT

PYTHON = Path(sys.executable)
FILES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split("\0")


def test_the_recipe_adds_a_rule_a_hardware_option_and_the_facts_of_a_release(tmp_path: Path) -> None:
    for name in FILES:
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    if (ROOT / ".mypy_cache").is_dir():  # mypy then reads only what the recipe adds
        shutil.copytree(ROOT / ".mypy_cache", tmp_path / ".mypy_cache")
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["PYTHONPATH"] = f"{tmp_path}/compiler:{tmp_path}/tests"
    # make must not install the copy into the environment of these tests.
    (tmp_path / ".cache" / "venv").mkdir(parents=True)
    for entry in PYTHON.parent.parent.iterdir():
        (tmp_path / ".cache" / "venv" / entry.name).symlink_to(entry)
    (tmp_path / ".cache" / "venv" / ".installed").unlink(missing_ok=True)
    (tmp_path / ".cache" / "venv" / ".installed").touch()

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    run("bash", "-euc", recipe)

    ftc = (str(PYTHON), "-c", "from ftc.cli.main import main; main()")
    release = "trainer.transformers=5.3.0"
    assert "warning[FTC291 too-many-nodes]: " in run(*ftc, "compile", "nodes=65", "storage=shared", release)
    assert "+    per_node: 4" in (tmp_path / "golden/options/hardware/h200-nvl.diff").read_text(encoding="utf-8")
    tests = ("test_pages.py", "../../architecture/test_layers.py")
    run(str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/unit/rules/{name}" for name in tests))
    run(str(PYTHON.parent / "ruff"), "check", "compiler")
    run(str(PYTHON.parent / "ruff"), "format", "--check", "compiler")
    run(str(PYTHON.parent / "mypy"), "compiler/ftc/rules/spec/size.py")
