#!/usr/bin/env bash
# Sourced. The rank is the index of the pod in the only Job of the JobSet that Trainer creates. The manifest sets
# MASTER_ADDR to the name of pod 0 in the Service that JobSet's controller creates. PET_NODE_RANK and PET_MASTER_ADDR have
# the same values, but several releases of Trainer set them only if the TrainJob has spec.trainer.
: "${NNODES:?}"
if [[ ! ${JOB_COMPLETION_INDEX:=${PET_NODE_RANK:-}} =~ ^[0-9]+$ ]]; then
  echo "ftc: error: JOB_COMPLETION_INDEX is '$JOB_COMPLETION_INDEX', not the index of a pod: the Job needs completionMode Indexed" >&2
  exit 1
fi
if ((JOB_COMPLETION_INDEX >= NNODES)); then
  echo "ftc: error: this pod has the index $JOB_COMPLETION_INDEX, but the runtime was compiled for $NNODES: compile it again, do not set numNodes in the TrainJob" >&2
  exit 1
fi
if [[ -v JOB_UID && -z $JOB_UID ]]; then
  echo "ftc: error: the pod does not have the label jobset.sigs.k8s.io/jobset-uid: a fixed name needs JobSet 0.9 or later, so use naming=generate" >&2
  exit 1
fi
export NODE_RANK=$JOB_COMPLETION_INDEX
if ((NNODES == 1)); then export MASTER_ADDR=127.0.0.1; fi
# torchrun takes these as defaults of its options. Trainer counts CPUs as processes if no resource is named after a GPU.
unset "${!PET_@}"
# Without a gang scheduler, Kubernetes starts each pod as soon as it fits on a node.
# shellcheck disable=SC2034 # read by prepare.sh
ftc_wait_for_master=7200
