"""Copy a directory to a place below S3_PREFIX of S3_BUCKET named by JOB_NAME; train.sh runs it as publish.py."""

# The keys are S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, which no other client reads. SSL_CERT_FILE names authorities.

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

ERROR = "ftc: error: "
# A reader who finds it has a whole result: objects come one by one.
LAST = "_SUCCESS"


def say_in_one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Report what ended the program in one line: a trace hides the reason."""
    reason = " ".join(str(error).split()) or kind.__name__
    where = f"bucket {os.environ.get('S3_BUCKET')} of {os.environ.get('S3_ENDPOINT')}"
    sys.stderr.write(f"{ERROR}cannot copy to {where}: {kind.__name__}: {reason}\n")


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


def upload(client: Any, bucket: str, prefix: str, source: Path) -> None:
    """Copy a directory's files, without checkpoints; small ones first, so that keys that may not write fail soon."""
    files = {str(file.relative_to(source)): file for file in source.rglob("*") if file.is_file()}
    wanted = [name for name in files if not any(part.startswith("checkpoint-") for part in Path(name).parts[:-1])]
    for name in sorted(wanted, key=lambda name: files[name].stat().st_size):
        client.fput_object(bucket, f"{prefix}{name}", str(files[name]))
    client.put_object(bucket, f"{prefix}{LAST}", io.BytesIO(), 0)
    sys.stdout.write(f"ftc: copied {len(wanted)} files to {prefix} in bucket {bucket}\n")


def main() -> None:
    """Copy the directory that the argument names."""
    sys.excepthook = say_in_one_line
    path = (os.environ.get("S3_PREFIX"), os.environ["JOB_NAME"])
    upload(connect(), os.environ["S3_BUCKET"], "".join(f"{part}/" for part in path if part), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
