"""The types of JobSets, and of the objects of Kubeflow Trainer from which its controller creates them."""

from __future__ import annotations

from ftc.manifests.manifest import BatchSpec, EnvVar, Manifest, Metadata, Resources
from ftc.spec.base import Json

# Kubeflow Trainer changes the replicated jobs with this label, and in them only the container with this name.
ANCESTOR = "trainer.kubeflow.org/trainjob-ancestor-step"
TRAINER = "trainer"
NODE = "node"


class IndexedSpec(BatchSpec, frozen=True):
    """The spec of a Job in a JobSet, whose webhook sets another default than Kubernetes."""

    completion_mode: str = "Indexed"


class JobTemplate(Manifest, frozen=True):
    """The template of Jobs."""

    metadata: Metadata = Metadata()
    spec: IndexedSpec = IndexedSpec()


class ReplicatedJob(Manifest, frozen=True):
    """Jobs of one template in a JobSet."""

    name: str = ""
    replicas: int = 1
    template: JobTemplate = JobTemplate()

    @property
    def pods(self) -> int:
        """The number of pods that run at the same time."""
        parallelism = self.template.spec.parallelism
        return self.replicas * (1 if parallelism is None else parallelism)

    @property
    def trains(self) -> bool:
        """Whether Kubeflow Trainer applies the settings of a TrainJob to it."""
        return self.template.metadata.labels.get(ANCESTOR) == TRAINER


class FailurePolicy(Manifest, frozen=True):
    """What a JobSet does if a Job fails."""

    max_restarts: int = 0
    restart_strategy: str = ""


class Network(Manifest, frozen=True):
    """The names of the pods."""

    subdomain: str = ""


class JobSetSpec(Manifest, frozen=True):
    """The spec of a JobSet."""

    replicated_jobs: tuple[ReplicatedJob, ...] = ()
    failure_policy: FailurePolicy | None = None
    network: Network | None = None
    volume_claim_policies: tuple[Json, ...] = ()
    ttl_seconds_after_finished: int | None = None


class JobSet(Manifest, frozen=True):
    """A JobSet."""

    metadata: Metadata = Metadata()
    spec: JobSetSpec = JobSetSpec()


class Target(Manifest, frozen=True):
    """Other containers, also init containers, that get the variables of torchrun."""

    job_name: str = ""
    container_names: tuple[str, ...] = ()


class Injection(Manifest, frozen=True):
    """The containers of several replicated jobs; a field of Trainer 2.3."""

    targets: tuple[Target, ...] = ()


class Torch(Manifest, frozen=True):
    """The policy of a runtime that starts torchrun."""

    env_injection: Injection = Injection()


class Policy(Manifest, frozen=True):
    """What Kubeflow Trainer sets in the pods of a runtime."""

    num_nodes: int | None = None
    torch: Torch | None = None


class RuntimeSpec(Manifest, frozen=True):
    """The spec of a runtime."""

    ml_policy: Policy = Policy()
    template: JobSet = JobSet()


class TrainingRuntime(Manifest, frozen=True):
    """A TrainingRuntime or a ClusterTrainingRuntime."""

    metadata: Metadata = Metadata()
    spec: RuntimeSpec = RuntimeSpec()


class Trainer(Manifest, frozen=True):
    """The settings of a TrainJob for the container that trains."""

    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources_per_node: Resources | None = None
    num_nodes: int | None = None
    num_proc_per_node: int | str | None = None


class RuntimeRef(Manifest, frozen=True):
    """The runtime of a TrainJob."""

    kind: str = "ClusterTrainingRuntime"
    name: str = ""


class TrainJobSpec(Manifest, frozen=True):
    """The spec of a TrainJob; a release of Kubeflow Trainer has one of the three fields for other overrides."""

    runtime_ref: RuntimeRef = RuntimeRef()
    trainer: Trainer | None = None
    pod_spec_overrides: tuple[Json, ...] = ()
    pod_template_overrides: tuple[Json, ...] = ()
    runtime_patches: tuple[Json, ...] = ()

    @property
    def overrides(self) -> bool:
        """Whether it changes the pods of its runtime other than by `trainer`."""
        return bool(self.pod_spec_overrides or self.pod_template_overrides or self.runtime_patches)


class TrainJob(Manifest, frozen=True):
    """A TrainJob of Kubeflow Trainer."""

    metadata: Metadata = Metadata()
    spec: TrainJobSpec = TrainJobSpec()
