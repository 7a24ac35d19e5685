"""Claims that are missing or not bound, and volumes that cannot be mounted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.cluster.admission import has
from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.snapshot import Object, Snapshot, at, claims, condition, containers, name_of, quoted, rows, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECT = re.compile(r'(?P<kind>secret|configmap|persistentvolumeclaim) "(?P<name>[^"]+)" not found')
_KEY = re.compile(
    r"references non-existent (?:secret|config) key: (?P<key>\S+)"
    r"|couldn't find key (?P<other>\S+) in (?P<kind>Secret|ConfigMap) (?P<name>\S+)"
)
_MULTI = re.compile(r"Multi-Attach error for volume \"(?P<volume>[^\"]+)\"(?P<rest>.*)")
_HOST_PATH = re.compile(r"hostPath type check failed: (?P<path>\S+) (?P<what>.*)")


def _create(claim: str, snapshot: Snapshot) -> Remedy:
    make = shell("ftc", "compile", "-t", "storage", f"storage.workspace.claim={claim}")
    create = shell("kubectl", "create", "-n", snapshot.namespace, "-f", "-")
    return Remedy("create the claim", command=f"{make} | {create}")


def unbound(snapshot: Snapshot) -> Iterator[Cause]:
    """Claims of the pods that do not exist, or that wait for a volume."""
    for name in dict.fromkeys(one for pod in snapshot.pods for one in claims(pod)):
        claim = snapshot.named("PersistentVolumeClaim", name)
        said = next(
            (text for pod in snapshot.pods for text in [_scheduled(pod)] if "persistentvolumeclaim" in text.lower()), ""
        )
        if claim is not None or snapshot.of("PersistentVolumeClaim") or "not found" in said:
            unusable_claim = unusable(name, said, snapshot)
            if unusable_claim:
                yield unusable_claim
            elif at(claim, "status", "phase") == "Pending":
                yield from _pending(claim or {}, said, snapshot)


def unusable(name: str, said: str, snapshot: Snapshot) -> Cause | None:
    """A claim that does not exist, is being deleted, or has lost its volume."""
    claim = snapshot.named("PersistentVolumeClaim", name)
    if claim is None:
        known = [one for one in snapshot.names("PersistentVolumeClaim") if one != name]
        text = f'The claim "{name}" does not exist in the namespace{has(name, known)}.'
        others = [Remedy("use a claim that exists", shell(f"storage.workspace.claim={one}")) for one in known[:1]]
        return cause("claim-missing", text, [said], [*others, _create(name, snapshot)])
    if at(claim, "metadata", "deletionTimestamp"):
        wait = Remedy("wait until it is gone, then create it")
        return cause("claim-deleted", f'The claim "{name}" is being deleted.', [said], [wait, _create(name, snapshot)])
    if at(claim, "status", "phase") == "Lost":
        text = f'The claim "{name}" has lost its volume {at(claim, "spec", "volumeName")}.'
        return cause("claim-lost", text, [said], [Remedy("ask the operator for the volume, or create the claim again")])
    return None


def _scheduled(pod: Object) -> str:
    return str(condition(pod, "PodScheduled").get("message") or "")


def _pending(claim: Object, said: str, snapshot: Snapshot) -> Iterator[Cause]:
    name, wanted = name_of(claim), at(claim, "spec", "storageClassName")
    classes = snapshot.names("StorageClass")
    told = next((str(one.get("message")) for one in snapshot.events(claim) if one.get("reason") in _TROUBLE), "")
    evidence = [f"PersistentVolumeClaim {name} is Pending: {told or 'its events do not say why'}", said]
    storage_class = snapshot.named("StorageClass", wanted)
    if ("not found" in told and "storageclass" in told) or (wanted and storage_class is None and classes):
        text = f'The claim "{name}" is Pending: its storage class "{wanted}" does not exist{has(str(wanted), classes)}.'
        near = [
            Remedy(
                "delete the claim, and create it with a class that exists",
                shell(f"storage.workspace.storage_class={one}"),
            )
            for one in classes[:1]
        ]
        yield cause("storage-class-missing", text, evidence, [*near, _create(name, snapshot)])
    elif "no storage class is set" in told or not wanted:
        text = f'The claim "{name}" is Pending: it names no storage class, and the cluster has neither a default class '
        text += "nor a free volume"
        near = [
            Remedy("delete the claim, and create it with a class", shell(f"storage.workspace.storage_class={one}"))
            for one in classes[:1]
        ]
        text += "."
        yield cause(
            "claim-without-storage-class",
            text,
            evidence,
            [*(near or [Remedy("create the claim with a storage class")]), _create(name, snapshot)],
        )
    elif told:
        text = f'The claim "{name}" is Pending: the storage class "{wanted}" cannot provide the volume: '
        text += f"{told.rstrip('.')}."
        yield cause("claim-not-provisioned", text, evidence, [Remedy("ask the operator of the storage")])
    elif at(storage_class, "volumeBindingMode") != "WaitForFirstConsumer" and not snapshot.events(claim):
        text = f'The claim "{name}" is Pending: no provisioner has looked at it (storage class "{wanted}").'
        yield cause("claim-not-provisioned", text, evidence, [Remedy("ask the operator of the storage")])


_TROUBLE = ("ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimMisbound")


def not_mounted(snapshot: Snapshot) -> Iterator[Cause]:
    """Volumes that the kubelet cannot attach or mount, and references that it does not find."""
    for pod in snapshot.pods:
        started = any(at(row, "state", "running") or at(row, "state", "terminated") for _, row in containers(pod))
        for event in () if started else snapshot.events(pod):
            if event.get("reason") in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
                yield mount(str(event.get("message")), pod, snapshot)
                return


def mount(message: str, pod: Object, snapshot: Snapshot) -> Cause:
    """The cause that a message of the kubelet about a volume states."""
    evidence = [f"Pod {name_of(pod)}: {message}"]
    referenced = reference(message, evidence, snapshot)
    if referenced:
        return referenced
    multi, host = _MULTI.search(message), _HOST_PATH.search(message)
    if multi:
        text = f"The volume {multi['volume']} is attached to another node, and its access mode allows only one"
        text += f"{multi['rest'].rstrip('.')}."
        remedies = [
            Remedy("delete the pod that uses it"),
            Remedy("use a claim with ReadWriteMany", "storage.workspace.access_mode=ReadWriteMany"),
        ]
        return cause("volume-on-another-node", text, evidence, remedies)
    if host:
        text = f"The path {host['path']} of a hostPath volume {host['what']} on node {at(pod, 'spec', 'nodeName')}."
        return cause("host-path-missing", text, evidence, [Remedy("use a node that has it, or drop the volume")])
    text = f"The kubelet cannot mount a volume of pod {name_of(pod)}: {message.rstrip('.')}."
    return cause("volume-not-mounted", text, evidence, [Remedy("ask the operator of the storage")])


def reference(message: str, evidence: list[str], snapshot: Snapshot) -> Cause | None:
    """A Secret or ConfigMap that does not exist, or that does not have the key."""
    found = _OBJECT.search(message)
    if found:
        return _missing(found["kind"], found["name"], evidence, snapshot)
    key = _KEY.search(message)
    if not key:
        return None
    kind, name = (
        key["kind"] or ("Secret" if "secret" in message.lower() else "ConfigMap"),
        (key["name"] or "").rpartition("/")[2],
    )
    wanted = key["key"] or key["other"]
    known = snapshot.named(kind, name)
    keys = sorted({**texts(known, "data"), **texts(known, "stringData")})
    shown = f'"{name}" ' if name else ""
    text = f'The {kind} {shown}does not have the key "{wanted}"{_keys(keys)}.'
    return cause(
        f"{kind.lower()}-key-missing", text, evidence, [Remedy(f"add the key to the {kind}, or name the right one")]
    )


def _keys(known: list[str]) -> str:
    return f" (it has {quoted(known)})" if known else ""


def _read_keys(secret: str, snapshot: Snapshot) -> list[str]:
    """The keys of a Secret that containers of the pods read as variables."""
    found = [
        at(variable, "valueFrom", "secretKeyRef")
        for pod in snapshot.pods
        for field in ("initContainers", "containers")
        for container in rows(pod, "spec", field)
        for variable in rows(container, "env")
    ]
    return list(dict.fromkeys(str(one["key"]) for one in found if at(one, "name") == secret and at(one, "key")))


def _missing(kind: str, name: str, evidence: list[str], snapshot: Snapshot) -> Cause:
    written = {"secret": "Secret", "configmap": "ConfigMap", "persistentvolumeclaim": "PersistentVolumeClaim"}[kind]
    known = [one for one in snapshot.names(written) if one != name and not one.endswith((".crt", "-svc"))]
    text = f'The {"claim" if "claim" in kind else written} "{name}" does not exist in the namespace{has(name, known)}.'
    namespace = snapshot.namespace
    if written == "Secret":
        literals = "".join(f" --from-literal={shell(key)}=…" for key in _read_keys(name, snapshot) or ["token"])
        command = shell("kubectl", "create", "secret", "generic", name, "-n", namespace) + literals
        near = [
            Remedy("use a Secret that exists", shell(f"model.source.token.secret={one}"))
            for one in known[:1]
            if "token" in " ".join(evidence).lower() or len(known) == 1
        ]
        return cause("secret-missing", text, evidence, [*near, Remedy("create it", command=command)])
    if written == "ConfigMap":
        command = shell("kubectl", "create", "configmap", name, "-n", namespace) + " --from-file=…"
        return cause("config-map-missing", text, evidence, [Remedy("create it, or correct the name", command=command)])
    return cause("claim-missing", text, evidence, [_create(name, snapshot)])
