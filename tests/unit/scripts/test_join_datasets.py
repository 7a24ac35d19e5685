"""join_datasets.py: one dataset_info.json for the datasets of several sources."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ftc.resources import directory

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = directory("scripts") / "join_datasets.py"
TALKS: dict[str, Any] = {"file_name": "talks/a.jsonl", "columns": {"images": "images"}}


def source(place: Path, info: object) -> Path:
    """A source with its own dataset_info.json."""
    place.mkdir()
    (place / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return place


def join(tmp_path: Path, *pairs: str, media: str = "/media") -> subprocess.CompletedProcess[str]:
    described = tmp_path / "described.json"
    described.write_text('{"ours": {"file_name": "/data/ours.jsonl"}}', encoding="utf-8")
    words = (sys.executable, str(SCRIPT), str(described), "dataset-info/dataset_info.json", media, *pairs)
    return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)


def joined(tmp_path: Path) -> Any:
    (file,) = (tmp_path / "dataset-info").iterdir()
    assert file.name == "dataset_info.json"
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_named_entries_of_each_source_are_joined_with_absolute_places(tmp_path: Path) -> None:
    one = source(tmp_path / "one", {"rows": {"file_name": "rows.jsonl"}, "unused": {"file_name": "x"}})
    others = {"all": {"script_url": ".", "subset": "en"}, "hub": {"hf_hub_url": "a/b"}}
    two = source(tmp_path / "two", {"talks": TALKS, **others})
    done = join(tmp_path, str(one), "rows", str(two), "talks,all,hub", media=str(two))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert joined(tmp_path) == {
        "ours": {"file_name": "/data/ours.jsonl"},
        "rows": {"file_name": f"{one}/rows.jsonl"},
        "talks": {**TALKS, "file_name": f"{two}/talks/a.jsonl"},
        "all": {"script_url": str(two), "subset": "en"},
        "hub": {"hf_hub_url": "a/b"},
    }


def test_a_second_attempt_writes_the_file_again(tmp_path: Path) -> None:
    one = source(tmp_path / "one", {"rows": {"file_name": "rows.jsonl"}})
    assert [join(tmp_path, str(one), "rows").returncode for _ in range(2)] == [0, 0]
    assert list(joined(tmp_path)) == ["ours", "rows"]


def test_media_in_another_directory_are_reported(tmp_path: Path) -> None:
    done = join(tmp_path, str(source(tmp_path / "one", {"talks": TALKS})), "talks")
    assert done.returncode == 0
    assert "dataset 'talks'" in done.stdout
    assert "looks for them in /media" in done.stdout


@pytest.mark.parametrize(
    "info",
    [{}, [], {"rows": "a.jsonl"}, {"rows": {"file_name": 3}}, {"rows": None}],
    ids=["none", "list", "text", "number", "null"],
)
def test_an_entry_that_cannot_be_read_is_one_line(tmp_path: Path, info: object) -> None:
    done = join(tmp_path, str(source(tmp_path / "one", info)), "rows")
    assert done.returncode == 1
    assert done.stderr.startswith("ftc: error: cannot read dataset 'rows'")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "dataset-info").exists()
