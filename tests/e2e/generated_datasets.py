"""Datasets for the comparison of the check with the trainer: each format, with chance mistakes in rows and files."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

Rows = list[dict[str, Any]]
ROLES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
TOOLS = {**ROLES, "system_tag": "system", "observation_tag": "tool", "function_tag": "function"}


class Case(NamedTuple):
    """A dataset on the disk, and how the trainer is to read it."""

    directory: Path
    stage: str
    template: str
    arguments: dict[str, Any]
    name: str = "made"

    @property
    def question(self) -> dict[str, Any]:
        """The case for the trainer."""
        return {**self._asdict(), "directory": str(self.directory)}


class _Format(NamedTuple):
    stage: str
    entry: dict[str, Any]
    row: Callable[[int], dict[str, Any]]
    template: str = "qwen"


def _talk(number: int, names: tuple[str, str] = ("from", "value"), roles: tuple[str, str] = ("human", "gpt")) -> Rows:
    role, content = names
    return [{role: roles[turn % 2], content: f"turn {number} {turn}"} for turn in range(2 * (1 + number % 3))]


def _openai(number: int) -> dict[str, Any]:
    talk = _talk(number, ("role", "content"), ("user", "assistant"))
    start = [{"role": "system", "content": "You are brief."}] if number % 2 else []
    return {"messages": [*start, *talk]}


def _calls(number: int) -> dict[str, Any]:
    call = json.dumps({"name": "look", "arguments": {"at": number}})
    turns = [("human", "look"), ("function_call", call), ("observation", "seen"), ("gpt", "done")]
    tools = json.dumps([{"name": "look", "description": "d", "parameters": {"type": "object", "properties": {}}}])
    return {"conversations": [{"from": role, "value": text} for role, text in turns], "tools": tools}


def _pair(number: int) -> dict[str, Any]:
    question = [{"from": "human", "value": f"question {number}"}]
    answers = {name: {"from": "gpt", "value": f"{name} {number}"} for name in ("chosen", "rejected")}
    return {"conversations": question, **answers}


def _rated(number: int) -> dict[str, Any]:
    return {"messages": _talk(number, ("role", "content"), ("user", "assistant")), "label": number % 2 == 0}


_PLAIN = {"prompt": "instruction", "query": "input", "response": "output"}
_TALKS = {"formatting": "sharegpt"}
FORMATS = {
    "alpaca": _Format(
        "sft", {}, lambda n: {"instruction": f"question {n}", "input": "more" if n % 2 else "", "output": f"answer {n}"}
    ),
    "history": _Format(
        "sft",
        {"columns": {"prompt": "ask", "response": "say", "system": "who", "history": "past"}},
        lambda n: {
            "ask": f"question {n}",
            "say": f"answer {n}",
            "who": "You are brief.",
            "past": [["a", "b"]] * (n % 3),
        },
    ),
    "sharegpt": _Format("sft", _TALKS, lambda n: {"conversations": _talk(n)}),
    "tags": _Format(
        "sft",
        {**_TALKS, "columns": {"messages": "messages"}, "tags": ROLES},
        lambda n: {"messages": _talk(n, ("role", "content"), ("user", "assistant"))},
    ),
    "tools": _Format("sft", {**_TALKS, "columns": {"messages": "conversations", "tools": "tools"}}, _calls),
    "openai": _Format("sft", {"formatting": "openai", "columns": {"messages": "messages"}, "tags": TOOLS}, _openai),
    "pairs": _Format(
        "rm",
        {"ranking": True, "columns": {"prompt": "ask", "chosen": "good", "rejected": "bad"}},
        lambda n: {"ask": f"question {n}", "good": f"answer {n}", "bad": f"no answer {n}"},
    ),
    "talked-pairs": _Format(
        "rm",
        {**_TALKS, "ranking": True}
        | {"columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}},
        _pair,
    ),
    "rated": _Format(
        "kto",
        {"columns": {**_PLAIN, "kto_tag": "label"}},
        lambda n: {"instruction": f"question {n}", "input": "", "output": f"answer {n}", "label": n % 2 == 0},
    ),
    "rated-talks": _Format(
        "kto", {**_TALKS, "columns": {"messages": "messages", "kto_tag": "label"}, "tags": ROLES}, _rated
    ),
    "texts": _Format("pt", {"columns": {"prompt": "text"}}, lambda n: {"text": f"some words {n} and more of them"}),
    "images": _Format(
        "sft",
        {"columns": {"prompt": "ask", "response": "say", "images": "pictures"}},
        lambda n: {"ask": "<image>what" if n % 2 else "what", "say": "that", "pictures": ["a.png"] if n % 2 else []},
        "qwen2_vl",
    ),
}
_VALUES: tuple[Any, ...] = (None, "", 5, True, "word", ["x"], {"a": "b"}, [], "2024-05-06", "<image>")


def _picture() -> bytes:
    """A black image of 28 x 28."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 28, 28, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress((b"\0" + b"\0\0\0" * 28) * 28),
        b"IEND": b"",
    }
    chunks = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _with_odd_value(rows: Rows, chance: Random) -> None:
    row = chance.choice(rows)
    row[chance.choice([*row, "other"])] = chance.choice(_VALUES)


def _without_key(rows: Rows, chance: Random) -> None:
    row = chance.choice(rows)
    row.pop(chance.choice([*row, "other"]), None)


def _without_column(rows: Rows, chance: Random) -> None:
    key = chance.choice([*rows[0], "other"])
    for row in rows:
        row.pop(key, None)


def _with_odd_message(rows: Rows, chance: Random) -> None:
    """Change a message, if the rows have messages."""
    talks = [value for row in rows for value in row.values() if isinstance(value, list) and value]
    talks = [talk for talk in talks if isinstance(talk[0], dict)]
    if not talks:
        _with_odd_value(rows, chance)
        return
    talk = chance.choice(talks)
    place = chance.randrange(len(talk))
    message = talk[place]
    match chance.randrange(7):
        case 0:
            talk.pop(place)
        case 1:
            talk.reverse()
        case 2:
            talk.insert(place, dict(message))
        case 3:
            message.pop(chance.choice([*message, "other"]), None)
        case 4:
            message[chance.choice([*message, "other"])] = chance.choice(_VALUES)
        case 5:
            message[[*message, "other"][0]] = chance.choice(("system", "gpt", "user", "assistant", "nobody", "tool"))
        case _:
            talk.clear()


def _with_another_entry(entry: dict[str, Any], chance: Random) -> None:
    match chance.randrange(6):
        case 0 if entry.get("columns"):
            entry["columns"].pop(chance.choice([*entry["columns"]]))
        case 1 if entry.get("columns"):
            entry["columns"][chance.choice([*entry["columns"]])] = "nowhere"
        case 2 if entry.get("tags"):
            entry["tags"].pop(chance.choice([*entry["tags"]]))
        case 3:
            entry["ranking"] = not entry.get("ranking", False)
        case 4:
            entry["split"] = chance.choice(("test", "train[:2]", "train[:50%]", "train[-2:]", "train[1:3]"))
        case _:
            entry["formatting"] = chance.choice(("alpaca", "sharegpt", "openai", "chat"))


def _broken(data: bytes, chance: Random) -> bytes:
    """A file with a mistake that is not in a value."""
    middle = len(data) // 2
    return chance.choice(
        (
            data[:-3],
            b"\xef\xbb\xbf" + data,
            data.decode().encode("utf-16"),
            data[:middle] + b"\xe9" + data[middle:],
            data.replace(b"}", b",}", 1),
            data.replace(b"\n", b"\n\n"),
            data.replace(b'"', b"'", 1),
            data + data[:middle],
            b"",
        )
    )


def _file(rows: Rows, kind: str) -> bytes:
    match kind:
        case "jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
        case "json":
            return json.dumps(rows, indent=1).encode()
        case "txt":
            return "".join(f"{row.get('text')}\n" for row in rows).encode()
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def make(directory: Path, number: int, chance: Random) -> Case:
    """Write a dataset."""
    name = [*FORMATS][number % len(FORMATS)]
    form = FORMATS[name]
    rows = [form.row(n) for n in range(chance.randint(3, 6))]
    entry = json.loads(json.dumps(form.entry))
    changes = (_with_odd_value, _without_key, _without_column, _with_odd_message, _with_odd_message)
    for _ in range(chance.choice((0, 1, 1, 2))):
        chance.choice(changes)(rows, chance)
    if chance.random() < 0.15:
        _with_another_entry(entry, chance)
    flat = all(isinstance(value, str | bool | None) for row in rows for value in row.values())
    kinds = ["jsonl", "json", *(["csv"] if flat else []), *(["txt"] if name == "texts" else [])]
    kind = chance.choice(kinds)
    _write(directory, rows, kind, chance)
    split = (directory / "data").is_dir()
    (directory / "dataset_info.json").write_text(
        json.dumps({"made": {"file_name": "data" if split else f"data.{kind}", **entry}}), encoding="utf-8"
    )
    arguments = {"max_samples": 2} if chance.random() < 0.05 else {}
    stage = chance.choice(("sft", "rm", "kto", "pt", "ppo")) if chance.random() < 0.1 else form.stage
    return Case(directory, stage, form.template, arguments)


def _write(directory: Path, rows: Rows, kind: str, chance: Random) -> None:
    (directory / "a.png").write_bytes(_picture())
    if chance.random() < 0.15:
        (directory / "data").mkdir()
        for number, part in enumerate((rows[:2], rows[2:])):
            (directory / "data" / f"part-{number}.{kind}").write_bytes(_file(part, kind))
        return
    data = _file(rows, kind)
    (directory / f"data.{kind}").write_bytes(_broken(data, chance) if chance.random() < 0.15 else data)
