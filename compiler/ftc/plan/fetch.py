"""The downloads before the training, one step per source, and the copy of the model into the memory of each pod."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, assert_never

import msgspec

from ftc.plan import environment, storage
from ftc.plan.names import digest, slug
from ftc.plan.types import Fetch, Needs, Places, Step
from ftc.spec.job import is_dataset, result
from ftc.spec.source import S3, FromHub, Git, HuggingFace, ModelScope, OfRun, OnVolume, Staged
from ftc.trainer import arguments
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from ftc.plan.environment import Variables
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.spec.model import OneDataset


def fetches(spec: JobSpec, places: Places) -> tuple[Fetch, ...]:
    """The sources that are staged, and the directory of each; datasets of one source are fetched together."""
    found: dict[str, Fetch] = {}
    parts: dict[str, list[OneDataset]] = {}
    for name, source in spec.sources.items():
        if isinstance(source, FromHub):
            continue
        if earlier := spec.earlier_runs.get(name):
            found[name] = _of_run(name, earlier, places)
            continue
        where = directory(source, places)
        # A directory contains '/', no name does. A command finds each source by a variable with its name.
        key = where if is_dataset(name) and spec.trains else name
        found.setdefault(key, Fetch(name, source, where))
        if spec.dataset is not None and is_dataset(name):
            parts.setdefault(key, []).append(spec.dataset.parts[name])
    for key, read in parts.items():
        found[key] = msgspec.structs.replace(found[key], datasets=_datasets(read), check=_check(spec, read))
    return tuple(found.values())


_STEPS = {"output": "train", "merged": "merge", "quantized": "quantize"}


def _of_run(name: str, earlier: OfRun, places: Places) -> Fetch:
    run, made = f"{places.workspace}/{earlier.run}", result(name, earlier)
    where = f"{run}/{made}"
    return Fetch(name, OnVolume(path=where), where, marker=f"{run}/{_STEPS[made]}.done")


def _datasets(parts: list[OneDataset]) -> tuple[str, ...]:
    """The datasets that the dataset_info.json of the source must describe."""
    return tuple(dict.fromkeys(name for part in parts if part.info is None for name in part.used))


def variable(name: str) -> str:
    """The variable with the directory of a source, for a command."""
    return f"{name.upper().replace('-', '_')}_DIR"


def _check(spec: JobSpec, parts: list[OneDataset]) -> tuple[str, ...]:
    """The words for check_dataset.py, which reads one description: that of the source, if it has one.

    A user's own program may read the dataset in another way than the trainer.
    """
    described = [part for part in parts if part.info is None] or parts
    names = dict.fromkeys(name for part in described if _checks(spec, part) for name in part.used)
    if not names or not spec.trains:
        return ()
    media = arguments.chosen(spec).get("media_dir")
    words = (f"--media={media}",) if isinstance(media, str) else ()
    return (*(f"--dataset={name}" for name in names), *words, *check_arguments(spec))


def _checks(spec: JobSpec, part: OneDataset) -> bool:
    """Embedded, the check has more lines than all other scripts of a manifest together."""
    return spec.scripts == "configmap" if part.check is None else part.check


FILES = "/files"
"""A subdirectory of the download's directory, so that no repository can contain a file with the marker's path."""


def directory(source: Staged, places: Places) -> str:
    """`<cache>/<slug>-<hash>/files`; the hash covers source and revision, so each revision has its own directory."""
    match source:
        case OnVolume():
            return source.path
        case Git():
            origin, revision = source.url.rstrip("/").removesuffix(".git"), source.revision
        case HuggingFace() | ModelScope():
            origin, revision = source.repository, source.revision
        case S3():
            origin, revision = f"{source.bucket}/{source.prefix}".rstrip("/"), source.endpoint.rstrip("/")
        case _:
            assert_never(source)
    kind = type(source).__name__
    # The first releases kept their marker among the files, so old and new releases must not share a directory.
    name = f"{slug(origin.rpartition('/')[2])}-{digest([kind, origin, revision, FILES])}"
    return f"{places.cache.rstrip('/')}/{name}{FILES}"


_CHECK_ADAPTER = "check_adapter.sh"
_CHECK_RUN = "check_run.sh"
_CHECK = ("check_path.sh", "marker.sh")
_CHECK_ROWS = (
    "check_rows.sh",
    "check_dataset.py",
    "dataset_columns.py",
    "dataset_description.py",
    "dataset_files.py",
    "dataset_json.py",
    "dataset_judge.py",
    "dataset_rows.py",
)
_FETCH = (*_CHECK, "child.sh", "fetch.sh", "fill.sh", "check_fetched.sh")


def is_download(fetch: Fetch) -> bool:
    """Whether the source is downloaded into the cache; a directory on a volume is only checked."""
    return not isinstance(fetch.source, OnVolume)


def scripts(fetch: Fetch) -> tuple[str, ...]:
    """The scripts that the fetch needs."""
    adapter = (_CHECK_ADAPTER, "child.sh") if fetch.name == "adapter" else ()
    rows = _CHECK_ROWS if fetch.check else ()
    return (*_of_source(fetch.source), *((_CHECK_RUN,) if fetch.marker else ()), *adapter, *rows)


def _of_source(source: Staged) -> tuple[str, ...]:
    match source:
        case Git():
            return (*_FETCH, "download_git.sh", "git_credentials.sh")
        case HuggingFace() | ModelScope():
            return (*_FETCH, "download_hub.py")
        case S3():
            return (*_FETCH, "download_s3.py")
        case OnVolume():
            return _CHECK
        case _:
            assert_never(source)


def step(spec: JobSpec, fetch: Fetch, places: Places) -> Step:
    """The step that fetches or checks the source."""
    command, variables = _command(fetch.source, places.files), _environment(spec, fetch)
    if fetch.marker:
        command = ("bash", f"{places.files}/{_CHECK_RUN}", *command)
        variables |= {"RUN_MARKER": fetch.marker}
    if fetch.name == "adapter":
        command = ("bash", f"{places.files}/{_CHECK_ADAPTER}", *command)
        variables["ADAPTER_CONFIG"] = f"{arguments.adapter_directory(spec, fetch.directory)}/adapter_config.json"
    return Step(f"fetch-{fetch.name}", command, variables, needs=_needs(fetch))


def _needs(fetch: Fetch) -> Needs:
    reads_info = ("python3",) if fetch.datasets or fetch.check else ()
    match fetch.source:
        case Git():
            return Needs(("git", "git-lfs", *reads_info))
        case HuggingFace():
            return Needs(reads_info, ("huggingface_hub",))
        case ModelScope():
            return Needs(reads_info, ("modelscope",))
        case S3():
            return Needs(reads_info, ("minio",))
        case OnVolume():
            return Needs(reads_info)
        case _:
            assert_never(fetch.source)


def _command(source: Staged, files: str) -> tuple[str, ...]:
    match source:
        case Git():
            return ("bash", f"{files}/fetch.sh", "bash", f"{files}/download_git.sh")
        case HuggingFace() | ModelScope():
            return ("bash", f"{files}/fetch.sh", "python3", f"{files}/download_hub.py")
        case S3():
            return ("bash", f"{files}/fetch.sh", "python3", f"{files}/download_s3.py")
        case OnVolume():
            return ("bash", f"{files}/check_path.sh")
        case _:
            assert_never(source)


def _environment(spec: JobSpec, fetch: Fetch) -> Variables:
    datasets = {"EXPECT_DATASETS": ",".join(fetch.datasets) or None, "CHECK_DATASET": shlex.join(fetch.check) or None}
    if isinstance(fetch.source, OnVolume):
        place = {"TARGET_DIR": fetch.directory, "REVISION": fetch.source.revision or None}
        return environment.without_none({**place, **datasets})
    protocol = {
        "TARGET_DIR": fetch.directory.removesuffix(FILES),
        "NNODES": str(spec.nodes),
        "SHARED_CACHE": "true" if storage.is_shared(storage.cache_volume(spec.storage)) else "false",
        "FETCH_TIMEOUT": str(spec.cluster.fetch_timeout_seconds),
    }
    return {**spec.cluster.env, **_origin(fetch), **environment.without_none({**datasets, **protocol})}


def _origin(fetch: Fetch) -> Variables:
    source = fetch.source
    match source:
        case Git():
            verify = None if source.tls_verify else "false"
            values = {"SOURCE": source.url, "REVISION": source.revision or None, "TLS_VERIFY": verify}
            return {**environment.without_none(values), **environment.git_credentials(source.credentials)}
        case HuggingFace():
            endpoint = environment.without_none({"HF_ENDPOINT": source.endpoint})
            return {**_hub("huggingface", fetch, source), **endpoint, **environment.token("HF_TOKEN", source.token)}
        case ModelScope():
            endpoint = environment.without_none({"MODELSCOPE_ENDPOINT": source.endpoint})
            token = environment.token("MODELSCOPE_API_TOKEN", source.token)
            return {**_hub("modelscope", fetch, source), **endpoint, **token}
        case S3():
            return {"SOURCE": f"s3://{source.bucket}/{source.prefix}".rstrip("/"), **environment.s3(source)}
        case OnVolume():
            return {}
        case _:
            assert_never(source)


def _hub(hub: str, fetch: Fetch, source: HuggingFace | ModelScope) -> Variables:
    kind = "dataset" if is_dataset(fetch.name) else "model"
    return {"HUB": hub, "SOURCE": source.repository, "REPO_TYPE": kind, "REVISION": source.revision}


_COPY = "stage.sh"
COPY_SCRIPTS = (_COPY, "child.sh")
_MEMORY = "/dev/shm/ftc"  # noqa: S108 - the shared memory of the pod


def is_staged(spec: JobSpec) -> bool:
    """Whether the trainer reads the model from memory."""
    return spec.model is not None and spec.storage.model_in_memory_gib > 0


def read_directory(spec: JobSpec, fetch: Fetch) -> str:
    """The directory from which the training reads a fetched source."""
    return _copy(fetch) if fetch.name == "model" and is_staged(spec) else fetch.directory


def after_copy(spec: JobSpec, files: str, rest: tuple[str, ...]) -> tuple[str, ...]:
    """The training's command, preceded by the copy if there is one."""
    return ("bash", f"{files}/{_COPY}", *rest) if is_staged(spec) else rest


def copy_variables(spec: JobSpec, fetched: tuple[Fetch, ...]) -> dict[str, str | None]:
    """The variables that stage.sh reads."""
    if not is_staged(spec):
        return {}
    return {name: value for f in fetched if f.name == "model" for name, value in _from_to(f)}


def _from_to(fetch: Fetch) -> tuple[tuple[str, str], ...]:
    return (("STAGE_FROM", fetch.directory), ("STAGE_TO", _copy(fetch)))


def _copy(fetch: Fetch) -> str:
    """Named by the whole path, because several runs on one machine share the parent directory."""
    own = fetch.directory.rstrip("/").removesuffix(FILES)
    return f"{_MEMORY}/{slug(own.rpartition('/')[2])}-{digest(fetch.directory)}"


# LLaMA-Factory 0.9.3 to 0.9.5, hparams/data_args.py, and train/dpo/workflow.py, which reads the rows of stage rm.
_CUTOFF = 2048
_READS = {"dpo": "rm"}


def check_arguments(spec: JobSpec) -> tuple[str, ...]:
    """The words after the directory; none for a value that is not a number."""
    if spec.method is None:
        return ()
    arguments, stage = chosen(spec), spec.method.stage
    cutoff = _whole(arguments, "cutoff_len") or _CUTOFF
    words = {
        "--stage": _READS.get(stage, stage),
        "--workers": str(_whole(arguments, "preprocessing_num_workers") or 1),
        "--cutoff": str(cutoff),
        "--block": str(cutoff if stage == "pt" and arguments.get("packing") is not False else 0),
    }
    most = _whole(arguments, "max_samples")
    if most:
        words["--most-rows"] = str(most)
    if spec.model is not None and spec.model.architecture is not None:
        words["--modalities"] = ",".join(spec.model.architecture.modalities)
    return tuple(word for pair in words.items() for word in pair)


def _whole(arguments: Json, name: str) -> int | None:
    value = arguments.get(name)
    return value if type(value) is int and value > 0 else None
