"""The sources of models and datasets, and the destinations of results."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import PORT, AbsolutePath, BasicAuth, Endpoint, KeyPair, Spec, Text, TokenRef, Url, whole

HubId = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)?"),
        max_length=192,
        description="A repository on a hub, owner/name, without the address of the hub and without a token.",
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
        description="The directory of the objects, a prefix of their names: models/qwen3",
    ),
]
S3Endpoint = Annotated[
    str,
    Meta(
        pattern=whole(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:" + PORT + r")?/?"),
        description="The address of the server without a path: https://s3.example.com:9000",
    ),
]


# git check-ref-format: no blanks, control characters, `~ ^ : ? * [ \`, `..`, `@{`, `//`, nor `.lock`, '.' or '/' at the
# end of a component. `git fetch` would take a name that begins with '-' or '+' for an option or a forced refspec.
_REF = (
    r"(?!@$)(?!.*(\.\.|//|@\{|\.lock(/|$)|/\.|\.$|/$))"
    r"[^-+/.\s~^:?*\[\\\x00-\x1f\x7f][^\s~^:?*\[\\\x00-\x1f\x7f]*"
)
BranchName = Annotated[
    str,
    Meta(
        pattern=whole(_REF),
        max_length=200,
        description="The prefix of a git branch's name (git check-ref-format).",
    ),
]
Revision = Annotated[
    str,
    Meta(
        pattern=whole(_REF),
        max_length=255,
        description="The name of a branch or tag, another ref, or a commit: main, v1.0, refs/pr/1",
    ),
]
RevisionOrDefault = Annotated[
    str,
    Meta(
        pattern=whole(rf"({_REF})?"),
        max_length=255,
        description="The name of a branch or tag, another ref, or a commit; empty for the default branch.",
    ),
]


class Git(Spec, frozen=True, tag_field="kind", tag="git"):
    """A git repository with LFS; `revision` is a branch, a tag or a commit, empty for the default branch."""

    url: Url
    revision: RevisionOrDefault = ""
    credentials: BasicAuth | None = None
    tls_verify: bool = True


class HuggingFace(Spec, frozen=True, tag_field="kind", tag="huggingface"):
    """A repository of the Hugging Face hub, or of a mirror that `endpoint` names."""

    repository: HubId
    revision: Revision = "main"
    endpoint: Endpoint | None = None
    token: TokenRef | None = None


class ModelScope(Spec, frozen=True, tag_field="kind", tag="modelscope"):
    """A repository of ModelScope."""

    repository: HubId
    revision: Revision = "master"
    endpoint: Endpoint | None = None
    token: TokenRef | None = None


class OnVolume(Spec, frozen=True, tag_field="kind", tag="path"):
    """An existing directory on a mounted volume or in the image."""

    path: AbsolutePath
    revision: RevisionOrDefault = ""


class S3(Spec, frozen=True, tag_field="kind", tag="s3"):
    """The objects of a bucket of Amazon S3, or of a server that speaks its protocol, below `prefix`.

    A prefix is fetched only once, so upload a new version under another prefix. `addressing` selects whether the
    bucket is part of the path or of the host name. Without `credentials` requests are anonymous.
    """

    bucket: BucketName
    prefix: ObjectPrefix = ""
    endpoint: S3Endpoint = "https://s3.amazonaws.com"
    region: Text = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"
    credentials: KeyPair | None = None


class FromHub(Spec, frozen=True, tag_field="kind", tag="huggingface-direct"):
    """A repository of the Hugging Face hub, or of a mirror, that the trainer downloads by itself.

    It is not staged: every node contacts the hub when the training starts, and the training's container has the token.
    """

    repository: HubId
    revision: Revision = "main"
    endpoint: Endpoint | None = None
    token: TokenRef | None = None


Staged: TypeAlias = Git | HuggingFace | ModelScope | S3 | OnVolume
Source: TypeAlias = Staged | FromHub


class GitPush(Spec, frozen=True, tag_field="kind", tag="git"):
    """Push the result to a new branch `<branch_prefix>-<UTC time>-<digest of the run>` of a git repository.

    Large files use LFS. A container with the credentials waits for the training and then pushes; if the push fails, a
    restart of the job repeats only the push.
    """

    url: Url
    branch_prefix: BranchName = "ftc"
    credentials: BasicAuth | None = None
    tls_verify: bool = True
    author_name: Text = "ftc"
    author_email: Text = "ftc@localhost"


class HubPush(Spec, frozen=True, tag_field="kind", tag="huggingface"):
    """Commit the result to a branch of a repository of the Hugging Face hub, or of a server that speaks its protocol.

    A missing repository is created, private or public as in `private`; a private result is never
    committed to a public repository.
    """

    repository: HubId
    token: TokenRef
    branch: BranchName = "main"
    endpoint: Endpoint | None = None
    private: bool = True


class S3Push(Spec, frozen=True, tag_field="kind", tag="s3"):
    """Copy the result into a bucket, below `<prefix>/<job name>/`; an object `_SUCCESS` comes last.

    The keys need permission to list, read, write and delete there. The other fields are those of the source.
    """

    bucket: BucketName
    credentials: KeyPair
    prefix: ObjectPrefix = ""
    endpoint: S3Endpoint = "https://s3.amazonaws.com"
    region: Text = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"


class KeepOnVolume(Spec, frozen=True, tag_field="kind", tag="none"):
    """Keep the result on the workspace."""


Publish: TypeAlias = KeepOnVolume | GitPush | HubPush | S3Push
