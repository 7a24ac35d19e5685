"""The environment of ftc: closed streams, encodings, python -OO, a zip, deleted directories."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FTC = f"{sys.executable} -m ftc.cli.main"


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "compiler"), **environment}
    return subprocess.run(["bash", "-c", line], cwd=cwd, env=variables, capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    here = tmp_path_factory.mktemp("plain")
    return {words: shell(f"{FTC} {words}", here).stdout for words in ("compile", "rule FTC301", "rule FTC833", *SAME)}


SAME = (
    "rule",
    "schema",
    "schema hardware",
    "schema config",
    "schema case",
    "compile --help",
    "golden update --help",
    "--help",
)


def test_a_closed_stdout_is_an_error(tmp_path: Path) -> None:
    done = shell(f"{FTC} compile >&-", tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"ftc: Bad file descriptor\n"


def test_a_compile_to_a_directory_needs_no_stdout(tmp_path: Path) -> None:
    assert shell(f"{FTC} compile -o d >&- <&- 2>&-", tmp_path).returncode == 0
    assert (tmp_path / "d" / "volcano.yaml").exists()


@pytest.mark.parametrize(("words", "code"), [("compile nodes=x", 1), ("compile --nonsense", 2), ("compile", 0)])
def test_messages_to_a_closed_stderr_go_nowhere_else(tmp_path: Path, words: str, code: int) -> None:
    done = shell(f"{FTC} {words} 2>&-", tmp_path)
    assert done.returncode == code
    assert done.stderr == b""
    assert (done.stdout == b"") is bool(code)


def test_a_closed_stdin_is_reported_in_one_line(tmp_path: Path) -> None:
    done = shell(f"{FTC} lint - <&-", tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"ftc: cannot read <stdin>: Bad file descriptor\n"


@pytest.mark.parametrize(
    "line", ["compile >/dev/full", "rule >/dev/full", "compile nodes=x 2>/dev/full", "--help >/dev/full"]
)
def test_a_full_disk_behind_a_stream_is_not_a_bug(tmp_path: Path, line: str) -> None:
    assert shell(f"{FTC} {line}", tmp_path).returncode == 1


@pytest.mark.parametrize("buffering", ["", "PYTHONUNBUFFERED=1 "])
def test_a_manifest_that_does_not_fit_on_the_disk_is_not_a_success(tmp_path: Path, buffering: str) -> None:
    done = shell(f"ulimit -f 10; {buffering}{FTC} compile >run.yaml", tmp_path)
    assert (done.returncode, done.stderr) == (1, b"ftc: File too large\n")


def test_a_closed_pipe_prints_nothing(tmp_path: Path) -> None:
    done = shell(f"set -o pipefail; {FTC} compile | head -c 1 >/dev/null", tmp_path)
    assert done.stderr == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "utf-8:strict"])
def test_the_output_is_utf8_whatever_the_encoding_of_the_terminal(tmp_path: Path, encoding: str) -> None:
    done = shell(f"{FTC} compile name=ü", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert "name=ü" in done.stderr.decode()
    assert shell(f"{FTC} list", tmp_path, PYTHONIOENCODING=encoding).stdout == shell(f"{FTC} list", tmp_path).stdout


@pytest.mark.parametrize("words", ["rule FTC301", "rule FTC833", *SAME])
def test_python_with_optimization_prints_the_same(tmp_path: Path, plain: dict[str, bytes], words: str) -> None:
    done = shell(f"{FTC} {words}", tmp_path, PYTHONOPTIMIZE="2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain[words]


def test_a_run_from_a_zip_is_refused_in_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ftc.zip", "w") as archive:
        for file in (ROOT / "compiler" / "ftc").rglob("*.py"):
            archive.write(file, file.relative_to(ROOT / "compiler"))
    done = shell(f"{FTC} compile", tmp_path, PYTHONPATH=str(tmp_path / "ftc.zip"))
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"zip" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "mkdir gone; cd gone; rmdir ../gone; {} compile",
        "env -u HOME {} compile",
        "LANG=C LC_ALL=C {} compile",
        "COLUMNS=0 {} compile",
        "TMPDIR=/nowhere {} compile",
    ],
)
def test_a_compile_does_not_depend_on_the_machine(tmp_path: Path, plain: dict[str, bytes], line: str) -> None:
    done = shell(line.format(FTC), tmp_path)
    assert (done.returncode, done.stdout) == (0, plain["compile"]), done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "mkdir c c/case.yaml; {} golden check --dir c",
        "mkdir -p g/a; mkfifo g/a/case.yaml; {} golden check --dir g",
        "mkdir c c/run.yaml; {} compile --config-dir c -c run",
        "mkdir c; mkfifo c/run.yaml; {} compile --config-dir c -c run",
        "mkdir c; ln -s run.yaml c/run.yaml; {} compile --config-dir c -c run",
        "mkdir c; ln -s /dev/zero c/run.yaml; {} compile --config-dir c -c run",
        "truncate -s 3G big.yaml; mkdir c; mv big.yaml c/run.yaml; {} compile --config-dir c -c run",
        "{} lint /dev/zero",
        "mkdir d; {} lint d",
        "mkdir gone; cd gone; rmdir ../gone; {} diff --base HEAD",
        "git init -q .; TMPDIR=/nowhere {} diff --base HEAD nodes=2",
    ],
)
def test_odd_files_and_places_are_errors_not_bugs(tmp_path: Path, line: str) -> None:
    done = shell(f"ulimit -v 1500000; {line.format(FTC)}", tmp_path)
    assert done.returncode in (1, 2), done.stderr
    assert b"Traceback" not in done.stderr


def test_a_pipe_can_be_linted_and_compared(tmp_path: Path) -> None:
    done = shell(f"{FTC} diff --manifest <({FTC} compile nodes=2) nodes=4", tmp_path)
    assert done.returncode == 0
    assert b"replicas" in done.stdout


@pytest.mark.parametrize("text", ["", "{}\n", "---\n---\n", "a: [\n", "null\n", "[]\n", "\xff"])
@pytest.mark.parametrize("what", ["nodes", "hardware.name", "1"])
def test_explain_of_an_odd_config_is_not_a_bug(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "main.yaml").write_text(text, encoding="latin-1")
    done = shell(f"{FTC} explain {what} --config-dir . -c main", tmp_path)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


ODD = ("metadata: []", "metadata: 3", "metadata: {name: 3}", "metadata: {name: null}", "metadata: null", "x: 1")


@pytest.mark.parametrize("metadata", ODD)
def test_a_diff_of_odd_objects_is_not_a_bug(tmp_path: Path, metadata: str) -> None:
    text = f"apiVersion: v1\nkind: Pod\n{metadata}\n---\nnull\n---\n3\n---\n[]\n---\n"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(text.replace("---\n3", "---\n4"))
    done = shell(f"{FTC} diff a.yaml b.yaml", tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert b"Traceback" not in done.stderr
