"""Refusals: by the API server at creation, and by admission when a controller creates the pods."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.snapshot import NOTHING, Snapshot, at, devices, is_device, pod_template, quoted, rows, whole
from ftc.manifests.manifest import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

# The texts are those of kube-apiserver 1.36 and of Volcano 1.15.
_QUOTA = re.compile(
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<asked>.*?), used: (?P<used>.*?), limited: (?P<limit>[^\]]*)"
)
_MUST_SPECIFY = re.compile(r"failed quota: (?P<quota>[^:]+): must specify (?P<what>.*)")
_LIMIT = re.compile(
    r"(?P<edge>maximum|minimum) (?P<what>\S+) usage per (?P<per>\w+) is (?P<limit>[^,]+), but (?P<rest>[^,\]]+)"
)
_RATIO = re.compile(r"(?P<what>\S+) max limit to request ratio per (?P<per>\w+) is (?P<limit>[^,]+), but (?P<rest>.*)")
_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^":]+)[^"]*": (?P<what>.*)')
_SERVICE_ACCOUNT = re.compile(r'serviceaccount "(?P<name>[^"]+)" not found')
_PRIORITY = re.compile(r"no PriorityClass with name (?P<name>\S+) was found")
_RUNTIME = re.compile(r'RuntimeClass (?:\w+\.\S+ )?"(?P<name>[^"]+)" not found')
_WEBHOOK_DOWN = re.compile(r'failed calling webhook "(?P<name>[^"]+)"')
_WEBHOOK = re.compile(r'admission webhook "(?P<name>[^"]+)" denied the request:? ?(?P<why>.*)')
_NO_QUEUE = re.compile(r"unable to find (?:job )?queue|queue\.scheduling\.volcano\.sh \"[^\"]+\" not found")
_QUEUE = re.compile(r'queue[\w.]*:? [`"](?P<name>[^`"]+)[`"]')
_SHUT_QUEUE = re.compile(
    r"can only submit job to queue with state `Open`, queue `(?P<name>[^`]+)` status is `(?P<state>\w+)`"
)
_FORBIDDEN = re.compile(r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<what>[^"]+)"')
_NO_KIND = re.compile(r'no matches for kind "(?P<kind>[^"]+)"|the server could not find the requested resource')
_NO_NAMESPACE = re.compile(r'namespaces "(?P<name>[^"]+)" not found')
_EXISTS = re.compile(r'"(?P<name>[^"]+)" already exists')
_FIELD = re.compile(r'strict decoding error: (?P<what>.*)|unknown field "(?P<field>[^"]+)"')
_INVALID = re.compile(r" is invalid: (?P<what>.*)")
# The message inside the Go value that Volcano's controller prints.
_GO_MESSAGE = re.compile(r'Message:"((?:[^"\\]|\\.)*)"')


class _Refusal(NamedTuple):
    """A text of the API server, and the snapshot in which it was read."""

    text: str
    found: re.Match[str]
    snapshot: Snapshot


def refused(snapshot: Snapshot) -> Iterator[Cause]:
    """The API server did not create the workload."""
    if snapshot.refusal and snapshot.workload is None:
        yield judged(snapshot.refusal, snapshot)


def not_created(snapshot: Snapshot) -> Iterator[Cause]:
    """A controller cannot create the pods of the workload."""
    job = snapshot.workload
    events = snapshot.events(job, *(one for one in snapshot.of("Job") if one is not job), *snapshot.of("ReplicaSet"))
    ours = [one for one in events if at(one, "involvedObject", "name") in _names(snapshot)]
    failed = next((one for one in ours if one.get("reason") in ("FailedCreate", "FailedCreatePod")), None)
    created = next((one for one in ours if one.get("reason") == "SuccessfulCreate"), None)
    if failed is None or (created is not None and ours.index(created) < ours.index(failed)):
        return
    if snapshot.pods and all(at(pod, "spec", "nodeName") for pod in snapshot.pods) and not _missing(snapshot):
        return
    yield judged(str(failed.get("message")), snapshot)


def judged(message: str, snapshot: Snapshot) -> Cause:
    """The cause that a refusal states."""
    inner = _GO_MESSAGE.search(message)
    text = inner[1].replace('\\"', '"').replace("\\\\", "\\") if inner else message
    for pattern, reading in _READINGS:
        found = pattern.search(text)
        if found:
            return reading(_Refusal(text, found, snapshot))
    return cause("refused", f"The API server refuses the request: {_short(text)}", [text])


def _names(snapshot: Snapshot) -> set[str]:
    """The workload and the Jobs that it owns."""
    own = {str(at(snapshot.workload, "metadata", "uid"))}
    owned = {
        str(at(job, "metadata", "name"))
        for job in snapshot.of("Job")
        if own & {str(row.get("uid")) for row in rows(job, "metadata", "ownerReferences")}
    }
    return {snapshot.name} | owned


def _missing(snapshot: Snapshot) -> bool:
    """Whether fewer pods exist than the workload wants."""
    job = snapshot.workload
    tasks = rows(job, "spec", "tasks")
    wanted = [task.get("replicas") for task in tasks] or [at(job, "spec", "parallelism")]
    return len(snapshot.pods) < sum(whole(one, 1) for one in wanted)


def _short(text: str) -> str:
    """Without the words that every refusal begins with."""
    return re.sub(r'^(Error from server.*?: )?(error when creating "[^"]*": )?(Error creating: )?', "", text)


def _quota(one: _Refusal) -> Cause:
    quota, asked, limit = one.found["quota"], one.found["asked"], one.found["limit"]
    used = _amounts(one.found["used"])
    free = {name: value - used.get(name, NOTHING) for name, value in _amounts(limit).items()}
    text = f'The ResourceQuota "{quota}" of the namespace allows {limit}, and {one.found["used"]} is in use; '
    text += f"the pod requests {asked}."
    remedies = [*_smaller(free, one.snapshot), Remedy("wait until other pods end, or ask for a larger quota")]
    return cause("quota-exceeded", text, [one.text], remedies)


def _amounts(said: str) -> dict[str, Decimal]:
    """`requests.cpu=4,requests.nvidia.com/gpu=8` by resource."""
    pairs = (pair.strip().partition("=") for pair in said.split(","))
    found = {name.removeprefix("requests.").removeprefix("limits."): amount(value) for name, _, value in pairs}
    return {name: value for name, value in found.items() if value is not None}


def _smaller(free: dict[str, Decimal], snapshot: Snapshot) -> Iterator[Remedy]:
    """Overrides with which a pod requests no more than this."""
    count = devices(pod_template(snapshot.workload))
    for name, most in free.items():
        if "/" in name and not is_device(name):
            yield Remedy("request a smaller slice, with hardware.device.slices")
        elif is_device(name) and 1 <= most < count:
            yield Remedy("request fewer devices for each node", f"devices={int(most)}")
        if name == "cpu" and most >= count:
            yield Remedy("request fewer CPUs for each device", f"hardware.cpu_per_device={int(most) // count}")
        gib = int(most / 1024**3) // count
        if name == "memory" and gib >= 1:
            yield Remedy("request less memory for each device", f"hardware.memory_gib_per_device={gib}")


def _must_specify(one: _Refusal) -> Cause:
    text = f'The ResourceQuota "{one.found["quota"]}" requires that each container states {one.found["what"]}.'
    return cause("quota-needs-requests", text, [one.text], [Remedy("set these requests and limits for each container")])


_EDGES = {"maximum": "at most", "minimum": "at least"}


def _limit_range(one: _Refusal) -> Cause:
    """All limits that the message names, with what the pod has."""
    ranges = quoted(one.snapshot.names("LimitRange")) or "of the namespace"
    found = list(_LIMIT.finditer(one.text))
    said = [f"{_EDGES[row['edge']]} {row['limit']} of {row['what']}, but the {row['rest']}" for row in found]
    most = {row["what"]: amount(row["limit"]) or NOTHING for row in found if row["edge"] == "maximum"}
    text = f"The LimitRange {ranges} allows a {one.found['per'].lower()} {'; '.join(said)}."
    remedies = [*_smaller(most, one.snapshot), Remedy("ask for other limits")]
    return cause("limit-range", text, [one.text], remedies)


def _ratio(one: _Refusal) -> Cause:
    text = f"The LimitRange of the namespace allows a limit of at most {one.found['limit']} times the request of "
    return cause("limit-range", f"{text}{one.found['what']}, but {one.found['rest'].rstrip('.')}.", [one.text])


def _security(one: _Refusal) -> Cause:
    level = one.found["level"]
    text = f'The namespace enforces the Pod Security level "{level}", and the pod violates it: {one.found["what"]}.'
    remedy = Remedy("run without privileges, as a user that is not root", "cluster.security=restricted")
    other = Remedy(f"use a namespace that does not enforce {level}")
    return cause("pod-security", text, [one.text], [remedy, other] if level == "restricted" else [other])


def _service_account(one: _Refusal) -> Cause:
    name = one.found["name"]
    others = [known for known in one.snapshot.names("ServiceAccount") if known != name]
    text = f'The ServiceAccount "{name}" does not exist in the namespace{has(name, others)}.'
    create = shell("kubectl", "create", "serviceaccount", name, "-n", one.snapshot.namespace)
    remedies = [
        Remedy("use the account of the namespace", "cluster.service_account=null"),
        Remedy("create it, with the permissions that the run needs", command=create),
    ]
    return cause("service-account-missing", text, [one.text], remedies)


def _priority(one: _Refusal) -> Cause:
    name = one.found["name"]
    known = one.snapshot.names("PriorityClass")
    text = f'The PriorityClass "{name}" does not exist in the cluster{has(name, known)}.'
    return cause("priority-class-missing", text, [one.text], [Remedy("do without it", "cluster.priority_class=null")])


def _runtime(one: _Refusal) -> Cause:
    name = one.found["name"]
    text = f'The RuntimeClass "{name}" does not exist in the cluster{has(name, one.snapshot.names("RuntimeClass"))}.'
    return cause("runtime-class-missing", text, [one.text], [Remedy("correct pod.runtimeClassName, or drop it")])


def _webhook_down(one: _Refusal) -> Cause:
    volcano = "volcano" in one.text
    name = "Volcano's admission webhook" if volcano else "The admission webhook"
    text = f'{name} "{one.found["name"]}" does not answer; the API server accepts the workload only after it agrees.'
    where = "volcano-admission in namespace volcano-system" if volcano else "the webhook's Deployment and Service"
    remedies = [Remedy(f"ask the operator to look at {where}, then submit again")]
    return cause("webhook-does-not-answer", text, [one.text], remedies)


def _no_queue(one: _Refusal) -> Cause:
    named = _QUEUE.search(one.text)
    return queue_missing(named["name"] if named else "of the manifest", [one.text], one.snapshot)


def queue_missing(name: str, evidence: list[str], snapshot: Snapshot) -> Cause:
    """A Volcano queue that does not exist."""
    known = [one for one in snapshot.names("Queue") if one not in (name, "root")]
    near = nearest_of(name, known)
    text = f'The Volcano queue "{name}" does not exist{has(name, known)}.'
    remedies = [Remedy("use a queue that exists", shell(f"cluster.queue={one}")) for one in near]
    return cause("queue-missing", text, evidence, [*remedies, Remedy("ask the operator to create the queue")])


def _shut_queue(one: _Refusal) -> Cause:
    return queue_closed(one.found["name"], one.found["state"], [one.text], one.snapshot)


def queue_closed(name: str, state: str, evidence: list[str], snapshot: Snapshot) -> Cause:
    """A Volcano queue that does not accept work."""
    text = f'The Volcano queue "{name}" is {state}: it does not accept new work.'
    open_ones = [str(at(q, "metadata", "name")) for q in snapshot.of("Queue") if at(q, "status", "state") == "Open"]
    others = [Remedy("use an open queue", shell(f"cluster.queue={q}")) for q in open_ones if q not in (name, "root")][
        :1
    ]
    command = shell("vcctl", "queue", "operate", "-a", "open", "-n", name)
    return cause("queue-closed", text, evidence, [*others, Remedy("ask the operator to open it", command=command)])


def _webhook(one: _Refusal) -> Cause:
    text = f'The admission webhook "{one.found["name"]}" refuses the workload: {one.found["why"].strip(" ;")}.'
    return cause("webhook-refused", text, [one.text])


def _forbidden(one: _Refusal) -> Cause:
    text = f"You may not {one.found['verb']} {one.found['what']}: {one.found['user']} does not have the permission."
    command = shell("kubectl", "auth", "can-i", one.found["verb"], one.found["what"], "-n", one.snapshot.namespace)
    return cause("permission-missing", text, [one.text], [Remedy("ask for a Role with it", command=command)])


def _no_kind(one: _Refusal) -> Cause:
    kind = one.found["kind"] or "the resource"
    text = f"The cluster does not know {kind}: the controller that defines it is not installed."
    return cause("kind-unknown", text, [one.text], [Remedy("use a batch Job, which every cluster knows", "-t job")])


def _no_namespace(one: _Refusal) -> Cause:
    name = one.found["name"]
    text = f'The namespace "{name}" does not exist.'
    return cause(
        "namespace-missing",
        text,
        [one.text],
        [Remedy("create it", command=shell("kubectl", "create", "namespace", name))],
    )


def _exists(one: _Refusal) -> Cause:
    text = f'An object of the name "{one.found["name"]}" already exists in the namespace.'
    remedy = Remedy("let the API server choose the name", "naming=generate")
    return cause("name-taken", text, [one.text], [remedy, Remedy("delete the old one, or choose another name")])


def _field(one: _Refusal) -> Cause:
    what = one.found["what"] or f'unknown field "{one.found["field"]}"'
    return cause("field-unknown", f"The API server does not know a field of the manifest: {what}.", [one.text])


def _invalid(one: _Refusal) -> Cause:
    return cause("invalid", f"The API server finds the manifest invalid: {one.found['what']}.", [one.text])


def nearest_of(name: str, known: list[str], most: int = 1) -> list[str]:
    """The names that are like one that does not exist, or else the first ones: a remedy needs a name that exists."""
    return get_close_matches(name, known, most) or known[:most]


def has(name: str, known: list[str]) -> str:
    """` (it has "workspaces")`: the names that exist, the nearest first."""
    near = nearest_of(name, known, 3)
    return f" (there {'are' if near[1:] else 'is'} {quoted(near)})" if near else ""


_READINGS: tuple[tuple[re.Pattern[str], Callable[[_Refusal], Cause]], ...] = (
    (_QUOTA, _quota),
    (_MUST_SPECIFY, _must_specify),
    (_LIMIT, _limit_range),
    (_RATIO, _ratio),
    (_SECURITY, _security),
    (_SERVICE_ACCOUNT, _service_account),
    (_PRIORITY, _priority),
    (_RUNTIME, _runtime),
    (_WEBHOOK_DOWN, _webhook_down),
    (_SHUT_QUEUE, _shut_queue),
    (_NO_QUEUE, _no_queue),
    (_FORBIDDEN, _forbidden),
    (_NO_NAMESPACE, _no_namespace),
    (_EXISTS, _exists),
    (_FIELD, _field),
    (_WEBHOOK, _webhook),
    (_NO_KIND, _no_kind),
    (_INVALID, _invalid),
)
