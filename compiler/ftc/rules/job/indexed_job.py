"""Rules on batch Jobs: indices, claims, host names, and failures that count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean
from ftc.manifests.objects import Kind
from ftc.manifests.steps import TOGETHER, Run
from ftc.rules.given import host_names
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import Service
    from ftc.manifests.subjects import Job
    from ftc.plan.types import RunPlan

# Rules on a spec.


def job_has_no_claim(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Several nodes of a batch Job cannot share a claim that lives with it.

    A Job makes no claims; a pod can (an ephemeral volume), and then each pod has one of its own.

    Wrong: nodes=2 storage=job-lifetime storage.workspace.access_mode=ReadWriteMany
    Right: nodes=2 storage=shared
    """
    if run.job_claim and run.nodes > 1:
        message = f"a batch Job has no claim of its own, and each of {run.nodes} pods would get another one"
        yield Finding(("storage", "workspace"), message, "use storage=shared with a claim that exists")


def retry_starts_empty(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that lives with a batch Job lives with its pod.

    Kubernetes deletes the claim of an ephemeral volume with the pod, so the pod that takes its place (a restart, or
    after an eviction) finds no checkpoint (Kubernetes, docs/concepts/storage/ephemeral-volumes).

    Wrong: storage=job-lifetime
    Right: storage=shared
    """
    if run.job_claim and run.nodes == 1:
        message = "is deleted with the pod in a batch Job: a retry starts empty, and the result goes with the Job"
        yield Finding(("storage", "workspace"), message, "use a claim that exists to resume: storage=existing-claim")


def name_is_fixed(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A Job of several nodes and its Service have one name, and both are deleted before a re-run.

    The pods find each other by the Service's name, so it cannot be generated; unless naming is fixed it ends with a
    digest of the spec. The Service outlives the Job: the same spec is created again only after both are deleted
    (`AlreadyExists`).

    Wrong: nodes=2
    Right: nodes=1
    """
    if run.nodes > 1:
        where = f" -n {run.namespace}" if run.namespace else ""
        name = run.fixed_name
        message = f"the Job and its Service are called {name}, because the pods find each other by that name"
        help_ = f"the Service outlives the Job: before a re-run, kubectl delete{where} job,service {name}"
        yield Finding(("nodes",), message, help_)


def index_gives_the_name(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The Job controller names the hosts of an Indexed Job's pods, and the Service their domain.

    With a host name or a subdomain of the user's the address of rank 0 leads nowhere, and every rank waits for it.

    Wrong: nodes=2 pod.spec.subdomain=ranks
    Right: nodes=1 pod.spec.subdomain=ranks
    """
    for path in host_names(spec) if run.nodes > 1 else ():
        yield Finding(path, "is given to each pod by the Job and its Service", "leave it out")


_COUNT_LIMIT = 2**31 - 1


def failures_are_countable(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods that may fail are as many as Kubernetes can count.

    A batch Job counts each failed pod, so `backoffLimit` is the restarts times the nodes, and it is an int32
    (Kubernetes, batch/v1, JobSpec).

    Wrong: restarts=1073741824 nodes=4 hardware=h100
    Right: restarts=3 nodes=4 hardware=h100
    """
    if run.restarts * run.nodes > _COUNT_LIMIT:
        message = f"{run.restarts} restarts of {run.nodes} pods are more failures than a Job can count, {_COUNT_LIMIT}"
        yield Finding(("restarts",), message, f"use {_COUNT_LIMIT // run.nodes} at most", (("nodes",),))


# Rules on manifests.


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
            yield Finding(job.at(*path), message, "write restartPolicy: Never", severity=severity)
        elif policy == "OnFailure" and waits and crew.name in run.trains and "TaskFailed" not in failed:
            message = f"OnFailure starts one of {job.total} ranks again, and the others do not meet it"
            yield Finding(job.at(*path), message, "write restartPolicy: Never", severity=Severity.WARNING)


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
        yield Finding(job.at("spec", "backoffLimitPerIndex"), message, "use backoffLimit", severity=Severity.WARNING)
    if batch.managed_by and not batch.managed_by.startswith(("kubernetes.io/", "kueue.x-k8s.io/")):
        message = f"Kubernetes leaves a Job alone that {batch.managed_by} manages"
        yield Finding(job.at("spec", "managedBy"), message, "leave it out", severity=Severity.WARNING)


RULES = (
    Rule("FTC572", "indexed-job-cannot-share-job-claim", job_has_no_claim, JobSpec, target="job"),
    Rule("FTC573", "retry-loses-pod-claim", retry_starts_empty, JobSpec, Severity.NOTE, target="job"),
    Rule("FTC574", "fixed-name-needs-deletion-before-rerun", name_is_fixed, JobSpec, Severity.NOTE, target="job"),
    Rule("FTC575", "no-manual-hostname-in-indexed-job", index_gives_the_name, JobSpec, target="job"),
    Rule("FTC585", "backoff-limit-overflow", failures_are_countable, JobSpec, target="job", needed=True),
    Rule("FTC866", "finished-pod-restarts", finished_pods_stay_finished, Run),
    Rule("FTC867", "distributed-job-needs-index", pods_have_an_index, Run),
    Rule("FTC868", "parallelism-below-completions", all_pods_run_at_once, Run),
    Rule("FTC869", "indexed-job-needs-service", pods_have_names, Run),
    Rule("FTC870", "contradictory-failure-settings", failures_are_counted, Run),
)
