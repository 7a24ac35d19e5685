"""The sources of models and datasets, and the destinations of results."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import PORT, AbsolutePath, BasicAuth, Endpoint, KeyPair, Spec, Text, TokenRef, Url, whole

HUB_ID = whole(r"[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)?")
HubId = Annotated[
    str,
    Meta(
        pattern=HUB_ID,
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


RunName = Annotated[
    str,
    Meta(
        pattern=whole(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"),
        max_length=253,
        description="The name of a job: lower case letters, digits and '-', as kubectl and `ftc status` print it.",
    ),
]


class Git(Spec, frozen=True, tag_field="kind", tag="git"):
    """A git repository with LFS."""

    url: Url
    """The address of the repository."""
    revision: RevisionOrDefault = ""
    """A branch, a tag or a commit; empty is the default branch."""
    credentials: BasicAuth | None = None
    """The Secret with the user and the password; null sends none."""
    tls_verify: bool = True
    """Whether the server's certificate is verified."""


class HuggingFace(Spec, frozen=True, tag_field="kind", tag="huggingface"):
    """A repository of the Hugging Face hub, or of a mirror that `endpoint` names."""

    repository: HubId
    """The repository, owner/name."""
    revision: Revision = "main"
    """A branch, a tag or a commit."""
    endpoint: Endpoint | None = None
    """The address of a mirror of the hub; null is the public hub."""
    token: TokenRef | None = None
    """The Secret with the token of an account; null downloads without one."""


class ModelScope(Spec, frozen=True, tag_field="kind", tag="modelscope"):
    """A repository of ModelScope."""

    repository: HubId
    """The repository, owner/name."""
    revision: Revision = "master"
    """A branch, a tag or a commit."""
    endpoint: Endpoint | None = None
    """The address of another server; null is modelscope.cn."""
    token: TokenRef | None = None
    """The Secret with the token of an account; null downloads without one."""


class OnVolume(Spec, frozen=True, tag_field="kind", tag="path"):
    """An existing directory on a mounted volume or in the image."""

    path: AbsolutePath
    """The directory on a mounted volume or in the image."""
    revision: RevisionOrDefault = ""
    """The revision that the directory must hold if ftc downloaded it; empty accepts any."""


class S3(Spec, frozen=True, tag_field="kind", tag="s3"):
    """The objects of a bucket of Amazon S3, or of a server that speaks its protocol."""

    bucket: BucketName
    """The name of the bucket."""
    prefix: ObjectPrefix = ""
    """The directory of the objects. Upload a new version under another prefix: a prefix is fetched only once."""
    endpoint: S3Endpoint = "https://s3.amazonaws.com"
    """The address of the server."""
    region: Text = "us-east-1"
    """The region of the bucket."""
    addressing: Literal["path", "virtual"] = "path"
    """Whether the bucket is in the path or in the host name of the address."""
    credentials: KeyPair | None = None
    """The Secret with the access key; null sends anonymous requests."""


class OfRun(Spec, frozen=True, tag_field="kind", tag="run"):
    """The result of an earlier run in the same workspace.

    The pod checks before the training that the run has finished the step that makes the result.
    """

    run: RunName
    """The name of the run's directory in the workspace: the name of its job; with naming=fixed its UID follows."""
    result: Literal["output", "merged", "quantized"] | None = None
    """The result: output (an adapter, or full weights), merged or quantized; null is merged, for an adapter output."""


class FromHub(Spec, frozen=True, tag_field="kind", tag="huggingface-direct"):
    """A repository of the Hugging Face hub, or of a mirror, that the trainer downloads by itself.

    It is not staged: every node contacts the hub when the training starts, and the training's container has the token.
    """

    repository: HubId
    """The repository, owner/name."""
    revision: Revision = "main"
    """A branch, a tag or a commit."""
    endpoint: Endpoint | None = None
    """The address of a mirror of the hub; null is the public hub."""
    token: TokenRef | None = None
    """The Secret with the token of an account; the training container gets it."""


Staged: TypeAlias = Git | HuggingFace | ModelScope | S3 | OnVolume
Given: TypeAlias = Staged | OfRun
Source: TypeAlias = Staged | FromHub
ModelSource: TypeAlias = Given | FromHub


class GitPush(Spec, frozen=True, tag_field="kind", tag="git"):
    """Push the result to a new branch `<branch_prefix>-<UTC time>-<digest of the run>` of a git repository.

    Large files use LFS. A container with the credentials waits for the training and then pushes; if the push fails, a
    restart of the job repeats only the push.
    """

    url: Url
    """The address of the repository."""
    branch_prefix: BranchName = "ftc"
    """The beginning of the new branch's name; the time and a digest of the run follow."""
    credentials: BasicAuth | None = None
    """The Secret with the user and the password; null sends none."""
    tls_verify: bool = True
    """Whether the server's certificate is verified."""
    author_name: Text = "ftc"
    """The author's name in the commit."""
    author_email: Text = "ftc@localhost"
    """The author's address in the commit."""


class HubPush(Spec, frozen=True, tag_field="kind", tag="huggingface"):
    """Commit the result to a branch of a repository of the Hugging Face hub, or of a server with its protocol."""

    repository: HubId
    """The repository, owner/name; it is created if it does not exist."""
    token: TokenRef
    """The Secret with the token of an account that may write."""
    branch: BranchName = "main"
    """The branch that gets the commit."""
    endpoint: Endpoint | None = None
    """The address of another server; null is the public hub."""
    private: bool = True
    """Whether the repository is private. A private result is never committed to a public repository."""


class S3Push(Spec, frozen=True, tag_field="kind", tag="s3"):
    """Copy the result into a bucket, below `<prefix>/<job name>/`; an object `_SUCCESS` comes last."""

    bucket: BucketName
    """The name of the bucket."""
    credentials: KeyPair
    """The Secret with an access key that may list, read, write and delete below the prefix."""
    prefix: ObjectPrefix = ""
    """The directory of the results; each run has its own directory there."""
    endpoint: S3Endpoint = "https://s3.amazonaws.com"
    """The address of the server."""
    region: Text = "us-east-1"
    """The region of the bucket."""
    addressing: Literal["path", "virtual"] = "path"
    """Whether the bucket is in the path or in the host name of the address."""


class KeepOnVolume(Spec, frozen=True, tag_field="kind", tag="none"):
    """Keep the result on the workspace."""


Publish: TypeAlias = KeepOnVolume | GitPush | HubPush | S3Push
