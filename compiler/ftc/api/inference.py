"""`ftc.inference`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftc.api.cluster import answers
from ftc.api.refused import RefusedError
from ftc.api.runs import Places, directories
from ftc.cluster.cause import safe
from ftc.cluster.find import NoResultError, UnknownRunError, address, find
from ftc.cluster.server import Server
from ftc.diagnostics.printable import without_secrets
from ftc.driver import Request, compile_job
from ftc.estimate.serving import size
from ftc.output import verify
from ftc.targets import inference_service as service

if TYPE_CHECKING:
    from ftc.estimate.serving import Size


def of_run(name: str, *, namespace: str | None = None, context: str | None = None) -> str:
    """The address of the result of a run on the cluster, `pvc://CLAIM/PATH`.

    Raises:
        RefusedError: the run does not exist, has not completed, or has no whole model on a claim.
        ClusterRefusedError: the cluster refuses, or does not answer.

    """
    with answers():
        try:
            return address(find(Server(context, namespace), name))
        except (NoResultError, UnknownRunError) as error:
            raise RefusedError(f"the run {safe(name)}: {error}") from None


@dataclass(frozen=True, repr=False)
class Inference:
    """An InferenceService of KServe, with the commands that try it."""

    text: str
    """The manifest."""
    request: tuple[str, ...]
    """The commands that send a first message to the service."""
    notes: tuple[str, ...]
    """The settings that ftc could not decide, in sentences."""
    size: Size
    """The `devices` of a replica, and the `length` of its conversations in tokens."""

    def __repr__(self) -> str:
        return f"<inference: {self.size.devices} devices, {self.size.length or 'unknown'} tokens>"


def inference(
    uri: str, *overrides: str, config_name: str = "config", config_dirs: Places = (), strict: bool = False
) -> Inference:
    """Make an InferenceService for a model.

    Args:
        uri: The model: `pvc://CLAIM/PATH`, `hf://OWNER/NAME[:REVISION]` or `s3://BUCKET/PREFIX`.
        overrides: `group=option` or `key.path=value`: the model, the hardware and the cluster.
        config_name: The primary config, NAME.yaml in one of your conf trees.
        config_dirs: Your conf trees, searched before the shipped one.
        strict: Whether warnings are errors.

    Raises:
        RefusedError: the address or the configuration has errors, or the model does not fit.

    """
    model = service.parse(uri)
    if isinstance(model, str):
        raise RefusedError(model)
    state = compile_job(Request(overrides, directories(config_dirs), config_name, (), (), strict))
    if state.spec is None:
        raise RefusedError(findings=tuple(map(without_secrets, state.diagnostics)))
    found = size(state.spec)
    if isinstance(found, str):
        raise RefusedError(found)
    text = service.manifest(state.spec, model, found)
    verify.inference_service(text, state.spec.cluster)
    return Inference(text, tuple(service.request(state.spec, model)), tuple(service.notes(state.spec, found)), found)
