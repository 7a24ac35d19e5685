"""Broken datasets: each has one mistake, and says where it is. The expected places were counted by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[Any]


class Broken(NamedTuple):
    """A dataset and its mistake: the code, the row, the line, and words of the message; row 0 is not about one row."""

    files: dict[str, bytes]
    entry: dict[str, Any]
    code: str
    row: int
    line: int
    words: str
    severity: str = "error"
    stage: str | None = None

    def write(self, directory: Path) -> Path:
        """Write the files and their description."""
        for name, content in self.files.items():
            place = directory / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        entry = {"file_name": next(iter(self.files), "data.jsonl"), **self.entry}
        (directory / "dataset_info.json").write_text(json.dumps({"broken": entry}), encoding="utf-8")
        return directory


def lines(*rows: Any) -> dict[str, bytes]:
    """A file with a row per line; a text is a line as it is."""
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return {"data.jsonl": "".join(f"{text}\n" for text in texts).encode()}


def row(**changes: Any) -> dict[str, Any]:
    """A row of the format alpaca."""
    return {"instruction": "Who are you?", "input": "", "output": "I am a model.", **changes}


def talk(*turns: tuple[Any, Any]) -> dict[str, Any]:
    """A row of the format sharegpt."""
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


GOOD = row()
QUESTION, ANSWER = ("human", "Who are you?"), ("gpt", "I am a model.")
SHAREGPT = {"formatting": "sharegpt"}
OPENAI = {
    "formatting": "openai",
    "columns": {"messages": "messages"},
    "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
}
PAIRS = {"ranking": True, "columns": {"prompt": "instruction", "chosen": "chosen", "rejected": "rejected"}}
RATED = {"columns": {"prompt": "instruction", "response": "output", "kto_tag": "label"}}
IMAGES = {"columns": {"prompt": "instruction", "response": "output", "images": "images"}}
PNG = b"\x89PNG\r\n"


def pair(chosen: Any, rejected: Any) -> dict[str, Any]:
    """A row with two answers."""
    return {"instruction": "Who are you?", "chosen": chosen, "rejected": rejected}


BROKEN = {
    "a line is cut": Broken(lines(GOOD, '{"instruction": "Who', GOOD), {}, "FTC152", 2, 2, "not JSON"),
    "a comma is missing in an array": Broken(
        {"data.json": b'[\n{"instruction": "a", "input": "", "output": "b"}\n{"instruction": "c"}\n]'},
        *({}, "FTC152", 2, 3, "',' or ']' is missing"),
    ),
    "latin-1": Broken(
        {"data.jsonl": json.dumps(GOOD).encode() + '\n{"instruction": "Caf\xe9"}\n'.encode("latin-1")},
        *({}, "FTC152", 2, 2, "byte 21 of the line, 0xe9, is not UTF-8"),
    ),
    "UTF-16": Broken(
        {"data.csv": "instruction,input,output\na,b,c\n".encode("utf-16")}, {}, "FTC152", 1, 1, "is UTF-16"
    ),
    "a mark before an array": Broken(
        {"data.json": b"\xef\xbb\xbf" + json.dumps([GOOD]).encode()}, {}, "FTC152", 1, 1, "a byte order mark"
    ),
    "a key twice": Broken(
        lines(GOOD, GOOD, '{"instruction": "a", "input": "", "output": "b", "output": "c"}'),
        *({}, "FTC152", 3, 3, "duplicate key 'output' in the object"),
    ),
    "a list as a row": Broken(lines(GOOD, ["a"]), {}, "FTC152", 2, 2, "the line holds a list"),
    "too many fields": Broken(
        {"data.csv": b"instruction,input,output\na,b,c\n\nd,e,f,g\n"},
        {},
        "FTC152",
        2,
        4,
        "4 fields, but the header has 3",
    ),
    "a pointer": Broken(
        {"data.jsonl": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"},
        *({}, "FTC152", 1, 1, "git-lfs pointer"),
    ),
    "a number among texts": Broken(
        lines(GOOD, GOOD, row(output=42)), {}, "FTC153", 3, 3, "output is an integer, but a string in the rows before"
    ),
    "a number in a message": Broken(
        lines(talk(QUESTION, ANSWER), talk(QUESTION, ("gpt", 7))), SHAREGPT, "FTC153", 2, 2, "conversations[].value is"
    ),
    "another column in the second file": Broken(
        {"data/a.jsonl": b"", "data/b.jsonl": b""}, {"file_name": "nowhere"}, "FTC152", 0, 0, "nowhere does not exist"
    ),
    "a system text that comes late": Broken(
        lines(*[row(system=None)] * 1200, row(system="Be brief.")),
        {"columns": {"prompt": "instruction", "response": "output", "system": "system"}},
        *("FTC153", 1201, 1201, "none of the first 1000 rows has the system prompt"),
    ),
    "a column that is missing": Broken(
        lines({"instruction": "a", "output": "b"}), {}, "FTC154", 1, 1, "the column 'input' is missing"
    ),
    "a key that all messages lack": Broken(
        lines({"conversations": [{"role": "human", "value": "a"}]}), SHAREGPT, "FTC154", 1, 1, "has the key 'from'"
    ),
    "a message that is null": Broken(
        lines(talk(QUESTION, ANSWER), talk(QUESTION, ("gpt", None))),
        *(SHAREGPT, "FTC155", 2, 2, "the text of the assistant is null"),
    ),
    "messages that are null": Broken(
        lines(talk(QUESTION, ANSWER), {"conversations": None}), SHAREGPT, "FTC155", 2, 2, "conversations is null"
    ),
    "an unknown role of OpenAI": Broken(
        lines(
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            {"messages": [{"role": "developer", "content": "a"}, {"role": "assistant", "content": "b"}]},
        ),
        *(OPENAI, "FTC156", 2, 2, "the role 'developer' is unknown"),
    ),
    "a call that is not JSON": Broken(
        lines(talk(QUESTION, ANSWER), talk(QUESTION, ("function_call", "look()"), ("observation", "ok"), ANSWER)),
        *(SHAREGPT, "FTC157", 2, 2, "the call of a function is not JSON: 'look()'"),
    ),
    "pairs for sft": Broken(lines(pair("a", "b")), PAIRS, "FTC158", 0, 0, "ranking: true", stage="sft"),
    "an image that is missing": Broken(
        {
            **lines(row(instruction="<image>a", images=["a.png"]), row(instruction="<image>a", images=["b.png"])),
            "a.png": PNG,
        },
        *(IMAGES, "FTC159", 2, 2, "'b.png' does not exist"),
    ),
    "two images for one placeholder": Broken(
        {**lines(row(instruction="<image>a", images=["a.png", "a.png"])), "a.png": PNG},
        *(IMAGES, "FTC160", 1, 1, "the text has 1 <image>, but the row has 2 files"),
    ),
    "roles in the wrong order": Broken(
        lines(talk(QUESTION, ANSWER), talk(ANSWER, QUESTION)),
        *(SHAREGPT, "FTC161", 2, 2, "message 1 has the role 'gpt'", "warning"),
    ),
    "a question without an answer": Broken(
        lines(talk(QUESTION, ANSWER), talk(QUESTION)),
        SHAREGPT,
        "FTC161",
        2,
        2,
        "each question needs an answer",
        "warning",
    ),
    "an answer that is missing": Broken(
        lines(GOOD, GOOD, row(output=None)), {}, "FTC161", 3, 3, "the answer is missing", "warning"
    ),
    "one answer of a pair": Broken(
        lines(pair("a", "b"), pair("a", None)), PAIRS, "FTC161", 2, 2, "one of the two answers is missing", "warning"
    ),
    "no row is left": Broken(lines(talk(QUESTION), talk(ANSWER)), SHAREGPT, "FTC162", 0, 0, "drops all rows (2)"),
    "an empty answer": Broken(lines(GOOD, row(output=" ")), {}, "FTC163", 2, 2, "the answer is empty", "warning"),
    "the same answer twice": Broken(
        lines(pair("a", "b"), pair("c", "c")), PAIRS, "FTC164", 2, 2, "the chosen and the rejected", "warning"
    ),
    "a dropped row of KTO": Broken(
        lines(
            {**talk(QUESTION, ANSWER), "label": True},
            {**talk(QUESTION), "label": True},
            {**talk(QUESTION, ANSWER), "label": False},
        ),
        {**SHAREGPT, "columns": {"messages": "conversations", "kto_tag": "label"}},
        *("FTC167", 2, 2, "KTO needs its answer for the next row"),
    ),
    "one kind of rating": Broken(
        lines(row(label=True), row(label=True)), RATED, "FTC168", 0, 0, "all answers are liked", "warning"
    ),
    "a formatting with a typo": Broken(lines(GOOD), {"formatting": "alpca"}, "FTC151", 0, 0, "is 'alpca', not alpaca"),
    "a split that files lack": Broken(lines(GOOD), {"split": "test"}, "FTC151", 0, 0, "the split is 'test'"),
}
