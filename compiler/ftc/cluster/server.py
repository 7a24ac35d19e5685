"""Requests to an API server, with the authentication of kubectl; the `kubernetes` client is imported here only."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubernetes.client import ApiClient
    from kubernetes.client.rest import RESTResponse

    from ftc.cluster.snapshot import Object

_PAGE = 500
# Seconds to connect, and to wait for the next bytes of an answer.
_TIMEOUT = (5.0, 20.0)
_TRIES, _PATIENCE = 3, 10.0
_ANY = "application/json, */*"
_WAITS = (0.2, 0.5, 1.0)
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
# Gone: a list or a watch continues from a version that the server no longer has.
FORBIDDEN, MISSING, GONE = 403, 404, 410
_CHUNK, _LONGEST_TEXT = 65536, 1024 * 1024
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ServerError(Exception):
    """The API server refused a request, or did not answer; `status` is 0 if it did not answer.

    `fields` are the fields of the object that the server names, each with what is wrong.
    """

    def __init__(self, message: str, status: int = 0, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.fields = fields


class BrokenError(ServerError):
    """The connection broke before the end of an answer."""


class Listing(NamedTuple):
    """The objects of a list, and its version."""

    objects: list[Object]
    version: str


class Server:
    """An API server and a namespace: those of the kubeconfig, or those of the pod in which ftc runs."""

    def __init__(self, context: str | None = None, namespace: str | None = None) -> None:
        self._client, self.default_namespace = _connected(context)
        self.namespace = namespace or self.default_namespace
        self.requests = 0

    def get(self, path: str, **query: str | int) -> Object:
        """One object, or one page of a list."""
        return _object(path, self._request("GET", path, query))

    def metadata(self, path: str) -> Object:
        """The metadata of an object: the values of a Secret are not read."""
        return _object(path, self._request("GET", path, {}, accept=_METADATA))

    def create(self, path: str, body: Object, **query: str) -> Object:
        """The object that the server made, or would make (`dryRun="All"`).

        A server that is too busy has not read the request, so it is sent again; after other errors it may exist.
        """
        for wait in (*_WAITS, None):
            try:
                return _object(path, self._request("POST", path, query, body))
            except ServerError as error:
                if error.status != 429 or wait is None:  # noqa: PLR2004 - Too Many Requests
                    raise
                time.sleep(wait)
        raise AssertionError

    def delete(self, path: str, uid: str) -> None:
        """Delete the object with this uid and, in the background, what it owns; one that is gone is not an error."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        try:
            self._request("DELETE", path, {}, {**options, "preconditions": {"uid": uid}})
        except ServerError as error:
            if error.status != MISSING:
                raise

    def pages(self, path: str, **query: str | int) -> list[Object]:
        """All objects of a list, page by page; a list that expires on the way is read once more from its start."""
        return self.listing(path, **query).objects

    def listing(self, path: str, **query: str | int) -> Listing:
        """The same with the version of the list, from which a watch continues."""
        try:
            return self._pages(path, query)
        except ServerError as error:
            if error.status != GONE:
                raise
            return self._pages(path, query)

    def _pages(self, path: str, query: dict[str, str | int]) -> Listing:
        found: list[Object] = []
        more = ""
        while True:
            page = self.get(path, limit=_PAGE, **query, **({"continue": more} if more else {}))
            kind, version = str(page.get("kind", "")).removesuffix("List"), page.get("apiVersion")
            rows = page.get("items")
            # The items of a typed list do not repeat its kind.
            found += [{"kind": kind, "apiVersion": version, **row} for row in rows or [] if isinstance(row, dict)]
            metadata = page.get("metadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            token = metadata.get("continue")
            if not token or token == more:
                return Listing(found, str(metadata.get("resourceVersion") or ""))
            more = str(token)

    def text(self, path: str, **query: str | int) -> str:
        """The end of a text, such as a log: at most a MiB, because a line of a log may have any length."""
        kept = b""
        for chunk in self.stream(path, query):
            kept = (kept + chunk)[-_LONGEST_TEXT:]
        return kept.decode("utf-8", errors="replace")

    def stream(self, path: str, query: dict[str, Any], silence: float = 0.0) -> Iterator[bytes]:
        """An answer in pieces, as they arrive; after `silence` seconds without one, the connection counts as broken."""
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - an extra

        answer = self._opened("GET", path, query, silence=silence)
        try:
            yield from answer.response.stream(_CHUNK)
        except HTTPError as error:
            raise BrokenError(f"the connection to {self._client.configuration.host} broke: {_why(error)}") from None
        finally:
            answer.response.close()

    def _request(self, method: str, path: str, query: dict[str, Any], body: Any = None, accept: str = _ANY) -> bytes:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - an extra

        try:
            data: bytes = self._opened(method, path, query, body, accept=accept).read()  # type: ignore[no-untyped-call]
        except HTTPError as error:
            raise ServerError(f"{self._client.configuration.host} does not answer: {_why(error)}") from None
        return data

    def _opened(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        body: Any = None,
        *,
        silence: float = 0.0,
        accept: str = _ANY,
    ) -> RESTResponse:
        """The answer before it is read; a refusal is read, and raised."""
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - an extra
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - the same

        self.requests += 1
        headers = {"Accept": accept, "Content-Type": "application/json", "User-Agent": "ftc"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._client.configuration.host}{path}{f'?{urlencode(query)}' if query else ''}"
        try:
            answer = self._client.call_api(
                method, url, headers, body, _request_timeout=(_TIMEOUT[0], silence or _TIMEOUT[1])
            )
            data = answer.read() if answer.status >= 400 else b""  # type: ignore[no-untyped-call] # noqa: PLR2004
        except ApiException as error:
            raise ServerError(_reason(error), error.status or 0, _fields(error.body)) from None
        except HTTPError as error:
            raise ServerError(f"{self._client.configuration.host} does not answer: {_why(error)}") from None
        if answer.status >= 400:  # noqa: PLR2004 - the client does not raise for a raw request
            raise ServerError(_message(data) or f"{answer.status} {answer.reason}", answer.status, _fields(data))
        return answer


def _connected(context: str | None) -> tuple[ApiClient, str]:
    """The client, and the namespace of the context."""
    from kubernetes import client, config  # noqa: PLC0415 - an extra, and half a second
    from kubernetes.config import ConfigException  # noqa: PLC0415 - the same
    from urllib3 import Retry  # noqa: PLC0415 - the same
    from yaml import YAMLError  # noqa: PLC0415 - the same

    class Soon(Retry):
        """At most some seconds, whatever the server says."""

        def get_retry_after(self, response: Any) -> float | None:
            wait = super().get_retry_after(response)
            return wait if wait is None else min(wait, _PATIENCE)

    settings = client.Configuration()
    # A server that is busy answers 429 or 503, and says when to ask again.
    settings.retries = Soon(
        total=_TRIES,
        status_forcelist=(429, 502, 503, 504),
        allowed_methods=("GET", "DELETE"),
        backoff_factor=0.2,
        raise_on_status=False,
    )
    # The client reads KUBECONFIG once per process, and urllib3 logs each try.
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # The client logs to the root logger that an exec plugin failed, and goes on without credentials.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        if not any(Path(one).is_file() for one in files.split(os.pathsep)) and context is None and _ACCOUNT.is_dir():
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            return client.ApiClient(settings), (_ACCOUNT / "namespace").read_text(encoding="utf-8").strip() or "default"
        contexts, active = config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
        rows = {row["name"]: row for row in contexts}
        if context is not None and context not in rows:
            raise ServerError(
                f"the kubeconfig does not contain the context '{context}'; it has {', '.join(sorted(rows))}"
            )
        config.load_kube_config(  # type: ignore[no-untyped-call]
            files, context, client_configuration=settings, persist_config=False
        )
    except (ConfigException, YAMLError, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        # The client does not check the types of what it reads.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ServerError(f"cannot read the kubeconfig: {reason}") from None
    chosen = rows[context] if context else active
    return client.ApiClient(settings), chosen["context"].get("namespace") or "default"


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2]


def _reason(error: Any) -> str:
    return _message(error.body) or f"{error.status} {error.reason}"


def _object(path: str, answer: bytes) -> Object:
    try:
        found = json.loads(answer)
    except ValueError:
        raise ServerError(f"the answer to {path} is not JSON: is this an API server?") from None
    return found if isinstance(found, dict) else {}


def _message(body: Any) -> str:
    """The message of a Status; empty if the body is not one."""
    return str(_status(body).get("message") or "")


def _fields(body: Any) -> tuple[tuple[str, str], ...]:
    """The fields that a Status names."""
    details = _status(body).get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    rows = [one for one in causes if isinstance(one, dict)] if isinstance(causes, list) else []
    return tuple((str(one["field"]), str(one.get("message") or "")) for one in rows if one.get("field"))


def _status(body: Any) -> dict[str, Any]:
    try:
        found = json.loads(body or "")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
