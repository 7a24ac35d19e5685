"""Rules on batch Jobs: indices, claims, host names and failure counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean
from ftc.manifests.manifest import BatchJob
from ftc.manifests.objects import Kind, Object
from ftc.manifests.steps import TOGETHER, Run, spot_of
from ftc.rules.given import host_names, title
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import UNGANGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import BatchSpec, Service
    from ftc.manifests.subjects import Crew, Job
    from ftc.plan.types import RunPlan

# Rules on a spec.


def job_claim_is_not_shared(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Several nodes of a batch Job need a claim that already exists.

    A Job does not create claims. Its pods can (an ephemeral volume), but then each pod has a different claim.
    Source: Kubernetes, Ephemeral Volumes.

    Wrong: nodes=2 storage=job-lifetime storage.workspace.access_mode=ReadWriteMany
    Right: nodes=2 storage=shared
    """
    if run.job_claim and run.nodes > 1:
        message = f"a {title(run)} does not create a claim, and each of its {run.nodes} pods would get a different one"
        yield Finding(("storage", "workspace"), message, "use storage=shared with an existing claim")


def retry_keeps_its_claim(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim with the lifetime of a batch Job is deleted with its pod.

    Kubernetes deletes the claim of an ephemeral volume with the pod. The pod that replaces it, after a failure or an
    eviction, does not find a checkpoint.
    Source: Kubernetes, docs/concepts/storage/ephemeral-volumes.

    Wrong: storage=job-lifetime
    Right: storage=shared
    """
    if run.job_claim and run.nodes == 1:
        message = (
            f"is deleted with the pod in a {title(run)}: a retry starts empty, and the result is deleted with the Job"
        )
        yield Finding(("storage", "workspace"), message, "to resume, use an existing claim: storage=existing-claim")


def job_and_service_are_deleted_before_rerun(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A Job of several nodes and its Service share a name and are deleted before a rerun.

    The pods find each other by the name of the Service, so the name cannot be generated. Unless naming is fixed, it
    ends with a digest of the spec. The Service outlives the Job: the same spec can be created again only after both are
    deleted (`AlreadyExists`).
    Source: Kubernetes, DNS for Services and Pods.

    Wrong: nodes=2
    Right: nodes=1
    """
    if run.nodes > 1:
        where = f" -n {run.namespace}" if run.namespace else ""
        name = run.fixed_name
        message = f"the Job and its Service have the fixed name {name}, by which the pods find each other"
        help_ = f"before a rerun, delete both: kubectl delete{where} job,service {name}"
        yield Finding(("nodes",), message, help_)


def no_manual_hostname(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The Job controller sets the host names of the pods, and the Service their domain.

    With a host name or subdomain set by the user, the address of rank 0 does not resolve, and every rank waits for it.
    Source: Kubernetes, Jobs (Indexed completion mode); DNS for Services and Pods.

    Wrong: nodes=2 pod.spec.subdomain=ranks
    Right: nodes=1 pod.spec.subdomain=ranks
    """
    for path in host_names(spec) if run.nodes > 1 else ():
        yield Finding(path, "is set for each pod by the Job and its Service", "remove it")


_COUNT_LIMIT = 2**31 - 1


def backoff_limit_is_in_range(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The number of allowed pod failures fits into `backoffLimit`.

    A batch Job counts each failed pod, so `backoffLimit` is the restarts times the nodes. It is an int32.
    Source: Kubernetes, batch/v1, JobSpec.

    Wrong: restarts=1073741824 nodes=4 hardware=h100
    Right: restarts=3 nodes=4 hardware=h100
    """
    if run.restarts * run.nodes > _COUNT_LIMIT:
        message = f"{run.restarts} restarts of {run.nodes} pods exceed the maximum of backoffLimit, {_COUNT_LIMIT}"
        yield Finding(("restarts",), message, f"use at most {_COUNT_LIMIT // run.nodes}", (("nodes",),))


# Rules on manifests.


def finished_pod_does_not_restart(run: Run) -> Iterator[Finding]:
    """A container that trains does not restart when it exits.

    The default restartPolicy is Always: the trainer of a VolcanoJob restarts forever and the job never completes; the
    API server rejects a Job. OnFailure restarts a single rank in its pod, which the other ranks do not rejoin unless
    the training is elastic, and the policies do not see the failure.
    Source: Kubernetes, Pod Lifecycle; Volcano issues 1075, 1099.

    Wrong: tests/corpus/bad/FTC866-restarts-forever.yaml
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
        # The webhook of JobSet sets OnFailure if it is missing.
        if policy == "Always" or not (job.object.has(*path) or job.job_set):
            said = "is Always" if policy else "defaults to Always"
            severity = Severity.WARNING if job.kind is Kind.VOLCANO else Severity.ERROR
            message = f"restartPolicy {said}, so the training restarts when it has ended"
            message = message if job.kind is Kind.VOLCANO else f"restartPolicy {said}, which a Job does not allow"
            yield Finding(job.at(*path), message, "set restartPolicy: Never", severity=severity)
        elif policy == "OnFailure" and waits and crew.name in run.trains and "TaskFailed" not in failed:
            message = f"OnFailure restarts one of {job.total} ranks, which the others do not rejoin"
            yield Finding(job.at(*path), message, "set restartPolicy: Never", severity=Severity.WARNING)


def pods_have_an_index(run: Run) -> Iterator[Finding]:
    """The pods of a distributed Job have an index.

    The pods of a NonIndexed Job do not have ranks or stable names. Only an Indexed Job sets JOB_COMPLETION_INDEX, and
    with `parallelism` it requires `completions`. A rendezvous endpoint outside of the Job assigns ranks itself.
    Source: Kubernetes, Jobs (completionMode).

    Wrong: tests/corpus/bad/FTC867-no-index.yaml
    Right: tests/corpus/good/FTC867-indexed.yaml
    """
    job = run.job
    ranked = {step.pod.crew.name for step, one in run.launches if one.tool in TOGETHER and not one.meets}
    for crew, batch in _jobs(job):
        mode = (*crew.job_path, "completionMode")
        mode = mode if job.object.has(*mode) else crew.job_path
        if crew.name in ranked and job.several and batch.completion_mode == "NonIndexed":
            message = f"{job.total} pods train together, but they do not have an index"
            yield Finding(job.at(*mode), message, "set completionMode: Indexed")
        # Kubernetes sets both to 1 if both are missing.
        if batch.completion_mode == "Indexed" and batch.completions is None and batch.parallelism is not None:
            help_ = f"set completions: {batch.parallelism}"
            yield Finding(job.at(*mode), "an Indexed Job requires completions", help_)


def _jobs(job: Job) -> Iterator[tuple[Crew, BatchSpec]]:
    """The Jobs that create the pods: a Job itself, or those of a JobSet."""
    yield from ((crew, crew.batch) for crew in job.crews if crew.batch is not None)


def all_pods_run_at_once(run: Run) -> Iterator[Finding]:
    """A distributed Job runs all its pods at the same time.

    With a lower parallelism the running pods wait for ranks that start only when they end.
    Source: Kubernetes, Jobs (parallelism, completions).

    Wrong: tests/corpus/bad/FTC868-two-at-a-time.yaml
    Right: tests/corpus/good/FTC868-all-at-once.yaml
    """
    for crew, batch in _jobs(run.job):
        if crew.name not in run.trains or batch.completions is None or batch.completions <= 1:
            continue
        parallelism = 1 if batch.parallelism is None else batch.parallelism
        if parallelism != batch.completions:
            key = "parallelism" if batch.parallelism is not None else "completions"
            message = f"{batch.completions} pods train together, but only {parallelism} run at a time"
            place = run.job.at(*crew.job_path, key)
            yield Finding(place, message, f"set parallelism: {batch.completions}")


def pods_have_dns_names(run: Run) -> Iterator[Finding]:
    """The names of the pods of a distributed Job resolve.

    A pod's name resolves in the domain of a headless Service that has the name of the pod's `subdomain` and selects the
    pod.
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
        yield Finding(
            job.at(*path),
            f"{job.total} pods train together, but their names do not resolve without subdomain",
            did_you_mean("", names),
        )
        return
    yield from _unresolved_addresses(run, subdomain)
    found = job.scene.service(job.find(subdomain))
    if subdomain and job.scene.services and job.find(subdomain) not in job.scene.services:
        known = [name for _, name in job.scene.services]
        message = f"the Service '{subdomain}' is not in these files, so the names of the pods do not resolve"
        yield Finding(job.at(*path), message, did_you_mean(subdomain, known))
    elif subdomain and found is not None:
        manifest, service = found
        wrong = _unmatched_label(job, service)
        if wrong:
            message = f"selects pods with {wrong}, but the pods of Job '{job.metadata.name}' do not have this label"
            yield Finding(
                manifest.at("spec", "selector"), message, "select batch.kubernetes.io/job-name with the name of the Job"
            )
        if service.spec.cluster_ip != "None":
            where = manifest.at("spec", "clusterIP") if manifest.has("spec", "clusterIP") else manifest.at("spec")
            yield Finding(
                where, "the Service is not headless, so the names of its pods do not resolve", "set clusterIP: None"
            )


def _unresolved_addresses(run: Run, subdomain: str) -> Iterator[Finding]:
    """Variables that hold the name of a pod of the Job without the domain in which it resolves."""
    job, name = run.job, run.job.metadata.name
    pod = re.compile(rf"(?:tcp://)?{re.escape(name)}-[0-9]+(?P<domain>\.[\w.-]+)?(?::[0-9]+)?")
    for step in run.steps if name and job.several else ():
        given = [
            (one.value, step.at("env", one.index))
            for one in step.environment.variables.values()
            if one.index is not None
        ]
        given += [(step.value(one.value), spot_of(step, one.value)) for one in step.script.assignments if one.value]
        # FTC843 reports an endpoint that is not in the domain of the pods.
        endpoints = [] if subdomain else [launch.option("rdzv_endpoint") for launch in step.launches]
        given += [(step.value(word), spot_of(step, word)) for word in endpoints if word is not None]
        for value, place in given:
            address = pod.fullmatch(value or "")
            if address is not None and not subdomain:
                message = f"{value} does not resolve: it is a pod of this Job, which has no subdomain"
                help_ = "set subdomain in the pod and add a headless Service with that name"
                yield Finding(place, message, help_)
            elif address is not None and address["domain"] is None:
                yield Finding(place, f"{value} does not resolve without the Service", f"write {name}-0.{subdomain}")


def _unmatched_label(job: Job, service: Service) -> str:
    """The first label in the selector of the Service that the pods do not have."""
    labels = dict(job.crews[0].template.metadata.labels)
    if job.metadata.name:
        labels |= {"job-name": job.metadata.name, "batch.kubernetes.io/job-name": job.metadata.name}
    unknown = () if job.metadata.name else ("job-name", "batch.kubernetes.io/job-name")
    pairs = [(k, v) for k, v in service.spec.selector.items() if not k.endswith("controller-uid") and k not in unknown]
    return next((f"{key}: {value}" for key, value in pairs if labels.get(key) != value), "")


def failure_settings_are_consistent(run: Run) -> Iterator[Finding]:
    """The settings for pod failures are consistent.

    podFailurePolicy requires restartPolicy Never and podReplacementPolicy Failed. Its action FailIndex requires
    backoffLimitPerIndex, which requires completionMode Indexed. The API server rejects anything else.
    backoffLimitPerIndex does not suit a distributed training, because the ranks cannot continue without one of them.
    Source: Kubernetes, pkg/apis/batch/validation.

    Wrong: tests/corpus/bad/FTC870-policy-of-pods-that-restart.yaml
    Right: tests/corpus/good/FTC870-policy-of-pods-that-end.yaml
    """
    for crew, batch in _jobs(run.job):
        yield from _contradictions(run, crew, batch)


def _contradictions(run: Run, crew: Crew, batch: BatchSpec) -> Iterator[Finding]:
    job, path = run.job, crew.job_path
    never = batch.template.spec.restart_policy == "Never"
    indexed = batch.completion_mode == "Indexed"
    needs = [
        ("podFailurePolicy", batch.pod_failure_policy is not None and not never, "requires restartPolicy: Never"),
        (
            "backoffLimitPerIndex",
            batch.backoff_limit_per_index is not None and not indexed,
            "requires completionMode: Indexed",
        ),
        (
            "maxFailedIndexes",
            batch.max_failed_indexes is not None and batch.backoff_limit_per_index is None,
            "requires backoffLimitPerIndex",
        ),
        ("successPolicy", batch.success_policy is not None and not indexed, "requires completionMode: Indexed"),
        (
            "podReplacementPolicy",
            batch.pod_failure_policy is not None and batch.pod_replacement_policy == "TerminatingOrFailed",
            "must be Failed with podFailurePolicy",
        ),
    ]
    for key, wrong, message in needs:
        if wrong:
            yield Finding(job.at(*path, key), f"{key} {message}")
    rules = (batch.pod_failure_policy or {}).get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and rule.get("action") == "FailIndex" and batch.backoff_limit_per_index is None:
            place = job.at(*path, "podFailurePolicy", "rules", index, "action")
            yield Finding(place, "FailIndex requires backoffLimitPerIndex", "add it, or use action: FailJob")
    if batch.backoff_limit_per_index is not None and indexed and crew.name in run.trains and job.several:
        message = f"{job.total} ranks train together, and the others wait for an index that has failed permanently"
        yield Finding(job.at(*path, "backoffLimitPerIndex"), message, "use backoffLimit", severity=Severity.WARNING)
    if batch.managed_by and not batch.managed_by.startswith(("kubernetes.io/", "kueue.x-k8s.io/")):
        message = f"Kubernetes ignores a Job that {batch.managed_by} manages"
        yield Finding(job.at(*path, "managedBy"), message, "remove it", severity=Severity.WARNING)


def server_accepts_the_job(manifest: Object) -> Iterator[Finding]:
    """The API server accepts the exit codes of a Job.

    The values of `onExitCodes` are in ascending order, without duplicates.
    Source: Kubernetes, pkg/apis/batch/validation (validatePodFailurePolicyRuleOnExitCodes).

    Wrong: tests/corpus/bad/FTC557-exit-codes-out-of-order.yaml
    Right: tests/corpus/good/FTC557-exit-codes-in-order.yaml
    """
    if not isinstance(manifest.content, BatchJob) or manifest.mismatches:
        return
    path: tuple[str | int, ...] = ("spec", "podFailurePolicy", "rules")
    for index, rule in enumerate(manifest.raw(*path) or []):
        values = rule.get("onExitCodes", {}).get("values", [])
        if values != sorted(set(values)):
            wanted = f"write [{', '.join(map(str, sorted(set(values))))}]"
            place = manifest.at(*path, index, "onExitCodes", "values")
            yield Finding(place, "the exit codes are not in ascending order without duplicates", wanted)


RULES = (
    Rule("FTC572", "indexed-job-cannot-share-job-claim", job_claim_is_not_shared, JobSpec, target=UNGANGED),
    Rule("FTC573", "retry-loses-pod-claim", retry_keeps_its_claim, JobSpec, Severity.NOTE, target=UNGANGED),
    Rule(
        "FTC574",
        "fixed-name-needs-deletion-before-rerun",
        job_and_service_are_deleted_before_rerun,
        JobSpec,
        Severity.NOTE,
        target="job",
    ),
    Rule("FTC575", "no-manual-hostname-in-indexed-job", no_manual_hostname, JobSpec, target=UNGANGED),
    Rule("FTC585", "backoff-limit-overflow", backoff_limit_is_in_range, JobSpec, target="job", needed=True),
    Rule("FTC866", "finished-pod-restarts", finished_pod_does_not_restart, Run),
    Rule("FTC867", "distributed-job-needs-index", pods_have_an_index, Run),
    Rule("FTC868", "parallelism-below-completions", all_pods_run_at_once, Run),
    Rule("FTC869", "indexed-job-needs-service", pods_have_dns_names, Run),
    Rule("FTC870", "contradictory-failure-settings", failure_settings_are_consistent, Run),
    Rule("FTC557", "job-refused-by-server", server_accepts_the_job, Object),
)
