#!/usr/bin/env bash
# The numbers of machines and processes and the kind of distribution stand in accelerate.yaml: without them accelerate
# starts a separate training on every node.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export NNODES NODE_RANK NPROC_PER_NODE MASTER_ADDR MASTER_PORT
# Left by an image or a plugin, these would count as the process's own place in the world.
unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK
# Of one process accelerate makes no process group, and LLaMA-Factory refuses to train so where it sees several devices.
several='from llamafactory.extras.misc import get_device_count; raise SystemExit(get_device_count() < 2)'
if ((NNODES * NPROC_PER_NODE == 1)) && python3 -c "$several" >/dev/null 2>&1; then
  export RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1
fi
# What llamafactory-cli sets for its own torchrun, so that a launcher changes nothing but the launching.
export PYTORCH_CUDA_ALLOC_CONF=${PYTORCH_CUDA_ALLOC_CONF:-expandable_segments:True}
export TORCH_NCCL_AVOID_RECORD_STREAMS=${TORCH_NCCL_AVOID_RECORD_STREAMS:-1}
exec accelerate launch --config_file "$ftc_dir/accelerate.yaml" --machine_rank "$NODE_RANK" \
  --main_process_ip "$MASTER_ADDR" --main_process_port "$MASTER_PORT" -m llamafactory.launcher "$ftc_dir/train.yaml"
