"""What becomes of the result: the script that brings it away, what it needs, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.plan import environment
from ftc.spec.source import GitPush, HubPush, KeepOnVolume, S3Push

if TYPE_CHECKING:
    from ftc.plan.environment import Variables
    from ftc.spec.job import JobSpec


def scripts(spec: JobSpec) -> dict[str, str]:
    """The scripts by the names that train.sh calls them by: publish.sh or publish.py."""
    match spec.publish:
        case GitPush():
            return {"publish.sh": "publish_git.sh", "git_credentials.sh": "git_credentials.sh"}
        case HubPush():
            return {"publish.py": "publish_hub.py"}
        case S3Push():
            return {"publish.py": "transfer_s3.py"}
        case KeepOnVolume():
            return {}
        case _:
            assert_never(spec.publish)


def tools(spec: JobSpec) -> list[str]:
    """The programs that the image must have."""
    return ["git", "git-lfs"] if isinstance(spec.publish, GitPush) else []


def variables(spec: JobSpec) -> Variables:
    """Where the result goes, and the credentials for it alone."""
    sink, tuned = spec.publish, spec.tuned
    if tuned is None:
        return {}
    model, dataset, method = tuned
    message = f"{model.id}: {method.finetuning_type} {method.stage} on {', '.join(dataset.names)}"
    match sink:
        case GitPush():
            return {**_git(sink, message), **environment.git_credentials(sink.credentials)}
        case HubPush():
            return {**_hub(sink, message), **environment.token("PUBLISH_TOKEN", sink.token)}
        case S3Push():
            return environment.s3(sink)
        case KeepOnVolume():
            return {}
        case _:
            assert_never(sink)


def _git(sink: GitPush, message: str) -> Variables:
    return environment.given(
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
    return environment.given(
        {
            "PUBLISH_REPOSITORY": sink.repository,
            "PUBLISH_BRANCH": sink.branch,
            "PUBLISH_MESSAGE": message,
            "PUBLISH_ENDPOINT": sink.endpoint,
            "PUBLISH_PRIVATE": "true" if sink.private else "false",
        }
    )
