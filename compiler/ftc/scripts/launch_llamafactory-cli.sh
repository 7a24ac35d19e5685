#!/usr/bin/env bash
# LLaMA-Factory starts its processes itself. It calls torchrun if FORCE_TORCHRUN is 1, which the manifest sets for several
# processes, and reads NNODES, NODE_RANK, NPROC_PER_NODE, MASTER_ADDR and MASTER_PORT.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export NNODES NODE_RANK NPROC_PER_NODE MASTER_ADDR MASTER_PORT
# By default torchrun waits 600 seconds for the other nodes, which may still pull the image. It reads the default of
# --rdzv_conf here.
export PET_RDZV_CONF=${PET_RDZV_CONF:-timeout=7200,join_timeout=7200}
# An image or a plugin may set these, and a single process would wait for others or use another rendezvous.
unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK RDZV_ID MIN_NNODES MAX_NNODES USE_RAY
if [[ -n ${LEAST_NNODES:-} ]]; then
  # In an elastic training the rendezvous assigns the ranks. Without this setting, a node that joins later waits for the
  # address of a store that the other nodes do not send to it (torch 2.4 to 2.13, dynamic_rendezvous.py).
  export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
  export RDZV_ID=$JOB_NAME MIN_NNODES=$LEAST_NNODES MAX_NNODES=$NNODES MAX_RESTARTS=$RESTARTS
fi
exec llamafactory-cli train "$ftc_dir/train.yaml"
