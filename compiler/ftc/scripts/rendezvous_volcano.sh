#!/usr/bin/env bash
# Sourced. Volcano's svc and env plugins set the rank and the host names in every pod of the task "worker".
: "${NNODES:?}"
IFS=, read -ra worker_hosts <<<"${VC_WORKER_HOSTS:-}"
if [[ ! ${VC_TASK_INDEX:-} =~ ^[0-9]+$ ]]; then
  echo "ftc: error: VC_TASK_INDEX is '${VC_TASK_INDEX:-}', not the index of a pod: the job needs Volcano's env plugin" >&2
  exit 1
fi
if ((${#worker_hosts[@]} != NNODES)); then
  echo "ftc: error: VC_WORKER_HOSTS names ${#worker_hosts[@]} pods, but the job was compiled for $NNODES: compile it again, do not change replicas; the job needs Volcano's svc plugin and the task name worker" >&2
  exit 1
fi
export NODE_RANK=$VC_TASK_INDEX MASTER_ADDR=${worker_hosts[0]}
