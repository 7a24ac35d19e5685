"""The step that publishes the result: its scripts, requirements and variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, assert_never

from ftc import yaml_text
from ftc.plan import environment
from ftc.plan.names import method_words
from ftc.plan.types import Needs, Places, Step
from ftc.spec.model import names
from ftc.spec.source import HUB_ID, GitPush, HubPush, KeepOnVolume, Publish, S3Push

if TYPE_CHECKING:
    from ftc.plan.environment import Variables
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec, Tuned


NAME = "publish"


def publishes(spec: JobSpec) -> bool:
    """Whether ftc publishes the result; with launcher=command it does not know the result."""
    return spec.tuned is not None and spec.trains and not isinstance(spec.publish, KeepOnVolume)


def step(spec: JobSpec, places: Places) -> Step | None:
    """The step that waits for the training and publishes; only this step has the credentials."""
    if not publishes(spec):
        return None
    command = ("bash", f"{places.files}/publish.sh", *_uploader(spec.publish, places.files))
    needs = Needs((*_tools(spec), *(LOCK_TOOLS if places.lock else ())), _modules(spec))
    own = {
        "NNODES": str(spec.nodes),
        "WORKSPACE": places.workspace,
        "LOCK_DIR": places.lock,
        "CHAT_TEMPLATE_CHECK": "fail" if spec.checks_chat_template and spec.chat_template_check == "fail" else None,
        **environment.needed(needs),
    }
    return Step(NAME, command, {**spec.cluster.env, **environment.without_none(own), **_variables(spec)}, needs=needs)


def _uploader(sink: Publish, files: str) -> tuple[str, ...]:
    match sink:
        case GitPush():
            return ("bash", f"{files}/publish_git.sh")
        case HubPush():
            return ("python3", "-I", f"{files}/publish_hub.py")
        case S3Push():
            return ("python3", "-I", f"{files}/publish_s3.py")
        case KeepOnVolume():
            return ()
        case _:
            assert_never(sink)


def scripts(spec: JobSpec) -> tuple[str, ...]:
    """The scripts that the step needs."""
    own = ("hold_lock.sh", "publish.sh", "child.sh", "result_files.py", "result_card.py")
    match spec.publish:
        case GitPush():
            return (*own, "publish_git.sh", "publish_git.py", "git_credentials.sh")
        case HubPush():
            return (*own, "publish_hub.py")
        case S3Push():
            return (*own, "publish_s3.py")
        case KeepOnVolume():
            return ()
        case _:
            assert_never(spec.publish)


LOCK_TOOLS = ("flock",)
"""The programs that hold the lock of the training and wait for it."""


def _tools(spec: JobSpec) -> tuple[str, ...]:
    return ("git", "git-lfs", "python3") if isinstance(spec.publish, GitPush) else ()


def _modules(spec: JobSpec) -> tuple[str, ...]:
    match spec.publish:
        case HubPush():
            return ("huggingface_hub",)
        case S3Push():
            return ("minio",)
        case GitPush() | KeepOnVolume():
            return ()
        case _:
            assert_never(spec.publish)


def _variables(spec: JobSpec) -> Variables:
    """The destination of the result and its credentials."""
    sink, tuned = spec.publish, spec.tuned
    if tuned is None:
        return {}
    model, dataset, method = tuned
    message = f"{model.id}: {method_words(spec, method)} on {', '.join(names(dataset.trained))}"
    card: Variables = {"PUBLISH_CARD": yaml_text.dump(_card(tuned, sink))}
    match sink:
        case GitPush():
            return {**_git(sink, message), **card, **environment.git_credentials(sink.credentials)}
        case HubPush():
            return {**_hub(sink, message), **card, **environment.token("PUBLISH_TOKEN", sink.token)}
        case S3Push():
            return {**card, **environment.s3(sink)}
        case KeepOnVolume():
            return {}
        case _:
            assert_never(sink)


def _card(tuned: Tuned, sink: Publish) -> Json:
    """The front matter of README.md, in the keys of the Hugging Face hub (docs/hub, model cards).

    The hub refuses a commit in which a model or a dataset is not the name of a repository.
    """
    model, dataset, method = tuned
    ids = (one.id for one in dataset.trained.values())
    datasets = list(dict.fromkeys(one for one in ids if one and _may_name(one, sink)))
    adapter = method.merge is None and method.finetuning_type in ("lora", "oft")
    return {
        "pipeline_tag": _pipeline(tuned),
        "library_name": "peft" if adapter else "transformers",
        **({"license": model.license} if model.license else {}),
        **({"base_model": model.id} if _may_name(model.id, sink) else {}),
        **({"datasets": datasets} if datasets else {}),
    }


def _may_name(repository: str, sink: Publish) -> bool:
    return not isinstance(sink, HubPush) or bool(re.search(HUB_ID, repository))


def _pipeline(tuned: Tuned) -> str:
    """The task of the result in the hub's words; a reward model gives a score."""
    inputs = tuned.model.architecture.modalities if tuned.model.architecture else ()
    if tuned.method.stage == "rm":
        return "text-classification"
    return next((f"{one}-text-to-text" for one in ("image", "video", "audio") if one in inputs), "text-generation")


def _git(sink: GitPush, message: str) -> Variables:
    return environment.without_none(
        {
            "PUBLISH_URL": sink.url,
            "PUBLISH_BRANCH_PREFIX": sink.branch_prefix,
            "PUBLISH_MESSAGE": message,
            "PUBLISH_AUTHOR_NAME": sink.author_name,
            "PUBLISH_AUTHOR_EMAIL": sink.author_email,
            "TLS_VERIFY": None if sink.tls_verify else "false",
        }
    )


def _hub(sink: HubPush, message: str) -> Variables:
    return environment.without_none(
        {
            "PUBLISH_REPOSITORY": sink.repository,
            "PUBLISH_BRANCH": sink.branch,
            "PUBLISH_MESSAGE": message,
            "PUBLISH_ENDPOINT": sink.endpoint,
            "PUBLISH_PRIVATE": "true" if sink.private else "false",
        }
    )
