"""Make a model option of a directory with a model: the text of conf/model/NAME.yaml, or the problems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ftc import yaml_text
from ftc.checkpoint import weights
from ftc.checkpoint.config import CONFIG, Quantization, Reader
from ftc.checkpoint.files import Problem, Wrong, read_object
from ftc.diagnostics.model import did_you_mean
from ftc.resources import directory as shipped
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftc.checkpoint.weights import Weights

_TYPES = "model_types.json"
_RELEASE = re.compile(r"\d+\.\d+\.\d+")
_MOST_CHOICES = 8
_NO_TYPE = f"{CONFIG} lacks model_type"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the option that only the user knows."""

    id: str
    template: str | None
    path: str | None
    on_hub: bool
    given: Mapping[str, int]


class Option(msgspec.Struct, frozen=True):
    """The text of an option, and notes on assumptions and gaps."""

    text: str
    notes: tuple[str, ...]


def make(directory: Path, wanted: Wanted) -> Option | list[Problem]:
    """The option, or every problem at once."""
    try:
        reader = Reader(read_object(directory, CONFIG), wanted.given)
    except Wrong as wrong:
        return [wrong.problem]
    quantization, stated = reader.quantization(), _stated(reader)
    counted = weights.read(directory, quantization.bits if quantization else None)
    sees = len(reader.modalities()) > 1
    found = _template(reader.text("model_type"), wanted.id, sees=sees) if wanted.template is None else None
    template = found or _known(wanted.template or "")
    problems = [template] if isinstance(template, Problem) else []
    if isinstance(counted, list):
        return [*reader.problems, *counted, *problems]
    architecture = stated | _counted(reader, counted, quantization, wanted)
    problems = [*reader.problems, *_without_weights(directory, counted, wanted), *problems]
    if problems or isinstance(template, Problem):
        return problems
    notes = (*_notes(reader, counted, quantization), *_open(wanted))
    return Option(_text(reader, wanted, template, architecture, counted), notes)


def _without_weights(directory: Path, counted: Weights, wanted: Wanted) -> Iterator[Problem]:
    if counted.parameters is None and "parameters" not in wanted.given:
        others = [*weights.found_files(directory)]
        message = f"does not exist, and the weights of {others[0]} are not counted" if others else "does not exist"
        yield Problem(weights.SINGLE, "", message, "write parameters=… after the directory")


def _stated(reader: Reader) -> dict[str, Any]:
    """The part of the architecture that config.json states; the parameters come first."""
    modalities = reader.modalities()
    optional = {
        "modalities": modalities if len(modalities) > 1 else None,
        "experts": reader.experts(),
        "linear_attention": reader.linear_attention(),
    }
    return {"parameters": 0, **reader.sizes(), **_without_empty(optional)}


def _counted(reader: Reader, counted: Weights, quantization: Quantization | None, wanted: Wanted) -> dict[str, Any]:
    """The part that needs the weights; a copy of tied embeddings is not counted."""
    tied = reader.tied(counted)
    copied = counted.output if tied and counted.output else 0
    optional = {
        "tied_embeddings": tied,
        "qk_norm": counted.has_qk_norm,
        "vision_parameters": counted.tower,
        "quantized_bits": quantization.bits if quantization and quantization.kept else None,
    }
    parameters = wanted.given.get("parameters") or (counted.parameters or 0) - copied
    return {"parameters": parameters, **_without_empty(optional)}


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _known(template: str) -> str | Problem:
    """A template that some release of the trainer has."""
    known = {name for pair in release.pairs() for name in release.data(pair)["templates"]}
    if template in known:
        return template
    message = f"llamafactory does not have the template '{template}'"
    return Problem("", "template", message, did_you_mean(template, known))


def _template(model_type: str, model_id: str, *, sees: bool) -> str | Problem:
    """The trainer's template for the repository, or for all repositories of the same type of model."""
    data = release.data(release.pairs()[-1])
    table: dict[str, list[str]] = data["models"]
    name, family = model_id.rpartition("/")[2], _letters(re.sub("_(text|moe)", "", model_type))
    pairs = [(template, one.rpartition("/")[2]) for template, ids in table.items() for one in ids]
    exact = {template for template, one in pairs if one.casefold() == name.casefold()}
    alike = {template for template, one in pairs if family and _letters(one).startswith(family)}
    found = sorted(exact or (one for one in alike if bool(data["templates"][one]["media"]) == sees))
    if len(found) == 1:
        return found[0]
    known = f"{len(found)} templates" if found else "no template"
    message = f"llamafactory {data['llamafactory']} has {known} for models of the type {model_type}"
    message = message if model_type else f"{_NO_TYPE}, which tells the template"
    some = ", ".join(found[:_MOST_CHOICES]) or "any of the names that LLaMA-Factory's documentation lists"
    return Problem("", "template", message, f"choose one with --template: {some}")


def _letters(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.casefold())


def _notes(reader: Reader, counted: Weights, quantization: Quantization | None) -> Iterator[str]:
    yield f"parameters: from {counted.source}" if counted.source else "parameters: as given"
    if counted.tower is None and counted.parameters is not None:
        yield "vision_parameters: not known without the files of the weights, so the tower counts as trained"
    if quantization is not None and quantization.kept:
        yield f"quantized_bits: {quantization.bits} ({quantization.method}); only an adapter can be trained"
    elif quantization is not None:
        yield f"the checkpoint is {quantization.method}, which LLaMA-Factory loads at 16 bits"
    yield "gated: config.json does not say whether the hub asks for an accepted license"
    if "auto_map" in reader.config:
        yield "config.json names code of the repository, which only runs with arguments: {trust_remote_code: true}"
    kind = reader.text("model_type")
    if not kind:
        yield f"{_NO_TYPE}, without which transformers does not load the model"
    elif not _first_release(kind) and "auto_map" not in reader.config:
        yield f"transformers {_releases()[-1]} does not have the model type {kind}"
    if floor := _floor(reader):
        yield f"transformers: {floor} supports the model; an earlier release may support it, too"


def _open(wanted: Wanted) -> Iterator[str]:
    if not wanted.on_hub and wanted.path is None:
        yield "source.path: write the directory of the model in the pods (--path), or use a repository (--id)"


def _floor(reader: Reader) -> str | None:
    """The first release that supports the model, as far as known; None if all known releases do.

    A file that was written by an earlier release shows that it supports the model, too.
    """
    first = _first_release(reader.text("model_type"))
    written = reader.text("transformers_version").removesuffix(".dev0")
    if first == _releases()[0] or (not first and not _RELEASE.fullmatch(written)):
        return None
    return min(filter(_RELEASE.fullmatch, (first, written)), key=lambda release: [*map(int, release.split("."))])


def _first_release(model_type: str) -> str:
    """The first known release of transformers that has the type; empty if none has."""
    return next((release for release, types in _types().items() if model_type in types), "")


def _releases() -> list[str]:
    return [*_types()]


def _types() -> dict[str, list[str]]:
    """The model types that each release adds, the oldest first."""
    types: dict[str, list[str]] = msgspec.json.decode((shipped("schemas") / _TYPES).read_bytes())
    return types


def _text(reader: Reader, wanted: Wanted, template: str, architecture: Mapping[str, Any], counted: Weights) -> str:
    source = "huggingface" if wanted.on_hub else "path"
    option: dict[str, Any] = {"defaults": [{"/source@source": source}, "_self_"]}
    option |= {"id": wanted.id, "template": template}
    if not wanted.on_hub:
        option["source"] = {"path": wanted.path or "???"}
    if floor := _floor(reader):
        option["transformers"] = floor
    option["architecture"] = architecture
    inputs = ", ".join(architecture.get("modalities", ("text",)))
    about = (
        f"{wanted.id.rpartition('/')[2]}, {inputs}; sizes from its config.json, weights from {counted.source or 'you'}."
    )
    return f"# {about}\n{yaml_text.dump(option)}"
