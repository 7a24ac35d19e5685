"""Variables of a container, in Kubernetes' form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.escape import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.spec.base import BasicAuth, Json, TokenRef


def variables(values: Mapping[str, str | None]) -> list[Json]:
    """Literal values; what has none is left out."""
    return [{"name": name, "value": literal(value)} for name, value in values.items() if value is not None]


def git_credentials(auth: BasicAuth | None) -> list[Json]:
    """GIT_USER and GIT_TOKEN from the Secret."""
    if auth is None:
        return []
    return [_secret("GIT_USER", auth.secret, auth.username_key), _secret("GIT_TOKEN", auth.secret, auth.password_key)]


def token(name: str, ref: TokenRef | None) -> list[Json]:
    """A hub's token from the Secret, under the name that the hub's client reads."""
    return [_secret(name, ref.secret, ref.key)] if ref else []


def _secret(name: str, secret: str, key: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
