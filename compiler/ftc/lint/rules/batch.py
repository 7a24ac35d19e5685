"""Rules on Jobs of Kubernetes itself, and on what happens to a pod that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean
from ftc.lint.objects import Kind
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import TOGETHER, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.manifest import Service
    from ftc.lint.subjects import Job


def finished_pods_stay_finished(run: Run) -> Iterator[Finding]:
    """A pod that trains is not started again by itself when it ends.

    Without restartPolicy it is Always: a VolcanoJob's trainer starts anew for ever and the job is never complete; a Job
    is refused. OnFailure restarts one rank in its pod, into a world that waits for nobody, unless it is elastic, and no
    policy sees it.
    Source: Kubernetes, pod lifecycle; Volcano issues 1075, 1099.

    Wrong: tests/corpus/bad/FTC866-restarted-for-ever.yaml
    Right: tests/corpus/good/FTC866-never-restarted.yaml
    """
    job = run.job
    failed = {
        event for task in (job.volcano.tasks if job.volcano else ()) for p in task.policies for event in p.all_events
    }
    failed |= {event for policy in (job.volcano.policies if job.volcano else ()) for event in policy.all_events}
    waits = job.several and not run.elastic
    for crew in job.crews if job.kind is not Kind.POD else ():
        policy, path = crew.template.spec.restart_policy, (*crew.path, "spec", "restartPolicy")
        if policy == "Always" or not job.object.has(*path):
            said = "is Always" if policy else "is missing, and stands for Always"
            severity = Severity.WARNING if job.kind is Kind.VOLCANO else Severity.ERROR
            message = f"restartPolicy {said}: a pod that has ended starts again"
            message = message if job.kind is Kind.VOLCANO else f"restartPolicy {said}, which a Job does not take"
            yield Finding(job.at(*path), message, "write restartPolicy: Never", severity)
        elif policy == "OnFailure" and waits and crew.name in run.trains and "TaskFailed" not in failed:
            message = f"OnFailure starts one of {job.total} ranks again, and the others do not meet it"
            yield Finding(job.at(*path), message, "write restartPolicy: Never", Severity.WARNING)


def pods_have_an_index(run: Run) -> Iterator[Finding]:
    """The pods of a distributed Job are numbered.

    NonIndexed pods are all alike: there is no rank, and no name for any of them. JOB_COMPLETION_INDEX is set in an
    Indexed Job only, which needs `completions`.
    Source: Kubernetes, Job, completionMode.

    Wrong: tests/corpus/bad/FTC867-no-index.yaml
    Right: tests/corpus/good/FTC867-indexed.yaml
    """
    job, batch = run.job, run.job.batch
    if batch is None:
        return
    if run.trains and job.several and batch.completion_mode == "NonIndexed":
        place = job.at("spec", "completionMode") if job.object.has("spec", "completionMode") else job.at("spec")
        message = f"{job.total} pods train together, and none of them has a number"
        yield Finding(place, message, "write completionMode: Indexed")
    if batch.completion_mode == "Indexed" and not job.object.has("spec", "completions"):
        help_ = f"write completions: {job.total or 1}"
        yield Finding(job.at("spec", "completionMode"), "an Indexed Job needs completions", help_)


def all_pods_run_at_once(run: Run) -> Iterator[Finding]:
    """A distributed Job runs all of its pods at once.

    With fewer at a time, those that run wait for ranks that begin when they end.
    Source: Kubernetes, Job, parallelism and completions.

    Wrong: tests/corpus/bad/FTC868-two-at-a-time.yaml
    Right: tests/corpus/good/FTC868-all-at-once.yaml
    """
    batch = run.job.batch
    if batch is None or not run.trains or batch.completions is None or batch.completions <= 1:
        return
    parallelism = 1 if batch.parallelism is None else batch.parallelism
    if parallelism != batch.completions:
        key = "parallelism" if batch.parallelism is not None else "completions"
        message = f"{batch.completions} pods train together, and {parallelism} run at a time"
        yield Finding(run.job.at("spec", key), message, f"write parallelism: {batch.completions}")


def pods_have_names(run: Run) -> Iterator[Finding]:
    """The pods of a distributed Job are found by name.

    A pod's name resolves in the domain of a headless Service that is called like its `subdomain` and selects it.
    Source: Kubernetes, DNS for Services and Pods.

    Wrong: tests/corpus/bad/FTC869-service-of-another-name.yaml
    Right: tests/corpus/good/FTC869-service-and-subdomain.yaml
    """
    job = run.job
    if job.batch is None:
        return
    crew = job.crews[0]
    subdomain, path = crew.template.spec.subdomain, (*crew.path, "spec", "subdomain")
    launched = any(launch.tool in TOGETHER and not launch.meets for _, launch in run.launches)
    if launched and job.several and not subdomain:
        names = [name for _, name in job.scene.services]
        yield Finding(job.at(*path), f"{job.total} pods train together, and have no names", did_you_mean("", names))
        return
    found = job.scene.service(job.find(subdomain))
    if subdomain and job.scene.services and job.find(subdomain) not in job.scene.services:
        known = [name for _, name in job.scene.services]
        message = f"no Service here is called '{subdomain}', so the pods' names do not resolve"
        yield Finding(job.at(*path), message, did_you_mean(subdomain, known))
    elif subdomain and found is not None:
        manifest, service = found
        wrong = _unlike(job, service)
        if wrong:
            message = f"selects pods with {wrong}, and those of Job '{job.metadata.name}' do not have it"
            yield Finding(
                manifest.at("spec", "selector"), message, "select batch.kubernetes.io/job-name: the Job's name"
            )
        if service.spec.cluster_ip != "None":
            where = manifest.at("spec", "clusterIP") if manifest.has("spec", "clusterIP") else manifest.at("spec")
            yield Finding(
                where, "the Service has an address of its own, and gives its pods no names", "write clusterIP: None"
            )


def _unlike(job: Job, service: Service) -> str:
    """The first label that the Service selects by and the pods do not have."""
    labels = dict(job.crews[0].template.metadata.labels)
    if job.metadata.name:
        labels |= {"job-name": job.metadata.name, "batch.kubernetes.io/job-name": job.metadata.name}
    unknown = () if job.metadata.name else ("job-name", "batch.kubernetes.io/job-name")
    pairs = [(k, v) for k, v in service.spec.selector.items() if not k.endswith("controller-uid") and k not in unknown]
    return next((f"{key}: {value}" for key, value in pairs if labels.get(key) != value), "")


def failures_are_counted(run: Run) -> Iterator[Finding]:
    """The keys that say what a failure of a pod means go together.

    podFailurePolicy needs restartPolicy Never, and podReplacementPolicy Failed; its action FailIndex needs a limit per
    index, which needs completionMode Indexed. The API server refuses the rest. For ranks of one training a limit per
    index means nothing: the others cannot go on without one.
    Source: Kubernetes, pkg/apis/batch/validation.

    Wrong: tests/corpus/bad/FTC870-policy-of-pods-that-restart.yaml
    Right: tests/corpus/good/FTC870-policy-of-pods-that-end.yaml
    """
    job, batch = run.job, run.job.batch
    if batch is None:
        return
    never = batch.template.spec.restart_policy == "Never"
    indexed = batch.completion_mode == "Indexed"
    needs = [
        ("podFailurePolicy", batch.pod_failure_policy is not None and not never, "needs restartPolicy: Never"),
        (
            "backoffLimitPerIndex",
            batch.backoff_limit_per_index is not None and not indexed,
            "needs completionMode: Indexed",
        ),
        (
            "maxFailedIndexes",
            batch.max_failed_indexes is not None and batch.backoff_limit_per_index is None,
            "needs backoffLimitPerIndex",
        ),
        ("successPolicy", batch.success_policy is not None and not indexed, "needs completionMode: Indexed"),
        (
            "podReplacementPolicy",
            batch.pod_failure_policy is not None and batch.pod_replacement_policy == "TerminatingOrFailed",
            "must be Failed beside podFailurePolicy",
        ),
    ]
    for key, wrong, message in needs:
        if wrong:
            yield Finding(job.at("spec", key), f"{key} {message}")
    rules = (batch.pod_failure_policy or {}).get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and rule.get("action") == "FailIndex" and batch.backoff_limit_per_index is None:
            place = job.at("spec", "podFailurePolicy", "rules", index, "action")
            yield Finding(place, "FailIndex needs backoffLimitPerIndex", "add it, or use action: FailJob")
    if batch.backoff_limit_per_index is not None and indexed and run.trains and job.several:
        message = f"{job.total} ranks train together: when one has failed for good, the others wait for it"
        yield Finding(job.at("spec", "backoffLimitPerIndex"), message, "use backoffLimit", Severity.WARNING)
    if batch.managed_by and not batch.managed_by.startswith(("kubernetes.io/", "kueue.x-k8s.io/")):
        message = f"Kubernetes leaves a Job alone that {batch.managed_by} manages"
        yield Finding(job.at("spec", "managedBy"), message, "leave it out", Severity.WARNING)


RULES = (
    Rule("FTC866", finished_pods_stay_finished, Run),
    Rule("FTC867", pods_have_an_index, Run),
    Rule("FTC868", all_pods_run_at_once, Run),
    Rule("FTC869", pods_have_names, Run),
    Rule("FTC870", failures_are_counted, Run),
)
