"""The network of a pod."""

from __future__ import annotations

from ftc.spec.base import Environment, Json, Positive, ResourceName, Spec


class Network(Spec, frozen=True):
    """The network settings of a pod: `quantity` of `resource` per pod, variables, a PodTemplate fragment."""

    resource: ResourceName | None = None
    quantity: Positive = 1
    env: Environment = {}
    pod: Json = {}
