#!/usr/bin/env bash
# torchrun starts the processes of this node and joins them with those of the other nodes.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export NNODES NODE_RANK NPROC_PER_NODE MASTER_ADDR MASTER_PORT
# By default torchrun waits 600 seconds for the other nodes, which may still pull the image. It reads the default of
# --rdzv_conf here.
export PET_RDZV_CONF=${PET_RDZV_CONF:-timeout=7200,join_timeout=7200}
# llamafactory-cli sets these for its torchrun, so that all launchers train with the same settings.
export PYTORCH_CUDA_ALLOC_CONF=${PYTORCH_CUDA_ALLOC_CONF:-expandable_segments:True}
export TORCH_NCCL_AVOID_RECORD_STREAMS=${TORCH_NCCL_AVOID_RECORD_STREAMS:-1}
program=(-m llamafactory.launcher)
world=(--nnodes "$NNODES" --node_rank "$NODE_RANK" --master_addr "$MASTER_ADDR" --master_port "$MASTER_PORT")
if [[ -n ${LEAST_NNODES:-} ]]; then
  # In an elastic training the rendezvous assigns the ranks. Without this setting, a node that joins later waits for the
  # address of a store that the other nodes do not send to it (torch 2.4 to 2.13, dynamic_rendezvous.py).
  export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
  world=(--nnodes "$LEAST_NNODES:$NNODES" --max_restarts "$RESTARTS" --rdzv_id "$JOB_NAME" --rdzv_backend c10d
    --rdzv_endpoint "$MASTER_ADDR:$MASTER_PORT")
  program=("$ftc_dir/elastic_worker.py")
fi
exec torchrun "${world[@]}" --nproc_per_node "$NPROC_PER_NODE" "${program[@]}" "$ftc_dir/train.yaml"
