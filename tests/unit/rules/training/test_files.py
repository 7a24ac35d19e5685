"""Mutually exclusive arguments in LLaMA-Factory's YAML, each with the nearest valid file."""

from __future__ import annotations

import pytest

from unit.lint.test_lint import codes, judged

BASE = "model_name_or_path: a/b\ntemplate: qwen3\noutput_dir: out\n"
TRAIN = f"{BASE}do_train: true\ndataset: d\n"
EXPORT = "model_name_or_path: a/b\ntemplate: qwen3\nexport_dir: merged\n"
LORA, FULL, FREEZE = (f"{TRAIN}finetuning_type: {name}\n" for name in ("lora", "full", "freeze"))
PAIRS = [
    ("FTC305", TRAIN, "bf16: true\nfp16: true", "bf16: true\nfp16: false", "fp16"),
    ("FTC420", TRAIN, "stage: pt\nmask_history: true", "stage: sft\nmask_history: true", "mask_history"),
    ("FTC420", TRAIN, "stage: dpo\nneat_packing: true", "stage: dpo\nneat_packing: false", "neat_packing"),
    ("FTC423", FULL, "use_dora: true", "use_dora: false", "use_dora"),
    ("FTC423", FREEZE, "loraplus_lr_ratio: 16.0", "loraplus_lr_ratio: null", "loraplus_lr_ratio"),
    ("FTC430", LORA, "use_galore: true", "use_galore: false", "use_galore"),
    ("FTC437", FULL, "quantization_bit: 4", "quantization_bit: null", "quantization_bit"),
    ("FTC423", FULL, "adapter_name_or_path: a", "adapter_name_or_path: null", "adapter_name_or_path"),
    (
        "FTC477",
        LORA,
        "quantization_bit: 4\nadapter_name_or_path: a, b",
        "quantization_bit: 4\nadapter_name_or_path: a",
        "adapter_name_or_path",
    ),
    (
        "FTC477",
        LORA,
        "quantization_bit: 4\nadapter_name_or_path: a\ncreate_new_adapter: true",
        "adapter_name_or_path: a,b\ncreate_new_adapter: true",
        "create_new_adapter",
    ),
    ("FTC423", FULL, "use_llama_pro: true", "use_llama_pro: false", "use_llama_pro"),
    ("FTC421", TRAIN, "stage: ppo", "stage: ppo\nreward_model: r", "stage"),
    ("FTC422", TRAIN, "stage: ppo\nreward_model: r\nreport_to: mlflow", "stage: dpo\nreport_to: mlflow", "report_to"),
    (
        "FTC425",
        TRAIN,
        "stage: dpo\npref_loss: ipo\ndpo_label_smoothing: 0.1",
        "stage: dpo\ndpo_label_smoothing: 0.1",
        "dpo_label_smoothing",
    ),
    ("FTC901", BASE, "do_train: true", "do_train: true\ndataset: d", "do_train"),
    ("FTC443", TRAIN, "val_size: 0.1\neval_dataset: e", "val_size: 0.0\neval_dataset: e", "val_size"),
    ("FTC458", TRAIN, "streaming: true", "streaming: true\nmax_steps: 10", "streaming"),
    (
        "FTC458",
        TRAIN,
        "streaming: true\nmax_steps: 9\nmax_samples: 9",
        "streaming: false\nmax_samples: 9",
        "max_samples",
    ),
    (
        "FTC458",
        TRAIN,
        "streaming: true\nmax_steps: 9\nval_size: 0.1",
        "streaming: true\nmax_steps: 9\nval_size: 100",
        "val_size",
    ),
    ("FTC460", TRAIN, "mask_history: true\ntrain_on_prompt: true", "mask_history: true", "train_on_prompt"),
    (
        "FTC459",
        f"{BASE}do_train: true\ndataset: d,e\n",
        "interleave_probs: 0.5,0.5",
        "interleave_probs: 0.5,0.5\nmix_strategy: interleave_under",
        "interleave_probs",
    ),
    ("FTC441", TRAIN, "eval_strategy: steps", "eval_strategy: 'no'", "eval_strategy"),
    ("FTC441", TRAIN, "do_eval: true", "do_eval: true\nval_size: 0.1", "do_eval"),
    (
        "FTC444",
        TRAIN,
        "val_size: 0.1\neval_strategy: epoch\nload_best_model_at_end: true",
        "val_size: 0.1\neval_strategy: epoch\nsave_strategy: epoch\nload_best_model_at_end: true",
        "load_best_model_at_end",
    ),
    (
        "FTC444",
        TRAIN,
        "val_size: 0.1\neval_strategy: steps\nsave_steps: 150\neval_steps: 100\nload_best_model_at_end: true",
        "val_size: 0.1\neval_strategy: steps\nsave_steps: 200\neval_steps: 100\nload_best_model_at_end: true",
        "load_best_model_at_end",
    ),
    (
        "FTC901",
        EXPORT,
        "export_quantization_bit: 4",
        "export_quantization_bit: 4\nexport_quantization_dataset: d",
        "export_quantization_bit",
    ),
    ("FTC468", EXPORT, "quantization_bit: 4\nadapter_name_or_path: a", "adapter_name_or_path: a", "quantization_bit"),
]


@pytest.mark.parametrize(
    ("code", "base", "wrong", "right", "key"), PAIRS, ids=[pair[2].replace("\n", ", ") for pair in PAIRS]
)
def test_an_exclusive_argument_is_reported_at_its_key(code: str, base: str, wrong: str, right: str, key: str) -> None:
    found = [d for d in judged(f"{base}{wrong}\n") if d.code == code]
    assert key in [d.path[0] for d in found]
    assert code not in codes(f"{base}{right}\n")


POD = """
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  restartPolicy: Never
  containers:
    - name: train
      image: registry.example.com/llamafactory:0.9.5
      command: [bash, -ec]
      args:
        - |
          cat >/tmp/a.yaml <<EOF
          model_name_or_path: /models/a
          template: qwen3
          stage: sft
          do_train: true
          finetuning_type: lora
          output_dir: /out
          EOF
          %s
"""


@pytest.mark.parametrize(
    "rest",
    [
        "llamafactory-cli train /tmp/a.yaml dataset=d",
        'llamafactory-cli train /tmp/a.yaml "dataset=$DATASET"',
        "llamafactory-cli train /tmp/a.yaml $MORE",
        'echo "dataset: d" >>/tmp/a.yaml; llamafactory-cli train /tmp/a.yaml',
        "tail -n1 /data/more >>/tmp/a.yaml; llamafactory-cli train /tmp/a.yaml",
    ],
)
def test_an_argument_from_the_command_line_or_a_later_line_is_not_missing(rest: str) -> None:
    assert codes(POD % rest) == set()
    assert codes(POD % "llamafactory-cli train /tmp/a.yaml") == {"FTC901"}
