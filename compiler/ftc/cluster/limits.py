"""The limits of a namespace: its ResourceQuota, its LimitRange and its Pod Security level."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from ftc.cluster.admission import judged
from ftc.cluster.before import Before, Problem
from ftc.cluster.cause import Cause, Remedy, cause
from ftc.cluster.snapshot import NOTHING, amounts, at, devices, is_device, labels, name_of, requests, rows
from ftc.rules.pod.security import Breach, breaches, omissions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.snapshot import Object

_LEVEL = "pod-security.kubernetes.io/enforce"
_FORBIDDEN = {"baseline": ("baseline",), "restricted": ("baseline", "restricted")}
_COUNTED = ("pods", "count/pods")


def pod_security(before: Before) -> Iterator[Problem]:
    """The level that the namespace enforces admits each pod."""
    space = before.seen.named("Namespace", before.seen.namespace)
    level = labels(space).get(_LEVEL, "privileged")
    for pods in before.pods:
        spec = _without_nulls(pods.spec)
        broken = [one for one in breaches(spec) if one.level in _FORBIDDEN.get(level, ())]
        missing = omissions(spec) if level == "restricted" else {}
        if broken or missing:
            said = [f"{_field(one)} {one.message}" for one in broken]
            said += [f"{field} is not set for {', '.join(names)}" for field, names in missing.items()]
            about = judged(f'violates PodSecurity "{level}": {"; ".join(dict.fromkeys(said))}', before.seen)
            place = (*pods.place, "spec", *(broken[0].path if broken else ()))
            yield Problem(_with_network(about, broken), place, () if broken else ("cluster", "security"))
            return


def _with_network(about: Cause, broken: list[Breach]) -> Cause:
    """With the remedy for a pod that uses the network of the host."""
    if not any("hostNetwork" in one.path or "ports" in one.path for one in broken):
        return about
    return msgspec.structs.replace(
        about, remedies=(Remedy("use the network of the pod", "network=pod"), *about.remedies)
    )


def _field(breach: Breach) -> str:
    """The name of the field."""
    return next((str(step) for step in reversed(breach.path) if isinstance(step, str)), "")


def _without_nulls(value: object) -> Object:
    """The same without keys that are null, which the API server drops too."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value  # type: ignore[return-value] # a part of an object


def quota(before: Before) -> Iterator[Problem]:
    """The pods fit into what each ResourceQuota of the namespace has left."""
    for one in before.seen.of("ResourceQuota"):
        if not at(one, "spec", "scopes") and not at(one, "spec", "scopeSelector"):
            about = _unstated(before, one) or _exceeded(before, one)
            if about:
                yield Problem(about, _resources(before), ("devices",) if "/" in about.text else ())
                return


def _exceeded(before: Before, quota: Object) -> Cause | None:
    hard = amounts(quota, "status", "hard") or amounts(quota, "spec", "hard")
    used = amounts(quota, "status", "used")
    asked = {name: _asked(before, name) for name in hard}
    over = [name for name, value in asked.items() if value and used.get(name, NOTHING) + value > hard[name]]
    if not over:
        return None
    text = f'The ResourceQuota "{name_of(quota)}" of the namespace allows {_listed(hard, over)}, and '
    text += f"{_listed(used, over)} is in use; the job needs {_listed(asked, over)}."
    free = {name: hard[name] - used.get(name, NOTHING) for name in over}
    wait = Remedy("wait until other pods end, or ask for a larger quota")
    return cause("quota-exceeded", text, [], [*_smaller(before, free), wait])


def _listed(values: dict[str, Decimal], names: list[str]) -> str:
    return ", ".join(f"{name}={written(name, values.get(name, NOTHING))}" for name in names)


def written(name: str, value: Decimal) -> str:
    """A quantity as people write it."""
    if "memory" in name and value >= 1024**3:
        return f"{(value / 1024**3).normalize():f}Gi"
    return f"{value.normalize():f}"


def _asked(before: Before, name: str) -> Decimal:
    """The amount of a quota's resource that all pods take together; zero for one that is not about pods."""
    if name in _COUNTED:
        return Decimal(sum(one.number for one in before.pods))
    field, _, resource = name.partition(".")
    if field not in ("requests", "limits") or not resource:
        field, resource = "requests", name
    return sum((one.number * _of_pod(one.spec, field).get(resource, NOTHING) for one in before.pods), NOTHING)


def _of_pod(spec: Object, field: str) -> dict[str, Decimal]:
    """The requests or the limits of a pod."""
    if field == "requests":
        return requests(spec)
    only = {
        key: [{"resources": {"limits": at(one, "resources", "limits")}} for one in rows(spec, key)]
        for key in ("containers", "initContainers")
    }
    return requests(only)


def _unstated(before: Before, quota: Object) -> Cause | None:
    """A quota on the CPU or the memory requires that each container states it, or a LimitRange does."""
    hard = amounts(quota, "spec", "hard") or amounts(quota, "status", "hard")
    if before.seen.of("LimitRange") or "LimitRange" not in before.listed:
        return None
    for name in hard:
        field, resource = name.split(".", 1) if name.count(".") == 1 else ("requests", name)
        lacks = resource in ("cpu", "memory") and any(
            at(one, "resources", field, resource) is None and at(one, "resources", "limits", resource) is None
            for pods in before.pods
            for key in ("containers", "initContainers")
            for one in rows(pods.spec, key)
        )
        if lacks:
            return judged(f"failed quota: {name_of(quota)}: must specify {name}", before.seen)
    return None


def _smaller(before: Before, free: dict[str, Decimal]) -> Iterator[Remedy]:
    """Fewer nodes or devices, if that fits into what is free."""
    (pods, *others) = before.pods
    if others:
        return
    name = next((one for one in free if is_device(one.removeprefix("requests."))), "")
    if not name:
        return
    count, left = devices(pods.spec), int(free[name])
    if pods.number > 1 and left >= count:
        yield Remedy("use fewer nodes", f"nodes={left // count}")
    elif left >= pods.number:
        yield Remedy("use fewer devices for each node", f"devices={left // pods.number}")


def ranges(before: Before) -> Iterator[Problem]:
    """Each container and each pod is within the LimitRange of the namespace."""
    rules = [rule for one in before.seen.of("LimitRange") for rule in rows(one, "spec", "limits")]
    for pods in before.pods:
        for rule in rules:
            said = _outside(rule, pods.spec)
            if said:
                yield Problem(judged(f"[{', '.join(said)}]", before.seen), _resources(before))
                return


def _outside(rule: Object, spec: Object) -> list[str]:
    """The words of the API server for a pod outside of a LimitRange (plugin/pkg/admission/limitranger)."""
    kind = str(rule.get("type"))
    units = [spec] if kind == "Pod" else [{"containers": [one]} for key in _LISTS for one in rows(spec, key)]
    found: dict[str, None] = {}
    for unit in units if kind in ("Pod", "Container") else []:
        for edge, word, field in (("max", "maximum", "limits"), ("min", "minimum", "requests")):
            has = _of_pod(unit, field)
            for name, limit in amounts(rule, edge).items():
                value = has.get(name)
                wrong = value is not None and (value > limit if edge == "max" else value < limit)
                if wrong and value is not None:
                    said = f"{word} {name} usage per {kind} is {written(name, limit)}, "
                    found[f"{said}but {field[:-1]} is {written(name, value)}"] = None
    return list(found)


_LISTS = ("containers", "initContainers")


def _resources(before: Before) -> tuple[str | int, ...]:
    """The resources of the container that trains, which is the first one."""
    place = before.pods[0].place
    return (*place, "spec", "containers", 0, "resources", "limits")
