"""Run a pod on this machine like the kubelet: volumes, variables, init containers, containers, signals."""

# A container is a bubblewrap sandbox with the mounts of the manifest over the files of this machine, which replace the
# image. Of a security context it applies user, groups, fsGroup, dropped capabilities, privilege escalation and a
# read-only root; it ignores seccomp, AppArmor, SELinux, images and resources.

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_FIELD = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


@dataclass(frozen=True)
class Image:
    """The only image: read-only directories of this machine, and the variables that an image sets."""

    directories: tuple[Path, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Cluster:
    """The environment of pods; claims, node-local directories and logs are in `root`."""

    root: Path
    image: Image
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def claim(self, name: str) -> Path:
        """The directory of a PersistentVolumeClaim, which all pods share."""
        return self.root / "claims" / name


@dataclass(frozen=True)
class Identity:
    """The identity of a pod; `hosts` maps host names to addresses, `host` is its host name if that is not `name`."""

    name: str
    node: str
    metadata: Json
    hosts: Mapping[str, str]
    host: str | None = None

    def field(self, path: str) -> str:
        """A field of the pod by its name in the downward API."""
        if match := _FIELD.fullmatch(path):
            return str(self.metadata.get(match[1], {}).get(match[2], ""))
        known = {"metadata.name": self.name, "metadata.namespace": "default", "spec.nodeName": self.node}
        return known[path]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand `$(NAME)` like the kubelet: `$$` is `$`, and unknown names are kept."""
    return _REFERENCE.sub(
        lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[0]),
        text,
    )


class Pod:
    """One attempt of a pod: `start`, `wait` and `terminate` it like the kubelet."""

    def __init__(self, identity: Identity, spec: Json, cluster: Cluster, directory: Path) -> None:
        """Prepare a pod with its files in a new directory."""
        if spec["restartPolicy"] != "Never":
            raise ValueError("only pods that are never restarted in place are run")
        self.identity = identity
        self.status: int | None = None
        self._spec = spec
        self._cluster = cluster
        self._directory = directory
        self._volumes: dict[str, Path] = {}
        self._running: dict[str, int] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=identity.name, daemon=True)

    def start(self) -> None:
        """Create the volumes and start the first container."""
        self._directory.mkdir(parents=True)
        lines = [f"{address} {name} {name.partition('.')[0]}" for name, address in self.identity.hosts.items()]
        (self._directory / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]), encoding="utf-8")
        self._volumes = {volume["name"]: self._volume(volume) for volume in self._spec.get("volumes", [])}
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the pod has ended and return whether it has; do not wait for a pod that was not started."""
        if self._thread.ident is None:
            return self._stopping
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def log(self, container: str = "") -> str:
        """The output of a container so far; without a name, of all containers in order."""
        files = [self._log(each["name"]) for each in self._containers() if container in ("", each["name"])]
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to PID 1 of every running container."""
        for process in list(self._running.values()):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(process, number)

    def kill(self, container: str) -> None:
        """Kill PID 1 of a container, like the kernel's OOM killer."""
        os.kill(self._running[container], signal.SIGKILL)

    def terminate(self) -> None:
        """Terminate the pod: SIGTERM, and SIGKILL after its grace period."""
        self._stopping = True
        self.signal(signal.SIGTERM)
        if not self.wait(self._spec.get("terminationGracePeriodSeconds", 30)):
            self.signal(signal.SIGKILL)
            self.wait()

    def _containers(self) -> list[Json]:
        return [*self._spec.get("initContainers", []), *self._spec["containers"]]

    def _log(self, container: str) -> Path:
        return self._directory / f"{container}.log"

    def _run(self) -> None:
        status = 0
        for container in self._spec.get("initContainers", []):
            if status == 0:
                status = self._run_containers([container])
        if status == 0:
            status = self._run_containers(self._spec["containers"])
        self.status = status

    def _run_containers(self, containers: Sequence[Json]) -> int:
        if self._stopping:
            return 128 + signal.SIGTERM
        processes = {container["name"]: self._start_container(container) for container in containers}
        statuses = []
        for name, process in processes.items():
            statuses.append(process.wait())
            self._running.pop(name, None)
        return max(statuses)

    def _start_container(self, container: Json) -> subprocess.Popen[bytes]:
        variables = self._variables(container)
        words = [expand(word, variables) for word in [*container["command"], *container.get("args", [])]]
        words = [*self._privileges(container), *words]
        read, write = os.pipe()
        command = [*self._sandbox(container), "--info-fd", str(write), "--", *words]
        image = {**self._cluster.image.environment, "HOSTNAME": self.identity.host or self.identity.name}
        with self._log(container["name"]).open("wb") as log:
            process = subprocess.Popen(
                command, env=image | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write]
            )
        os.close(write)
        with os.fdopen(read) as information:
            self._running[container["name"]] = json.loads(information.read() or '{"child-pid": 0}')["child-pid"]
        return process

    def _context(self, container: Json) -> Json:
        return {**self._spec.get("securityContext", {}), **container.get("securityContext", {})}

    def _privileges(self, container: Json) -> list[str]:
        """The command prefix that drops the privileges that the security context removes."""
        context = self._context(container)
        user = context.get("runAsUser")
        if context.get("runAsNonRoot") and not user:
            raise ValueError("container has runAsNonRoot and image will run as root")
        words = []
        if user is not None:
            groups = [*context.get("supplementalGroups", []), *([context["fsGroup"]] if "fsGroup" in context else [])]
            named = [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
            words += [f"--reuid={user}", f"--regid={context.get('runAsGroup', 0)}", *named]
        if "ALL" in context.get("capabilities", {}).get("drop", []):
            words += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
        if context.get("allowPrivilegeEscalation") is False:
            words += ["--no-new-privs"]
        return ["setpriv", *words, "--"] if words else []

    def _give_to_group(self, directory: Path) -> None:
        """Apply fsGroup like the kubelet, to an emptyDir and to a ReadWriteOnce claim."""
        group = self._spec.get("securityContext", {}).get("fsGroup")
        if group is not None:
            os.chown(directory, -1, group)
            directory.chmod(0o2775)

    def _variables(self, container: Json) -> dict[str, str]:
        variables: dict[str, str] = {}
        for entry in container.get("env", []):
            value = (
                self._value(entry["valueFrom"]) if "valueFrom" in entry else expand(entry.get("value", ""), variables)
            )
            variables[entry["name"]] = value
        return variables

    def _value(self, source: Json) -> str:
        match source:
            case {"fieldRef": {"fieldPath": path}}:
                return self.identity.field(path)
            case {"secretKeyRef": {"name": name, "key": key}}:
                return self._cluster.secrets[name][key]
            case {"configMapKeyRef": {"name": name, "key": key}}:
                return self._cluster.config_maps[name][key]
        raise ValueError(f"unknown source of a variable: {source}")

    def _volume(self, volume: Json) -> Path:
        own: Path = self._directory / "volumes" / volume["name"]
        match volume:
            case {"persistentVolumeClaim": {"claimName": claim}}:
                own = self._cluster.claim(claim)
            case {"hostPath": {"path": path}}:
                own = self._cluster.root / "nodes" / self.identity.node / path.lstrip("/")
            case {"emptyDir": _} | {"ephemeral": _}:
                pass
            case {"projected": {"sources": sources}}:
                return _files(own, {name: text for source in sources for name, text in self._content(source).items()})
            case {"downwardAPI": _} | {"secret": _} | {"configMap": _}:
                return _files(own, self._content(volume))
            case _:
                raise ValueError(f"unknown kind of volume: {volume}")
        own.mkdir(parents=True, exist_ok=True)
        if "hostPath" not in volume:
            self._give_to_group(own)
        return own

    def _content(self, source: Json) -> Mapping[str, str]:
        """The files of a volume, or of a source of a projected volume, with their texts."""
        match source:
            case {"downwardAPI": {"items": items}}:
                return {item["path"]: self.identity.field(item["fieldRef"]["fieldPath"]) for item in items}
            case {"secret": {"secretName": name}}:
                return self._cluster.secrets[name]
            case {"configMap": {"name": name, "items": items}}:
                return {item["path"]: self._cluster.config_maps[name][item["key"]] for item in items}
            case {"configMap": {"name": name}}:
                return self._cluster.config_maps[name]
        raise ValueError(f"unknown source of files: {source}")

    def _sandbox(self, container: Json) -> list[str]:
        bubblewrap = shutil.which("bwrap") or "bwrap"
        command = [bubblewrap, "--die-with-parent", "--unshare-pid", "--as-pid-1", "--unshare-uts", "--unshare-ipc"]
        command += ["--hostname", self.identity.host or self.identity.name]
        command += ["--tmpfs", "/", "--proc", "/proc", "--dev", "/dev"]
        command += ["--ro-bind", "/sys", "/sys", "--perms", "1777", "--dir", "/tmp"]  # noqa: S108 - the container's
        for link in ("bin", "sbin", "lib", "lib64"):
            command += ["--symlink", f"usr/{link}", f"/{link}"]
        # One by one, so that a manifest can mount something below /etc.
        files = [entry for entry in sorted(Path("/etc").iterdir()) if entry.name not in ("hosts", "ftc")]
        shown = [Path("/usr"), *self._cluster.image.directories, *files]
        mounts = sorted(container.get("volumeMounts", []), key=lambda mount: str(mount["mountPath"]))
        # bubblewrap would create them for root only.
        for parent in _parents([*shown, *(Path(mount["mountPath"]) for mount in mounts)]):
            command += ["--dir", str(parent)]
        for path in shown:
            command += ["--ro-bind-try", str(path), str(path)]
        command += ["--ro-bind", str(self._directory / "hosts"), "/etc/hosts"]
        for mount in mounts:
            place = self._volumes[mount["name"]] / mount.get("subPath", "")
            if not place.exists():  # the kubelet creates it with the mode of the volume
                place.mkdir(parents=True)
                self._give_to_group(place)
            command += ["--ro-bind" if mount.get("readOnly") else "--bind", str(place), mount["mountPath"]]
        # A mount at /tmp hides an image that is there, as in a clone of this repository below /tmp.
        for path in self._cluster.image.directories:
            if any(path.is_relative_to(mount["mountPath"]) for mount in mounts):
                command += ["--ro-bind-try", str(path), str(path)]
        if self._context(container).get("readOnlyRootFilesystem"):
            command += ["--remount-ro", "/"]
        return [*command, "--chdir", container.get("workingDir", "/")]


def _parents(paths: Sequence[Path]) -> list[Path]:
    """The parent directories, outermost first, except those that already exist in the sandbox."""
    made = {parent for path in paths for parent in path.parents}
    return sorted(parent for parent in made if parent.parts[1:2] not in ((), ("usr",), ("dev",), ("proc",), ("tmp",)))


def _files(directory: Path, texts: Mapping[str, str]) -> Path:
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
        (directory / name).chmod(0o644)
    return directory


def wait_for_any(pods: Sequence[Pod], deadline: float) -> bool:
    """Wait until a pod has failed or all have ended; return whether that happened before the deadline."""
    while time.monotonic() < deadline:
        ended = [pod for pod in pods if pod.wait(0)]
        if len(ended) == len(pods) or any(pod.status for pod in ended):
            return True
        time.sleep(0.05)
    return False
