"""check_chat_template.py RESULT: compare the chat template of a result with the training's."""

# Rows of the training data are encoded by LLaMA-Factory's template with the tokenizer of the base model, and rendered
# by the chat template of the result, as a server does. The verdict is in chat-template.json of the run's directory and
# in one line of the log. CHAT_TEMPLATE_CHECK=fail ends with status 1 unless both are equal; CHAT_TEMPLATE_WRITE=true
# first replaces a chat template that differs.

from __future__ import annotations

import dataclasses
import importlib
import inspect
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

VERDICT = "chat-template.json"
LINE = "check.verdict"
MOST_ROWS = 100
MOST_SHOWN = 5
LONGEST = 1800
"""The seconds after which the verdict is unknown."""
_AROUND = 24


class _LateError(BaseException):
    """The check takes too long, as with nested loops in a template; `except Exception` must not catch it."""


class Training(NamedTuple):
    """The training's arguments, its template and the tokenizer of the base model."""

    stage: str
    data: Any
    template: Any
    tokenizer: Any
    trusts: bool


class Turn(NamedTuple):
    """One answer of a row: the conversation before it, and the tokens of both in the training."""

    row: int
    messages: list[dict[str, Any]]
    tools: list[Any] | None
    prompt: list[int]
    answer: list[int]
    is_last: bool


def arguments(kind: Any, given: dict[str, Any]) -> Any:
    """One of LLaMA-Factory's groups of arguments."""
    names = {field.name for field in dataclasses.fields(kind) if field.init}
    return kind(**{name: value for name, value in given.items() if name in names})


def training(given: dict[str, Any]) -> Training:
    """The template and the tokenizer of train.yaml, changed as the training changes them."""
    data, hparams, loader = (
        importlib.import_module(f"llamafactory.{one}") for one in ("data", "hparams", "model.loader")
    )
    model_args, data_args = arguments(hparams.ModelArguments, given), arguments(hparams.DataArguments, given)
    tokenizer = loader.load_tokenizer(model_args)["tokenizer"]
    template = data.get_template_and_fix_tokenizer(tokenizer, data_args)
    return Training(given.get("stage", "sft"), data_args, template, tokenizer, model_args.trust_remote_code)


def rows(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The first rows of each dataset in LLaMA-Factory's standard form."""
    hparams, loader, parser = (
        importlib.import_module(f"llamafactory.{one}") for one in ("hparams", "data.loader", "data.parser")
    )
    model_args, data_args = arguments(hparams.ModelArguments, given), arguments(hparams.DataArguments, given)
    found = parser.get_dataset_list(data_args.dataset, data_args.dataset_dir)
    most = -(-MOST_ROWS // len(found))
    data_args.max_samples = None if data_args.streaming else most
    data_args.preprocessing_num_workers = None
    alone = SimpleNamespace(local_process_index=0, dataloader_num_workers=1, seed=0)
    for one in found:
        yield from itertools.islice(loader._load_single_dataset(one, model_args, data_args, alone), most)  # noqa: SLF001


def turns(used: Training, number: int, row: dict[str, Any]) -> list[Turn]:
    """The answers of a row that the training learns; a row with images, videos or sounds has no comparable text."""
    answers = [one for one in row["_response"] if one["content"]] or [{"role": "assistant", "content": ""}]
    messages = [*row["_prompt"], answers[0]]
    system, tools = row["_system"] or None, row["_tools"] or None
    encoded = encode(used, messages, system, tools)
    served = [*([{"role": "system", "content": system}] if system else []), *map(as_served, messages)]
    ahead = len(served) - len(messages)
    offered = [{"type": "function", "function": one} for one in json.loads(tools)] if tools else None
    history: list[int] = []
    found = []
    for turn, (prompt, answer) in enumerate(encoded):
        index = ahead + len(messages) - 1 - 2 * (len(encoded) - 1 - turn)
        is_last = turn == len(encoded) - 1
        found.append(Turn(number, served[:index], offered, history + prompt, answer, is_last))
        history += prompt + answer
    return found[-1:] if used.data.mask_history else found


def encode(used: Training, messages: list[dict[str, str]], system: str | None, tools: str | None) -> list[Any]:
    """Pairs of prompt and answer in token ids, as the processors of LLaMA-Factory make them (data/processor)."""
    template, tokenizer = used.template, used.tokenizer
    if used.stage != "sft":
        return [template.encode_oneturn(tokenizer, messages, system, tools)]
    drops = used.data.mask_history and not getattr(template, "preserve_thinking", False)
    own = {"discarding_history_cot": True} if drops else {}
    known = inspect.signature(template.encode_multiturn).parameters
    own = {name: value for name, value in own.items() if name in known}
    return list(template.encode_multiturn(tokenizer, messages, system, tools, **own))


def as_served(message: dict[str, str]) -> dict[str, Any]:
    """A message of the training in the form of a request to a server."""
    if message["role"] == "observation":
        return {"role": "tool", "content": message["content"]}
    if message["role"] != "function":
        return dict(message)
    calls = json.loads(message["content"])
    listed = calls if isinstance(calls, list) else [calls]
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": one} for one in listed]}


def rendered(tokenizer: Any, turn: Turn, **settings: bool) -> list[int]:
    """The tokens of a request: servers render the text first and add no special tokens to it."""
    text = tokenizer.apply_chat_template(
        turn.messages, tools=turn.tools, add_generation_prompt=True, tokenize=False, **settings
    )
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def difference(used: Training, tokenizer: Any, turn: Turn, **settings: bool) -> dict[str, Any] | None:
    """How the request of a turn differs from the training; None if it does not.

    The trainer encodes the parts of a prompt one by one, so words at a border may be split into other tokens. The
    templates do not differ if the text and all special tokens are equal.
    """
    try:
        served = rendered(tokenizer, turn, **settings)
    except Exception as error:  # noqa: BLE001 - Jinja, the template's own refusal, or a missing template
        return {"row": turn.row, "kind": "error", "result": " ".join(str(error).split())[:200]}
    if served == turn.prompt:
        return None
    texts = [
        one.decode(ids, clean_up_tokenization_spaces=False)
        for one, ids in ((used.tokenizer, turn.prompt), (tokenizer, served))
    ]
    special = [
        [token for token in ids if token in used.tokenizer.added_tokens_decoder] for ids in (turn.prompt, served)
    ]
    if texts[0] == texts[1] and special[0] == special[1]:
        return None
    at = next((n for n, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), min(map(len, texts)))
    shown = [text[max(at - _AROUND, 0) : at + _AROUND] for text in texts]
    return {"row": turn.row, "kind": "prompt", "training": shown[0], "result": shown[1]}


def ends(used: Training, tokenizer: Any, result: Path, turn: Turn) -> dict[str, Any] | None:
    """How the end of an answer differs from what stops the result; None if it does not.

    vLLM stops at the token of the tokenizer and at those of generation_config.json, transformers only at the latter.
    """
    end, stops = end_of(used, turn), configured_stops(result)
    if end in stops or (not stops and end == tokenizer.eos_token_id):
        return None
    name = used.tokenizer.convert_ids_to_tokens(end)
    return {"row": turn.row, "kind": "stop", "training": name, "result": tokenizer.convert_ids_to_tokens(sorted(stops))}


def end_of(used: Training, turn: Turn) -> int:
    """The token with which the training ends an answer."""
    known = set(used.template.get_stop_token_ids(used.tokenizer))
    return int(next((token for token in turn.answer if token in known), used.tokenizer.eos_token_id))


def configured_stops(result: Path) -> set[int]:
    """The end tokens in generation_config.json, or in config.json if that names none."""
    for name in ("generation_config.json", "config.json"):
        if (result / name).is_file():
            content = json.loads((result / name).read_text(encoding="utf-8"))
            found = content.get("eos_token_id", content.get("text_config", {}).get("eos_token_id"))
            if found is not None:
                return set(found) if isinstance(found, list) else {found}
    return set()


def compared(used: Training, tokenizer: Any, result: Path, found: list[Turn], **settings: bool) -> list[dict[str, Any]]:
    """The first difference of each row."""
    by_row: dict[int, dict[str, Any]] = {}
    for turn in found:
        other = difference(used, tokenizer, turn, **settings)
        if other is None and turn.is_last:
            other = ends(used, tokenizer, result, turn)
        if other is not None:
            by_row.setdefault(turn.row, other)
    return list(by_row.values())


def chat_template(used: Training) -> str:
    """A chat template that renders what the training encodes, without tools: its parts as literals of Jinja."""
    template, eos = used.template, importlib.import_module("llamafactory.data.template")
    system, user, answer = (
        parts(used, one) for one in (template.format_system, template.format_user, template.format_assistant)
    )
    fused = isinstance(template, getattr(eos, "Llama2Template", ()))
    thought = literal(template.add_thought()) if isinstance(template, eos.ReasoningTemplate) else ""
    words = [literal(one.strip()) for one in template.thought_words] if thought else []
    lacks = " and ".join(f"{one} not in message['content']" for one in words)
    asks = (
        f"{{% if add_generation_prompt %}}{{{{ {thought} }}}}{{% endif %}}"
        if thought and not template.enable_thinking
        else ""
    )
    default = (
        f"{{% set system = {literal(template.default_system)} %}}"
        if template.default_system
        else "{% set system = '' %}"
    )
    first = f"({system('system')} if system and loop.first else '') + message['content']"
    return (
        f"{default}{{% if messages[0]['role'] == 'system' %}}{{% set system = messages[0]['content'] or system %}}"
        "{% set messages = messages[1:] %}{% endif %}"
        f"{{{{ {parts(used, template.format_prefix)('')} }}}}"
        + ("" if fused else f"{{% if system %}}{{{{ {system('system')} }}}}{{% endif %}}")
        + "{% for message in messages %}{% if message['role'] == 'user' %}"
        + (f"{{% set content = {first} %}}{{{{ {user('content')} }}}}" if fused else f"{{{{ {user(_CONTENT)} }}}}")
        + "{% elif message['role'] == 'assistant' %}"
        + (f"{{% if {lacks} %}}{{{{ {thought} }}}}{{% endif %}}" if thought else "")
        + f"{{{{ {answer(_CONTENT)} }}}}{{% endif %}}{{% endfor %}}{asks}"
    )


_CONTENT = "message['content']"


def literal(text: str) -> str:
    """A string of Jinja, which reads the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def parts(used: Training, formatter: Any) -> Any:
    """A function that writes the slots of a formatter as an expression of Jinja around a variable."""

    def written(slot: Any, variable: str) -> str:
        if isinstance(slot, dict):
            return literal(slot["token"])
        if isinstance(slot, set):
            token = used.tokenizer.bos_token if "bos_token" in slot else used.tokenizer.eos_token
            return literal(token or "")
        return f" + {variable} + ".join(map(literal, slot.split("{{content}}")))

    return lambda variable: " + ".join(written(slot, variable) for slot in formatter.slots) or "''"


def write(used: Training, tokenizer: Any, result: Path, found: list[Turn]) -> bool:
    """Replace a chat template that differs, and add a missing end token, if that makes the result equal."""
    before = tokenizer.chat_template
    if any(difference(used, tokenizer, turn) for turn in found):
        tokenizer.chat_template = chat_template(used)
        if any(difference(used, tokenizer, turn) for turn in found):
            tokenizer.chat_template = before
            return False
        write_template(tokenizer.chat_template, result)
    last = [turn for turn in found if turn.is_last]
    if any(ends(used, tokenizer, result, turn) for turn in last):
        place = result / "generation_config.json"
        given = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        trained = {end_of(used, turn) for turn in last}
        stops = [*sorted(trained), *sorted(configured_stops(result) - trained)]
        replace(place, json.dumps({**given, "eos_token_id": stops}, indent=2))
    return True


def write_template(text: str, result: Path) -> None:
    """Write a chat template where the tokenizer of the result has it."""
    config, alone = result / "tokenizer_config.json", result / "chat_template.jinja"
    content = json.loads(config.read_text(encoding="utf-8"))
    if "chat_template" in content:
        replace(config, json.dumps({**content, "chat_template": text}, indent=2, ensure_ascii=False))
    if "chat_template" not in content or alone.exists():
        replace(alone, text)


def replace(place: Path, text: str) -> None:
    """Write a file by a rename: a restart finds the old one or the new one."""
    content = (text.rstrip("\n") + "\n" if place.suffix == ".json" else text).encode()
    new = place.with_name(f"{place.name}.ftc-tmp")
    new.write_bytes(content)
    new.replace(place)


def check(given: dict[str, Any], result: Path, *, writes: bool) -> dict[str, Any]:
    """The verdict."""
    transformers = importlib.import_module("transformers")
    used = training(given)
    tokenizer = transformers.AutoTokenizer.from_pretrained(result, trust_remote_code=used.trusts)
    media = ("_images", "_videos", "_audios")
    every = list(rows(given))
    text = [(number, row) for number, row in enumerate(every) if not any(row.get(one) for one in media)]
    found = [turn for number, row in text for turn in turns(used, number, row)]
    verdict = {"template": given.get("template"), "rows": len(text), "rows_with_media": len(every) - len(text)}
    if not found:
        return {**verdict, "verdict": "unknown", "reason": "no row of the data has only text"}
    differences = compared(used, tokenizer, result, found)
    written = bool(differences) and writes and write(used, tokenizer, result, found)
    if written:
        differences = compared(used, tokenizer, result, found)
    quiet = bool(differences) and not compared(used, tokenizer, result, found, enable_thinking=False)
    return {
        **verdict,
        "verdict": "different" if differences else "equal",
        "different_rows": len(differences),
        "equal_without_thinking": quiet,
        "written": written,
        "differences": differences[:MOST_SHOWN],
    }


def in_words(verdict: dict[str, Any]) -> str:
    """The verdict in one line."""
    if verdict["verdict"] == "unknown":
        return f"not compared with the training: {verdict['reason']}"
    if verdict["verdict"] == "equal":
        corrected = ", after the result was corrected" if verdict["written"] else ""
        return f"equal to the training in {verdict['rows']} rows{corrected}"
    first = {"training": "", "result": "", **verdict["differences"][0]}
    trained, result, row = first["training"], first["result"], first["row"]
    said = {
        "error": f"the result cannot render row {row}: {result}",
        "stop": f"the training ends an answer with {trained}, the generation config names {result or 'no token'}",
        "prompt": f"row {row} has {trained!r} in the training and {result!r} in the result",
    }[first["kind"]]
    hint = "; requests with enable_thinking=false are equal" if verdict["equal_without_thinking"] else ""
    return f"differs from the training in {verdict['different_rows']} of {verdict['rows']} rows: {said}{hint}"


def printable(text: str) -> str:
    """A text without control characters, which a template or a token may have."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _too_late(*_: object) -> NoReturn:
    raise _LateError(f"the check took longer than {LONGEST} seconds")


def main() -> None:
    """Check the result that the argument names, in the run's directory."""
    yaml = importlib.import_module("yaml")
    given = yaml.safe_load(Path(__file__).with_name("train.yaml").read_text(encoding="utf-8"))
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(LONGEST)
    try:
        verdict = check(given, Path(sys.argv[1]), writes=os.environ.get("CHAT_TEMPLATE_WRITE") == "true")
    except (Exception, _LateError) as error:  # noqa: BLE001 - whatever the libraries raise; a warning must not lose the result
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        verdict = {"verdict": "unknown", "reason": reason, "template": given.get("template")}
    signal.alarm(0)
    replace(Path(VERDICT), json.dumps(verdict, indent=2))
    line = printable(f"chat template: {in_words(verdict)}")
    replace(Path(LINE), f"{line}\n")
    sys.stdout.write(f"ftc: {line}\n")
    if os.environ["CHAT_TEMPLATE_CHECK"] == "fail" and verdict["verdict"] != "equal":
        sys.exit(f"ftc: error: {line}: nothing is published; {VERDICT} in the run's directory has the differences")


if __name__ == "__main__":
    main()
