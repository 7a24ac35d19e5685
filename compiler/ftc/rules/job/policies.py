"""Rules on restarts: the policies of a VolcanoJob, restartPolicy, and when a finished job is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean
from ftc.manifests import schemas
from ftc.manifests.steps import Run
from ftc.manifests.subjects import MANY, Job
from ftc.rules.given import pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import Policy
    from ftc.plan.types import RunPlan

# Rules on a spec.


def restart_policy_stays(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A failed rank does not start again alone.

    With another restart policy than Never the kubelet starts the container again in its pod, into a world that waits
    for nobody. `restarts` starts all nodes again together.

    Wrong: 'pod={spec: {restartPolicy: OnFailure}}'
    Right: restarts=3
    """
    for path, pod in pods(spec):
        if pod.get("restartPolicy", "Never") != "Never":
            yield Finding((*path, "restartPolicy"), "must stay Never", "use restarts=… to start again")


def logs_outlive_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that has ended stays long enough for its log to be read.

    With 0 the server deletes the job with its pods the moment it ends, failed or not, and their logs with them.

    Wrong: ttl_seconds_after_finished=0
    Right: ttl_seconds_after_finished=86400
    """
    if spec.ttl_seconds_after_finished == 0:
        message = "deletes the job and its logs the moment it ends, failed or not"
        yield Finding(("ttl_seconds_after_finished",), message, "give a day: 86400")


# Rules on manifests.


_RESTARTS = ("RestartJob", "RestartPartition", "RestartPod", "RestartTask")


_IN_PART = ("RestartPod", "RestartTask")


_LOSS = ("PodFailed", "PodEvicted")


# Builds of Volcano that take more actions, by a label of the jobs that they schedule.
_OF_BUILDS = {"ring-controller.atlas": ("Ignore",)}  # Ascend/mind-cluster: fault-retry-times


def _lists(job: Job) -> Iterator[tuple[KeyPath, tuple[Policy, ...]]]:
    """The policies of the job and of each task, with their place."""
    if job.volcano is not None:
        yield ("spec", "policies"), job.volcano.policies
        for index, task in enumerate(job.volcano.tasks):
            yield ("spec", "tasks", index, "policies"), task.policies


def _of_build(job: Job) -> tuple[str, ...]:
    """The actions that the job's own build of Volcano has and upstream has not."""
    return tuple(action for label in job.metadata.labels for action in _OF_BUILDS.get(label, ()))


def _all(job: Job) -> list[tuple[KeyPath, Policy]]:
    return [((*path, index), policy) for path, policies in _lists(job) for index, policy in enumerate(policies)]


def policies_are_accepted(job: Job) -> Iterator[Finding]:
    """A policy names one event or one exit code that no other policy has, and an action.

    Volcano's webhook refuses the job otherwise; the events OutOfSync, CommandIssued and PodRunning stand in the
    resource definition, and are refused too. Behind an exit code it does not look at the action at all.
    Source: Volcano, pkg/webhooks/admission/jobs/validate/util.go.

    Wrong: tests/corpus/bad/FTC810-no-such-action.yaml
    Right: tests/corpus/good/FTC810-two-events-one-action.yaml
    """
    for path, policy in _all(job):
        yield from _accepted(job, path, policy)
    for path, policies in _lists(job):
        yield from _repeated(job, path, policies)


def _accepted(job: Job, path: KeyPath, policy: Policy) -> Iterator[Finding]:
    place, events, actions = job.at(*path), schemas.events(*job.cluster), schemas.actions(*job.cluster)
    taken = {*actions, *_of_build(job)} | ({""} if job.object.has(*path, "action") else set())
    if policy.all_events and policy.exit_code is not None:
        yield Finding(place, "a policy is for an event or for an exit code, not for both", "make it two policies")
    elif not policy.all_events and policy.exit_code is None and not job.object.has(*path, "exitCode"):
        yield Finding(place, "the policy names neither an event nor an exit code", "add event: PodFailed")
    for event in [event for event in policy.all_events if event not in events]:
        where = job.at(*path, "event" if event == policy.event else "events")
        yield Finding(where, f"Volcano {job.cluster[0]} takes no policy on '{event}'", did_you_mean(event, events))
    if policy.exit_code == 0:
        yield Finding(job.at(*path, "exitCode"), "0 is success, and no policy is for it", "use event: TaskCompleted")
    if policy.action not in taken:
        said = f"has no action '{policy.action}'" if policy.action else "the policy has no action"
        message = f"Volcano {job.cluster[0]} {said}" if policy.action else said
        yield Finding(job.at(*path, "action"), message, did_you_mean(policy.action, actions))


def _repeated(job: Job, path: KeyPath, policies: tuple[Policy, ...]) -> Iterator[Finding]:
    seen: dict[str | int, int] = {}
    for index, policy in enumerate(policies):
        codes = () if policy.exit_code is None else (policy.exit_code,)
        for what in (*policy.all_events, *codes):
            if what in seen:
                shown = f"exit code {what}" if isinstance(what, int) else f"'{what}'"
                message = f"policy {seen[what] + 1} is for {shown} already"
                yield Finding(job.at(*path, index), message, "keep one of the two")
            seen.setdefault(what, index)
    if "*" in seen and len(seen) > 1:
        message = "'*' stands for every event, and no other policy may stand beside it"
        yield Finding(job.at(*path, seen["*"]), message, "name the events")


def loss_restarts(run: Run) -> Iterator[Finding]:
    """When a pod of several is lost, the job starts again.

    The other ranks wait for the lost one until their time-out, with their devices. A pod that was deleted comes back
    alone, into a world that has gone on.
    Source: Volcano, pkg/controllers/job/state/running.go; issues 1099, 2344.

    Wrong: tests/corpus/bad/FTC811-no-policies.yaml
    Right: tests/corpus/good/FTC811-job-ends-on-a-loss.yaml
    """
    job = run.job
    if job.volcano is None or run.apart or not (job.several or run.spreads):
        return
    if any(policy.action in _of_build(job) for _, policy in _all(job)):
        return  # the build's own scheduler sees to lost pods
    handled = {event for _, policy in _all(job) for event in policy.all_events}
    in_place = all(crew.template.spec.restart_policy == "OnFailure" for crew in job.crews)
    if in_place and (run.elastic or not run.trains):
        handled.add("PodFailed")  # which the kubelet sees to
    if run.elastic:
        handled.add("PodEvicted")  # the controller makes the pod anew, and it joins
    missing = [event for event in _LOSS if event not in handled and "*" not in handled]
    if missing:
        given = job.object.has("spec", "policies")
        latent = "" if job.several else ", and the script is written for several pods"
        message = f"no policy says what happens on {' and '.join(missing)}{latent}"
        help_ = f"add to policies: {{events: [{', '.join(missing)}], action: RestartJob}}"
        yield Finding(job.at("spec", "policies") if given else job.at("spec"), message, help_)


def losses_are_alike(job: Job) -> Iterator[Finding]:
    """A pod that failed and one that was evicted lead to the same action.

    An eviction often shows as a failure first (exit code 143), so that which of the two policies acts is chance.
    Source: Volcano issue 5885.

    Wrong: tests/corpus/bad/FTC812-two-ends.yaml
    Right: tests/corpus/good/FTC812-one-end.yaml
    """
    for path, policies in _lists(job):
        actions = {event: policy.action for policy in policies for event in policy.all_events if event in _LOSS}
        actions = {event: action for event, action in actions.items() if action not in _of_build(job)}
        if len(set(actions.values())) > 1:
            said = " and ".join(f"{event} to {action}" for event, action in actions.items())
            message = f"{said}: an evicted pod may count as either"
            yield Finding(job.at(*path), message, "give both the same action")


def world_restarts_whole(run: Run) -> Iterator[Finding]:
    """Where pods wait for each other, all of them start again, not one.

    One pod that comes back finds a world that has gone on without it, or waits for ranks that do not come.
    Source: torchrun's static rendezvous; Volcano issue 4814.

    Wrong: tests/corpus/bad/FTC813-one-pod-restarts.yaml
    Right: tests/corpus/good/FTC813-single-pod.yaml
    """
    job = run.job
    if job.several and not run.apart:
        for path, policy in _all(job):
            if policy.action in _IN_PART and set(policy.all_events) & {*_LOSS, "*", "TaskFailed"}:
                message = f"{policy.action} starts a part of {job.total} pods again, and the others do not meet it"
                yield Finding(job.at(*path, "action"), message, "use RestartJob")


def job_completes_last(job: Job) -> Iterator[Finding]:
    """A job is not complete when the first of its tasks is.

    At the job's level the task that ends first ends the job: the pods of the others are deleted, their logs too.
    Source: Volcano issues 916, 1956.

    Wrong: tests/corpus/bad/FTC814-first-task-ends-all.yaml
    Right: tests/corpus/good/FTC814-saving-task-ends-all.yaml
    """
    if job.volcano is None or len(job.crews) < MANY:
        return
    for index, policy in enumerate(job.volcano.policies):
        if policy.action == "CompleteJob" and set(policy.all_events) & {"TaskCompleted", "*"}:
            message = f"whichever of {len(job.crews)} tasks is complete first ends the others"
            help_ = "move the policy to the task that saves the model"
            yield Finding(job.at("spec", "policies", index), message, help_)


def policies_are_reached(job: Job) -> Iterator[Finding]:
    """A policy can come to act.

    The first that matches acts: an exit code behind PodFailed never does. A container that is not restarted in its pod
    never counts for TaskFailed. PodPending acts after its `timeout` only, and not with RestartTask or RestartPod.
    Source: Volcano, pkg/controllers/job/job_controller_util.go (applyPolicies); issue 4743.

    Wrong: tests/corpus/bad/FTC815-exit-code-last.yaml
    Right: tests/corpus/good/FTC815-exit-code-first.yaml
    """
    for path, policies in _lists(job):
        failed = next(
            (i for i, p in enumerate(policies) if set(p.all_events) & {"PodFailed", "*"} and not p.timeout), None
        )
        for index, policy in enumerate(policies):
            place = job.at(*path, index)
            if failed is not None and index > failed and policy.exit_code is not None:
                message = f"policy {failed + 1} takes every failed pod, and exit code {policy.exit_code} is never asked"
                yield Finding(place, message, "put it before the policy on PodFailed")
            if "PodPending" in policy.all_events and not policy.timeout:
                yield Finding(place, "a policy on PodPending acts only with a timeout", "add timeout: 1h")
            elif "PodPending" in policy.all_events and policy.action in _IN_PART:
                yield Finding(place, f"{policy.action} does not act on PodPending", "use RestartJob or AbortJob")
            never = all(crew.template.spec.restart_policy == "Never" for crew in job.crews)
            if "TaskFailed" in policy.all_events and never:
                message = "TaskFailed counts containers that are restarted in their pod, and restartPolicy is Never"
                yield Finding(place, message, "use event: PodFailed")


def retries_mean_something(job: Job) -> Iterator[Finding]:
    """MaxRetry counts restarts that a policy asks for.

    0 is turned into 3 by the webhook. Without a policy that restarts, no number restarts anything. The job fails when
    the counter reaches the number, so that the restarts are one fewer.
    Source: Volcano, jobs/mutate/mutate_job.go and state/restarting.go; issues 1736, 3067, 1519.

    Wrong: tests/corpus/bad/FTC816-retries-of-nothing.yaml
    Right: tests/corpus/good/FTC816-two-restarts.yaml
    """
    if job.volcano is None or job.volcano.max_retry is None:
        return
    place, number = job.at("spec", "maxRetry"), job.volcano.max_retry
    if number == 0:
        yield Finding(place, "0 becomes 3", "write maxRetry: 1 for no restart")
    elif not any(policy.action in _RESTARTS for _, policy in _all(job)) and not job.object.has("spec", "policies"):
        message = f"maxRetry is {number}, and no policy restarts anything"
        help_ = "add a policy with action: RestartJob; maxRetry is then one more than the restarts"
        yield Finding(place, message, help_)


def finished_jobs_are_read(job: Job) -> Iterator[Finding]:
    """A finished job stays until somebody has read its logs.

    ttlSecondsAfterFinished deletes the job with its pods, their logs and the claims that were made for it; 0 at once.
    Source: Volcano, pkg/controllers/garbagecollector; Kubernetes, TTL-after-finished controller.

    Wrong: tests/corpus/bad/FTC817-gone-at-once.yaml
    Right: tests/corpus/good/FTC817-gone-tomorrow.yaml
    """
    spec = job.volcano or job.batch
    if spec is not None and spec.ttl_seconds_after_finished == 0:
        message = "the job is deleted when it ends, with its logs, whether it failed or not"
        yield Finding(job.at("spec", "ttlSecondsAfterFinished"), message, "write 86400: a day")


RULES = (
    Rule("FTC503", "no-restart-of-a-single-rank", restart_policy_stays, JobSpec),
    Rule("FTC642", "job-deleted-before-logs-are-read", logs_outlive_the_job, JobSpec, Severity.WARNING),
    Rule("FTC810", "invalid-policy", policies_are_accepted, Job),
    Rule("FTC811", "lost-pod-does-not-restart-job", loss_restarts, Run, Severity.WARNING),
    Rule("FTC812", "eviction-and-failure-differ", losses_are_alike, Job, Severity.WARNING),
    Rule("FTC813", "partial-restart-of-a-world", world_restarts_whole, Run, Severity.WARNING),
    Rule("FTC814", "job-completes-with-first-task", job_completes_last, Job, Severity.WARNING),
    Rule("FTC815", "unreachable-policy", policies_are_reached, Job, Severity.WARNING),
    Rule("FTC816", "max-retry-without-restart-policy", retries_mean_something, Job, Severity.WARNING),
    Rule("FTC817", "finished-job-deleted-too-soon", finished_jobs_are_read, Job, Severity.WARNING),
)
