"""publish_s3.py ROOT PATH: copy the files of PATH below ROOT to `<S3_PREFIX>/<JOB_NAME>/` of S3_BUCKET."""

# The keys are S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, which no other client reads. SSL_CERT_FILE names the trusted
# certificates.

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

sys.path.insert(0, str(Path(__file__).resolve().parent))
result_files = importlib.import_module("result_files")  # next to this file, not in a package

# Its presence means that the result is complete, because objects are copied one by one. It contains the RESULT_ID.
LAST = "_SUCCESS"


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report any exception in one line: a traceback hides the reason."""
    reason = " ".join(str(error).split()) or kind.__name__
    where = f"bucket {os.environ.get('S3_BUCKET')} of {os.environ.get('S3_ENDPOINT')}"
    sys.stderr.write(f"ftc: error: cannot copy to {where}: {kind.__name__}: {reason}\n")


def connect() -> Any:
    """A client of the server."""
    address = urlsplit(os.environ["S3_ENDPOINT"])
    # A Secret created with echo ends with a newline.
    keys = [os.environ[name].strip() for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")]
    minio = importlib.import_module("minio")
    client = minio.Minio(address.netloc, *keys, secure=address.scheme == "https", region=os.environ["S3_REGION"])
    virtual = os.environ["S3_ADDRESSING"] == "virtual"
    (client.enable_virtual_style_endpoint if virtual else client.disable_virtual_style_endpoint)()
    return client


def marked(client: Any, bucket: str, key: str) -> bytes | None:
    """The content of the last object of an earlier attempt, None without one.

    The bucket is listed, because a server may answer a request for a missing object with 403.
    """
    if all(item.object_name != key for item in client.list_objects(bucket, prefix=key)):
        return None
    answer = client.get_object(bucket, key)
    try:
        return bytes(answer.read())
    finally:
        answer.close()
        answer.release_conn()


def missing(client: Any, bucket: str, prefix: str, sizes: dict[str, int]) -> list[str]:
    """The keys below a prefix that the bucket does not list, or lists with another size."""
    found = {item.object_name: item.size for item in client.list_objects(bucket, prefix=prefix, recursive=True)}
    return [key for key, size in sizes.items() if found.get(key) != size]


def upload(client: Any, bucket: str, prefix: str, files: dict[str, str]) -> None:
    """Copy the files, small ones first, so that a missing permission to write is reported early."""
    result, last = f"{os.environ['RESULT_ID']}\n".encode(), prefix + LAST
    sizes = {f"{prefix}{name}": result_files.size(place) for name, place in files.items()}
    found = marked(client, bucket, last)
    if found == result and not missing(client, bucket, prefix, sizes):
        sys.stdout.write(f"ftc: {last} in bucket {bucket} has this result: published before\n")
        return
    if found is not None:
        client.remove_object(bucket, last)
    for name in sorted(files, key=lambda name: sizes[prefix + name]):
        client.fput_object(bucket, f"{prefix}{name}", files[name])
    if lost := missing(client, bucket, prefix, sizes):
        reason = f"does not list {lost[0]!r} with the size that was uploaded, although the server accepted it"
        result_files.fail(f"bucket {bucket} {reason}")
    client.put_object(bucket, last, io.BytesIO(result), len(result))
    if missing(client, bucket, last, {last: len(result)}):
        result_files.fail(f"bucket {bucket} does not list {last!r}, although the server accepted it")
    sys.stdout.write(f"ftc: copied {len(files)} files to {prefix} in bucket {bucket}\n")


def main() -> None:
    """Copy the files that the arguments name."""
    sys.excepthook = say_in_one_line
    files: dict[str, str] = result_files.with_card(*sys.argv[1:])
    result_files.refuse_odd_bytes(files)
    if LAST in files:
        result_files.fail(f"the result has a file {LAST}, which would mark an incomplete copy as complete: rename it")
    parts = (os.environ.get("S3_PREFIX"), os.environ["JOB_NAME"])
    upload(connect(), os.environ["S3_BUCKET"], "".join(f"{part}/" for part in parts if part), files)


if __name__ == "__main__":
    main()
