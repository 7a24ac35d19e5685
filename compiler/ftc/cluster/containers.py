"""Containers that do not start, or that ended with an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.log_errors import SUMMARY, known_errors
from ftc.cluster.snapshot import (
    NOTHING,
    Object,
    Snapshot,
    amounts,
    at,
    condition,
    containers,
    devices,
    name_of,
    rows,
    whole,
)
from ftc.cluster.volumes import reference
from ftc.diagnostics.model import dotted
from ftc.spec.job import source_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_LINES = 60
_SIGKILL, _SIGTERM, _SIGSEGV, _SIGABRT = 137, 143, 139, 134
_IMAGE = re.compile(r'[Pp]ull(?:ing)? image "(?P<image>[^"]+)"')


def waiting(snapshot: Snapshot) -> Iterator[Cause]:
    """Containers that the kubelet cannot start."""
    for pod in snapshot.pods:
        for name, status in containers(pod):
            reason = str(at(status, "state", "waiting", "reason") or "")
            message = str(at(status, "state", "waiting", "message") or "")
            found = _unstarted(reason, message, pod, name, snapshot)
            if found:
                yield found
                return
    for pod in snapshot.pods:
        said = next(iter(snapshot.messages("FailedCreatePodSandBox", pod)), "")
        if said and at(pod, "status", "phase") == "Pending":
            text = f"The node {at(pod, 'spec', 'nodeName')} cannot set up pod {name_of(pod)}: {said.rstrip('.')}."
            yield cause("pod-not-set-up", text, [said], [Remedy("ask the operator to look at the network of the node")])
            return


def _unstarted(reason: str, message: str, pod: Object, name: str, snapshot: Snapshot) -> Cause | None:
    evidence = [f"Pod {name_of(pod)}, container {name}: {reason} {message}".strip()]
    if reason in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"):
        return _image(reason, message, pod, name, snapshot)
    if reason in ("CreateContainerConfigError", "CreateContainerError"):
        return reference(message, evidence, snapshot) or _uncreated(message, name, evidence)
    if reason in ("RunContainerError", "StartError"):
        return _uncreated(message, name, evidence)
    return None


def _uncreated(message: str, name: str, evidence: list[str]) -> Cause:
    if "runAsNonRoot" in message or "run as non-root" in message:
        text = f"The container {name} must not run as root, and its image runs as root."
        return cause("image-runs-as-root", text, evidence, [Remedy("name a user", "cluster.run_as_user=1000")])
    return cause("container-not-created", f"The container {name} cannot be created: {message.rstrip('.')}.", evidence)


def _image(reason: str, message: str, pod: Object, name: str, snapshot: Snapshot) -> Cause:
    """Why an image cannot be pulled; the event names the error if the status only says that the kubelet backs off."""
    told = [message, *(one for one in snapshot.messages("Failed", pod) if "pull" in one)]
    said = max(told, key=lambda one: ("rpc error" in one or "failed to" in one, len(one)))
    specs = [*rows(pod, "spec", "initContainers"), *rows(pod, "spec", "containers")]
    image = next((str(one.get("image")) for one in specs if one.get("name") == name), "") or (
        found["image"] if (found := _IMAGE.search(said)) else "of the container"
    )
    evidence = [f"Pod {name_of(pod)}, container {name}: {reason} {said}"]
    correct = Remedy("name an image that exists, with image=")
    for pattern, kind, why, remedy in _PULLS:
        if pattern.search(f"{reason} {said}"):
            return cause(kind, f"The image {image} {why}.", evidence, [remedy or correct])
    return cause("image-not-pulled", f"The image {image} cannot be pulled: {said.rstrip('.')}.", evidence, [correct])


_SECRET = Remedy("name the Secret of the registry in cluster.image_pull_secrets")
_REGISTRY = Remedy("name an image in a registry that the nodes reach, with image=")
_PULLS: tuple[tuple[re.Pattern[str], str, str, Remedy | None], ...] = (
    (re.compile("InvalidImageName"), "image-name-invalid", "is not a valid name of an image", None),
    (re.compile("ErrImageNeverPull"), "image-not-on-node", "is not on the node, and imagePullPolicy is Never", None),
    (
        re.compile(r"no match for platform|no matching manifest"),
        "image-of-another-architecture",
        "is not built for the architecture of the node",
        Remedy("name an image that is built for it, with image="),
    ),
    (
        re.compile(r"toomanyrequests|429"),
        "registry-limit",
        "is not served now: the registry limits the number of pulls",
        _REGISTRY,
    ),
    (
        re.compile(r"x509|certificate", re.IGNORECASE),
        "registry-certificate",
        "is not pulled: the node does not trust the certificate of the registry",
        Remedy("ask the operator to add the certificate to the nodes"),
    ),
    (
        re.compile(r"unauthorized|authentication required|denied|no basic auth|401|403", re.IGNORECASE),
        "image-pull-unauthorized",
        "is refused by the registry: it is private, or does not exist, and the pod lacks valid credentials",
        _SECRET,
    ),
    (re.compile(r"not found|manifest unknown|NotFound"), "image-not-found", "does not exist in the registry", None),
    (
        re.compile(
            r"no such host|timeout|connection (refused|reset)|deadline exceeded|network is unreachable|TLS handshake"
        ),
        "registry-unreachable",
        "is not pulled: the node cannot reach the registry",
        _REGISTRY,
    ),
    (
        re.compile(r"no space left"),
        "node-disk-full",
        "is not pulled: the disk of the node is full",
        Remedy("ask the operator to free the disk of the node"),
    ),
)


def lost(snapshot: Snapshot) -> Iterator[Cause]:
    """Pods on nodes that no longer answer, and pods that do not end."""
    for pod in snapshot.pods:
        node = snapshot.named("Node", at(pod, "spec", "nodeName"))
        if at(pod, "status", "phase") in ("Succeeded", "Failed") or not at(pod, "spec", "nodeName"):
            continue
        ready = condition(node, "Ready")
        gone = node is None and bool(snapshot.of("Node"))
        if gone or (node is not None and ready.get("status") in ("Unknown", "False")):
            yield _on_lost_node(pod, node, ready, snapshot)
            return


def _on_lost_node(pod: Object, node: Object | None, ready: Object, snapshot: Snapshot) -> Cause:
    name, on = name_of(pod), str(at(pod, "spec", "nodeName"))
    how = (
        "does not exist any more"
        if node is None
        else f"does not answer ({ready.get('message') or ready.get('reason')})"
    )
    ending = bool(at(pod, "metadata", "deletionTimestamp"))
    text = f"The node {on} is lost: it {how.rstrip('.')}"
    text += (
        f"; pod {name} is being deleted and cannot end, and the job waits for it."
        if ending
        else f"; pod {name} ran there."
    )
    evidence = [f"Node {on}: Ready is {ready.get('status') or 'not stated'}"]
    evidence += [f"Pod {name}: deletionTimestamp {at(pod, 'metadata', 'deletionTimestamp')}"] if ending else []
    remedies = [
        Remedy("ask the operator to bring the node back", command=shell("kubectl", "describe", "node", on)),
        Remedy(
            "delete the pod, if the machine is surely off",
            command=shell("kubectl", "delete", "pod", name, "-n", snapshot.namespace, "--force"),
        ),
    ]
    return cause("node-lost", text, evidence, remedies)


def ended(snapshot: Snapshot) -> Iterator[Cause]:
    """The first container that ended with an error, and what its log says."""
    evicted = next((pod for pod in snapshot.pods if _eviction(pod)), None)
    failures = sorted(_failures(snapshot), key=lambda one: (not one[3], one[0], name_of(one[1])))
    if evicted is not None and (not failures or all(one[1] is evicted for one in failures)):
        yield _evicted(evicted)
    elif failures:
        _, pod, name, _, state = failures[0]
        yield _failure(pod, name, state, snapshot)


def _failures(snapshot: Snapshot) -> Iterator[tuple[str, Object, str, bool, Object]]:
    """The time, pod and container of each failure, whether it states a cause, and the state of the container."""
    for pod in snapshot.pods:
        for name, status in containers(pod):
            state = at(status, "state", "terminated") or at(status, "lastState", "terminated")
            again = at(status, "state", "running") is not None
            if not isinstance(state, dict) or not state.get("exitCode") or again:
                continue
            own = state.get("reason") == "OOMKilled" or bool(_known_error(_tail(snapshot, pod, name)))
            yield str(state.get("finishedAt") or ""), pod, name, own, state


def _eviction(pod: Object) -> str:
    """Why the cluster ended a pod; empty if it did not."""
    disrupted = condition(pod, "DisruptionTarget")
    if at(pod, "status", "reason") in ("Evicted", "Preempting", "NodeLost", "Shutdown", "Terminated", "NodeShutdown"):
        return f"{at(pod, 'status', 'reason')}: {at(pod, 'status', 'message')}"
    if disrupted.get("status") == "True" and at(pod, "status", "phase") == "Failed":
        return f"{disrupted.get('reason')}: {disrupted.get('message')}"
    return ""


def _evicted(pod: Object) -> Cause:
    said = _eviction(pod)
    name = name_of(pod)
    if "ephemeral" in said or "DiskPressure" in said:
        text = f"The kubelet evicted pod {name}: it filled the local disk of the node."
        remedy = Remedy("write to the claim, not to the file system of the container")
        return cause("evicted-disk", text, [said], [remedy])
    if "memory" in said.lower():
        text = f"The kubelet evicted pod {name}: the node ran out of memory."
        return cause(
            "evicted-memory", text, [said], [Remedy("request what the run needs", "hardware.memory_gib_per_device=64")]
        )
    if "reempt" in said:
        text = f"Pod {name} was preempted by a pod of higher priority."
        return cause("preempted", text, [said], [Remedy("name a higher priority in cluster.priority_class"), _RESUME])
    text = f"The cluster ended pod {name}: {said.rstrip('.')}."
    return cause("evicted", text, [said], [_RESUME])


_RESUME = Remedy("let the job restart and resume from its last checkpoint", "restarts=3")


def _tail(snapshot: Snapshot, pod: Object, name: str) -> list[str]:
    return [line for line in snapshot.log(pod, name).splitlines() if line.strip()][-_LAST_LINES:]


def _failure(pod: Object, name: str, state: Object, snapshot: Snapshot) -> Cause:
    code = whole(state.get("exitCode"), 1)
    lines = _tail(snapshot, pod, name)
    where = f"Pod {name_of(pod)}, container {name}: exit code {code}, {state.get('reason') or 'no reason'}"
    if state.get("reason") == "OOMKilled":
        return _out_of_memory(pod, name, where, lines)
    if any("exec format error" in line for line in [*lines, str(state.get("message"))]):
        return _architecture(pod, where, lines, snapshot)
    known = _known_error(lines)
    if known:
        return _known_cause(known, where, name, snapshot)
    if state.get("reason") in ("ContainerCannotRun", "StartError", "DeadlineExceeded"):
        return cause("container-not-started", f"The container {name} cannot start: {state.get('message')}.", [where])
    said = last_error(lines)
    evidence = [where, *([f"log: {said}"] if said else [])]
    how = _SIGNALS.get(code, f"ended with exit code {code}")
    text = f"The container {name} of pod {name_of(pod)} {how}"
    text += f": {said.removeprefix('ftc: error: ').rstrip('.')}." if said else "; its log does not say why."
    command = shell("kubectl", "logs", name_of(pod), "-c", name, "-n", snapshot.namespace)
    return cause("container-failed", text, evidence, [Remedy("read its log", command=command)])


_SIGNALS = {
    _SIGKILL: "was killed (SIGKILL)",
    _SIGTERM: "was stopped (SIGTERM)",
    _SIGSEGV: "crashed (SIGSEGV)",
    _SIGABRT: "aborted (SIGABRT)",
}


def _out_of_memory(pod: Object, name: str, where: str, lines: list[str]) -> Cause:
    spec = next(
        (
            one
            for one in [*rows(pod, "spec", "containers"), *rows(pod, "spec", "initContainers")]
            if one.get("name") == name
        ),
        {},
    )
    limit = at(spec, "resources", "limits", "memory")
    during = next((line.strip() for line in reversed(lines) if not SUMMARY.search(line)), "")
    text = f"The container {name} ran out of memory (limit {limit or 'not set'}) and was killed"
    text += " while the dataset was tokenized." if "tokenizer" in during else "."
    tokens = (
        [Remedy("tokenize with fewer processes", "train.preprocessing_num_workers=4")] if "tokenizer" in during else []
    )
    return cause("out-of-memory", text, [where, during], [*_more_memory(name, spec), *tokens])


def _more_memory(name: str, spec: Object) -> Iterator[Remedy]:
    """Twice the memory of today."""
    gib = int(amounts(spec, "resources", "limits").get("memory", NOTHING) / 1024**3)
    count = devices({"containers": [spec]})
    if gib:
        key = "cluster.fetch_memory_gib" if name.startswith("fetch") else "hardware.memory_gib_per_device"
        yield Remedy("give it twice the memory", f"{key}={2 * gib // (1 if name.startswith('fetch') else count)}")


def _architecture(pod: Object, where: str, lines: list[str], snapshot: Snapshot) -> Cause:
    node = snapshot.named("Node", at(pod, "spec", "nodeName"))
    architecture = at(node, "status", "nodeInfo", "architecture") or "another"
    text = f"The image is not built for the architecture of the node ({architecture}): its programs cannot be executed."
    other = "amd64" if architecture == "arm64" else "arm64"
    select = f"'pod.spec.nodeSelector={{kubernetes.io/arch: {other}}}'"
    remedies = [
        Remedy(f"name an image that is built for {architecture}, with image="),
        Remedy("or use nodes of the other architecture", select),
    ]
    evidence = [
        where,
        next((line for line in lines if "exec format error" in line), ""),
        f"Node {name_of(node)}: {architecture}",
    ]
    return cause("image-of-another-architecture", text, evidence, remedies)


def _known_error(lines: list[str]) -> tuple[str, Cause] | None:
    """The first known error of a log: the line, and the cause without evidence."""
    own = [line for line in lines if not SUMMARY.search(line)]
    for known in known_errors():
        found = known.found(own)
        if found:
            line, groups = found
            return line, cause(
                known.kind, known.text.format_map({"what": _subject(lines), **groups}), [], known.remedies
            )
    return None


def _subject(lines: list[str]) -> str:
    """The repository that a fetch container downloads, by its first line."""
    found = next((re.search(r"ftc: downloading (\S+)", line) for line in lines if "ftc: downloading" in line), None)
    return found[1] if found else "it"


def _known_cause(known: tuple[str, Cause], where: str, name: str, snapshot: Snapshot) -> Cause:
    line, found = known
    text, remedies = found.text, found.remedies
    if found.kind == "rank-0-has-no-address":
        return _without_service(found, where, line, snapshot)
    if name.startswith(("fetch-dataset", "fetch-evaluation")):
        key = dotted(source_path(name.removeprefix("fetch-")))
        remedies = tuple(Remedy(one.text, one.override.replace("model.source", key), one.command) for one in remedies)
    return cause(found.kind, text, [where, f"log: {line}"], remedies)


def _without_service(found: Cause, where: str, line: str, snapshot: Snapshot) -> Cause:
    """The pods of a batch Job find rank 0 by a headless Service; without it the address never exists."""
    wanted = str(at(snapshot.pods[0], "spec", "subdomain") or "") if snapshot.pods else ""
    if not wanted or snapshot.named("Service", wanted):
        return cause(found.kind, found.text, [where, f"log: {line}"], found.remedies)
    text = f'The headless Service "{wanted}", by which the pods find rank 0, does not exist: '
    text += f"{found.text[0].lower()}{found.text[1:]}"
    delete = Remedy(
        "delete the job, then create both objects",
        command=shell("kubectl", "delete", "job", snapshot.name, "-n", snapshot.namespace),
    )
    return cause("service-missing", text, [where, f"log: {line}"], [delete, *found.remedies])


def last_error(lines: list[str]) -> str:
    """The last line that names an error: of ftc, of Python, or the last line at all."""
    own = [line for line in lines if not SUMMARY.search(line)]
    mine = [line for line in own if "ftc: error:" in line]
    python = [line for line in own if re.match(r"(\[\w+\]: )?[A-Za-z_][\w.]*(Error|Exception|Interrupt)\b", line)]
    return (mine or python or own or [""])[-1].strip()
