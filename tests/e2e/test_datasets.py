"""The trainer reads the rows of every kind of dataset as the dataset_info.json that ftc writes describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.compiling import ftc_compile
from e2e.tiny_repository import ROWS, write_repository
from e2e.trainer_environment import versions

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.trainer_environment import Trainer

pytestmark = pytest.mark.e2e

ROLES = "tags: {role_tag: role, content_tag: content, user_tag: user, assistant_tag: assistant, system_tag: system}"
TALKS = f"formatting: sharegpt, {ROLES}"
OMNI = ("model=custom", "model.id=Qwen/Qwen2.5-Omni-3B", "model.template=qwen2_omni")
INFO = {
    "lines": "file_name: articles.txt",
    "plain": "script_url: ., subset: text, columns: {prompt: text}",
    "alpaca": "script_url: ., subset: questions, columns: {prompt: ask, response: say, system: who}",
    "file": "file_name: questions/train.jsonl, split: 'train[:5]', columns: {prompt: ask, response: say}",
    "talks": f"script_url: ., subset: talks, split: test, columns: {{messages: talk}}, {TALKS}",
    "openai": f"script_url: ., subset: talks, formatting: openai, columns: {{messages: talk}}, {ROLES}",
    "pairs": "script_url: ., subset: pairs, ranking: true, columns: {prompt: ask, chosen: good, rejected: bad}",
    "liked": f"script_url: ., subset: liked, columns: {{messages: talk, kto_tag: like}}, {TALKS}",
    "media": "script_url: ., subset: media, num_samples: 3, columns: "
    f"{{messages: talk, images: pictures, videos: films, audios: sounds}}, {TALKS}",
}


def described(directory: Path, *names: str) -> tuple[str, ...]:
    """The overrides for datasets of the repository: a place and a description are enough."""
    info = ", ".join(f"{name}: {{{INFO[name]}}}" for name in names)
    source = ("source@dataset.source=path", f"dataset.source.path={directory}")
    return ("dataset=custom", *source, f"dataset.info={{{info}}}")


class Reading:
    """A compiled training whose datasets the trainer has read."""

    def __init__(self, directory: Path, trainer: Trainer) -> None:
        """Write the repository."""
        self.repository = write_repository(directory / "repository")
        self.trainer = trainer
        self.files: list[str] = []

    def add(self, *overrides: str) -> None:
        """Compile a training and put its files where a pod has them."""
        release = versions(self.trainer.release).split()
        small = ("hardware=cpu", "train.preprocessing_num_workers=1", *release)
        out = self.repository.parent / f"files-{len(self.files)}"
        ftc_compile("-o", str(out), *small, *overrides)
        written = yaml.safe_load((out / "train.yaml").read_text(encoding="utf-8"))
        self.files.append(yaml.safe_dump({**written, "dataset_dir": str(out)}))

    def rows(self) -> list[list[dict[str, Any]]]:
        """The rows of each training."""
        found: list[list[dict[str, Any]]] = self.trainer.ask("load", self.files)
        return found


def test_every_kind_of_dataset_is_read_as_it_is_described(each_pair: Trainer, tmp_path: Path) -> None:
    reading = Reading(tmp_path, each_pair)
    here = reading.repository
    reading.add("method=full-pt", *described(here, "plain"))
    reading.add(*described(here, "alpaca", "file", "talks"), "train.max_samples=3")
    reading.add("method=lora-dpo", *described(here, "pairs"))
    reading.add("method=lora-kto", *described(here, "liked"))
    reading.add(*OMNI, *described(here, "media"))
    plain, mixed, pairs, liked, media = reading.rows()
    assert len(plain) == ROWS
    assert plain[0]["_prompt"][0]["content"] == "question train 0 answer train 0 and more of the same"
    assert [row["_prompt"][0]["content"] for row in mixed] == [
        *(f"question train {n}" for n in range(3)),
        *(f"question train {n}" for n in range(3)),
        *(f"question test {n}" for n in range(3)),
    ]
    assert [row["_system"] for row in mixed[::3]] == ["You are brief.", "", "You are brief."]
    assert [answer["content"] for answer in pairs[0]["_response"]] == ["answer train 0", "no answer train 0"]
    answers = [[answer["content"] for answer in row["_response"]] for row in liked[:2]]
    assert answers == [["answer train 0", ""], ["", "answer train 1"]]
    assert len(media) == 3
    assert media[0]["_prompt"][0]["content"].startswith("<image><video><audio>question train")


def test_a_text_file_is_read_for_pretraining_without_a_description_of_its_columns(
    each_pair: Trainer, tmp_path: Path
) -> None:
    reading = Reading(tmp_path, each_pair)
    (reading.repository / "articles.txt").write_text("A first article.\nA second one.\n", encoding="utf-8")
    reading.add("method=full-pt", *described(reading.repository, "lines"))
    (rows,) = reading.rows()
    assert [row["_prompt"][0]["content"] for row in rows] == ["A first article.", "A second one."]


def test_media_are_looked_for_in_the_repository(each_pair: Trainer, tmp_path: Path) -> None:
    reading = Reading(tmp_path, each_pair)
    for name in ("a.png", "b.mp4", "c.wav"):
        (reading.repository / name).write_bytes(b"")
    reading.add(
        "model=qwen2.5-vl-7b-instruct",
        "model.template=qwen2_omni",
        "ignore=[FTC457]",
        *described(reading.repository, "media"),
    )
    ((row, *_),) = reading.rows()
    found = [row["_images"], row["_videos"], row["_audios"]]
    assert found == [[str(reading.repository / name)] for name in ("a.png", "b.mp4", "c.wav")]


def test_messages_of_openai_are_read(each_pair: Trainer, tmp_path: Path) -> None:
    if each_pair.release == "0.9.3":
        pytest.skip("LLaMA-Factory 0.9.3 lacks this format, and ftc rejects it: FTC451")
    reading = Reading(tmp_path, each_pair)
    reading.add(*described(reading.repository, "openai"))
    ((row, *_),) = reading.rows()
    # LLaMA-Factory adds `detailed thinking off` to the system's words.
    assert row["_system"].startswith("You are brief.")
    assert row["_prompt"][0]["content"] == "question train 0"
    assert row["_response"][0]["content"] == "answer train 0"
