"""README.md of a result: the keys that platforms read, added to those that the trainer wrote, and the evaluation."""

# The trainer wrote the page, so ftc does not trust it and reads it line by line, without a YAML parser. A front matter
# that contains more than keys at the beginning of lines is not changed.

from __future__ import annotations

import json
import math
import re

_PAGE = b"""# A fine-tuned model

LLaMA-Factory trained this model in a run of ftc. The lines above name the base model, the datasets and the run.
"""
# The names in evaluation.json, and the usual names of these metrics.
_METRICS = {"bleu-4": "BLEU-4", "rouge-1": "ROUGE-1", "rouge-2": "ROUGE-2", "rouge-l": "ROUGE-L"}
_MARK = b"\xef\xbb\xbf"
_FRONT = re.compile(
    rb"---[ \t]*(?P<end>\r?\n)(?P<front>.*?)(?P<rest>^---[ \t]*(?:\r?\n|\Z).*)", re.DOTALL | re.MULTILINE
)
_KEY = re.compile(r"(?P<quote>['\"]?)(?P<key>\w[\w.-]*)(?P=quote) *:\s")
_LINE = re.compile(r"[^\n]*\n")
# LLaMA-Factory names the model by the directory in the pod, and the license of each result `other`
# (train/trainer_utils.py); PEFT makes a tag of that directory.
_LOCAL = re.compile(r"base_model:\s+(?:- )?['\"]?/")
_UNKNOWN_LICENSE = re.compile(r"license: *other\s*")
_LOCAL_TAG = re.compile(r"^ *- ['\"]?base_model:[^\n]*:/[^\n]*\n", re.MULTILINE)


def completed(page: bytes | None, card: str, run: str, numbers: str = "") -> bytes:
    """The page, or a short one, with the keys of `card` and of the run that its front matter lacks, and the numbers."""
    ours = f'{card}ftc_run: "{run}"\n'
    page = (_PAGE if page is None else page) + numbers.encode()
    text = page.removeprefix(_MARK)
    if not text.startswith((b"---\n", b"---\r\n")):
        return f"---\n{ours}---\n\n".encode() + page
    found = _FRONT.match(text)
    merged = _merged(found["front"], _blocks(ours)) if found else None
    if found is None or merged is None:
        return page
    end = found["end"]
    return b"---" + end + merged.encode().replace(b"\r\n", b"\n").replace(b"\n", end) + found["rest"]


def evaluated(content: bytes) -> str:
    """The section on an evaluation.json; empty without numbers."""
    try:
        found = json.loads(content)
        rows, numbers = int(found["rows"]), [float(found[name]) for name in _METRICS]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return ""
    if not all(map(math.isfinite, numbers)):
        return ""
    lines = [f"| {name} | {number:.2f} |" for name, number in zip(_METRICS.values(), numbers, strict=True)]
    table = "\n".join(["| metric | value |", "|---|---|", *lines])
    about = f"Answers to {rows} held-out rows, compared with the reference answers:"
    return f"\n## Evaluation\n\n{about}\n\n{table}\n"


def _merged(front: bytes, ours: dict[str, str] | None) -> str | None:
    """The lines of both; None if the front matter is not understood."""
    try:
        theirs = _blocks(front.decode())
    except UnicodeDecodeError:
        return None
    if theirs is None or ours is None:
        return None
    if _LOCAL.match(theirs.get("base_model", "")):
        del theirs["base_model"]
    if _UNKNOWN_LICENSE.fullmatch(theirs.get("license", "")) and "license" in ours:
        del theirs["license"]
    if "tags" in theirs:
        theirs["tags"] = _LOCAL_TAG.sub("", theirs["tags"])
    theirs.pop("ftc_run", None)
    return "".join({**theirs, **{key: line for key, line in ours.items() if key not in theirs}}.values())


def _blocks(text: str) -> dict[str, str] | None:
    """The lines of each key; None if a line does not belong to a key, or a key is a duplicate."""
    found: dict[str, str] = {"": ""}
    key = ""
    for line in _LINE.findall(text):
        begins = _KEY.match(line)
        if begins:
            key = begins["key"]
            if key in found:
                return None
            found[key] = line
        elif line[0] in "#\r\n" or (key and line[0] in " -"):
            found[key] += line
        else:
            return None
    return found
