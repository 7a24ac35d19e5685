"""Copy the objects below S3_PREFIX of S3_BUCKET into DOWNLOAD_DIR; fetch.sh runs it under a time limit."""

# A digest of the objects is written to REVISION_FILE. The keys are S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, which no
# other client reads. SSL_CERT_FILE names the trusted certificates.

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

TRANSFERS, ERROR = 4, "ftc: error: "


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report any exception in one line: a traceback hides the reason."""
    where, reason = f"bucket {os.environ.get('S3_BUCKET')} of {os.environ.get('S3_ENDPOINT')}", str(error).split()
    sys.stderr.write(f"{ERROR}cannot copy from {where}: {kind.__name__}: {' '.join(reason)}\n")


def connect() -> Any:
    """A client of the server; without keys it does not sign requests."""
    address = urlsplit(os.environ["S3_ENDPOINT"])
    # A Secret created with echo ends with a newline.
    keys = [os.environ.get(name, "").strip() or None for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")]
    minio = importlib.import_module("minio")
    client = minio.Minio(address.netloc, *keys, secure=address.scheme == "https", region=os.environ["S3_REGION"])
    virtual = os.environ["S3_ADDRESSING"] == "virtual"
    (client.enable_virtual_style_endpoint if virtual else client.disable_virtual_style_endpoint)()
    return client


def found(client: Any, bucket: str, prefix: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each object below the prefix with its relative path; names that end with a slash only mark directories."""
    for item in client.list_objects(bucket, prefix=prefix, recursive=True):
        parts = tuple(item.object_name[len(prefix) :].split("/"))
        below = item.object_name.startswith(prefix)
        if parts[-1] and (not below or any(part in ("", ".", "..") or "\0" in part for part in parts)):
            sys.exit(f"{ERROR}the name of object {item.object_name!r} is not a valid file name")
        if parts[-1]:
            yield item, parts


def download(client: Any, bucket: str, prefix: str, target: Path) -> str:
    """Copy the objects into a directory and return a digest of them."""
    objects = sorted(found(client, bucket, prefix), key=lambda pair: pair[1])
    if not objects:
        sys.exit(f"{ERROR}bucket {bucket} has no objects below {prefix or '/'}: are the bucket and the prefix right?")
    # A bucket may contain both `a` and `a/b`; a directory cannot.
    directories = {parts[:depth] for _, parts in objects for depth in range(1, len(parts))}
    for item, parts in objects:
        if parts in directories:
            sys.exit(f"{ERROR}object {item.object_name!r} is also the directory of another object: rename one of them")

    def copy(pair: tuple[Any, tuple[str, ...]]) -> None:
        item, parts = pair
        file = target.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        receive(client, bucket, item, file)

    with ThreadPoolExecutor(TRANSFERS) as pool:
        list(pool.map(copy, objects))
    listing = "\n".join(f"{item.object_name} {item.etag} {item.size}" for item, _ in objects)
    return hashlib.sha256(listing.encode()).hexdigest()


def receive(client: Any, bucket: str, item: Any, file: Path) -> None:
    """Write the listed version of one object to a new file."""
    condition = {"If-Match": f'"{item.etag}"'} if item.etag else None
    response = client.get_object(bucket, item.object_name, request_headers=condition)
    with file.open("xb") as new, closing(response):
        shutil.copyfileobj(response, new, 1 << 20)
    response.release_conn()
    size = file.stat().st_size
    if size != item.size:
        name = f"object {item.object_name!r} of bucket {bucket}"
        sys.exit(f"{ERROR}{name} has {item.size} bytes, but the download has {size}")


def main() -> None:
    """Copy the objects that the environment names."""
    sys.excepthook = say_in_one_line
    prefix = f"{os.environ['S3_PREFIX']}/" if os.environ.get("S3_PREFIX") else ""
    revision = download(connect(), os.environ["S3_BUCKET"], prefix, Path(os.environ["DOWNLOAD_DIR"]))
    Path(os.environ["REVISION_FILE"]).write_text(f"{revision}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
