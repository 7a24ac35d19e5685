"""Rules on sources that the trainer downloads by itself, and on what the buckets and hubs of a run are called."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.rules.given import variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.source import S3, FromHub, HubPush, HuggingFace, S3Push

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def _asked(spec: JobSpec) -> dict[str, FromHub]:
    """The sources that the trainer downloads by itself."""
    return {name: source for name, source in spec.sources.items() if isinstance(source, FromHub)}


_STAGE = "stage it: source@{}.source=huggingface"


def trainer_downloads_by_itself(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What is not staged is downloaded by LLaMA-Factory.

    With huggingface-direct no step brings the files to the pod: a program of your own would find no MODEL_DIR, and
    there is nothing that `storage.model_in_memory_gib` could copy.

    Wrong: model=qwen3-8b source@model.source=huggingface-direct storage.model_in_memory_gib=20
    Right: model=qwen3-8b source@model.source=huggingface storage.model_in_memory_gib=20
    """
    asked = _asked(spec)
    for name in asked:
        if not spec.trains:
            message = "is left to LLaMA-Factory to download, and launcher=command runs another program"
            yield Finding((name, "source"), message, _STAGE.format(name), (("launcher", "kind"),))
    if "model" in asked and spec.storage.model_in_memory_gib:
        message = "is downloaded by the trainer, so there is nothing to copy into memory before"
        yield Finding(("model", "source"), message, _STAGE.format("model"), (("storage", "model_in_memory_gib"),))


# LLaMA-Factory, extras/constants.py, FILEEXT2TYPE.
_FILES = frozenset((".arrow", ".csv", ".json", ".jsonl", ".parquet", ".txt"))


def hub_dataset_is_described(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A dataset that the trainer downloads is described here, as a repository of its main branch.

    LLaMA-Factory hands the repository to `datasets.load_dataset`, by subset, split and folder: it names no file in it
    and no revision (0.9.3 to 0.9.5, data/loader.py), and finds no dataset_info.json that is in the repository.

    Wrong: source@dataset.source=huggingface-direct dataset.source.revision=v2
    Right: source@dataset.source=huggingface dataset.source.revision=v2
    """
    dataset = spec.dataset
    if dataset is None or not isinstance(dataset.source, FromHub):
        return
    stage = _STAGE.format("dataset")
    if dataset.info is None:
        message = "is null, and the trainer reads no dataset_info.json of a repository that it downloads itself"
        yield Finding(("dataset", "info"), message, f"describe the dataset here, or {stage}")
    for name, entry in (dataset.info or {}).items():
        if PurePosixPath(str(entry.get("file_name", ""))).suffix in _FILES:
            message = "names a file, and the trainer takes a whole repository, or a folder, subset and split of it"
            help_ = f"name a folder, or '.' for all of it, or {stage}"
            yield Finding(("dataset", "info", name, "file_name"), message, help_, (("dataset", "source", "kind"),))
    if dataset.source.revision != "main":
        message = f"{dataset.source.revision} is not what the trainer downloads: it names no revision of a dataset"
        yield Finding(("dataset", "source", "revision"), message, stage)


def one_hub_is_asked(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Model and dataset are downloaded from one hub with one token.

    The trainer is one process, and its client reads one HF_ENDPOINT and one HF_TOKEN for both.

    Wrong: source@model.source=huggingface-direct source@dataset.source=huggingface-direct
           dataset.source.endpoint=https://mirror.example.com
    Right: source@model.source=huggingface-direct source@dataset.source=huggingface-direct
           cluster.hub_endpoint=https://mirror.example.com
    """
    asked = list(_asked(spec).values())
    if len(asked) > 1:
        tokens = {source.token for source in asked} - {None}
        for field, differs in (("endpoint", asked[0].endpoint != asked[1].endpoint), ("token", len(tokens) > 1)):
            if differs:
                message = "differs from that of the model, and the trainer reads one for both"
                help_ = f"set the same for both, or {_STAGE.format('dataset')}"
                yield Finding(("dataset", "source", field), message, help_)


_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


_OTHER_HUB = ("USE_MODELSCOPE_HUB", "USE_OPENMIND_HUB")


# huggingface_hub, constants.py, ENV_VARS_TRUE_VALUES; LLaMA-Factory, extras/misc.py, is_env_enabled.
_TRUE = {**dict.fromkeys(_OFFLINE, ("1", "ON", "YES", "TRUE")), **dict.fromkeys(_OTHER_HUB, ("1", "TRUE", "Y"))}


def hub_can_be_asked(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No variable keeps the trainer from the hub that it is to ask.

    Offline its client looks into its cache only, which is empty (`LocalEntryNotFoundError`); with USE_MODELSCOPE_HUB
    LLaMA-Factory asks another hub, where the names mean something else or nothing (extras/misc.py).

    Wrong: source@model.source=huggingface-direct env.HF_HUB_OFFLINE=1
    Right: source@model.source=huggingface env.HF_HUB_OFFLINE=1
    """
    asked = _asked(spec)
    for path, name, value in variables(spec) if asked else ():
        if value.upper() in _TRUE.get(name, ()):
            owner = next(iter(asked))
            message = f"keeps the trainer from the hub, where it is to download the {owner}"
            help_ = f"leave it out, or {_STAGE.format(owner)}"
            yield Finding(path, message, help_, ((owner, "source", "kind"),))


def buckets_fit_certificates(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A bucket that stands before the server's name has no dot in its own.

    A certificate for `*.s3.example.com` is good for one label before it: the client ends with a certificate error
    (Amazon S3, bucket naming rules; RFC 6125).

    Wrong: source@model.source=s3 model.source.bucket=team.models model.source.addressing=virtual
    Right: source@model.source=s3 model.source.bucket=team.models model.source.addressing=path
    """
    places: dict[KeyPath, object] = {(name, "source"): source for name, source in spec.sources.items()}
    for path, place in {**places, ("publish",): spec.publish}.items():
        if not isinstance(place, S3 | S3Push) or place.addressing == "path" or "." not in place.bucket:
            continue
        if place.endpoint.startswith("https:"):
            message = f"'{place.bucket}' has a dot, and no certificate of the server is good for {place.bucket}.…"
            yield Finding((*path, "bucket"), message, "use addressing=path", ((*path, "addressing"),))


def result_has_a_place_of_its_own(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The result does not come among the files that runs begin with.

    The next run that fetches the source would get this one's result with it.

    Wrong: publish=huggingface publish.repository=Qwen/Qwen3-0.6B publish.token.secret=hub
    Right: publish=huggingface publish.repository=team/qwen3-0.6b-tuned publish.token.secret=hub
    """
    for name, source in spec.sources.items():
        match source, spec.publish:
            case (HuggingFace() | FromHub(), HubPush(repository=target)) if name == "model":
                path: KeyPath = ("publish", "repository")
                same = (source.repository, source.endpoint) == (target, spec.publish.endpoint)
                same = same and source.revision == spec.publish.branch
            case S3(), S3Push():
                path = ("publish", "prefix")
                here = (source.bucket, source.endpoint) == (spec.publish.bucket, spec.publish.endpoint)
                same = here and PurePosixPath(spec.publish.prefix).is_relative_to(source.prefix)
            case _:
                continue
        if same:
            message = f"is where the {name} comes from: the next run that fetches it gets this result with it"
            yield Finding(path, message, "choose another one", ((name, "source"),))


RULES = (
    Rule("FTC251", "unstaged-model-not-downloaded", trainer_downloads_by_itself, JobSpec, needed=True),
    Rule("FTC252", "hub-dataset-not-described", hub_dataset_is_described, JobSpec, needed=True),
    Rule("FTC253", "several-hubs-or-tokens", one_hub_is_asked, JobSpec, needed=True),
    Rule("FTC254", "hub-disabled-by-variable", hub_can_be_asked, JobSpec),
    Rule("FTC255", "bucket-name-breaks-certificate", buckets_fit_certificates, JobSpec, Severity.WARNING),
    Rule("FTC256", "output-overlaps-input", result_has_a_place_of_its_own, JobSpec, Severity.WARNING),
)
