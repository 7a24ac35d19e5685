"""The stages and tuning types to which each switch of LLaMA-Factory applies.

Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py and finetuning_args.py.
"""

from __future__ import annotations

OF_SFT = ("predict_with_generate", "neat_packing", "train_on_prompt", "mask_history")
OF_LORA = ("use_rslora", "use_dora", "pissa_init")
# These train full weights, not a LoRA adapter.
OF_WHOLE_WEIGHTS = {"use_galore": "GaLore", "use_apollo": "APOLLO", "use_badam": "BAdam"}
# These require evaluation data.
EVALUATING = ("do_eval", "do_predict", "predict_with_generate")
