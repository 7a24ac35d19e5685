#!/usr/bin/env bash
# The trainer's container: train, merge, quantize, check the chat template, evaluate. A finished step leaves a marker in
# the run's directory, so that a restart of the job continues with the next one. publish.sh publishes the result, in
# another container because this one must not see the credentials.
# shellcheck source-path=SCRIPTDIR source=prepare.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"
cd -- "$RUN_DIR"
# Next to the output, so that both are shared by the nodes or not: the trainer's flags for shared files apply to both.
export HF_DATASETS_CACHE=$RUN_DIR/datasets-cache

# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$ftc_dir/steps.sh"

# export_to DIRECTORY CONFIG: an interrupted export leaves files that the next one may not overwrite.
export_to() {
  rm -rf -- "$1"
  exec llamafactory-cli export "$ftc_dir/$2"
}

if ((NODE_RANK > 0)) && is_done train; then log "train: done before" && exit; fi
if [[ -e $ftc_dir/setup.json ]]; then
  run setup python3 "$ftc_dir/run_setup.py"
  ENVIRONMENT_SCRIPTS='' bash "$ftc_dir/check_image.sh"
fi
# Only on rank 0 and before it trains, because the other ranks may start while it trains.
if ((NODE_RANK == 0)) && ! is_done train; then python3 "$ftc_dir/check_checkpoints.py"; fi
step train bash "$ftc_dir/launch.sh"
# Kubernetes does not recreate a pod that succeeded, and rank 0 cannot train again alone.
if ((NODE_RANK > 0)); then wait_for 3600 "rank 0 did not finish the training" is_done train && exit; fi
result=output
if [[ -e $ftc_dir/merge.yaml ]]; then
  result=merged
  step merge export_to merged merge.yaml
fi
if [[ -e $ftc_dir/quantize.yaml ]]; then
  result=quantized
  step quantize export_to quantized quantize.yaml
fi
if [[ -n ${CHAT_TEMPLATE_CHECK:-} ]]; then step check python3 "$ftc_dir/check_chat_template.py" "$result"; fi
if [[ -e $ftc_dir/evaluate.yaml ]]; then step evaluate bash "$ftc_dir/evaluate.sh"; fi
log "all done: $RUN_DIR/$result"
