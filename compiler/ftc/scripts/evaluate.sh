#!/usr/bin/env bash
# Lets the result of the run answer the held-out rows, on all devices of this node. evaluation.json in the directory of
# the run gets the metrics, or the reason why the evaluation failed. A failed evaluation does not fail the run: only a
# signal ends this script with an error.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${NPROC_PER_NODE:?}" "${MASTER_PORT:?}"
# shellcheck source-path=SCRIPTDIR source=child.sh
source "$ftc_dir/child.sh"

# An interrupted evaluation may have left the answers to some of the rows.
rm -rf -- evaluation
# The other nodes have ended. An image or a plugin may have set the variables that are unset here.
export NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1
unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK RDZV_ID MIN_NNODES MAX_NNODES USE_RAY FORCE_TORCHRUN
if ((NPROC_PER_NODE > 1)); then export FORCE_TORCHRUN=1; fi
SECONDS=0 status=0 limit=${EVALUATE_TIMEOUT:-21600} reason=''
# torchrun gives its processes 30 seconds to end.
run_child timeout -k 60 "$limit" llamafactory-cli train "$ftc_dir/evaluate.yaml" || status=$?
if ((status == 124 || (status == 137 && SECONDS >= limit))); then
  reason="it took longer than $limit seconds: evaluate fewer rows"
elif ((status)); then
  reason="it ended with status $status: the log of the training container says why"
fi
python3 "$ftc_dir/read_evaluation.py" "$reason"
