"""Variables of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ftc.plan.types import FromSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.spec.base import BasicAuth, TokenRef

Variables: TypeAlias = dict[str, str | FromSecret]

# What the scripts, the launchers and the controllers of jobs set or read; a value of the user's would make ranks
# disagree.
OURS = frozenset(
    (
        *("NNODES", "NODE_RANK", "NPROC_PER_NODE", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
        *("WORKSPACE", "JOB_NAME", "JOB_UID", "RUN_DIR", "FORCE_TORCHRUN", "REQUIRED_TOOLS", "ENVIRONMENT_SCRIPTS"),
        *("MIN_FREE_MIB", "HF_DATASETS_CACHE", "VC_TASK_INDEX", "VK_TASK_INDEX", "VC_WORKER_HOSTS", "VC_WORKER_NUM"),
        "JOB_COMPLETION_INDEX",
        *("SOURCE", "REVISION", "TARGET_DIR", "EXPECT_DATASETS", "SHARED_CACHE", "FETCH_TIMEOUT", "HUB", "REPO_TYPE"),
        *("DOWNLOAD_DIR", "REVISION_FILE", "MODEL_DIR", "DATASET_DIR", "GIT_USER", "GIT_TOKEN", "TLS_VERIFY"),
        *("PUBLISH_URL", "PUBLISH_BRANCH_PREFIX", "PUBLISH_MESSAGE", "PUBLISH_AUTHOR_NAME", "PUBLISH_AUTHOR_EMAIL"),
    )
)


def given(values: Mapping[str, str | None]) -> Variables:
    """The variables that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def git_credentials(auth: BasicAuth | None) -> Variables:
    """GIT_USER and GIT_TOKEN from the Secret."""
    if auth is None:
        return {}
    user, password = FromSecret(auth.secret, auth.username_key), FromSecret(auth.secret, auth.password_key)
    return {"GIT_USER": user, "GIT_TOKEN": password}


def token(name: str, ref: TokenRef | None) -> Variables:
    """A hub's token from the Secret, under the name that the hub's client reads."""
    return {name: FromSecret(ref.secret, ref.key)} if ref else {}
