"""The description of a dataset in dataset_info.json, as LLaMA-Factory reads it: files, columns, tags and split."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.scripts import dataset_files
else:  # next to this file, not in a package
    import dataset_files

INFO = "dataset_info.json"
_LARGEST_INFO = 16 << 20
ERROR, WARNING, NOTE = "error", "warning", "note"
# The subject of each code; `ftc rule CODE` explains it.
DESCRIPTION, UNREADABLE, TYPES, COLUMN = "FTC151", "FTC152", "FTC153", "FTC154"
VALUE, ROLE, CALL, STAGE = "FTC155", "FTC156", "FTC157", "FTC158"
MEDIA, COUNT, DROPPED, NO_ROWS = "FTC159", "FTC160", "FTC161", "FTC162"
BLANK, SAME, LONG, UNCHECKED = "FTC163", "FTC164", "FTC165", "FTC166"
GAP, ONE_SIDED = "FTC167", "FTC168"
_FORMATS = ("alpaca", "sharegpt", "openai")
_HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
COLUMNS = (
    *("prompt", "query", "response", "history", "messages", "system", "tools"),
    *("images", "videos", "audios", "chosen", "rejected", "kto_tag"),
)
TAGS = ("role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")
PLACEHOLDERS = {"images": "<image>", "videos": "<video>", "audios": "<audio>"}
_KEYS = {"formatting": "alpaca", "ranking": False, "split": "train", "num_samples": None}


def kind(value: object) -> str:
    """Name a value in a sentence."""
    known = {dict: "an object", list: "a list", str: "a string", bool: "a Boolean", type(None): "null"}
    return known.get(type(value), "a number")


@dataclass
class Description:
    """An entry of dataset_info.json (data/parser.py)."""

    formatting: Any = "alpaca"
    ranking: Any = False
    split: Any = "train"
    num_samples: Any = None
    system: Any = None
    tools: Any = None
    images: Any = None
    videos: Any = None
    audios: Any = None
    chosen: Any = None
    rejected: Any = None
    kto_tag: Any = None
    prompt: Any = "instruction"
    query: Any = "input"
    response: Any = "output"
    history: Any = None
    messages: Any = "conversations"
    role_tag: Any = "from"
    content_tag: Any = "value"
    user_tag: Any = "human"
    assistant_tag: Any = "gpt"
    observation_tag: Any = "observation"
    function_tag: Any = "function_call"
    system_tag: Any = "system"

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Description:
        """Read an entry; `columns` and `tags` replace all defaults, not only those that they name."""
        given = {name: entry.get(name, default) for name, default in _KEYS.items()}
        for key, names in (("columns", COLUMNS), ("tags", TAGS)):
            if key in entry:
                given |= {name: entry[key].get(name) for name in names}
        return cls(**given)

    @property
    def stage(self) -> str:
        """The stage that reads such rows."""
        if self.ranking:
            return "rm"
        if self.kto_tag:
            return "kto"
        is_plain = self.formatting == "alpaca" and self.prompt and not self.response
        return "pt" if is_plain else "sft"

    @property
    def used(self) -> dict[str, str]:
        """The names of the columns, and what each is for."""
        own = {"messages"} if self.formatting != "alpaca" else {"prompt", "query", "response", "history"}
        shared = {"system", "tools", "chosen", "rejected", "kto_tag", *PLACEHOLDERS}
        return {
            str(getattr(self, one.name)): one.name
            for one in fields(self)
            if one.name in own | shared and getattr(self, one.name)
        }


def printable(name: str) -> str:
    """The name without surrogates, which JSON may contain and UTF-8 cannot encode."""
    return name.encode("utf-8", "backslashreplace").decode()


class StopError(Exception):
    """Why a dataset cannot be checked further: a code and a reason."""

    def __init__(self, code: str, reason: str, severity: str = ERROR) -> None:
        """Keep them."""
        super().__init__(reason)
        self.code = code
        self.severity = severity


def described(info: Path) -> dict[str, Any]:
    """The entries of dataset_info.json."""
    try:
        if info.exists() and not info.is_file():  # a pipe would block, and a device may be endless
            raise StopError(DESCRIPTION, f"{info} is not a file")
        with info.open("rb") as stream:
            content = stream.read(_LARGEST_INFO + 1)
        if len(content) > _LARGEST_INFO:
            raise StopError(DESCRIPTION, f"{info} has more than 16 MiB: too large for a {INFO}")
        known = json.loads(content.decode())
    except FileNotFoundError:
        raise StopError(DESCRIPTION, f"{info} is missing: it describes the files of the dataset") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StopError(DESCRIPTION, f"{info} is not JSON: {error}") from None
    if not isinstance(known, dict):
        raise StopError(DESCRIPTION, f"{info} holds {kind(known)}, not an object with a key for each dataset")
    if not known:
        raise StopError(DESCRIPTION, f"{info} describes nothing: it needs a key for each dataset")
    return known


def description_of(name: str, known: dict[str, Any], stage: str | None) -> Description:
    """The description of a dataset, if the trainer can use it in this stage."""
    if name not in known:
        raise StopError(DESCRIPTION, f"{INFO} does not describe {name!r}; it describes: {', '.join(known)}")
    _check_letters("the name", name)
    entry = known[name]
    if not isinstance(entry, dict):
        raise StopError(DESCRIPTION, f"{INFO} describes {name!r} by {kind(entry)}, not by an object")
    for key in ("columns", "tags"):
        if not isinstance(entry.get(key, {}), dict):
            raise StopError(DESCRIPTION, f"'{key}' of {name!r} is {kind(entry[key])}, not an object")
        _check_names(name, key, entry.get(key, {}))
    found = Description.of(entry)
    if found.formatting not in _FORMATS:
        raise StopError(DESCRIPTION, f"the formatting of {name!r} is {found.formatting!r}, not {', '.join(_FORMATS)}")
    wanted = stage or found.stage
    if (found.ranking is True and wanted != "rm") or (found.ranking is False and wanted == "rm"):
        need = (
            "one answer per row, but the dataset has pairs (ranking: true)"
            if found.ranking
            else "pairs (ranking: true)"
        )
        raise StopError(STAGE, f"the stage {wanted} needs {need}")
    return found


def files_of(entry: dict[str, Any], directory: Path) -> tuple[list[Path], str]:
    """The files of a dataset and their kind."""
    for key in _HUBS:
        if key in entry:
            reason = f"the rows are not checked: {key} lets the trainer or `datasets` choose the files"
            raise StopError(UNCHECKED, reason, NOTE)
    name = entry.get("file_name")
    if not isinstance(name, str):
        raise StopError(DESCRIPTION, f"file_name is {kind(name)}, not a string" if name else "file_name is missing")
    _check_letters("file_name", name)
    place = directory / name
    files = [place / one for one in os.listdir(place)] if place.is_dir() else [place]  # noqa: PTH208 - the order counts
    if not files:
        raise StopError(UNREADABLE, f"the directory {place} is empty")
    if not place.exists():
        raise StopError(UNREADABLE, f"{place} does not exist")
    kinds = {dataset_files.KINDS.get(file.suffix[1:]) for file in files}
    odd = next((file for file in files if file.suffix[1:] not in dataset_files.KINDS or not file.is_file()), None)
    if odd is not None:
        raise StopError(UNREADABLE, f"{odd} is not a file with one of the endings {', '.join(dataset_files.KINDS)}")
    if len(kinds) > 1:
        raise StopError(UNREADABLE, f"{place} has files of several kinds: {', '.join(sorted(map(str, kinds)))}")
    return files, str(kinds.pop())


def _check_names(name: str, key: str, given: dict[str, Any]) -> None:
    """Columns and tags are strings; null and false leave one out."""
    for one in COLUMNS if key == "columns" else TAGS:
        value = given.get(one)
        if value is None or value is False:
            continue
        if not isinstance(value, str):
            raise StopError(DESCRIPTION, f"{key}.{one} of {name!r} is {kind(value)}, not a string")
        _check_letters(f"{key}.{one} of {name!r}", value)


def _check_letters(what: str, text: str) -> None:
    if printable(text) != text:
        raise StopError(DESCRIPTION, f"{what} is {text!r}, which has characters that UTF-8 cannot encode")


_SPLIT = re.compile(r"train(?:\[(-?\d{1,18})?(%?):(-?\d{1,18})?(%?)\])?")


def rows_to_read(split: object, total: int | None, most: int | None) -> range | None:
    """The positions of the rows that are converted; None if it depends on the number of rows."""
    found = _SPLIT.fullmatch(split) if isinstance(split, str) else None
    if found is None:
        raise StopError(
            DESCRIPTION, f"the split is {split!r}, but files have only 'train' and its parts, such as train[:10%]"
        )
    first, first_percent, last, last_percent = found.groups()
    if total is None and (first or last_percent or (last or "").startswith("-")):
        return None
    begin = _place(first or "0", first_percent, total or 0)
    end = _place(last, last_percent, total or 0) if last else sys.maxsize if total is None else total
    return range(begin, end if most is None else min(end, begin + most))


def _place(text: str, percent: str | None, total: int) -> int:
    """A place in the split: percents are rounded, negative places count from the end (datasets, arrow_reader.py)."""
    place = round(total * int(text) / 100) if percent else int(text)
    return max(0, total + place) if place < 0 else place
