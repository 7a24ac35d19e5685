"""Arguments that LLaMA-Factory refuses, fails at or ignores, each with the nearest valid one, by time of failure."""

from __future__ import annotations

from unit.rules.pairs import Pair

OLD = "trainer.llamafactory=0.9.3 trainer.transformers=4.51.1"
NEAT = "trainer.llamafactory=0.9.4 trainer.transformers=4.57.1"
PPO = f"{OLD} method.stage=ppo train.reward_model=/models/reward"
DPO = "method.stage=dpo dataset.info=null"
FULL = "method=full-sft"
CUSTOM_MODEL = "model=custom model.id=a/b model.template=qwen3"
LONG = "model=qwen3-8b train.cutoff_len"
EVALUATED = "train.eval_strategy=steps train.val_size=0.1"
GALORE = f"{FULL} train.use_galore=true train.optim=adamw_torch"
ZERO_3 = "engine=deepspeed-z3 devices=2"
SHARDED = "launcher=accelerate devices=2"
QLORA = ("method=qlora-sft", "method=qlora-dpo dataset=dpo-mix-en", "method=oft-sft train.quantization_bit=4")
GPTQ = "model=custom model.id=Qwen/Qwen2.5-32B-Instruct-GPTQ-Int4 model.template=qwen"
IMAGES = "model=qwen2.5-vl-7b-instruct dataset=llava-1k-en"
REWARD = "method=full-rm dataset=dpo-mix-en"
ADAPTER = "source@method.adapter=path method.adapter.path=/workspace/sft/output"
NEW_ADAPTER = f"{ADAPTER} train.create_new_adapter=true"
ON_PAIRS = f"dataset=dpo-mix-en {ADAPTER}"
SEEKING = (f"{REWARD} devices=2", f"{REWARD} launcher=torchrun", "method=oft-sft nodes=2")
# DeepSpeed stage 0 updates these incorrectly, or correctly.
STAGE_0 = (
    ("devices=2", "devices=2 train.bf16=false train.fp16=true"),
    ("devices=2 train.learning_rate=1e-5", "devices=2 train.bf16=false"),
    ("engine.config.fp16.loss_scale=128", "engine.config.fp16.loss_scale=1"),
)


def _entry(text: str) -> str:
    return f"'dataset.info.alpaca={{file_name: a.json, {text}}}'"


def _text(text: str) -> str:
    return _entry(text).replace("a.json", "a.TXT")


# The trainer's parser refuses these at once: hparams/parser.py, hparams/*_args.py, transformers' training_args.py.
AT_ONCE = (
    Pair("FTC420", "method.stage=pt train.predict_with_generate=true train.eval_dataset=alpaca", "", "train.predict"),
    Pair("FTC566", f"{NEAT} train.neat_packing=true", "train.neat_packing=true", "train.neat_packing"),
    Pair("FTC420", "method.stage=pt train.neat_packing=true", "train.neat_packing=true", "train.neat_packing"),
    Pair("FTC420", f"{DPO} train.train_on_prompt=true", "train.train_on_prompt=true", "train.train_on_prompt"),
    Pair("FTC421", f"{OLD} method.stage=ppo", PPO, "method.stage"),
    Pair(
        "FTC421",
        f"{PPO} method.finetuning_type=freeze method.merge=null",
        f"{PPO} method.finetuning_type=freeze method.merge=null train.reward_model_type=full",
        "train.reward_model",
    ),
    Pair(
        "FTC422",
        f"{PPO} tracking=mlflow tracking.mlflow.uri=http://m",
        f"{PPO} tracking=tensorboard",
        "tracking.mlflow",
    ),
    Pair("FTC422", f"{PPO} train.shift_attn=true", "train.shift_attn=true", "train.shift_attn"),
    Pair(
        "FTC422",
        f"{PPO} train.use_unsloth=true",
        f"{PPO} train.use_unsloth=true train.reward_model_type=full",
        "train.use_unsloth",
    ),
    Pair("FTC423", f"{FULL} train.use_rslora=true", "train.use_rslora=true", "train.use_rslora"),
    Pair("FTC423", f"{FULL} train.loraplus_lr_ratio=16.0", "train.loraplus_lr_ratio=16.0", "train.loraplus_lr_ratio"),
    Pair(
        "FTC423",
        f"{FULL} method.adapter.kind=path method.adapter.path=/workspace/sft/output",
        ADAPTER,
        "method.adapter",
    ),
    Pair("FTC423", f"method.finetuning_type=oft method.merge=null {ADAPTER}", ADAPTER, "method.adapter"),
    Pair("FTC423", f"{FULL} train.use_llama_pro=true", "train.use_llama_pro=true", "train.use_llama_pro"),
    Pair(
        "FTC423",
        "method.finetuning_type=freeze method.merge=null train.pissa_init=true",
        "method.finetuning_type=freeze method.merge=null train.use_llama_pro=true",
        "train.pissa_init",
    ),
    Pair(
        "FTC424",
        f"{DPO} train.pissa_init=true",
        f"{DPO} train.pissa_init=true train.pref_loss=simpo",
        "train.pissa_init",
    ),
    Pair("FTC424", "train.pissa_init=true train.quantization_bit=4", "train.quantization_bit=4", "train.pissa_init"),
    Pair(
        "FTC425",
        f"{DPO} train.dpo_label_smoothing=0.1 train.pref_loss=hinge",
        f"{DPO} train.dpo_label_smoothing=0.1 train.pref_loss=sigmoid",
        "train.dpo_label_smoothing",
    ),
    Pair("FTC428", "train.infer_backend=sglang", "", "train.infer_backend"),
    Pair(
        "FTC429",
        f"{OLD} train.split_special_tokens=true",
        "train.split_special_tokens=true",
        "train.split_special_tokens",
    ),
    Pair("FTC430", "train.use_badam=true", f"{FULL} train.use_badam=true", "train.use_badam"),
    Pair("FTC430", f"{GALORE} train.use_apollo=true", GALORE, "train.use_apollo"),
    Pair("FTC431", f"{GALORE} {ZERO_3}", f"{GALORE} devices=2", "train.use_galore"),
    Pair(
        "FTC431",
        f"{GALORE} devices=2 train.galore_layerwise=true train.gradient_accumulation_steps=1",
        f"{GALORE} devices=1 train.galore_layerwise=true train.gradient_accumulation_steps=1",
        "train.galore_layerwise",
    ),
    Pair(
        "FTC431", f"{FULL} devices=2 train.use_badam=true", f"{FULL} {ZERO_3} train.use_badam=true", "train.use_badam"
    ),
    Pair(
        "FTC431",
        f"{FULL} {ZERO_3} train.use_badam=true train.badam_mode=ratio",
        f"{FULL} devices=1 train.use_badam=true train.badam_mode=ratio",
        "train.badam_mode",
    ),
    Pair(
        "FTC434",
        "train.lr_scheduler_type=reduce_lr_on_plateau",
        f"train.lr_scheduler_type=reduce_lr_on_plateau {EVALUATED}",
        "train.lr_scheduler_type",
    ),
    Pair(
        "FTC436",
        f"{ZERO_3} train.predict_with_generate=true train.eval_dataset=alpaca",
        "engine=deepspeed-z2 devices=2 train.predict_with_generate=true train.eval_dataset=alpaca",
        "train.predict_with_generate",
    ),
    Pair(
        "FTC436",
        f"{ZERO_3} train.pissa_init=true",
        "engine=deepspeed-z2 devices=2 train.pissa_init=true",
        "train.pissa_init",
    ),
    Pair(
        "FTC436",
        "engine=deepspeed-z2 engine.config.zero_optimization.stage=3 train.use_unsloth=true",
        "engine=deepspeed-z3 engine.config.zero_optimization.stage=2 train.use_unsloth=true",
        "train.use_unsloth",
    ),
    Pair(
        "FTC437",
        "method.finetuning_type=freeze method.merge=null train.quantization_bit=8",
        "train.quantization_bit=8",
        "train.quantization_bit",
    ),
    Pair(
        "FTC437",
        "train.quantization_bit=4 train.resize_vocab=true",
        "train.resize_vocab=true",
        "train.resize_vocab",
    ),
    Pair("FTC437", "train.quantization_device_map=auto", "", "train.quantization_device_map"),
    Pair(
        "FTC437", "hardware=h800 train.fp8=true train.quantization_bit=4", "hardware=h800 train.fp8=true", "train.fp8"
    ),
    Pair(
        "FTC438",
        f"{DPO} train.ref_model=/models/m train.ref_model_quantization_bit=6",
        f"{DPO} train.ref_model=/models/m train.ref_model_quantization_bit=8",
        "train.ref_model_quantization_bit",
    ),
    Pair("FTC441", "train.do_eval=true", "train.do_eval=true train.val_size=0.1", "train.do_eval"),
    Pair(
        "FTC441", "train.eval_strategy=epoch", "train.eval_strategy=epoch train.eval_dataset=alpaca", "train.eval_str"
    ),
    Pair(
        "FTC441",
        f"{OLD} train.predict_with_generate=true train.val_size=0.1",
        f"{OLD} train.predict_with_generate=true train.eval_dataset=alpaca",
        "train.predict_with_generate",
    ),
    Pair(
        "FTC442",
        "train.predict_with_generate=true train.compute_accuracy=true train.eval_dataset=alpaca",
        "train.do_eval=true train.compute_accuracy=true train.eval_dataset=alpaca",
        "train.compute_accuracy",
    ),
    Pair(
        "FTC443",
        "train.val_size=0.1 train.eval_dataset=alpaca",
        "train.val_size=0.0 train.eval_dataset=alpaca",
        "train.val_size",
    ),
    Pair(
        "FTC444",
        f"{EVALUATED} train.load_best_model_at_end=true train.eval_steps=300",
        f"{EVALUATED} train.load_best_model_at_end=true train.eval_steps=250",
        "train.load_best_model_at_end",
    ),
    Pair(
        "FTC444",
        f"{EVALUATED} train.load_best_model_at_end=true train.eval_steps=0.3",
        f"{EVALUATED} train.load_best_model_at_end=true train.eval_steps=0.1 train.save_steps=0.2",
        "train.load_best_model_at_end",
    ),
    Pair(
        "FTC444",
        f"{EVALUATED} train.load_best_model_at_end=true train.save_strategy=epoch",
        f"{EVALUATED} train.load_best_model_at_end=true train.save_strategy=best",
        "train.load_best_model_at_end",
    ),
    Pair(
        "FTC444",
        f"method.stage=rm dataset.info=null {EVALUATED} train.load_best_model_at_end=true",
        f"{DPO} {EVALUATED} train.load_best_model_at_end=true train.eval_steps=500",
        "train.load_best_model_at_end",
    ),
    Pair("FTC446", "train.logging_steps=0", "train.logging_steps=1", "train.logging_steps"),
    Pair("FTC446", "train.logging_steps=1.5", "train.logging_steps=0.5", "train.logging_steps"),
    Pair(
        "FTC446",
        f"{EVALUATED} train.eval_steps=10.5",
        "train.eval_strategy=epoch train.eval_steps=10.5 train.val_size=0.1",
        "train.eval_steps",
    ),
    Pair(
        "FTC458",
        "train.streaming=true train.dataloader_num_workers=1",
        "train.streaming=true train.dataloader_num_workers=1 train.max_steps=1",
        "train.streaming",
    ),
    Pair(
        "FTC458",
        "train.streaming=true train.dataloader_num_workers=1 train.max_steps=1 train.max_samples=9",
        "train.dataloader_num_workers=1 train.max_steps=1 train.max_samples=9",
        "train.max_samples",
    ),
    Pair(
        "FTC458",
        "train.streaming=true train.dataloader_num_workers=1 train.max_steps=1 train.val_size=0.5",
        "train.streaming=true train.dataloader_num_workers=1 train.max_steps=1 train.val_size=5",
        "train.val_size",
    ),
    Pair(
        "FTC459",
        "'train.interleave_probs=[1.0]'",
        "'train.interleave_probs=[1.0]' train.mix_strategy=interleave_over",
        "train.interleave_probs",
    ),
    Pair(
        "FTC459",
        "'train.interleave_probs=\"a\"' train.mix_strategy=interleave_over",
        "'train.interleave_probs=\" 1.0 \"' train.mix_strategy=interleave_over",
        "train.interleave_probs",
    ),
    Pair(
        "FTC459",
        "'train.interleave_probs=[1.0]' train.mix_strategy=interleave_over 'train.eval_dataset=[alpaca,alpaca]'",
        "'train.interleave_probs=[1.0]' train.mix_strategy=interleave_over 'train.eval_dataset=[alpaca]'",
        "train.interleave_probs",
    ),
    Pair(
        "FTC460",
        "train.mask_history=true train.train_on_prompt=true",
        "train.mask_history=false train.train_on_prompt=true",
        "train.train_on_prompt",
    ),
    Pair("FTC462", "train.video_max_pixels=200", "train.video_max_pixels=256", "train.video_max_pixels"),
    Pair("FTC462", "train.image_min_pixels=600000", "train.image_min_pixels=500000", "train.image_min_pixels"),
    Pair(
        "FTC464",
        "train.dataloader_prefetch_factor=2",
        "train.dataloader_prefetch_factor=2 train.dataloader_num_workers=2",
        "train.dataloader_prefetch_factor",
    ),
    Pair("FTC465", "train.torch_empty_cache_steps=0", "train.torch_empty_cache_steps=1", "train.torch_empty_cache"),
    Pair("FTC465", "train.warmup_steps=-1", "train.warmup_steps=0", "train.warmup_steps"),
    Pair("FTC465", f"{OLD} train.warmup_ratio=1.5", f"{OLD} train.warmup_ratio=1.0", "train.warmup_ratio"),
)

# The trainer fails at these later: with the tokenizer, the model or the data, or in the first step.
LATER = (
    Pair("FTC477", f"method=qlora-sft {NEW_ADAPTER}", f"method=qlora-sft {ADAPTER}", "train.create_new_adapter"),
    Pair("FTC477", f"{ZERO_3} {NEW_ADAPTER}", f"{ZERO_3} {ADAPTER}", "train.create_new_adapter"),
    Pair(
        "FTC477",
        f"{NEW_ADAPTER} train.use_unsloth=true",
        f"{ADAPTER} train.use_unsloth=true",
        "train.create_new_adapter",
    ),
    Pair("FTC480", f"{GPTQ} method.merge=null {ZERO_3}", f"{GPTQ} method.merge=null devices=2", "model.id"),
    Pair(
        "FTC480",
        "model=custom model.template=llama3 model.id=unsloth/llama-3-8b-bnb-4bit method.merge=null"
        f" engine=fsdp2 {SHARDED}",
        f"model=custom model.template=llama3 model.id=unsloth/llama-3-8b method.merge=null engine=fsdp2 {SHARDED}",
        "model.id",
    ),
    Pair(
        "FTC480",
        f"{OLD} model=custom model.id=Qwen/Qwen3-8B-FP8 model.template=qwen3 {ZERO_3}",
        f"model=custom model.id=Qwen/Qwen3-8B-FP8 model.template=qwen3 {ZERO_3}",
        "model.id",
    ),
    Pair("FTC468", GPTQ, f"{GPTQ} method.merge=null", "model.id"),
    Pair(
        "FTC484",
        _text("columns: {prompt: instruction, response: output}"),
        _entry("columns: {prompt: instruction, response: output}"),
        "dataset.info.alpaca.columns",
    ),
    Pair("FTC484", _text("ranking: false"), f"method.stage=pt {_text('columns: {prompt: text}')}", "dataset.info"),
    Pair(
        "FTC421",
        f"{PPO} train.reward_model_type=api",
        f"{PPO} train.reward_model_type=api train.reward_model=http://reward:80",
        "train.reward_model",
    ),
    Pair(
        "FTC422",
        "method.stage=ppo train.reward_model=/models/reward",
        "method.stage=ppo train.reward_model=/models/reward env.DISABLE_VERSION_CHECK=1",
        "method.stage",
    ),
    Pair("FTC422", f"{PPO} train.val_size=0.1", PPO, "train.val_size"),
    Pair("FTC426", "train.use_asft_loss=true", f"{FULL} train.use_asft_loss=true", "train.use_asft_loss"),
    Pair(
        "FTC427",
        "method.finetuning_type=oft method.merge=null train.oft_block_size=0",
        "method.finetuning_type=oft method.merge=null",
        "train.oft_block_size",
    ),
    Pair(
        "FTC432",
        f"{FULL} train.use_galore=true",
        f"{OLD} {FULL} train.use_galore=true",
        "train.use_galore",
    ),
    Pair(
        "FTC432",
        f"{GALORE} train.galore_layerwise=true",
        f"{GALORE} train.galore_layerwise=true train.gradient_accumulation_steps=1",
        "method.arguments.gradient_accumulation_steps",
    ),
    Pair(
        "FTC434",
        "train.lr_scheduler_type=cosine_with_min_lr 'train.lr_scheduler_kwargs={num_cycles: 0.5}'",
        "train.lr_scheduler_type=cosine_with_min_lr 'train.lr_scheduler_kwargs={min_lr: 1.0e-6}'",
        "train.lr_scheduler_type",
    ),
    Pair(
        "FTC434",
        "train.lr_scheduler_type=cosine_with_min_lr 'train.lr_scheduler_kwargs={min_lr: 1.0e-6, min_lr_rate: 0.1}'",
        'train.lr_scheduler_type=cosine_with_min_lr \'train.lr_scheduler_kwargs="{\\"min_lr\\": 1.0e-6}"\'',
        "train.lr_scheduler_type",
    ),
    Pair(
        "FTC435",
        "devices=2 train.ddp_find_unused_parameters=true",
        "devices=1 train.ddp_find_unused_parameters=true",
        "train.ddp_find_unused_parameters",
    ),
    Pair(
        "FTC435",
        f"{FULL} nodes=2 train.ddp_find_unused_parameters=true",
        f"{FULL} nodes=2 train.ddp_find_unused_parameters=true train.disable_gradient_checkpointing=true",
        "train.ddp_find_unused_parameters",
    ),
    Pair(
        "FTC436",
        f"{ZERO_3} train.auto_find_batch_size=true",
        "engine=deepspeed-z2 devices=2 train.auto_find_batch_size=true",
        "train.auto_find_batch_size",
    ),
    Pair("FTC438", "train.quantization_bit=3", "train.quantization_bit=8", "train.quantization_bit"),
    Pair(
        "FTC438",
        f"{ZERO_3} train.quantization_bit=8",
        f"{ZERO_3} train.quantization_bit=4",
        "train.quantization_bit",
    ),
    Pair(
        "FTC438",
        "engine=fsdp2 launcher=accelerate devices=2 train.quantization_bit=4 train.quantization_method=hqq",
        "devices=2 train.quantization_bit=4 train.quantization_method=hqq",
        "train.quantization_bit",
    ),
    Pair(
        "FTC440",
        "engine=deepspeed-z2 devices=2 engine.config.train_batch_size=16",
        "engine=deepspeed-z2 devices=2 engine.config.train_batch_size=32",
        "engine.config.train_batch_size",
    ),
    Pair(
        "FTC440",
        "engine=deepspeed-z2 devices=2 engine.config.bf16.enabled=false",
        "engine=deepspeed-z2 devices=2 engine.config.bf16.enabled=true",
        "engine.config.bf16.enabled",
    ),
    Pair("FTC443", "train.val_size=1.0", "train.val_size=0.9", "train.val_size"),
    Pair(
        "FTC443", "train.val_size=64 train.max_samples=64", "train.val_size=63 train.max_samples=64", "train.val_size"
    ),
    Pair(
        "FTC443", "train.val_size=0.5 train.max_samples=1", "train.val_size=0.5 train.max_samples=2", "train.val_size"
    ),
    Pair(
        "FTC444",
        "train.save_strategy=best",
        f"train.save_strategy=best {EVALUATED} train.metric_for_best_model=loss",
        "train.save_strategy",
    ),
    Pair(
        "FTC444",
        f"train.save_strategy=best {EVALUATED} train.metric_for_best_model=accuracy",
        f"train.save_strategy=best {EVALUATED} train.metric_for_best_model=accuracy train.compute_accuracy=true",
        "train.metric_for_best_model",
    ),
    Pair(
        "FTC444",
        f"{ZERO_3} {EVALUATED} train.load_best_model_at_end=true train.eval_steps=500 train.save_only_model=true",
        f"devices=2 {EVALUATED} train.load_best_model_at_end=true train.eval_steps=500 train.save_only_model=true",
        "train.save_only_model",
    ),
    Pair(
        "FTC445",
        "train.early_stopping_steps=3",
        f"train.early_stopping_steps=3 {EVALUATED} train.eval_steps=500 train.load_best_model_at_end=true",
        "train.early_stopping_steps",
    ),
    Pair(
        "FTC448",
        "method.arguments.resume_from_checkpoint=true",
        "method.arguments.resume_from_checkpoint=/workspace/a/checkpoint-5",
        "method.arguments.resume_from_checkpoint",
    ),
    Pair("FTC450", "'train.eval_dataset=\"alpaca, test\"'", "'train.eval_dataset=\"alpaca\"'", "train.eval_dataset"),
    Pair(
        "FTC451",
        f"{OLD} {_entry('formatting: openai')}",
        _entry("formatting: openai, columns: {messages: messages}"),
        "dataset.info.alpaca.formatting",
    ),
    Pair("FTC451", "'dataset.names=[b]' 'dataset.info.b={split: train}'", "", "dataset.info.b"),
    Pair(
        "FTC451",
        "dataset.info.alpaca.file_name=a.zip",
        "dataset.info.alpaca.file_name=a.parquet",
        "dataset.info.alpaca.file_name",
    ),
    Pair("FTC451", _entry("ranking: 'yes'"), _entry("ranking: false"), "dataset.info.alpaca.ranking"),
    Pair(
        "FTC451",
        _entry("columns: [prompt]"),
        _entry("columns: {prompt: p, response: r}"),
        "dataset.info.alpaca.columns",
    ),
    Pair(
        "FTC453",
        _entry("ranking: true, columns: {prompt: p, chosen: a, rejected: b}"),
        f"method.stage=rm {_entry('ranking: true, columns: {prompt: p, chosen: a, rejected: b}')}",
        "dataset.info.alpaca.ranking",
    ),
    Pair(
        "FTC454",
        f"method.stage=dpo {_entry('ranking: true, columns: {prompt: p, chosen: a}')}",
        f"method.stage=dpo {_entry('ranking: true, columns: {prompt: p, chosen: a, rejected: b}')}",
        "dataset.info.alpaca.columns",
    ),
    Pair(
        "FTC454",
        "method.stage=kto",
        f"method.stage=kto {_entry('columns: {prompt: p, response: r, kto_tag: liked}')}",
        "dataset.info.alpaca.columns",
    ),
    Pair(
        "FTC454",
        _entry("formatting: sharegpt, columns: {system: s}"),
        _entry("formatting: sharegpt, columns: {messages: m}"),
        "dataset.info.alpaca.columns",
    ),
    Pair(
        "FTC455",
        _entry("formatting: sharegpt, tags: {user_tag: u, assistant_tag: a}"),
        _entry("formatting: alpaca, tags: {user_tag: u, assistant_tag: a}"),
        "dataset.info.alpaca.tags",
    ),
    Pair(
        "FTC456",
        _entry("columns: {prompt: p, response: r, audios: a}"),
        f"{CUSTOM_MODEL} model.template=qwen2_audio {_entry('columns: {prompt: p, response: r, audios: a}')}",
        "dataset.info.alpaca.columns.audios",
    ),
    Pair(
        "FTC456",
        f"model=qwen2.5-vl-7b-instruct {_entry('columns: {prompt: p, response: r, audios: a}')}",
        f"model=qwen2.5-vl-7b-instruct {_entry('columns: {prompt: p, response: r, videos: a}')}",
        "dataset.info.alpaca.columns.audios",
    ),
    Pair(
        "FTC469",
        "engine=deepspeed-z0 engine.offload=true",
        "engine=deepspeed-z0 train.bf16=false train.fp16=true",
        "engine.offload",
    ),
    *(
        Pair("FTC474", f"engine=deepspeed-z0 {wrong}", f"engine=deepspeed-z0 {right}", "engine.stage")
        for wrong, right in STAGE_0
    ),
    Pair(
        "FTC474",
        "engine=deepspeed-z2 'engine.config={zero_optimization: {stage: 0}}'",
        "engine=deepspeed-z2 'engine.config={zero_optimization: {stage: 1}}'",
        "engine.stage",
    ),
    *(
        Pair("FTC475", f"{SHARDED} engine=fsdp {one}", f"{SHARDED} engine=fsdp2 {one}", "engine.version")
        for one in QLORA
    ),
    *(Pair("FTC476", f"{one} train.use_reentrant_gc=true", one, "train.use_reentrant_gc") for one in SEEKING),
    *(
        Pair(
            "FTC476",
            f"{one} train.use_reentrant_gc=true",
            f"{one} train.use_reentrant_gc=true {right}",
            "train.use_reentrant_gc",
        )
        for one in SEEKING
        for right in ("train.disable_gradient_checkpointing=true", "train.ddp_static_graph=true")
    ),
    Pair(
        "FTC476",
        f"{REWARD} devices=2 train.ddp_find_unused_parameters=false",
        f"{REWARD} method.finetuning_type=freeze devices=2 train.ddp_find_unused_parameters=false",
        "train.ddp_find_unused_parameters",
    ),
    Pair(
        "FTC476",
        f"{REWARD} devices=2 train.use_reentrant_gc=true",
        f"{REWARD} devices=2 engine=deepspeed-z2 train.use_reentrant_gc=true",
        "train.use_reentrant_gc",
    ),
    Pair("FTC470", _entry("split: test"), _entry("split: train"), "dataset.info.alpaca.split"),
    Pair(
        "FTC458",
        "train.streaming=true train.max_steps=1",
        "train.streaming=true train.max_steps=1 train.preprocessing_num_workers=null"
        " 'dataset.info.alpaca={hf_hub_url: tatsu-lab/alpaca}'",
        "train.streaming",
    ),
    Pair(
        "FTC458",
        "train.streaming=true train.max_steps=1 'dataset.info.alpaca={hf_hub_url: tatsu-lab/alpaca}'",
        "'dataset.info.alpaca={hf_hub_url: tatsu-lab/alpaca}'",
        "method.arguments.preprocessing_num_workers",
    ),
    Pair(
        "FTC458",
        "train.streaming=true train.max_steps=1 train.dataloader_num_workers=1 train.tokenized_path=tokenized",
        "train.tokenized_path=tokenized",
        "train.tokenized_path",
    ),
    Pair(
        "FTC460",
        "model=custom model.id=THUDM/glm-4-9b-chat model.template=glm4 train.train_on_prompt=true",
        "model=custom model.id=THUDM/glm-4-9b-chat model.template=glm4 train.mask_history=true",
        "train.train_on_prompt",
    ),
    Pair(
        "FTC461",
        "train.neat_packing=true train.flash_attn=fa2",
        "train.neat_packing=true train.flash_attn=sdpa",
        "method.arguments.per_device_train_batch_size",
    ),
    Pair(
        "FTC464",
        "train.dataloader_persistent_workers=true",
        "train.dataloader_persistent_workers=false",
        "train.dataloader_persistent_workers",
    ),
    Pair("FTC465", "train.adam_beta1=1.5", "train.adam_beta1=0.95", "train.adam_beta1"),
    Pair("FTC465", "train.lora_rank=0", f"{FULL} train.lora_rank=0", "train.lora_rank"),
    Pair("FTC465", "train.lora_dropout=1.5", "train.lora_dropout=1.0", "train.lora_dropout"),
    Pair("FTC465", "train.gradient_accumulation_steps=0", "", "train.gradient_accumulation_steps"),
    Pair("FTC465", "train.learning_rate=-1.0e-4", "train.learning_rate=0.0", "train.learning_rate"),
    Pair("FTC465", "train.seed=4294967296", "train.seed=4294967295", "train.seed"),
    Pair(
        "FTC465",
        "method.finetuning_type=freeze method.merge=null train.freeze_trainable_layers=0",
        "method.finetuning_type=freeze method.merge=null train.freeze_trainable_layers=-2",
        "train.freeze_trainable_layers",
    ),
    Pair("FTC468", "method.merge.export_quantization_bit=4", "", "method.merge.export_quantization_bit"),
)

# The trainer does something unintended, without a message.
SILENT = (
    Pair(
        "FTC479",
        f"method=lora-kto {ADAPTER} dataset=kto-mix-15k",
        f"method=lora-kto {NEW_ADAPTER} dataset=kto-mix-15k",
        "method.adapter",
    ),
    Pair("FTC479", f"method=lora-dpo {ON_PAIRS}", f"method=lora-orpo {ON_PAIRS}", "method.adapter"),
    Pair(
        "FTC479",
        f"method=lora-dpo {ON_PAIRS} {ZERO_3}",
        f"method=lora-dpo {ON_PAIRS} {ZERO_3} train.ref_model=/models/sft",
        "method.adapter",
    ),
    Pair("FTC478", f"{IMAGES} train.cutoff_len=752", f"{IMAGES} train.cutoff_len=753", "train.cutoff_len"),
    Pair(
        "FTC478",
        f"{IMAGES} train.image_max_pixels=1605632",
        f"{IMAGES} train.image_max_pixels=1605632 dataset=alpaca",
        "method.arguments.cutoff_len",
    ),
    # Qwen3-VL has patches of 16 x 16 pixels: 589824 / 32 / 32 is 576.
    Pair(
        "FTC478",
        "model=qwen3-vl-8b-instruct dataset=llava-1k-en train.cutoff_len=576",
        "model=qwen3-vl-8b-instruct dataset=llava-1k-en train.cutoff_len=577",
        "train.cutoff_len",
    ),
    Pair(
        "FTC482",
        f"{ZERO_3} train.save_only_model=true train.resume_from_checkpoint=/workspace/a/output/checkpoint-5",
        "devices=2 train.save_only_model=true train.resume_from_checkpoint=/workspace/a/output/checkpoint-5",
        "train.save_only_model",
    ),
    Pair("FTC433", f"{GALORE} train.use_muon=true", f"{FULL} train.use_muon=true", "train.use_muon"),
    Pair(
        "FTC433",
        "train.loraplus_lr_ratio=16.0 train.use_adam_mini=true",
        "train.loraplus_lr_ratio=16.0",
        "train.use_adam_mini",
    ),
    Pair(
        "FTC439",
        "train.quantization_bit=4 train.quantization_method=awq",
        "train.quantization_method=awq",
        "train.quantization_method",
    ),
    Pair("FTC447", "train.warmup_ratio=1.5", "train.warmup_ratio=0.5", "train.warmup_ratio"),
    Pair(
        "FTC447",
        f"{OLD} train.warmup_ratio=0.1 train.warmup_steps=10",
        f"{OLD} train.warmup_ratio=0.0 train.warmup_steps=10",
        "train.warmup_ratio",
    ),
    Pair(
        "FTC207",
        "restarts=1 train.overwrite_output_dir=true",
        "restarts=0 train.overwrite_output_dir=true",
        "train.overwrite_output_dir",
    ),
    Pair("FTC449", f"{PPO} restarts=1", PPO, "restarts"),
    Pair(
        "FTC143",
        "train.enable_jit_checkpoint=true nodes=2 storage=shared",
        "train.enable_jit_checkpoint=true devices=2",
        "train.enable_jit_checkpoint",
    ),
    Pair(
        "FTC143",
        "train.enable_jit_checkpoint=true engine=deepspeed-z2 devices=2",
        "train.enable_jit_checkpoint=true engine=deepspeed-z2",
        "train.enable_jit_checkpoint",
    ),
    Pair(
        "FTC472",
        _entry("subset: en"),
        "'dataset.info.alpaca={script_url: ., subset: en}'",
        "dataset.info.alpaca.subset",
    ),
    Pair("FTC452", _entry("split: train, rankng: true"), _entry("split: train"), "dataset.info.alpaca.rankng"),
    Pair(
        "FTC452",
        _entry("formatting: sharegpt, columns: {messages: m, image: i}"),
        _entry("formatting: sharegpt, columns: {messages: m, tools: i}"),
        "dataset.info.alpaca.columns.image",
    ),
    Pair("FTC457", "model.template=qwen", "model.template=qwen3_nothink", "model.template"),
    Pair(
        "FTC457",
        "model.template=default",
        "model.template=default model.id=Qwen/Qwen3-0.6B-Base model.architecture=null",
        "model.template",
    ),
    Pair("FTC463", f"{FULL} train.lora_rank=64", "train.lora_rank=64", "train.lora_rank"),
    Pair(
        "FTC463",
        "method.finetuning_type=oft method.merge=null train.oft_target=q_proj",
        "method.finetuning_type=oft method.merge=null train.lora_target=q_proj",
        "train.oft_target",
    ),
    Pair("FTC463", "train.pref_beta=0.2", f"{DPO} train.pref_beta=0.2", "train.pref_beta"),
    Pair("FTC463", "train.eval_steps=100", f"train.eval_steps=100 {EVALUATED}", "train.eval_steps"),
    Pair("FTC463", f"{DPO} train.packing=true", "train.packing=true", "train.packing"),
    Pair("FTC463", "train.export_size=2", "method.merge.export_size=2", "train.export_size"),
    Pair("FTC463", "'train.master_port=\"1\"'", "master_port=1025", "train.master_port"),
    Pair("FTC463", "train.max_steps=9 train.num_train_epochs=1.0", "train.max_steps=9", "train.num_train_epochs"),
    Pair("FTC463", "train.galore_rank=64", f"{GALORE} train.galore_rank=64", "train.galore_rank"),
    # The config.json of Qwen3-8B has 40960 positions.
    Pair("FTC473", f"{LONG}=40961", f"{LONG}=40960", "train.cutoff_len"),
    Pair("FTC473", f"{LONG}=65536", f"{LONG}=65536 train.rope_scaling=dynamic", "train.cutoff_len"),
    Pair(
        "FTC473",
        f"{LONG}=65536",
        "model=custom model.id=a/b model.template=qwen3 train.cutoff_len=65536",
        "train.cutoff_len",
    ),
    Pair("FTC466", "train.learning_rate=0.0", "train.learning_rate=1.0e-7", "train.learning_rate"),
    Pair("FTC466", "train.num_train_epochs=0.0", "train.num_train_epochs=0.0 train.max_steps=5", "train.num_train"),
)

# Arguments, templates and names of datasets; the tests of the schemas compare them with the trainer.
OF_SCHEMAS = (
    Pair("FTC305", "train.fp16=true", "train.fp16=true train.bf16=false", "train.fp16"),
    Pair("FTC333", "hardware=h100 train.flash_attn=fa3", "hardware=h100 train.flash_attn=sdpa", "train.flash_attn"),
    Pair(
        "FTC349",
        "hardware=h100 train.flash_attn=fa2",
        "hardware=h100 train.flash_attn=fa2 trainer.transformers=5.5.4",
        "train.flash_attn",
    ),
    Pair("FTC404", "train.learning_rat=1.0", "train.learning_rate=1.0", "train.learning_rat"),
    Pair("FTC404", "train.max_steps=ten", "train.max_steps=10", "train.max_steps"),
    Pair("FTC405", "model.template=qwen33", "model.template=qwen", "model.template"),
    Pair("FTC406", "'dataset.names=[alpacca]'", "'dataset.names=[alpaca]'", "dataset.names"),
)

OF_CHIPS = (
    Pair("FTC306", "hardware.bf16=false", "hardware.fp16=false", "hardware.arguments.bf16"),
    Pair(
        "FTC306",
        "hardware.fp16=false train.fp16=true train.bf16=false",
        "hardware.bf16=false train.fp16=true train.bf16=false",
        "train.fp16",
    ),
    Pair("FTC329", "hardware=t4 train.pure_bf16=true", "hardware=a10 train.pure_bf16=true", "train.pure_bf16"),
)

PAIRS = (*AT_ONCE, *LATER, *SILENT, *OF_SCHEMAS, *OF_CHIPS)
