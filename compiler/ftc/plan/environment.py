"""Variables of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ftc.plan.types import FromSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.spec.base import BasicAuth, TokenRef

Variables: TypeAlias = dict[str, str | FromSecret]


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
