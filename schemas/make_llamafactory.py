"""Write the arguments, templates and models that an installed trainer accepts.

    VENV/bin/python schemas/make_llamafactory.py [--check]

VENV is an environment of tests/e2e/trainer/install.sh. What `train` and `export` accept depends on the versions of
llamafactory and of transformers, so both name the files: schemas/llamafactory/<llamafactory>+<transformers>.json, read
at every compilation, and ….templates.json, read when a template is judged. `--check` writes nothing and fails where
they differ.

Each argument is a JSON Schema of its own; `train` and `export` list the arguments of the two commands. The schema of a
command's YAML is {"type": "object", "additionalProperties": false, "properties": {<name>: arguments[<name>]}}. An
argument with `enum` has no `type`, so that a wrong value is one error. An integer is written without a fraction, as
JSON Schema's draft 4 has it: the trainer fails on `lora_rank: 8.0`.

Sources: the dataclasses that llamafactory.hparams.parser gives to HfArgumentParser, the TEMPLATES of
llamafactory.data.template, the register_model_group calls of llamafactory.extras.constants, the package's requirements.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import importlib.metadata
import inspect
import json
import re
import sys
import textwrap
import types
import typing
from pathlib import Path
from typing import Any

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Schema = dict[str, Any]  # any JSON Schema

OUTPUT = Path(__file__).parent / "llamafactory"
DESCRIPTION_WIDTH = 100
EXPANDED_LEVELS = 2  # the document and its sections; an argument is one line
RANGE = (">=", "<=", "!=")
JSON_TYPES: Mapping[object, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
    types.NoneType: "null",
}
# TrainingArguments.__post_init__ and Trainer.train take true for both, whatever the annotation says.
ALSO_BOOLEAN = frozenset({"fsdp", "resume_from_checkpoint"})
# __post_init__ splits a string at commas and accepts a list as is.
SPLIT_AT_COMMAS = re.compile(r"(?P<numbers>map\(float, )?\bsplit_arg\(self\.(?P<name>\w+)\)")


def module(name: str) -> Any:
    """A module of the trainer, which the environment that checks this file does not have."""
    return importlib.import_module(name)


def alternatives(annotation: object) -> Iterator[object]:
    """The members of a union, or the annotation itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from alternatives(part)
    else:
        yield annotation


def literal_values(part: object) -> tuple[object, ...]:
    """The values that a Literal or an Enum admits."""
    if typing.get_origin(part) is typing.Literal:
        return typing.get_args(part)
    if isinstance(part, type) and issubclass(part, enum.Enum):
        return tuple(member.value for member in part)
    return ()


def json_types(parts: Iterable[object]) -> list[str]:
    """The JSON types of a union; classes that no YAML value can be (GenerationConfig, …) add none."""
    classes = [typing.get_origin(part) or part for part in parts]
    values = [type(value) for part in parts for value in literal_values(part)]
    return sorted({JSON_TYPES[one] for one in (*classes, *values) if one in JSON_TYPES})


def contents(part: object) -> Schema:
    """The item types of list[X] and dict[str, X]."""
    arguments = typing.get_args(part)
    match typing.get_origin(part):
        case kind if kind is list:
            return {"items": value_schema(arguments[0])}
        case kind if kind is dict and arguments[1] is not Any:
            return {"additionalProperties": value_schema(arguments[1])}
        case _:
            return {}


def one_of(choices: Iterable[object], *, nullable: bool) -> Schema:
    """The schema of a closed list of values, in the trainer's own order."""
    return {"enum": [*choices, None] if nullable else [*choices]}


def value_schema(annotation: object) -> Schema:
    """The JSON Schema of a type; Enum | str means the values of the Enum, because transformers converts the string."""
    parts = list(alternatives(annotation))
    found = json_types(parts)
    choices = [value for part in parts for value in literal_values(part) if isinstance(value, str)]
    if choices:
        return one_of(choices, nullable="null" in found)
    schema: Schema = {"type": found[0] if len(found) == 1 else found}
    for part in parts:
        schema |= contents(part)
    return schema


def with_type(schema: Schema, *more: str) -> Schema:
    """The schema of an argument that takes other types too."""
    stated = schema["type"]
    return schema | {"type": sorted({*([stated] if isinstance(stated, str) else stated), *more})}


def comma_lists(dataclass: type) -> dict[str, str]:
    """The arguments that take a list in place of a comma-separated string, with the type of its items."""
    methods = [vars(base)["__post_init__"] for base in dataclass.__mro__ if "__post_init__" in vars(base)]
    found = [match for method in methods for match in SPLIT_AT_COMMAS.finditer(inspect.getsource(method))]
    return {match["name"]: "number" if match["numbers"] else "string" for match in found}


def default_of(field: dataclasses.Field[Any]) -> Schema:
    """The default as a JSON value; nothing where there is none."""
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if isinstance(value, enum.Enum):
        value = value.value
    return {} if value is dataclasses.MISSING else {"default": value}


def first_sentence(text: str) -> str:
    """The beginning of a help text, short enough for one line of a diagnostic."""
    sentence = re.split(r"\.\s+(?=[A-Z`'\"(])", " ".join(text.split()), maxsplit=1)[0]
    return textwrap.shorten(sentence.rstrip("."), DESCRIPTION_WIDTH, placeholder=" …")


def argument_schema(field: dataclasses.Field[Any], annotation: object, lists: Mapping[str, str]) -> Schema:
    """One argument as a JSON Schema, loosened to what the trainer takes in practice."""
    schema = value_schema(annotation)
    if "choices" in field.metadata:
        schema = one_of(field.metadata["choices"], nullable="null" in json_types(alternatives(annotation)))
    if field.name in ALSO_BOOLEAN:
        schema = with_type(schema, "boolean")
    if field.name in lists:
        schema = with_type(schema, "array") | {"items": {"type": lists[field.name]}}
    return schema | default_of(field) | {"description": first_sentence(field.metadata["help"])}


def argument_schemas(dataclass: type) -> dict[str, Schema]:
    """The arguments that one of the parser's dataclasses contributes; init=False fields are not the user's to set."""
    hints = typing.get_type_hints(dataclass)
    lists = comma_lists(dataclass)
    fields = [field for field in dataclasses.fields(dataclass) if field.init]
    return {field.name: argument_schema(field, hints[field.name], lists) for field in fields}


def command_schemas(dataclasses_of_command: Iterable[type]) -> dict[str, Schema]:
    """The arguments of a command; no two of its dataclasses share a name."""
    return {name: schema for one in dataclasses_of_command for name, schema in argument_schemas(one).items()}


def transformers_range() -> dict[str, Any]:
    """The versions of transformers that llamafactory's own requirements admit; a `not` may end in `.*`."""
    parse = module("packaging.requirements").Requirement
    stated = [parse(line) for line in importlib.metadata.requires("llamafactory") or ()]
    linux = {"extra": "", "sys_platform": "linux"}
    valid = [one for one in stated if one.marker is None or one.marker.evaluate(linux)]
    specifiers = next(one.specifier for one in valid if one.name == "transformers")
    versions = {operator: sorted(s.version for s in specifiers if s.operator == operator) for operator in RANGE}
    (oldest,), (newest,), without = versions.values()
    return {"min": oldest, "max": newest, "not": without}


def arguments_document() -> dict[str, Any]:
    """The content of <pair>.json."""
    parser = module("llamafactory.hparams.parser")
    # The trainer has no public name for what `train` and `export` parse.
    train, export = (command_schemas(one) for one in (parser._TRAIN_ARGS, parser._INFER_ARGS))  # noqa: SLF001
    return {
        "llamafactory": importlib.metadata.version("llamafactory"),
        "transformers": importlib.metadata.version("transformers"),
        "transformers_range": transformers_range(),
        "train": sorted(train),
        "export": sorted(export),
        "arguments": dict(sorted((train | export).items())),
    }


def template_facts(template: Any) -> dict[str, Any]:
    """The facts about a template that rules need: its media placeholders, and how it ends a turn."""
    reasoning = module("llamafactory.data.template").ReasoningTemplate
    return {
        "media": [f"{kind}s" for kind in ("image", "video", "audio") if getattr(template.mm_plugin, f"{kind}_token")],
        "reasoning": isinstance(template, reasoning),
        "efficient_eos": template.efficient_eos,
    }


def model_groups(constants: types.ModuleType) -> Iterator[tuple[str, list[str]]]:
    """Template and model names of each register_model_group call; at run time base models have lost their group."""
    for node in ast.walk(ast.parse(inspect.getsource(constants))):
        match node:
            case ast.Call(func=ast.Name(id="register_model_group")):
                words = {word.arg: word.value for word in node.keywords}
                if "template" in words:
                    models = typing.cast("ast.Dict", words["models"])
                    yield ast.literal_eval(words["template"]), [ast.literal_eval(key) for key in models.keys if key]


def models_of_templates() -> dict[str, list[str]]:
    """The ids on the Hugging Face hub and on ModelScope of the models that belong to each template."""
    constants = module("llamafactory.extras.constants")
    sources = (constants.DownloadSource.DEFAULT, constants.DownloadSource.MODELSCOPE)
    found: dict[str, set[str]] = {}
    for template, names in model_groups(constants):
        ids = [constants.SUPPORTED_MODELS[name].get(source) for name in names for source in sources]
        found.setdefault(template, set()).update(filter(None, ids))
    return {template: sorted(ids) for template, ids in sorted(found.items())}


def templates_document() -> dict[str, Any]:
    """The content of <pair>.templates.json: what the data of a run is judged by."""
    templates = module("llamafactory.data.template").TEMPLATES
    return {
        "llamafactory": importlib.metadata.version("llamafactory"),
        "formats": sorted(module("llamafactory.data.converter").DATASET_CONVERTERS),
        "templates": {name: template_facts(template) for name, template in sorted(templates.items())},
        "models": models_of_templates(),
    }


def one_a_line(value: object, level: int = 0) -> str:
    """JSON with one argument, template or name per line, so that a change of one is a change of one line."""
    inline = json.dumps(value, ensure_ascii=False)
    match value:
        case {} if value and level < EXPANDED_LEVELS:
            entries = [f"{json.dumps(key)}: {one_a_line(inner, level + 1)}" for key, inner in value.items()]
        case [_, *_]:
            entries = [one_a_line(inner, level + 1) for inner in value]
        case _:
            return inline
    indent = " " * (level + 1)
    lines = ",\n".join(indent + entry for entry in entries)
    return f"{inline[0]}\n{lines}\n{indent[1:]}{inline[-1]}"


def documents() -> dict[Path, str]:
    """The files of the installed pair."""
    arguments = arguments_document()
    pair = f"{arguments['llamafactory']}+{arguments['transformers']}"
    contents_of = {f"{pair}.json": arguments, f"{pair}.templates.json": templates_document()}
    return {OUTPUT / name: one_a_line(document) + "\n" for name, document in contents_of.items()}


def stale(files: Mapping[Path, str]) -> list[Path]:
    """The files that are missing or different on disk."""
    return [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with --check say which of them are stale."""
    changed = stale(files := documents())
    for path in changed:
        print(f"{path}: {'stale' if '--check' in arguments else 'written'}")
    if "--check" in arguments:
        return int(bool(changed))
    OUTPUT.mkdir(exist_ok=True)
    for path in changed:
        path.write_text(files[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
