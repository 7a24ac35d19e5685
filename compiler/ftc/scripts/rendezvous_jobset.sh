#!/usr/bin/env bash
# Sourced. The rank is the index of the pod in the JobSet's only Job. The manifest sets MASTER_ADDR to the name of pod 0
# in the Service that JobSet's controller creates.
: "${NNODES:?}"
if [[ ! ${JOB_COMPLETION_INDEX:-} =~ ^[0-9]+$ ]]; then
  echo "ftc: error: JOB_COMPLETION_INDEX is '${JOB_COMPLETION_INDEX:-}', not the index of a pod: the Job needs completionMode Indexed" >&2
  exit 1
fi
if ((JOB_COMPLETION_INDEX >= NNODES)); then
  echo "ftc: error: this pod has the index $JOB_COMPLETION_INDEX, but the JobSet was compiled for $NNODES: compile it again, do not change completions" >&2
  exit 1
fi
if [[ -v JOB_UID && -z $JOB_UID ]]; then
  echo "ftc: error: the pod does not have the label jobset.sigs.k8s.io/jobset-uid: a fixed name needs JobSet 0.9 or later, so use naming=generate" >&2
  exit 1
fi
export NODE_RANK=$JOB_COMPLETION_INDEX
if ((NNODES == 1)); then export MASTER_ADDR=127.0.0.1; fi
# Without a gang scheduler, Kubernetes starts each pod as soon as it fits on a node.
# shellcheck disable=SC2034 # read by prepare.sh
ftc_wait_for_master=7200
