"""Where models and datasets come from, and where results go."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import AbsolutePath, BasicAuth, Endpoint, KeyPair, Spec, Text, TokenRef, Url, whole

HubId = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9][-A-Za-z0-9_.]*(/[A-Za-z0-9][-A-Za-z0-9_.]*)?"),
        max_length=192,
        description="A repository as a hub names it: owner/name.",
    ),
]
BucketName = Annotated[
    str,
    Meta(
        pattern=whole(r"[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]"),
        description="3 to 63 lower case letters, digits, '-' and '.'.",
    ),
]
ObjectPrefix = Annotated[
    str,
    Meta(
        pattern=whole(r"(?!(.*/)?\.{0,2}(/|$))[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*|"),
        max_length=512,
        description="What the names of objects begin with, a directory: models/qwen3",
    ),
]
S3Endpoint = Annotated[
    str,
    Meta(
        pattern=whole(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?"),
        description="The address of the server alone: https://s3.example.com:9000",
    ),
]


class Git(Spec, frozen=True, tag_field="kind", tag="git"):
    """A git repository, large files in LFS; `revision` is a branch, a tag or a commit, empty for the default branch."""

    url: Url
    revision: str = ""
    credentials: BasicAuth | None = None
    tls_verify: bool = True


class HuggingFace(Spec, frozen=True, tag_field="kind", tag="huggingface"):
    """A repository of the Hugging Face hub, or of a mirror that `endpoint` names."""

    repository: Text
    revision: Text = "main"
    endpoint: Endpoint | None = None
    token: TokenRef | None = None


class ModelScope(Spec, frozen=True, tag_field="kind", tag="modelscope"):
    """A repository of ModelScope."""

    repository: Text
    revision: Text = "master"
    endpoint: Endpoint | None = None
    token: TokenRef | None = None


class OnVolume(Spec, frozen=True, tag_field="kind", tag="path"):
    """A directory that is there already, on a mounted volume or in the image."""

    path: AbsolutePath
    revision: str = ""


class S3(Spec, frozen=True, tag_field="kind", tag="s3"):
    """The objects of a bucket of Amazon S3, or of a server that speaks its protocol, below `prefix`.

    What was fetched once is not looked for again: a new version goes below another prefix. `addressing` is where the
    bucket stands: in the path of an address, or before the name of the server. Without `credentials` it is public.
    """

    bucket: BucketName
    prefix: ObjectPrefix = ""
    endpoint: S3Endpoint = "https://s3.amazonaws.com"
    region: Text = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"
    credentials: KeyPair | None = None


class FromHub(Spec, frozen=True, tag_field="kind", tag="huggingface-direct"):
    """A repository of the Hugging Face hub, or of a mirror, that the trainer downloads by itself.

    No step stages it: every node asks the hub when the training starts, with the token in the training's own container.
    """

    repository: HubId
    revision: Text = "main"
    endpoint: Endpoint | None = None
    token: TokenRef | None = None


Staged: TypeAlias = Git | HuggingFace | ModelScope | S3 | OnVolume
Source: TypeAlias = Staged | FromHub


BranchName = Annotated[
    str,
    Meta(
        pattern=whole(
            r"(?!.*(\.\.|//|@\{|\.lock(/|$)|/\.|\.$|/$))[^-/.\s~^:?*\[\\\x00-\x1f\x7f][^\s~^:?*\[\\\x00-\x1f\x7f]*"
        ),
        max_length=200,
        description="The beginning of a git branch's name (git check-ref-format).",
    ),
]


class GitPush(Spec, frozen=True, tag_field="kind", tag="git"):
    """Push the result to a new branch `<branch_prefix>-<UTC time>-<digest of the run>` of a git repository.

    Large files go by LFS. A container with the credentials waits for the training and pushes; a restart of the job
    repeats a push that failed, and not the training.
    """

    url: Url
    branch_prefix: BranchName = "ftc"
    credentials: BasicAuth | None = None
    tls_verify: bool = True
    author_name: Text = "ftc"
    author_email: Text = "ftc@localhost"


class HubPush(Spec, frozen=True, tag_field="kind", tag="huggingface"):
    """Commit the result to a branch of a repository of the Hugging Face hub, or of a server that speaks its protocol.

    The repository is made if it is missing, `private` or not; a private result is not committed to a public one.
    """

    repository: HubId
    token: TokenRef
    branch: BranchName = "main"
    endpoint: Endpoint | None = None
    private: bool = True


class S3Push(Spec, frozen=True, tag_field="kind", tag="s3"):
    """Copy the result into a bucket, below `<prefix>/<job name>/`; an object `_SUCCESS` comes last.

    The keys must allow to list, read, write and delete there. The other fields are those of the source.
    """

    bucket: BucketName
    credentials: KeyPair
    prefix: ObjectPrefix = ""
    endpoint: S3Endpoint = "https://s3.amazonaws.com"
    region: Text = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"


class KeepOnVolume(Spec, frozen=True, tag_field="kind", tag="none"):
    """Leave the result where the run wrote it."""


Publish: TypeAlias = KeepOnVolume | GitPush | HubPush | S3Push
