"""The errors of a cluster, as the API reports them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftc.api.refused import ClusterRefusedError, RefusedError
from ftc.cluster.cause import safe
from ftc.cluster.server import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSTALL = "asking a cluster needs the package kubernetes: pip install 'ftc[cluster]'"


@contextmanager
def answers() -> Iterator[None]:
    """Run a block that asks a cluster; the errors of the server and of its client refuse the request."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "kubernetes":
            raise
        raise RefusedError(_INSTALL) from None
    except ServerError as error:
        raise ClusterRefusedError(f"the API server: {safe(str(error))}") from None
