#!/usr/bin/env bash
# accelerate.yaml has the numbers of machines and processes and the distributed type; without them accelerate starts a
# separate training on every node.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export NNODES NODE_RANK NPROC_PER_NODE MASTER_ADDR MASTER_PORT
# An image or a plugin may set these, and the process would take them for its rank and world size.
unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK
# For one process, accelerate does not create a process group, and LLaMA-Factory then refuses to train if several
# devices are visible.
several='from llamafactory.extras.misc import get_device_count; raise SystemExit(get_device_count() < 2)'
if ((NNODES * NPROC_PER_NODE == 1)) && python3 -c "$several" >/dev/null 2>&1; then
  export RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1
fi
# llamafactory-cli sets these for its torchrun, so that all launchers train with the same settings.
export PYTORCH_CUDA_ALLOC_CONF=${PYTORCH_CUDA_ALLOC_CONF:-expandable_segments:True}
export TORCH_NCCL_AVOID_RECORD_STREAMS=${TORCH_NCCL_AVOID_RECORD_STREAMS:-1}
# By default accelerate waits 600 seconds for the other nodes, which may still pull the image.
exec accelerate launch --rdzv_conf "${PET_RDZV_CONF:-timeout=7200}" --config_file "$ftc_dir/accelerate.yaml" \
  --machine_rank "$NODE_RANK" --main_process_ip "$MASTER_ADDR" --main_process_port "$MASTER_PORT" \
  -m llamafactory.launcher "$ftc_dir/train.yaml"
