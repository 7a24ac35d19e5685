"""Where models and datasets come from, and where results go."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from ftc.spec.base import AbsolutePath, BasicAuth, Spec, Text, TokenRef, Url, whole


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
    endpoint: Url | None = None
    token: TokenRef | None = None


class ModelScope(Spec, frozen=True, tag_field="kind", tag="modelscope"):
    """A repository of ModelScope."""

    repository: Text
    revision: Text = "master"
    endpoint: Url | None = None
    token: TokenRef | None = None


class OnVolume(Spec, frozen=True, tag_field="kind", tag="path"):
    """A directory that is there already, on a mounted volume or in the image."""

    path: AbsolutePath
    revision: str = ""


Source: TypeAlias = Git | HuggingFace | ModelScope | OnVolume


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
    """Push the result to a new branch `<branch_prefix>-<UTC time>` of a git repository, large files in LFS."""

    url: Url
    branch_prefix: BranchName = "ftc"
    credentials: BasicAuth | None = None
    tls_verify: bool = True
    author_name: Text = "ftc"
    author_email: Text = "ftc@localhost"


class KeepOnVolume(Spec, frozen=True, tag_field="kind", tag="none"):
    """Leave the result where the run wrote it."""


Publish: TypeAlias = KeepOnVolume | GitPush
