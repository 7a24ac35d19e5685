"""Rules on restarts: the policies of a VolcanoJob, restartPolicy, and the deletion of a finished job."""

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


def restart_policy_is_never(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A failed rank does not restart alone.

    With any other restart policy than Never, the kubelet restarts the container in its pod, and the other ranks do not
    rejoin it. `restarts` restarts all nodes together.
    Source: Kubernetes, Pod Lifecycle (restartPolicy).

    Wrong: 'pod={spec: {restartPolicy: OnFailure}}'
    Right: restarts=3
    """
    for path, pod in pods(spec):
        if pod.get("restartPolicy", "Never") != "Never":
            yield Finding((*path, "restartPolicy"), "must stay Never", "set restarts=… to restart all nodes")


def logs_outlive_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A finished job is kept long enough to read its logs.

    With 0 the job, its pods, their logs and the claims that Volcano created for it are deleted as soon as the job ends,
    even if it failed.
    Source: Volcano, pkg/controllers/garbagecollector; Kubernetes, TTL-after-finished controller.

    Wrong: ttl_seconds_after_finished=0
    Right: ttl_seconds_after_finished=86400
    """
    if spec.ttl_seconds_after_finished == 0:
        yield Finding(("ttl_seconds_after_finished",), _DELETED, _ONE_DAY)


_DELETED = "deletes the job and its logs as soon as it ends, even if it failed"
_ONE_DAY = "set one day: 86400"


# Rules on manifests.


_RESTARTS = ("RestartJob", "RestartPartition", "RestartPod", "RestartTask")


_PARTIAL_RESTARTS = ("RestartPod", "RestartTask")


_LOSS = ("PodFailed", "PodEvicted")


# Builds of Volcano with additional actions, by a label of the jobs that they schedule.
_BUILD_ACTIONS = {"ring-controller.atlas": ("Ignore",)}  # Ascend/mind-cluster: fault-retry-times


def _policy_lists(job: Job) -> Iterator[tuple[KeyPath, tuple[Policy, ...]]]:
    """The policies of the job and of each task, with their place."""
    if job.volcano is not None:
        yield ("spec", "policies"), job.volcano.policies
        for index, task in enumerate(job.volcano.tasks):
            yield ("spec", "tasks", index, "policies"), task.policies


def _build_actions(job: Job) -> tuple[str, ...]:
    """The actions that the build of Volcano adds to upstream."""
    return tuple(action for label in job.metadata.labels for action in _BUILD_ACTIONS.get(label, ()))


def _all_policies(job: Job) -> list[tuple[KeyPath, Policy]]:
    return [((*path, index), policy) for path, policies in _policy_lists(job) for index, policy in enumerate(policies)]


def policy_is_valid(job: Job) -> Iterator[Finding]:
    """A policy has an action and one unique event or exit code.

    Volcano's webhook rejects anything else. It also rejects the events OutOfSync, CommandIssued and PodRunning,
    although the resource definition lists them. It does not check the action of an exit code at all.
    Source: Volcano, pkg/webhooks/admission/jobs/validate/util.go.

    Wrong: tests/corpus/bad/FTC810-unknown-action.yaml
    Right: tests/corpus/good/FTC810-two-events-one-action.yaml
    """
    for path, policy in _all_policies(job):
        yield from _invalid(job, path, policy)
    for path, policies in _policy_lists(job):
        yield from _duplicates(job, path, policies)


def _invalid(job: Job, path: KeyPath, policy: Policy) -> Iterator[Finding]:
    place, events, actions = job.at(*path), schemas.events(*job.cluster), schemas.actions(*job.cluster)
    taken = {*actions, *_build_actions(job)} | ({""} if job.object.has(*path, "action") else set())
    if policy.all_events and policy.exit_code is not None:
        yield Finding(place, "a policy has either an event or an exit code, not both", "split it into two policies")
    elif not policy.all_events and policy.exit_code is None and not job.object.has(*path, "exitCode"):
        yield Finding(place, "the policy has neither an event nor an exit code", "add event: PodFailed")
    for event in [event for event in policy.all_events if event not in events]:
        where = job.at(*path, "event" if event == policy.event else "events")
        yield Finding(
            where, f"Volcano {job.cluster[0]} does not accept a policy on '{event}'", did_you_mean(event, events)
        )
    if policy.exit_code == 0:
        yield Finding(
            job.at(*path, "exitCode"), "exit code 0 means success and cannot have a policy", "use event: TaskCompleted"
        )
    if policy.action not in taken:
        said = f"does not have an action '{policy.action}'" if policy.action else "the policy does not have an action"
        message = f"Volcano {job.cluster[0]} {said}" if policy.action else said
        yield Finding(job.at(*path, "action"), message, did_you_mean(policy.action, actions))


def _duplicates(job: Job, path: KeyPath, policies: tuple[Policy, ...]) -> Iterator[Finding]:
    seen: dict[str | int, int] = {}
    for index, policy in enumerate(policies):
        codes = () if policy.exit_code is None else (policy.exit_code,)
        for what in (*policy.all_events, *codes):
            if what in seen:
                shown = f"exit code {what}" if isinstance(what, int) else f"'{what}'"
                message = f"policy {seen[what] + 1} already handles {shown}"
                yield Finding(job.at(*path, index), message, "keep one of the two")
            seen.setdefault(what, index)
    if "*" in seen and len(seen) > 1:
        message = "'*' matches every event and cannot be combined with other policies"
        yield Finding(job.at(*path, seen["*"]), message, "name the events")


def lost_pod_restarts_job(run: Run) -> Iterator[Finding]:
    """A distributed job restarts when it loses a pod.

    The other ranks hold their devices and wait for the lost one until they time out. A deleted pod is recreated alone,
    and the other ranks do not rejoin it.
    Source: Volcano, pkg/controllers/job/state/running.go; issues 1099, 2344.

    Wrong: tests/corpus/bad/FTC811-no-policies.yaml
    Right: tests/corpus/good/FTC811-job-ends-on-a-loss.yaml
    """
    job = run.job
    if job.volcano is None or run.apart or not (job.several or run.spreads):
        return
    if any(policy.action in _build_actions(job) for _, policy in _all_policies(job)):
        return  # the scheduler of the build handles lost pods
    handled = {event for _, policy in _all_policies(job) for event in policy.all_events}
    in_place = all(crew.template.spec.restart_policy == "OnFailure" for crew in job.crews)
    if in_place and (run.elastic or not run.trains):
        handled.add("PodFailed")  # which the kubelet handles
    if run.elastic:
        handled.add("PodEvicted")  # the controller recreates the pod, and it rejoins
    missing = [event for event in _LOSS if event not in handled and "*" not in handled]
    if missing:
        given = job.object.has("spec", "policies")
        latent = "" if job.several else ", and the script expects several pods"
        message = f"no policy handles {' and '.join(missing)}{latent}"
        help_ = f"add to policies: {{events: [{', '.join(missing)}], action: RestartJob}}"
        yield Finding(job.at("spec", "policies") if given else job.at("spec"), message, help_)


def eviction_and_failure_agree(job: Job) -> Iterator[Finding]:
    """The policies for failed and evicted pods have the same action.

    An evicted pod often fails first (exit code 143), so either of the two policies may act.
    Source: Volcano issue 5885.

    Wrong: tests/corpus/bad/FTC812-two-actions.yaml
    Right: tests/corpus/good/FTC812-one-action.yaml
    """
    for path, policies in _policy_lists(job):
        actions = {event: policy.action for policy in policies for event in policy.all_events if event in _LOSS}
        actions = {event: action for event, action in actions.items() if action not in _build_actions(job)}
        if len(set(actions.values())) > 1:
            said = " and ".join(f"{event} triggers {action}" for event, action in actions.items())
            message = f"{said}: an evicted pod may trigger either"
            yield Finding(job.at(*path), message, "use the same action for both")


def world_restarts_together(run: Run) -> Iterator[Finding]:
    """Pods that train together restart together.

    The other ranks do not rejoin a pod that restarts alone, or it waits for ranks that do not come back.
    Source: torchrun, static rendezvous; Volcano issue 4814.

    Wrong: tests/corpus/bad/FTC813-one-pod-restarts.yaml
    Right: tests/corpus/good/FTC813-single-pod.yaml
    """
    job = run.job
    if job.several and not run.apart:
        for path, policy in _all_policies(job):
            if policy.action in _PARTIAL_RESTARTS and set(policy.all_events) & {*_LOSS, "*", "TaskFailed"}:
                message = f"{policy.action} restarts only some of {job.total} pods, which the others do not rejoin"
                yield Finding(job.at(*path, "action"), message, "use RestartJob")


def job_completes_last(job: Job) -> Iterator[Finding]:
    """A job does not complete when its first task completes.

    A policy of the job with CompleteJob completes the job with the first task that completes: the pods of the other
    tasks and their logs are deleted.
    Source: Volcano issues 916, 1956.

    Wrong: tests/corpus/bad/FTC814-first-task-ends-all.yaml
    Right: tests/corpus/good/FTC814-saving-task-ends-all.yaml
    """
    if job.volcano is None or len(job.crews) < MANY:
        return
    for index, policy in enumerate(job.volcano.policies):
        if policy.action == "CompleteJob" and set(policy.all_events) & {"TaskCompleted", "*"}:
            message = f"the first of {len(job.crews)} tasks to complete ends the others"
            help_ = "move the policy to the task that saves the model"
            yield Finding(job.at("spec", "policies", index), message, help_)


def policy_is_reachable(job: Job) -> Iterator[Finding]:
    """Every policy can take effect.

    The first matching policy acts, so an exit code after PodFailed is never reached. TaskFailed does not count a
    container that is not restarted in its pod. PodPending requires a `timeout` and does not work with RestartTask or
    RestartPod.
    Source: Volcano, pkg/controllers/job/job_controller_util.go (applyPolicies); issue 4743.

    Wrong: tests/corpus/bad/FTC815-exit-code-last.yaml
    Right: tests/corpus/good/FTC815-exit-code-first.yaml
    """
    for path, policies in _policy_lists(job):
        failed = next(
            (i for i, p in enumerate(policies) if set(p.all_events) & {"PodFailed", "*"} and not p.timeout), None
        )
        for index, policy in enumerate(policies):
            place = job.at(*path, index)
            if failed is not None and index > failed and policy.exit_code is not None:
                message = (
                    f"policy {failed + 1} handles every failed pod, so exit code {policy.exit_code} is never reached"
                )
                yield Finding(place, message, "move it before the policy on PodFailed")
            if "PodPending" in policy.all_events and not policy.timeout:
                yield Finding(place, "a policy on PodPending requires a timeout", "add timeout: 1h")
            elif "PodPending" in policy.all_events and policy.action in _PARTIAL_RESTARTS:
                yield Finding(place, f"{policy.action} does not work on PodPending", "use RestartJob or AbortJob")
            never = all(crew.template.spec.restart_policy == "Never" for crew in job.crews)
            if "TaskFailed" in policy.all_events and never:
                message = "TaskFailed counts restarted containers, but restartPolicy is Never"
                yield Finding(place, message, "use event: PodFailed")


def max_retry_takes_effect(job: Job) -> Iterator[Finding]:
    """The restarts of a policy are limited by maxRetry.

    The webhook replaces 0 by 3. Without a policy that restarts, maxRetry is ignored. The job fails when the counter
    reaches maxRetry, so the job restarts one time fewer.
    Source: Volcano, jobs/mutate/mutate_job.go, state/restarting.go; issues 1736, 3067, 1519.

    Wrong: tests/corpus/bad/FTC816-retries-without-policy.yaml
    Right: tests/corpus/good/FTC816-two-restarts.yaml
    """
    if job.volcano is None or job.volcano.max_retry is None:
        return
    place, number = job.at("spec", "maxRetry"), job.volcano.max_retry
    if number == 0:
        yield Finding(place, "Volcano replaces 0 by 3", "set maxRetry: 1 to disable restarts")
    elif not any(policy.action in _RESTARTS for _, policy in _all_policies(job)) and not job.object.has(
        "spec", "policies"
    ):
        message = f"maxRetry is {number}, but the job does not have a policy that restarts"
        help_ = "add a policy with action: RestartJob, and set maxRetry to the restarts plus one"
        yield Finding(place, message, help_)


def finished_job_is_kept(job: Job) -> Iterator[Finding]:
    """A manifest keeps a finished job."""
    spec = job.volcano or job.batch or job.job_set
    if spec is not None and spec.ttl_seconds_after_finished == 0:
        yield Finding(job.at("spec", "ttlSecondsAfterFinished"), _DELETED, _ONE_DAY)


RULES = (
    Rule("FTC503", "no-single-rank-restart", restart_policy_is_never, JobSpec),
    Rule(
        "FTC642",
        "job-deleted-immediately",
        logs_outlive_the_job,
        JobSpec,
        Severity.WARNING,
        in_manifests=(finished_job_is_kept, Job),
    ),
    Rule("FTC810", "invalid-policy", policy_is_valid, Job),
    Rule("FTC811", "lost-pod-does-not-restart-job", lost_pod_restarts_job, Run, Severity.WARNING),
    Rule("FTC812", "different-actions-for-eviction-and-failure", eviction_and_failure_agree, Job, Severity.WARNING),
    Rule("FTC813", "partial-restart-of-distributed-training", world_restarts_together, Run, Severity.WARNING),
    Rule("FTC814", "job-completes-with-first-task", job_completes_last, Job, Severity.WARNING),
    Rule("FTC815", "unreachable-policy", policy_is_reachable, Job, Severity.WARNING),
    Rule("FTC816", "ineffective-max-retry", max_retry_takes_effect, Job, Severity.WARNING),
)
