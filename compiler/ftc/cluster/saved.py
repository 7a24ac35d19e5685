"""A situation on disk, as `ftc why --save` writes it and `ftc why --from` reads it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from errno import EEXIST
from typing import TYPE_CHECKING, Any

import yaml

from ftc.cluster.snapshot import Object, Snapshot, at, name_of, parsed, workload_name
from ftc.diagnostics.printable import redacted, without_secrets

if TYPE_CHECKING:
    from pathlib import Path

# A situation of 64 pods with events has some MiB; more is a mistake.
_LARGEST = 64 * 1024 * 1024
# A copy of the whole object, which `kubectl apply` writes; and the length to which scripts of ftc are cut.
_APPLIED, _LONGEST_NOTE = "kubectl.kubernetes.io/last-applied-configuration", 200
_WORKLOADS = ("TrainJob", "JobSet", "Job")


class NotReadableError(Exception):
    """A saved situation that cannot be read; the message says why."""


def read(paths: list[Path], name: str | None = None, namespace: str | None = None) -> Snapshot:
    """Read a directory (`objects.json`, `logs/`), or files with objects in JSON or YAML."""
    files = [file for path in paths for file in (_objects_of(path) if path.is_dir() else [path])]
    objects = tuple(one for file in files for one in _items(_parsed(file), file))
    folder = next((path for path in paths if path.is_dir()), None)
    words = _text(folder, "name.txt").split()
    refusal = _refusal(folder)
    wanted = workload_name(name, objects) if name else words[-1] if words else _only_workload(objects, refusal)
    namespace = namespace or (words[0] if len(words) > 1 else _namespace(objects, wanted))
    logs, previous = _logs(folder)
    return Snapshot(namespace, wanted, _now(folder, objects), objects, logs, previous, refusal)


def save(snapshot: Snapshot, folder: Path) -> None:
    """Write a situation that a platform team can read, without the values of Secrets and without tokens.

    Raises OSError; an existing directory must be empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(EEXIST, "the directory is not empty", str(folder))
    items = [_without_values(one) for one in snapshot.objects]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": _redacted(items)}, indent=1, sort_keys=True)
    (folder / "objects.json").write_text(text, encoding="utf-8")
    (folder / "name.txt").write_text(f"{snapshot.namespace} {snapshot.name}\n", encoding="utf-8")
    (folder / "now.txt").write_text(f"{snapshot.now:%Y-%m-%dT%H:%M:%SZ}\n", encoding="utf-8")
    (folder / "logs").mkdir()
    for suffix, logs in ((".txt", snapshot.logs), (".previous.txt", snapshot.previous)):
        for name, log in logs.items():
            (folder / "logs" / f"{name}{suffix}").write_text(redacted(log), encoding="utf-8")


def _without_values(one: Object) -> Object:
    """Without what a diagnosis does not need and a reader must not see."""
    metadata = {key: value for key, value in one["metadata"].items() if key != "managedFields"}
    notes = metadata.get("annotations")
    if isinstance(notes, dict):
        metadata["annotations"] = {key: str(value)[:_LONGEST_NOTE] for key, value in notes.items() if key != _APPLIED}
    kept = one | {"metadata": metadata}
    for field in ("data", "stringData"):
        if one.get("kind") == "Secret" and isinstance(one.get(field), dict):
            kept[field] = dict.fromkeys(one[field], "xxx")
    return kept


def _redacted(value: Any) -> Any:
    """The same value with each text redacted, and with the values of variables that hold secrets."""
    if isinstance(value, dict):
        if value.keys() == {"name", "value"}:
            return without_secrets(value)
        return {key: _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner) for inner in value]
    return redacted(value) if isinstance(value, str) else value


def _objects_of(folder: Path) -> list[Path]:
    found = [file for suffix in ("json", "yaml", "yml") for file in sorted(folder.glob(f"objects.{suffix}"))]
    if not found:
        raise NotReadableError(f"{folder} does not contain objects.json or objects.yaml")
    return found


def _parsed(file: Path) -> Any:
    try:
        if file.stat().st_size > _LARGEST:
            raise NotReadableError(f"{file} is larger than 64 MiB")
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            return json.loads(text)
        return {"items": [one for one in yaml.load_all(text, yaml.CSafeLoader) if one is not None]}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise NotReadableError(f"cannot read {file}: {error}") from None


def _items(document: Any, file: Path) -> list[Object]:
    """The objects of a List, or the one object of a file."""
    rows = at(document, "items") if isinstance(document, dict) and "items" in document else [document]
    found: list[Object] = []
    for row in rows if isinstance(rows, list) else [None]:
        if isinstance(row, dict) and isinstance(row.get("items"), list):
            found += _items(row, file)
        elif isinstance(row, dict) and isinstance(row.get("metadata"), dict) and row.get("kind"):
            found.append(row)
        else:
            raise NotReadableError(f"{file} holds something that is not an object of Kubernetes")
    return found


def _text(folder: Path | None, name: str) -> str:
    file = folder / name if folder else None
    return file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else ""


def _refusal(folder: Path | None) -> str:
    """The message of the API server's Status, or what kubectl printed."""
    response = _text(folder, "response.json")
    try:
        message = at(json.loads(response), "message") if response else None
    except ValueError as error:
        raise NotReadableError(f"cannot read {folder}/response.json: {error}") from None
    return str(message or _text(folder, "refused.txt")).strip()


def _only_workload(objects: tuple[Object, ...], refusal: str) -> str:
    found = [one for one in objects if one.get("kind") in _WORKLOADS and not at(one, "metadata", "ownerReferences")]
    names = sorted({name_of(one) for one in found})
    if len(names) == 1 or (not names and refusal):
        return names[0] if names else "job"
    raise NotReadableError(f"name the job: the situation has {', '.join(names) or 'no job'}")


def _namespace(objects: tuple[Object, ...], name: str) -> str:
    found = [one for one in objects if one.get("kind") in _WORKLOADS and name_of(one) == name]
    places = {str(at(one, "metadata", "namespace")) for one in found or objects if at(one, "metadata", "namespace")}
    return places.pop() if len(places) == 1 else "default"


def _now(folder: Path | None, objects: tuple[Object, ...]) -> datetime:
    """The time of the recording; without it, the last time that an object states."""
    written = _text(folder, "now.txt").strip()
    if written:
        return parsed(written)
    times = [str(at(one, "metadata", "creationTimestamp") or "") for one in objects]
    times += [str(one.get("lastTimestamp") or one.get("eventTime") or "") for one in objects]
    latest = max(times, default="")
    return parsed(latest) if latest else datetime.now(UTC)


def _logs(folder: Path | None) -> tuple[dict[str, str], dict[str, str]]:
    """`logs/POD.CONTAINER.txt`, and `.previous.txt` of the last run of the container."""
    logs: dict[str, str] = {}
    previous: dict[str, str] = {}
    for file in sorted((folder / "logs").glob("*.txt")) if folder else []:
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.name.endswith(".previous.txt"):
            previous[file.name.removesuffix(".previous.txt")] = text
        else:
            logs[file.name.removesuffix(".txt")] = text
    return logs, previous
