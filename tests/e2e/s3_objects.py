"""Access the tests' S3 server with Amazon's client: s3_objects.py user|put|get URL [BUCKET DIRECTORY [PREFIX]]."""

# Run in the server's environment, which has boto3. `user` prints the ID and the secret of a new key with full access.

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def client(service: str, url: str) -> Any:
    """A client with the keys of the environment."""
    return importlib.import_module("boto3").client(service, endpoint_url=url, region_name="us-east-1")


def user(url: str) -> None:
    """Create a user with a key, in three unsigned calls."""
    iam = client("iam", url)
    iam.create_user(UserName="tester")
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(ALL))
    sys.stdout.write(f"{key['AccessKeyId']} {key['SecretAccessKey']}\n")


def put(url: str, bucket: str, directory: str) -> None:
    """Create a bucket from the files of a directory."""
    s3 = client("s3", url)
    s3.create_bucket(Bucket=bucket)
    for file in Path(directory).rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), bucket, str(file.relative_to(directory)))


def get(url: str, bucket: str, directory: str, prefix: str = "") -> None:
    """Copy the objects of a bucket below a prefix to files."""
    s3 = client("s3", url)
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        file = Path(directory, item["Key"])
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, item["Key"], str(file))


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "user":
        user(*words)
    else:
        (put if what == "put" else get)(*words)
