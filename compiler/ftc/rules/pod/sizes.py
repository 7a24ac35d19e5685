"""Rules on the size of any object that is sent to the API server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.rules.rule import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sent(msgspec.Struct, frozen=True):
    """An object as a client sends it."""

    data: Any


# etcd, server/embed/config.go: DefaultMaxRequestBytes.
MAX_OBJECT_BYTES = 3 * 512 * 1024
# Kubernetes, pkg/apis/core/types.go: MaxSecretSize.
MAX_DATA_BYTES = 1024 * 1024


def object_fits(sent: Sent) -> Iterator[Finding]:
    """An object is smaller than the limit of etcd, 1.5 MiB.

    The API server cannot store a larger object: `etcdserver: request is too large`. The size is that of the object as
    JSON. A ConfigMap or Secret has at most 1 MiB of data, without its keys and its encoding.
    Source: etcd, System limits (request size limit); Kubernetes, pkg/apis/core/validation (MaxSecretSize).

    Wrong: env.X{1..13}="$(printf a%0125000d)"
    Right: env.X{1..11}="$(printf a%0125000d)"
    """
    kind = sent.data["kind"]
    size = len(json.dumps(sent.data, ensure_ascii=False, separators=(",", ":"), default=str).encode())
    if size > MAX_OBJECT_BYTES:
        message = f"the {kind} has {size} bytes, but etcd stores at most {MAX_OBJECT_BYTES}"
        yield Finding((), message, "put large texts into files, such as those of a ConfigMap")
    elif kind in ("ConfigMap", "Secret") and (size := _data_size(sent.data)) > MAX_DATA_BYTES:
        message = f"the data of the {kind} has {size} bytes, but Kubernetes accepts at most {MAX_DATA_BYTES}"
        yield Finding((), message, "split it, or put large files on a volume")


def _data_size(data: Any) -> int:
    encoded = "data" if data["kind"] == "Secret" else "binaryData"
    texts = "stringData" if data["kind"] == "Secret" else "data"
    decoded = sum(len(re.sub(r"[\s=]", "", text)) * 3 // 4 for text in _texts(data.get(encoded)))
    return decoded + sum(len(text.encode()) for text in _texts(data.get(texts)))


def _texts(values: Any) -> list[str]:
    return [value for value in values.values() if isinstance(value, str)] if isinstance(values, dict) else []


RULES = (Rule("FTC514", "object-exceeds-etcd-limit", object_fits, Sent),)
