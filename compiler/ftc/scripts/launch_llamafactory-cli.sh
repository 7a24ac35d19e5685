#!/usr/bin/env bash
# LLaMA-Factory starts its processes itself. It calls torchrun when FORCE_TORCHRUN is 1, which the manifest sets for more
# than one process, and reads NNODES, NODE_RANK, NPROC_PER_NODE, MASTER_ADDR and MASTER_PORT.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export NNODES NODE_RANK NPROC_PER_NODE MASTER_ADDR MASTER_PORT
# Left by an image or a plugin, these would make one process wait for others, or choose another rendezvous.
unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK RDZV_ID MIN_NNODES MAX_NNODES USE_RAY
if [[ -n ${LEAST_NNODES:-} ]]; then
  # An elastic training, whose nodes get their ranks when they meet. A node that comes later would wait for an address
  # that the others have kept to themselves (torch 2.4 to 2.13, dynamic_rendezvous.py).
  export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
  export RDZV_ID=$JOB_NAME MIN_NNODES=$LEAST_NNODES MAX_NNODES=$NNODES MAX_RESTARTS=$RESTARTS
fi
exec llamafactory-cli train "$ftc_dir/train.yaml"
