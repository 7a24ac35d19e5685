"""KServe's InferenceService for a model at an address, and a request to try it."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import msgspec

from ftc.plan import pod, security
from ftc.plan.merge import merge
from ftc.plan.names import job_name
from ftc.plan.train import NAME as TRAIN
from ftc.trainer.arguments import MERGED, OUTPUT, QUANTIZED
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.estimate.serving import Size
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

_WORD = r"[A-Za-z0-9_][-A-Za-z0-9_.]*"
_PATH = rf"{_WORD}(/{_WORD})*"
_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
# KServe's storage initializer reads these (kserve, storage/storage.py); credentials are never a part of an address.
FORMS = {
    "pvc": (rf"pvc://{_NAME}/{_PATH}", "pvc://CLAIM/PATH"),
    "hf": (rf"hf://{_WORD}/{_WORD}(:{_PATH})?", "hf://OWNER/NAME or hf://OWNER/NAME:REVISION"),
    "s3": (rf"s3://{_NAME}/{_PATH}", "s3://BUCKET/PREFIX"),
}
# The directory of a result is that of its run.
_OF_RUN = (OUTPUT, MERGED, QUANTIZED)
_LONGEST_NAME, _LONGEST_LABEL = 53, 63
# The runtime has these for its server.
_OF_TRAINING = ("name", "args", "command", "image", "lifecycle")


class Model(msgspec.Struct, frozen=True):
    """The address of a model, and the name of its repository or directory."""

    uri: str
    name: str


def parse(uri: str) -> Model | str:
    """The model at an address, or why the address is not accepted."""
    pattern, form = FORMS.get(uri.partition("://")[0], ("", "pvc://CLAIM/PATH, hf://OWNER/NAME or s3://BUCKET/PREFIX"))
    if not pattern or not re.fullmatch(pattern, uri):
        return f"the address of a model is {form}, without a user, a token, a query or '..'"
    path = re.sub(r"^\w+://", "", uri)
    *parents, last = (path.partition(":")[0] if uri.startswith("hf:") else path).split("/")
    return Model(uri, parents[-1] if last in _OF_RUN and len(parents) > 1 else last)


def name_of(spec: JobSpec, model: Model) -> str:
    """The name of the service: that of the run or, without one, of the model."""
    name = spec.name or re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-")
    name = name if re.match(r"[a-z]", name) else f"model-{name}"
    return (name or job_name(spec))[:_LONGEST_NAME].rstrip("-")


def manifest(spec: JobSpec, model: Model, size: Size) -> str:
    """The InferenceService, whose pods have what the hardware and the cluster add to the pod of a training."""
    serving = spec.cluster.serving
    served = msgspec.structs.replace(spec, devices=size.devices)
    repository = model.name.strip("-_.")[:_LONGEST_LABEL].rstrip("-_.")
    label = {serving.model_label: repository} if serving.model_label and repository else {}
    # KServe copies the labels of the object to its pods.
    labels = {"app.kubernetes.io/managed-by": "ftc", **serving.labels, **label, **spec.hardware.labels, **spec.labels}
    about = {
        "name": name_of(spec, model),
        **({"namespace": spec.namespace} if spec.namespace else {}),
        "labels": labels,
        "annotations": {"serving.kserve.io/deploymentMode": serving.deployment_mode, **spec.annotations},
    }
    return dump(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {key: value for key, value in about.items() if value},
            "spec": {"predictor": _predictor(served, model, size)},
        }
    )


def _predictor(spec: JobSpec, model: Model, size: Size) -> Json:
    serving, fragments = spec.cluster.serving, (spec.cluster.pod, spec.hardware.pod)
    shm = pod.shm_volume(spec)
    resources = pod.resources(spec)
    own: Json = {
        "spec": {
            **security.of_pod(spec.cluster),
            "containers": [
                {
                    "name": TRAIN,
                    "resources": {"requests": resources, "limits": dict(resources)},
                    "securityContext": {"allowPrivilegeEscalation": False, **security.of_containers(spec.cluster)},
                    **({"volumeMounts": [{"name": "shm", "mountPath": pod.SHM}]} if shm else {}),
                }
            ],
            **({"volumes": shm} if shm else {}),
        }
    }
    for fragment in fragments:
        own = merge(own, {"spec": fragment.get("spec", {})})
    # The runtime chooses the image, so the user is its own.
    user = {"runAsNonRoot": True} if spec.cluster.security == "restricted" else {}
    body = {**own["spec"], "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}}}
    (container,) = [one for one in body.pop("containers") if one["name"] == TRAIN]
    body.pop("initContainers", None)
    rest = {key: value for key, value in container.items() if key not in _OF_TRAINING}
    return {
        "minReplicas": 1,
        "maxReplicas": 1,
        **body,
        "model": {
            "modelFormat": {"name": serving.model_format},
            **({"runtime": serving.runtime} if serving.runtime else {}),
            "storageUri": model.uri,
            "args": _arguments(spec, size),
            **rest,
        },
    }


def _arguments(spec: JobSpec, size: Size) -> list[str]:
    """The arguments of vLLM; chips without bfloat16 serve in float16."""
    return [
        f"--tensor-parallel-size={size.devices}",
        *([f"--max-model-len={size.length}"] if size.length else []),
        *(["--dtype=float16"] if spec.hardware.bf16 is False else []),
    ]


def notes(spec: JobSpec, size: Size) -> Iterator[str]:
    """The settings that the user may have to make, in sentences."""
    if spec.cluster.serving.runtime is None:
        yield "KServe chooses the runtime; cluster.serving.runtime=… names one (kubectl get clusterservingruntimes)"
    if size.length is None:
        yield "the sizes of the model or the memory of the device are unknown, so --max-model-len is not set"


def request(spec: JobSpec, model: Model) -> list[str]:
    """The commands that send a first message to the service."""
    name = name_of(spec, model)
    namespace = f" -n {spec.namespace}" if spec.namespace else ""
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 64})
    address = f"http://localhost:8080{spec.cluster.serving.openai_path}/chat/completions"
    return [
        f"kubectl wait --for=condition=Ready --timeout=30m inferenceservice/{name}{namespace}",
        f"kubectl port-forward service/{name}-predictor{namespace} 8080:80",
        f"curl {shlex.quote(address)} -H 'Content-Type: application/json' -d {shlex.quote(body)}",
    ]
