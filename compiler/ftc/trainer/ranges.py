"""The valid ranges of numeric arguments, and the names of the trackers.

A number outside its range fails the training, usually after the model is loaded (tried with LLaMA-Factory 0.9.5 and
0.9.3; numbers beyond 2^31 - 1 are rejected as a precaution). The names are transformers'
(integrations/integration_utils.py), 4.51 to 5.6.
"""

from __future__ import annotations

import msgspec

# No training needs a larger number, and PyTorch uses 32 bits in many places.
_MOST = 2**31 - 1


class Range(msgspec.Struct, frozen=True):
    """The valid values of a number, both ends included."""

    low: float
    high: float = _MOST

    @property
    def text(self) -> str:
        """The range in words."""
        if self.low == float("-inf"):
            return f"at most {self.high}"
        return f"at least {self.low}" if self.high == _MOST else f"between {self.low} and {self.high}"

    def takes(self, value: object) -> bool:
        """Whether a value is in the range; another rule checks that it is a number."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return not number or self.low <= float(str(value)) <= self.high


AT_LEAST_ONE = Range(1)
RANGES = {
    "per_device_train_batch_size": AT_LEAST_ONE,
    "gradient_accumulation_steps": AT_LEAST_ONE,
    "cutoff_len": AT_LEAST_ONE,
    "max_samples": AT_LEAST_ONE,
    "preprocessing_num_workers": AT_LEAST_ONE,
    "torch_empty_cache_steps": AT_LEAST_ONE,
    "dataloader_prefetch_factor": AT_LEAST_ONE,
    "dataloader_num_workers": Range(0),
    "per_device_eval_batch_size": AT_LEAST_ONE,
    "learning_rate": Range(0),
    "adam_beta1": Range(0, 1),
    "adam_beta2": Range(0, 1),
    "num_train_epochs": Range(float("-inf")),
    "warmup_steps": Range(0),
    "seed": Range(0, 2**32 - 1),
}
OF_LORA = {"lora_rank": AT_LEAST_ONE, "lora_dropout": Range(float("-inf"), 1)}
REPORTERS = (
    *("all", "none", "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "kubeflow"),
    *("mlflow", "neptune", "swanlab", "tensorboard", "trackio", "wandb"),
)
