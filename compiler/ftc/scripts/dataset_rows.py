"""The conversion of a row by LLaMA-Factory: the turns of the conversation, or why it drops the row or fails."""

# Ported from LLaMA-Factory 0.9.5: data/converter.py, data/processor, data/template.py. A key that a row lacks is None,
# because `datasets` adds the columns and fields of other rows; if no row has it, the trainer fails.

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ftc.scripts.dataset_description import PLACEHOLDERS, Description, kind
else:  # next to this file, not in a package
    from dataset_description import PLACEHOLDERS, kind

USER, ASSISTANT, SYSTEM, FUNCTION, OBSERVATION = "user", "assistant", "system", "function", "observation"


class WrongError(Exception):
    """Why the trainer fails on a row: a code and a reason."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep both."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Turn(NamedTuple):
    """A turn of the conversation."""

    role: str
    content: Any


class Example(NamedTuple):
    """A row in the trainer's form; `flaw` is why it is dropped, if the reason is in its form."""

    prompt: list[Turn]
    response: list[Turn]
    system: Any
    tools: Any
    flaw: str = ""


class Missing:
    """The keys that rows lacked and that were needed: a column, or a field of its objects."""

    def __init__(self) -> None:
        """Start with none."""
        self.paths: list[tuple[str, ...]] = []

    def get(self, record: dict[str, Any], key: Any, column: str = "") -> Any:
        """The value; None if the row lacks it."""
        if key in record:
            return record[key]
        self.paths.append((column, str(key)) if column else (str(key),))
        return None


class Converter:
    """The conversion of rows by one description (data/converter.py)."""

    def __init__(self, description: Description) -> None:
        """Prepare the roles."""
        self.of = of = description
        self.missing = Missing()
        self.convert = {"alpaca": self.alpaca, "sharegpt": self.sharegpt, "openai": self.openai}[of.formatting]
        self.roles = {
            of.user_tag: USER,
            of.assistant_tag: ASSISTANT,
            of.observation_tag: OBSERVATION,
            of.function_tag: FUNCTION,
            of.system_tag: SYSTEM,
        }
        self.asks, self.answers = (of.user_tag, of.observation_tag), (of.assistant_tag, of.function_tag)
        self.names = ", ".join(repr(tag) for tag in self.roles if tag is not None)

    def alpaca(self, row: dict[str, Any]) -> Example:
        """A row with a prompt, a query and a response."""
        of, get = self.of, self.missing.get
        prompt = self._history(row) if of.history else []
        query = []
        for column in (of.prompt, of.query):
            value = get(row, column) if column else None
            if value:
                if not isinstance(value, str):
                    raise WrongError("type", f"{column} is {kind(value)}, not a string")
                query.append(value)
        prompt.append(Turn(USER, "\n".join(query)))
        tag = get(row, of.kto_tag) if of.kto_tag else None
        if isinstance(tag, bool):
            response = self._rated([Turn(ASSISTANT, get(row, of.response))], liked=tag)
        elif of.ranking and isinstance(get(row, of.chosen), str) and isinstance(get(row, of.rejected), str):
            response = [Turn(ASSISTANT, row[of.chosen]), Turn(ASSISTANT, row[of.rejected])]
        else:
            answer = get(row, of.response) if of.response else None
            response = [Turn(ASSISTANT, answer)] if isinstance(answer, str) else []
        system, tools = self._extras(row)
        return Example(prompt, response, system, tools)

    def _history(self, row: dict[str, Any]) -> list[Turn]:
        found = self.missing.get(row, self.of.history)
        turns = []
        for pair in found if isinstance(found, list) else []:
            if not isinstance(pair, list | str) or len(pair) != 2:  # noqa: PLR2004 - a pair
                raise WrongError(
                    "type", f"{self.of.history} holds {kind(pair)}, not pairs of a question and its answer"
                )
            turns += [Turn(USER, pair[0]), Turn(ASSISTANT, pair[1])]
        return turns

    def _extras(self, row: dict[str, Any]) -> tuple[Any, Any]:
        of, get = self.of, self.missing.get
        system = get(row, of.system) if of.system else ""
        return system, get(row, of.tools) if of.tools else ""

    @staticmethod
    def _rated(answer: list[Turn], *, liked: bool) -> list[Turn]:
        empty = [Turn(ASSISTANT, "")]
        return answer + empty if liked else empty + answer

    def _messages(self, row: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
        """The messages without the system message, and the system prompt."""
        of, get = self.of, self.missing.get
        messages = get(row, of.messages)
        if not isinstance(messages, list):
            raise WrongError("type", f"{of.messages} is {kind(messages)}, not a list of messages")
        for message in messages:
            if not isinstance(message, dict):
                raise WrongError("type", f"{of.messages} holds {kind(message)}, not an object with role and content")
        if of.system_tag and messages and get(messages[0], of.role_tag, of.messages) == of.system_tag:
            return messages[1:], get(messages[0], of.content_tag, of.messages)
        return messages, get(row, of.system) if of.system else ""

    def sharegpt(self, row: dict[str, Any]) -> Example:
        """A row with messages."""
        of, get = self.of, self.missing.get
        messages, system = self._messages(row)
        turns, flaw = [], ""
        for place, message in enumerate(messages):
            role = get(message, of.role_tag, of.messages)
            if role not in (self.answers if place % 2 else self.asks):
                flaw = self._odd_role(role, place)
                break
            turns.append(Turn(self.roles[role], get(message, of.content_tag, of.messages)))
        return self._split(row, turns, flaw or self._odd_count(len(turns)), system)

    def _is_known(self, role: object) -> bool:
        return not isinstance(role, dict | list) and role in self.roles

    def _odd_role(self, role: object, place: int) -> str:
        wanted = " or ".join(repr(tag) for tag in (self.answers if place % 2 else self.asks) if tag is not None)
        known = "" if self._is_known(role) else f"; the tags name {self.names}"
        return f"message {place + 1} has the role {role!r}, but {wanted} is expected there{known}"

    def _odd_count(self, count: int) -> str:
        if count == 0 and not self.of.ranking:
            return ""
        wrong = count % 2 == 0 if self.of.ranking else count % 2 == 1
        rule = "the last one must be a question" if self.of.ranking else "each question needs an answer"
        return f"{count} messages: {rule}" if wrong else ""

    def openai(self, row: dict[str, Any]) -> Example:
        """A row with messages in the format of OpenAI, with tool calls."""
        of, get = self.of, self.missing.get
        messages, system = self._messages(row)
        turns: list[Turn] = []
        results: list[str] = []
        for message in messages:
            role, content = get(message, of.role_tag, of.messages), get(message, of.content_tag, of.messages)
            if role in self.answers and message.get("tool_calls"):
                content, role = self._calls(message["tool_calls"]), of.function_tag
            if role == of.observation_tag:
                results.append(content)
                continue
            if results:
                turns.append(Turn(OBSERVATION, self._joined(results)))
                results = []
            if not self._is_known(role):
                raise WrongError("role", f"the role {role!r} is unknown; the tags name {self.names}")
            turns.append(Turn(self.roles[role], content))
        flaw = ""
        for place, turn in enumerate(turns):
            expected = (ASSISTANT, FUNCTION) if place % 2 else (USER, OBSERVATION)
            if turn.role not in expected:
                flaw = f"turn {place + 1} has the role {turn.role}, but {' or '.join(expected)} is expected there"
                break
        return self._split(row, turns, flaw or self._odd_count(len(turns)), system)

    def _calls(self, calls: Any) -> str:
        if not isinstance(calls, list) or not all(isinstance(call, dict) and "function" in call for call in calls):
            raise WrongError("call", "tool_calls is not a list of objects with the key 'function'")
        return json.dumps([call["function"] for call in calls])

    def _joined(self, results: list[str]) -> str:
        if not all(isinstance(result, str) for result in results):
            raise WrongError("type", "the content of a tool's message is not a string")
        return "\n</tool_response>\n<tool_response>\n".join(results)

    def _split(self, row: dict[str, Any], turns: list[Turn], flaw: str, system: Any) -> Example:
        """The turns as a prompt and its response."""
        of, get = self.of, self.missing.get
        tools = get(row, of.tools) if of.tools else ""
        if of.formatting == "openai":
            system, tools = self._of_openai(system, tools)
        if flaw:
            return Example([], [], system, tools, flaw)
        tag = get(row, of.kto_tag) if of.kto_tag else None
        if isinstance(tag, bool):
            return Example(turns[:-1], self._rated(turns[-1:], liked=tag), system, tools)
        if of.ranking and isinstance(get(row, of.chosen), dict) and isinstance(get(row, of.rejected), dict):
            pair = [self._answer(row[of.chosen], of.chosen), self._answer(row[of.rejected], of.rejected)]
            return Example(turns, pair, system, tools)
        return Example(turns[:-1], turns[-1:], system, tools)

    def _of_openai(self, system: Any, tools: Any) -> tuple[Any, Any]:
        if system and not isinstance(system, str):
            raise WrongError("type", f"the system prompt is {kind(system)}, not a string")
        return system or "detailed thinking off", json.dumps(tools) if isinstance(tools, dict | list) else tools

    def _answer(self, message: dict[str, Any], column: str) -> Turn:
        role = self.missing.get(message, self.of.role_tag, column)
        if not self._is_known(role):
            raise WrongError("role", f"{column} has the role {role!r}; the tags name {self.names}")
        return Turn(self.roles[role], self.missing.get(message, self.of.content_tag, column))


_INCOMPLETE = {"rm": "one of the two answers is missing", "kto": "the rating is not true or false"}


def drop_reason(stage: str, example: Example) -> str:
    """Why the stage drops the row; empty if it keeps it (data/processor)."""
    turns, answers = len(example.prompt), len(example.response)
    if stage == "pt":
        return ""
    if example.flaw or turns % 2 != 1:
        return example.flaw or (f"{turns} turns before the answer" if turns else "the row lacks messages")
    if stage == "sft" and answers != 1:
        return "the row has two answers, for rm, dpo or kto" if answers else "the answer is missing"
    return _INCOMPLETE.get(stage, "") if answers < 2 else ""  # noqa: PLR2004 - two answers


def conversations(stage: str, example: Example) -> list[list[Turn]]:
    """The conversations that the stage tokenizes."""
    prompt, response = example.prompt, example.response
    if stage == "pt":
        if not prompt:
            raise WrongError("role", example.flaw or "the row lacks messages")
        return [prompt[:1]]
    if stage == "rm":
        return [[*prompt, response[0]], [*prompt, response[1]]]
    if stage == "kto":
        return [[*prompt, response[0] if response[0].content else response[1]]]
    if stage == "ppo":
        return [[*prompt, *(response if len(response) == 1 else [Turn(ASSISTANT, "")])]]
    return [[*prompt, *response]]


# The tags of most templates (data/template.py). Others differ, so a call that contains such a tag is not judged.
_THOUGHT = ("<think>\n", "\n</think>\n\n")
_WORDS = ("think", "tool_call", "channel")


def check_text(turns: list[Turn], system: Any, tools: Any) -> None:
    """Raise what the trainer's template would raise (data/template.py, data/formatter.py)."""
    for turn in turns:
        if not isinstance(turn.content, str):
            raise WrongError("type", f"the text of the {turn.role} is {kind(turn.content)}, not a string")
        if turn.role == FUNCTION:
            _check_call(turn.content)
        elif turn.role == SYSTEM:
            raise WrongError("role", "a message has the role of the system, or lacks a role and system_tag is not set")
    if system and not isinstance(system, str):
        raise WrongError("type", f"the system prompt is {kind(system)}, not a string")
    if tools:
        _check_tools(tools)


def _check_call(content: str) -> None:
    bare = _without_thought(content)
    try:
        calls = json.loads(bare)
    except (ValueError, RecursionError):
        if _has_words(bare):
            return
        raise WrongError("call", f"the call of a function is not JSON: {bare[:60]!r}") from None
    for call in calls if isinstance(calls, list) else [calls]:
        if not isinstance(call, dict) or not {"name", "arguments"} <= call.keys():
            raise WrongError("call", "the call of a function lacks 'name' or 'arguments'")


def _without_thought(text: str) -> str:
    start = text.find(_THOUGHT[0])
    end = text.find(_THOUGHT[1], start + len(_THOUGHT[0])) if start >= 0 else -1
    return text[:start] + text[end + len(_THOUGHT[1]) :] if end >= 0 else text


def _has_words(text: str) -> bool:
    tags = (part.partition(">")[0] for part in text.split("<")[1:])
    return "◁" in text or any(word in tag for tag in tags for word in _WORDS)


def _check_tools(tools: Any) -> None:
    if not isinstance(tools, str):
        raise WrongError("call", f"the tools are {kind(tools)}, not a string of JSON")
    try:
        known = json.loads(tools)
    except (ValueError, RecursionError):
        raise WrongError("call", f"the tools are not JSON: {tools[:60]!r}") from None
    if not isinstance(known, list) or not all(isinstance(tool, dict) for tool in known):
        raise WrongError("call", "the tools are not a list of objects")


class Media:
    """The media of the rows, and what the model reads; None if the model is unknown (data/mm_plugin.py)."""

    def __init__(self, description: Description, directory: str, modalities: list[str] | None) -> None:
        """Find the columns and the placeholders."""
        self.columns = {
            getattr(description, name): mark for name, mark in PLACEHOLDERS.items() if getattr(description, name)
        }
        self.directory = directory
        reads = set(PLACEHOLDERS) if modalities is None else {f"{one}s" for one in modalities} & set(PLACEHOLDERS)
        self.readable = {mark for name, mark in PLACEHOLDERS.items() if name in reads}
        # Without a model, only declared columns say that it reads media; every such template counts all placeholders.
        self.counted = [*PLACEHOLDERS.values()] if (self.columns if modalities is None else reads) else []

    def check(self, row: dict[str, Any], conversation: list[Turn]) -> None:
        """Raise if the files do not match the placeholders, or do not exist."""
        files = {mark: self._files(row.get(column)) for column, mark in self.columns.items()}
        for column, mark in self.columns.items():
            if files[mark] and mark not in self.readable:
                raise WrongError("count", f"{column} has files, but the model does not read {column}")
        for mark in self.counted:
            count, has = sum(turn.content.count(mark) for turn in conversation), len(files.get(mark, ()))
            if count != has:
                raise WrongError("count", f"the text has {count} {mark}, but the row has {has} files for them")
        for column, mark in self.columns.items():
            for file in files[mark]:
                for frame in file if isinstance(file, list) else [file]:
                    self._check_file(column, frame)

    @staticmethod
    def _files(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [] if value is None else [value]

    def _check_file(self, column: str, file: Any) -> None:
        if isinstance(file, str):
            size = self._size(Path(self.directory, file)) or self._size(Path(file))
            if not size:
                reason = "does not exist in" if size is None else "is an empty file in"
                raise WrongError("media", f"{column}: {file!r} {reason} {self.directory}")
        elif not isinstance(file, dict | bytes):
            raise WrongError("type", f"{column} holds {kind(file)}, not the name of a file")

    @staticmethod
    def _size(file: Path) -> int | None:
        try:
            found = file.stat()
        except (OSError, ValueError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None
