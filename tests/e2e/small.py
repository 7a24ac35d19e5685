"""Overrides for a training of seconds on a CPU."""

# Short texts, few steps and no workers, for a CPU.
SMALL = (
    "hardware=cpu",
    "train.cutoff_len=128",
    "train.preprocessing_num_workers=1",
    "train.gradient_accumulation_steps=1",
    "train.per_device_train_batch_size=4",
    "train.logging_steps=1",
    "train.max_steps=4",
)
ALONE = ("method.merge=null",)
