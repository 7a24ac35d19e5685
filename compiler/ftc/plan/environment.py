"""Environment variables of a step, and those of the trackers' clients; keys come from Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ftc.plan.types import FromField, FromSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.plan.types import Needs
    from ftc.spec.base import BasicAuth, TokenRef
    from ftc.spec.cluster import Cluster
    from ftc.spec.job import JobSpec, Mlflow, SwanLab, Tracking, WeightsAndBiases
    from ftc.spec.source import S3, S3Push


Variables: TypeAlias = dict[str, str | FromSecret | FromField]

# The scripts, launchers and job controllers set or read these; a user's value would make the ranks disagree.
OURS = frozenset(
    (
        *("NNODES", "NODE_RANK", "NPROC_PER_NODE", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
        *("WORKSPACE", "JOB_NAME", "JOB_UID", "RUN_DIR", "FORCE_TORCHRUN", "REQUIRED_TOOLS", "ENVIRONMENT_SCRIPTS"),
        *("MIN_FREE_MIB", "HF_DATASETS_CACHE", "VC_TASK_INDEX", "VK_TASK_INDEX", "VC_WORKER_HOSTS", "VC_WORKER_NUM"),
        "JOB_COMPLETION_INDEX",
        *("SOURCE", "REVISION", "TARGET_DIR", "EXPECT_DATASETS", "CHECK_DATASET", "SHARED_CACHE"),
        *("ADAPTER_CONFIG", "RUN_MARKER"),
        *("FETCH_TIMEOUT", "HUB", "REPO_TYPE"),
        *(
            "DOWNLOAD_DIR",
            "REVISION_FILE",
            "FETCHED",
            "MODEL_DIR",
            "DATASET_DIR",
            "ADAPTER_DIR",
            "GIT_USER",
            "GIT_TOKEN",
            "TLS_VERIFY",
        ),
        *("FETCHED", "REQUIRED_MODULES", "S3_BUCKET", "S3_PREFIX", "S3_ENDPOINT", "S3_REGION", "S3_ADDRESSING"),
        *("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "LEAST_NNODES", "RESTARTS"),
        *("PUBLISH_REPOSITORY", "PUBLISH_BRANCH", "PUBLISH_ENDPOINT", "PUBLISH_PRIVATE", "PUBLISH_TOKEN"),
        *("LOCK_DIR", "RESULT_ID", "START_TIMEOUT", "PUBLISH_TIMEOUT", "EVALUATE_TIMEOUT", "TERMINATION_LOG"),
        *("PUBLISH_URL", "PUBLISH_BRANCH_PREFIX", "PUBLISH_MESSAGE", "PUBLISH_AUTHOR_NAME", "PUBLISH_AUTHOR_EMAIL"),
        *("PUBLISH_CARD", "CHAT_TEMPLATE_CHECK", "CHAT_TEMPLATE_WRITE", "RANK_TABLE_TIMEOUT"),
    )
)

# These change how bash runs a script: it prints commands and the credentials in them (SHELLOPTS=xtrace, PS4), runs
# other files or functions first, splits words differently, or starts SECONDS at another value. With CDPATH, `cd` may
# print the directory.
_OF_BASH = frozenset(
    (
        *("SHELLOPTS", "BASHOPTS", "BASH_ENV", "ENV", "PS4", "BASH_XTRACEFD", "PROMPT_COMMAND", "IFS", "SECONDS"),
        *("CDPATH", "GLOBIGNORE", "EXECIGNORE", "POSIXLY_CORRECT", "BASH_COMPAT"),
    )
)
_FUNCTION_OF_BASH = "BASH_FUNC_"


def objection(name: str) -> str | None:
    """Why the user cannot set a variable; None if the user can."""
    if name in OURS:
        return "is set by ftc for each pod"
    if name in _OF_BASH or name.startswith(_FUNCTION_OF_BASH):
        return "changes how bash runs the scripts of ftc"
    return None


def given(spec: JobSpec) -> dict[str, str]:
    """The variables that the groups and the user give the training; the user's come last."""
    return {**spec.cluster.env, **spec.hardware.env, **spec.network.env, **spec.env}


def without_none(values: Mapping[str, str | None]) -> Variables:
    """The variables that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def needed(needs: Needs) -> dict[str, str | None]:
    """The variables that check_image.sh reads; the tools are in the same order in every container."""
    tools, modules = sorted(needs.tools), needs.modules
    return {"REQUIRED_TOOLS": " ".join(tools) or None, "REQUIRED_MODULES": " ".join(modules) or None}


def git_credentials(auth: BasicAuth | None) -> Variables:
    """GIT_USER and GIT_TOKEN from the Secret."""
    return login(("GIT_USER", "GIT_TOKEN"), auth)


def login(names: tuple[str, str], auth: BasicAuth | None) -> Variables:
    """A user and a password from the Secret, in the variables that a client reads."""
    if auth is None:
        return {}
    user, password = names
    return {user: FromSecret(auth.secret, auth.username_key), password: FromSecret(auth.secret, auth.password_key)}


def token(name: str, ref: TokenRef | None) -> Variables:
    """A hub's token from the Secret, in the variable that the hub's client reads."""
    return {name: FromSecret(ref.secret, ref.key)} if ref else {}


def s3(bucket: S3 | S3Push) -> Variables:
    """A bucket and how to reach it, in variables that no other S3 client reads."""
    values: Variables = {
        "S3_BUCKET": bucket.bucket,
        **({"S3_PREFIX": bucket.prefix} if bucket.prefix else {}),
        "S3_ENDPOINT": bucket.endpoint,
        "S3_REGION": bucket.region,
        "S3_ADDRESSING": bucket.addressing,
    }
    pair = bucket.credentials
    if pair is None:
        return values
    identity, secret = FromSecret(pair.secret, pair.id_key), FromSecret(pair.secret, pair.secret_key)
    return {**values, "S3_ACCESS_KEY_ID": identity, "S3_SECRET_ACCESS_KEY": secret}


_MLFLOW_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def tracker_settings(tracking: Tracking) -> dict[str, str | None]:
    """The variables that are not secret."""
    mlflow, wandb, swanlab = tracking.mlflow, tracking.wandb, tracking.swanlab
    return {
        **(_mlflow(mlflow) if mlflow else {}),
        **(_wandb(wandb) if wandb else {}),
        **(_swanlab(swanlab) if swanlab else {}),
    }


def tracker_credentials(tracking: Tracking) -> Variables:
    """The variables that come from Secrets."""
    mlflow, wandb, swanlab = tracking.mlflow, tracking.wandb, tracking.swanlab
    return {
        **login(_MLFLOW_LOGIN, mlflow.credentials if mlflow else None),
        **token("MLFLOW_TRACKING_TOKEN", mlflow.token if mlflow else None),
        **token("WANDB_API_KEY", wandb.token if wandb else None),
        **token("SWANLAB_API_KEY", swanlab.token if swanlab else None),
    }


def _mlflow(server: Mlflow) -> dict[str, str | None]:
    return {
        "MLFLOW_TRACKING_URI": server.uri,
        "MLFLOW_EXPERIMENT_NAME": server.experiment,
        "MLFLOW_WORKSPACE": server.workspace,
    }


def mlflow_namespace(tracking: Tracking, cluster: Cluster) -> Variables:
    """The workspace of the job's namespace, which only the pod knows, unless the run names another one."""
    if tracking.mlflow is None or tracking.mlflow.workspace is not None or not cluster.mlflow_workspaces:
        return {}
    return {"MLFLOW_WORKSPACE": FromField("metadata.namespace")}


def _wandb(account: WeightsAndBiases) -> dict[str, str | None]:
    return {
        "WANDB_PROJECT": account.project,
        "WANDB_ENTITY": account.entity,
        "WANDB_BASE_URL": account.base_url,
        "WANDB_MODE": account.mode,
    }


def _swanlab(account: SwanLab) -> dict[str, str | None]:
    """The project and the mode are arguments of LLaMA-Factory."""
    return {"SWANLAB_API_HOST": account.api_host}
