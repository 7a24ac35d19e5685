#!/usr/bin/env bash
# check_rows.sh: checks the rows of the datasets in TARGET_DIR as the trainer will read them; CHECK_DATASET has the
# arguments of check_dataset.py, quoted for a shell. Only an error in the rows ends the job; a check that crashes or
# takes too long does not.
# A checked download gets a marker next to its files, and is checked again only if the description or the check changes.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${TARGET_DIR:?}" "${CHECK_DATASET:?}"
status=0 limit=${FETCH_TIMEOUT:-1200} checked='' marker=''

log() { printf 'ftc: %s\n' "$*"; }

# The trainer reads the description of the source, or the compiled one. A prefetch does not have the compiled one.
info=$TARGET_DIR/dataset_info.json
if [[ -z ${EXPECT_DATASETS:-} ]]; then info=$ftc_dir/dataset_info.json; fi
if [[ ! -f $info ]]; then exit 0; fi
if [[ ${FETCHED:-} == true ]]; then marker=$TARGET_DIR/../.ftc-checked; fi
what=$(printf '%s\n' "$CHECK_DATASET" | cat - "$info" "$ftc_dir"/check_dataset.py "$ftc_dir"/dataset_*.py | sha256sum)
if [[ -n $marker && -f $marker && ! -L $marker ]]; then read -r checked <"$marker" || true; fi
if [[ -n $checked && $checked == "${what%% *}" ]]; then
  log "the rows were checked by an earlier run"
  exit 0
fi

# A name may have spaces or begin with '-'.
split='import os, shlex; print(*shlex.split(os.environ["CHECK_DATASET"]), sep="\0", end="\0")'
mapfile -d '' -t words < <(python3 -I -B -c "$split")
if ((${#words[@]} == 0)); then
  log "the rows were not checked: python3 did not run"
  exit 0
fi
# Half of the fetch's time, and 2 GiB of memory, so that the check can end neither the fetch nor its container.
(
  ulimit -d 2097152 2>/dev/null || true
  exec timeout -k 10 "$((limit / 2 < 600 ? limit / 2 + 1 : 600))" python3 -s -E -B "$ftc_dir/check_dataset.py" \
    --info "$info" "${words[@]}" -- "$TARGET_DIR"
) || status=$?
if ((status == 3)); then
  printf 'ftc: error: %s\n' "the trainer would fail on the rows above: correct them, or set dataset.check=false" >&2
  exit 1
fi
if ((status)); then
  log "not all rows were checked: the check ended with status $status"
elif [[ -n $marker ]]; then
  # A cache that cannot be written is checked again.
  { printf '%s\n' "${what%% *}" >"$marker.$$" && mv -fT -- "$marker.$$" "$marker"; } 2>/dev/null || true
fi
