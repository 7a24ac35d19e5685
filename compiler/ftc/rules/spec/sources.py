"""Rules on what a run reads and writes outside of the cluster: sources, buckets, results and trackers."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING, assert_never

from ftc.diagnostics.model import KeyPath, Severity, dotted
from ftc.plan.publish import NAME as PUBLISH
from ftc.rules.given import Origins, containers, variable_names, variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec, is_dataset, source_path
from ftc.spec.source import S3, FromHub, Git, GitPush, HubPush, HuggingFace, ModelScope, OfRun, OnVolume, S3Push

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.model import OneDataset
    from ftc.spec.source import Source


def _from_hub(spec: JobSpec) -> dict[str, FromHub]:
    """The sources that the trainer downloads itself."""
    return {name: source for name, source in spec.sources.items() if isinstance(source, FromHub)}


def _stage(name: str) -> str:
    return f"stage it: source@{dotted(source_path(name))}=huggingface"


def unstaged_source_missing_from_pod(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only LLaMA-Factory downloads a source that is not staged.

    With huggingface-direct the files are not in the pod when the program starts: your own program would not find
    MODEL_DIR, and `storage.model_in_memory_gib` could not copy the model.
    Source: ftc, which fetches only staged sources.

    Wrong: model=qwen3-8b source@model.source=huggingface-direct storage.model_in_memory_gib=20
    Right: model=qwen3-8b source@model.source=huggingface storage.model_in_memory_gib=20
    """
    direct = _from_hub(spec)
    for name in direct:
        if not spec.trains:
            message = "is downloaded only by LLaMA-Factory, but launcher=command runs another program"
            yield Finding(source_path(name), message, _stage(name), (("launcher", "kind"),))
    if "model" in direct and spec.storage.model_in_memory_gib:
        message = "is downloaded by the trainer, so it cannot be copied into memory first"
        yield Finding(("model", "source"), message, _stage("model"), (("storage", "model_in_memory_gib"),))


# LLaMA-Factory, extras/constants.py, FILEEXT2TYPE.
_FILES = frozenset((".arrow", ".csv", ".json", ".jsonl", ".parquet", ".txt"))


def hub_dataset_not_described(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A dataset that the trainer downloads is described in the spec, as a repository at its main branch.

    LLaMA-Factory passes the repository to `datasets.load_dataset` with subset, split and folder, but without a file or
    a revision, and does not read a dataset_info.json of the repository.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, data/loader.py and data/parser.py.

    Wrong: source@dataset.source=huggingface-direct dataset.source.revision=v2
    Right: source@dataset.source=huggingface dataset.source.revision=v2
    """
    for name, one in (spec.dataset.parts if spec.dataset is not None else {}).items():
        if isinstance(one.source, FromHub):
            yield from _not_described(name, one, one.source)


def _not_described(part: str, dataset: OneDataset, source: FromHub) -> Iterator[Finding]:
    key, stage = source_path(part)[:-1], _stage(part)
    if dataset.info is None:
        message = "is null, but the trainer does not read the dataset_info.json of a repository that it downloads"
        yield Finding((*key, "info"), message, f"describe the dataset in {dotted(key)}.info, or {stage}")
    for name, entry in (dataset.info or {}).items():
        if PurePosixPath(str(entry.get("file_name", ""))).suffix in _FILES:
            message = "names a file, but the trainer loads a whole repository, or a folder, subset and split of it"
            help_ = f"name a folder, or '.' for the whole repository, or {stage}"
            yield Finding((*key, "info", name, "file_name"), message, help_, ((*key, "source", "kind"),))
    if source.revision != "main":
        message = f"{source.revision} is ignored: the trainer downloads the main branch of a dataset"
        yield Finding((*key, "source", "revision"), message, stage)


def several_hubs_or_tokens(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Model and dataset are downloaded from one hub with one token.

    The trainer is one process, and its client reads one HF_ENDPOINT and one HF_TOKEN for both.
    Source: huggingface_hub, Environment variables.

    Wrong: source@model.source=huggingface-direct source@dataset.source=huggingface-direct
           dataset.source.endpoint=https://mirror.example.com
    Right: source@model.source=huggingface-direct source@dataset.source=huggingface-direct
           cluster.hub_endpoint=https://mirror.example.com
    """
    direct = list(_from_hub(spec).items())
    for name, source in direct[1:]:
        other, first = direct[0]
        tokens = {source.token, first.token} - {None}
        for field, differs in (("endpoint", first.endpoint != source.endpoint), ("token", len(tokens) > 1)):
            if differs:
                message = f"differs from that of the {other}, but the trainer reads only one for both"
                yield Finding((*source_path(name), field), message, f"set the same for both, or {_stage(name)}")


_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


_OTHER_HUB = ("USE_MODELSCOPE_HUB", "USE_OPENMIND_HUB")


# huggingface_hub, constants.py, ENV_VARS_TRUE_VALUES; LLaMA-Factory, extras/misc.py, is_env_enabled.
_TRUE = {**dict.fromkeys(_OFFLINE, ("1", "ON", "YES", "TRUE")), **dict.fromkeys(_OTHER_HUB, ("1", "TRUE", "Y"))}


def hub_disabled_by_variable(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Variables do not keep the trainer from its hub.

    Offline its client reads only its cache, which is empty (`LocalEntryNotFoundError`). With USE_MODELSCOPE_HUB
    LLaMA-Factory uses another hub, where the same name may be missing or mean something else.
    Source: huggingface_hub, Environment variables; LLaMA-Factory, extras/misc.py.

    Wrong: source@model.source=huggingface-direct env.HF_HUB_OFFLINE=1
    Right: source@model.source=huggingface env.HF_HUB_OFFLINE=1
    """
    direct = _from_hub(spec)
    for path, name, value in variables(spec) if direct else ():
        if value.upper() in _TRUE.get(name, ()):
            owner = next(iter(direct))
            message = f"keeps the trainer from downloading the {owner} from the hub"
            help_ = f"leave it out, or {_stage(owner)}"
            yield Finding(path, message, help_, ((*source_path(owner), "kind"),))


def bucket_name_breaks_certificate(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A bucket that is part of the host name does not contain a dot.

    A certificate for `*.s3.example.com` covers only one label, so the client fails with a certificate error.
    Source: Amazon S3, bucket naming rules; RFC 6125.

    Wrong: source@model.source=s3 model.source.bucket=team.models model.source.addressing=virtual
    Right: source@model.source=s3 model.source.bucket=team.models model.source.addressing=path
    """
    places: dict[KeyPath, object] = {source_path(name): source for name, source in spec.sources.items()}
    for path, place in {**places, ("publish",): spec.publish}.items():
        if not isinstance(place, S3 | S3Push) or place.addressing == "path" or "." not in place.bucket:
            continue
        if place.endpoint.startswith("https:"):
            message = f"'{place.bucket}' contains a dot, so the server's certificate does not cover {place.bucket}.…"
            yield Finding((*path, "bucket"), message, "use addressing=path", ((*path, "addressing"),))


def output_overlaps_input(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The result is not written among the files of a source.

    The next run that fetches the source would also get this result.
    Source: ftc, which fetches the whole repository or prefix.

    Wrong: publish=huggingface publish.repository=Qwen/Qwen3-0.6B publish.token.secret=hub
    Right: publish=huggingface publish.repository=team/qwen3-0.6b-tuned publish.token.secret=hub
    """
    for name, source in spec.sources.items():
        match source, spec.publish:
            case (HuggingFace() | FromHub(), HubPush(repository=target)) if not is_dataset(name):
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
            message = f"is part of the source of the {name}: the next run that fetches it also gets this result"
            yield Finding(path, message, "choose another one", (source_path(name),))


def gated_model_without_token(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A gated model is downloaded with a token.

    The hub answers `401 Client Error … Access to model … is restricted` until the account of the token has accepted the
    license of the model on its page.
    Source: Hugging Face Hub, Gated models.

    Wrong: model=llama-3.1-8b-instruct
    Right: model=llama-3.1-8b-instruct model.source.token.secret=hub
    """
    model = spec.model
    if model is None or not model.gated or not isinstance(model.source, HuggingFace | FromHub):
        return
    without = model.source.token is None and "HF_TOKEN" not in variable_names(spec)
    if without and model.source.repository == model.id:
        message = f"{model.id} is gated, and the download has no token"
        help_ = "accept its license on the hub, store a token in a Secret, and set model.source.token.secret=<Secret>"
        yield Finding(("model", "source"), message, help_, (("model", "gated"),))


def git_push_without_credentials(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A push over https has credentials.

    git asks for a user name on a terminal, which a pod does not have: after the training the push ends with `could not
    read Username … terminal prompts disabled`. A fragment may give the container `publish` other credentials.
    Source: git, gitcredentials(7).

    Wrong: publish=git publish.url=https://git.example.com/team/model
    Right: publish=git publish.url=https://git.example.com/team/model publish.credentials.secret=git
    """
    push = spec.publish
    if not isinstance(push, GitPush) or run.publish_step is None or push.credentials is not None:
        return
    helped = any(container["name"] == PUBLISH for _, container in containers(spec))
    if push.url.lower().startswith("https://") and not helped:
        message = f"pushes to {push.url} without credentials"
        help_ = "store a user name and a token in a Secret, and set publish.credentials.secret=<Secret>"
        yield Finding(("publish", "credentials"), message, help_, (("publish", "url"),))


_SSH = re.compile(r"ssh://|[^/]*@[^/]*:", re.IGNORECASE)
_REMOTE = re.compile(r"(?:https?|git|file)://", re.IGNORECASE)
_SSH_VARIABLES = {"GIT_SSH", "GIT_SSH_COMMAND", "SSH_AUTH_SOCK"}


def git_url_unreachable_from_pod(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A pod can reach the URL of a git repository.

    A pod has no SSH key: the fetch ends with `Permission denied (publickey)` or `Host key verification failed`, and a
    push ends so after the whole training. A URL without a scheme is a local path for git. A fragment that mounts a
    volume or sets GIT_SSH_COMMAND may provide a key.
    Source: git, git-fetch(1), "GIT URLS"; ftc, which passes a user and a password only.

    Wrong: source@model.source=git model.source.url=git@git.example.com:team/model
    Right: source@model.source=git model.source.url=https://git.example.com/team/model
    """
    urls = {source_path(name): source.url for name, source in spec.sources.items() if isinstance(source, Git)}
    if isinstance(spec.publish, GitPush) and run.publish_step is not None:
        urls[("publish",)] = spec.publish.url
    mounts = any(container.get("volumeMounts") for _, container in containers(spec))
    has_key = mounts or not _SSH_VARIABLES.isdisjoint(variable_names(spec))
    for path, url in urls.items():
        key = ".".join(path)
        if _SSH.match(url) and not has_key:
            help_ = f"use https://…, with {key}.credentials.secret=<Secret>"
            yield Finding((*path, "url"), "needs an SSH key, which the pod does not have", help_)
        elif not _SSH.match(url) and not _REMOTE.match(url) and not url.startswith("/"):
            message = "has no scheme, so git reads it as a directory of the pod"
            yield Finding((*path, "url"), message, f"use https://{url}, or an absolute path")


def description_of_another_dataset(found: Origins) -> Iterator[Finding]:
    """A dataset has its own names and description, not those of the option that another id replaces.

    `dataset.names` and `dataset.info` describe the files of one repository. With another `dataset.id` the files of the
    new repository would be read by the old names and columns. For a copy with the same files, such as a mirror, set the
    place of the files, which keeps the name: dataset.source.repository.
    Source: ftc, conf/dataset.

    Wrong: dataset.id=team/data
    Right: dataset=custom dataset.id=team/data dataset.names=[mine] dataset.info.mine.file_name=data.json
    """
    dataset, own, names = found.spec.dataset, ("dataset", "id"), ("dataset", "names")
    if dataset is None or dataset.id is None or not found.is_of_run(own):
        return
    if any(map(found.is_of_run, _description(found.spec))):
        return
    place = found.position(names)
    described = found.ids("dataset").get(PurePath(place.source).stem) if place is not None else None
    if described in (None, "???", dataset.id) or not found.rank(names) < found.rank(own):
        return
    custom = shlex.join(("dataset=custom", f"dataset.id={dataset.id}"))
    message = f"is another dataset than {described}, which dataset.names and dataset.info describe"
    help_ = f"use {custom} with its own dataset.names=[…] and dataset.info"
    if isinstance(dataset.source, HuggingFace | FromHub):
        help_ += f"; for a copy with the same files set dataset.source.repository={shlex.quote(dataset.id)} instead"
    yield Finding(own, message, help_, (names,))


def _description(spec: JobSpec) -> Iterator[KeyPath]:
    """The keys that describe the dataset and say where it is."""
    assert spec.dataset is not None  # noqa: S101 - for mypy
    yield from (("dataset", name) for name in ("names", "info"))
    yield from (("dataset", "source", name) for name in spec.dataset.source.__struct_fields__)
    for name, entry in (spec.dataset.info or {}).items():
        yield from (("dataset", "info", name, field) for field in entry)


def source_of_another_model(found: Origins) -> Iterator[Finding]:
    """The source of a model has the files of this model.

    A run file may say where one model is, for example `model.source.url`, and `model=…` on the command line chooses
    another one. The place stays, so the run would train the files of the first model with the name, the template and
    the sizes of the second. ftc reports a place only if its last part is the name of another option of the group model.
    Source: ftc, conf/model.

    Wrong: model=qwen3-8b source@model.source=git model.source.url=https://git.example.com/models/Qwen3-0.6B
    Right: model=qwen3-8b source@model.source=git model.source.url=https://git.example.com/models/Qwen3-8B
    """
    model = found.spec.model
    if model is None or model.architecture is None or isinstance(model.source, OfRun):
        return
    key, place = _place(model.source)
    name = _name(place)
    if name == _name(model.id):
        return  # nearly always; otherwise every option is read
    options = {_name(str(id_)): option for option, id_ in found.ids("model").items()}
    sizes = found.position(("model", "architecture"))
    # An option that extends the other one trains a copy of that model.
    extends = sizes is not None and PurePath(sizes.source).stem == options.get(name)
    if name in options and not extends:
        message = f"{PurePosixPath(place).name} is another model than {model.id}"
        help_ = f"set model.source.{key} to the place of {model.id}, or use model={options[name]}"
        yield Finding(("model", "source", key), message, help_, (("model", "id"),))


def _place(source: Source) -> tuple[str, str]:
    """The key that says where a source is, and its value."""
    match source:
        case Git():
            return "url", source.url
        case HuggingFace() | ModelScope() | FromHub():
            return "repository", source.repository
        case S3():
            return "prefix", source.prefix
        case OnVolume():
            return "path", source.path
        case _:
            assert_never(source)


@lru_cache(maxsize=1024)
def _name(place: str) -> str:
    """The last part of a URL, of a path or of an id, as one compares names."""
    return PurePosixPath(place).name.casefold().removesuffix(".git")


def platform_serves_the_result(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """An adapter that is pushed to a platform's repository can be served there.

    Some platforms serve whole models only. Without `method.merge` the result is an adapter, which needs its base model.
    `cluster.serves_adapters` says whether a platform serves one. A hub and a bucket are outside of the platform.
    Source: Alauda's guide on fine-tuning, which merges the adapter before it publishes the model.

    Wrong: cluster=alauda publish=git publish.url=https://git.example.com/models/out method.merge=null
    Right: cluster=alauda publish=git publish.url=https://git.example.com/models/out
    """
    method = spec.method
    if method is None or method.finetuning_type not in ("lora", "oft") or method.merge is not None:
        return
    pushes = isinstance(spec.publish, GitPush) and run.publish_step is not None
    if pushes and method.stage != "rm" and not spec.cluster.serves_adapters:
        message = "the result is an adapter that is not merged, which the platform does not serve"
        help_ = "keep the shipped method.merge, or set cluster.serves_adapters=true if your platform serves adapters"
        yield Finding(("method", "merge"), message, help_, (("publish",),))


def tracker_needs_api_key(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A tracker in the cloud has an API key.

    Without a key its client asks for one on a terminal, which a pod does not have: `api_key not configured (no-tty)`,
    after the model is loaded.
    Source: wandb, sdk/wandb_login.py.

    Wrong: tracking=wandb
    Right: tracking=wandb tracking.wandb.token.secret=wandb
    """
    wandb, swanlab = spec.tracking.wandb, spec.tracking.swanlab
    given = variable_names(spec)
    if wandb and wandb.mode == "online" and wandb.token is None and "WANDB_API_KEY" not in given:
        help_ = "set tracking.wandb.token.secret=…, or tracking.wandb.mode=offline"
        yield Finding(("tracking", "wandb"), "needs an API key", help_)
    if swanlab and swanlab.mode == "cloud" and swanlab.token is None and "SWANLAB_API_KEY" not in given:
        help_ = "set tracking.swanlab.token.secret=…, or tracking.swanlab.mode=local"
        yield Finding(("tracking", "swanlab"), "needs an API key", help_)


RULES = (
    Rule("FTC251", "unstaged-source-missing-from-pod", unstaged_source_missing_from_pod, JobSpec, needed=True),
    Rule("FTC252", "hub-dataset-not-described", hub_dataset_not_described, JobSpec, needed=True),
    Rule("FTC253", "several-hubs-or-tokens", several_hubs_or_tokens, JobSpec, needed=True),
    Rule("FTC254", "hub-disabled-by-variable", hub_disabled_by_variable, JobSpec),
    Rule("FTC255", "bucket-name-breaks-certificate", bucket_name_breaks_certificate, JobSpec, Severity.WARNING),
    Rule("FTC256", "output-overlaps-input", output_overlaps_input, JobSpec, Severity.WARNING),
    Rule("FTC258", "gated-model-without-token", gated_model_without_token, JobSpec, Severity.WARNING),
    Rule("FTC260", "git-push-without-credentials", git_push_without_credentials, JobSpec, Severity.WARNING),
    Rule("FTC261", "source-of-another-model", source_of_another_model, Origins, Severity.WARNING),
    Rule("FTC730", "description-of-another-dataset", description_of_another_dataset, Origins),
    Rule("FTC731", "git-url-unreachable-from-pod", git_url_unreachable_from_pod, JobSpec, Severity.WARNING),
    Rule("FTC558", "adapter-not-served", platform_serves_the_result, JobSpec, Severity.WARNING),
    Rule("FTC471", "tracker-needs-api-key", tracker_needs_api_key, JobSpec, Severity.WARNING),
)
