"""Copy the objects below S3_PREFIX of S3_BUCKET into DOWNLOAD_DIR; with an argument, that directory into the bucket."""

# fetch.sh runs it under a time limit and reads REVISION_FILE; train.sh runs it as publish.py, with JOB_NAME. The keys
# are S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, which no other client reads. SSL_CERT_FILE names authorities.

from __future__ import annotations

import hashlib
import importlib
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

TRANSFERS, ERROR = 4, "ftc: error: "
# A reader who finds it has a whole result: objects come one by one.
LAST = "_SUCCESS"


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report what ended the program in one line: a trace hides the reason."""
    reason = " ".join(str(error).split()) or kind.__name__
    where = f"bucket {os.environ.get('S3_BUCKET')} of {os.environ.get('S3_ENDPOINT')}"
    sys.stderr.write(f"{ERROR}cannot copy from or to {where}: {kind.__name__}: {reason}\n")


def connect() -> Any:
    """A client of the server; without keys its requests are not signed."""
    address = urlsplit(os.environ["S3_ENDPOINT"])
    # A Secret made with echo ends in a newline.
    keys = [os.environ.get(name, "").strip() or None for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")]
    minio = importlib.import_module("minio")
    client = minio.Minio(address.netloc, *keys, secure=address.scheme == "https", region=os.environ["S3_REGION"])
    virtual = os.environ["S3_ADDRESSING"] == "virtual"
    (client.enable_virtual_style_endpoint if virtual else client.disable_virtual_style_endpoint)()
    return client


def found(client: Any, bucket: str, prefix: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each object below the prefix with its path there; names that end in a slash only stand for directories."""
    for item in client.list_objects(bucket, prefix=prefix, recursive=True):
        parts = tuple(item.object_name[len(prefix) :].split("/"))
        if parts[-1] and any(part in ("", ".", "..") or "\0" in part for part in parts):
            sys.exit(f"{ERROR}the name of object {item.object_name!r} is not one that a file can have")
        if parts[-1]:
            yield item, parts


def download(client: Any, bucket: str, prefix: str, target: Path) -> str:
    """Copy the objects into a directory and return a digest of what they were."""
    objects = sorted(found(client, bucket, prefix), key=lambda pair: pair[1])
    if not objects:
        sys.exit(f"{ERROR}nothing is below {prefix or '/'} in bucket {bucket}: are the bucket and the prefix right?")

    def copy(pair: tuple[Any, tuple[str, ...]]) -> None:
        item, parts = pair
        file = target.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        client.fget_object(bucket, item.object_name, str(file))
        if file.stat().st_size != item.size:
            sys.exit(f"{ERROR}object {item.object_name!r} has {item.size} bytes, and {file.stat().st_size} came")

    with ThreadPoolExecutor(TRANSFERS) as pool:
        list(pool.map(copy, objects))
    listing = "\n".join(f"{item.object_name} {item.etag} {item.size}" for item, _ in objects)
    return hashlib.sha256(listing.encode()).hexdigest()


def upload(client: Any, bucket: str, prefix: str, source: Path) -> None:
    """Copy a directory's files, without checkpoints; small ones first, so that keys that may not write fail soon."""
    files = {str(file.relative_to(source)): file for file in source.rglob("*") if file.is_file()}
    wanted = [name for name in files if not any(part.startswith("checkpoint-") for part in Path(name).parts[:-1])]
    for name in sorted(wanted, key=lambda name: files[name].stat().st_size):
        client.fput_object(bucket, f"{prefix}{name}", str(files[name]))
    client.put_object(bucket, f"{prefix}{LAST}", io.BytesIO(), 0)
    sys.stdout.write(f"ftc: copied {len(wanted)} files to {prefix} in bucket {bucket}\n")


def main() -> None:
    """Copy what the environment and the argument name."""
    sys.excepthook = say_in_one_line
    publishes = len(sys.argv) > 1
    path = (os.environ.get("S3_PREFIX"), os.environ["JOB_NAME"] if publishes else None)
    place = os.environ["S3_BUCKET"], "".join(f"{part}/" for part in path if part)
    if publishes:
        upload(connect(), *place, Path(sys.argv[1]))
    else:
        revision = download(connect(), *place, Path(os.environ["DOWNLOAD_DIR"]))
        Path(os.environ["REVISION_FILE"]).write_text(f"{revision}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
