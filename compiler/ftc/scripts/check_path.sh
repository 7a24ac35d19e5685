#!/usr/bin/env bash
# check_path.sh [DEPTH]: a source on a volume is there and whole. What fails here would fail minutes later in the trainer.
# DEPTH is how many levels are searched for LFS pointers; few, because a volume may hold millions of files.
set -euo pipefail
depth=${1:-3}
: "${TARGET_DIR:?}"

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

[[ -d $TARGET_DIR ]] || die "$TARGET_DIR is not a directory: is the path right, and the right volume mounted?"
[[ -n $(find "$TARGET_DIR/" -mindepth 1 -maxdepth 1 ! -name .ftc-revision -print -quit) ]] || die "$TARGET_DIR is empty: nothing has been put on the volume there"

if [[ -n ${REVISION:-} && -e $TARGET_DIR/.ftc-revision ]]; then
  { read -r resolved && read -r requested; } <"$TARGET_DIR/.ftc-revision" || true
  # A revision may be given as a branch, a tag, or a commit that is cut short.
  if [[ ${resolved:-} != "$REVISION"* && ${requested:-} != "requested: $REVISION" ]]; then
    die "$TARGET_DIR holds revision ${resolved:-(none)}, but $REVISION is wanted: correct the revision or the path"
  fi
fi

pointers=$(find -L "$TARGET_DIR/" -maxdepth "$depth" -name .git -prune -o -type f -size -1024c \
  -exec grep -lx 'version https://git-lfs.github.com/spec/v1' {} + 2>/dev/null || true)
if [[ -n $pointers ]]; then
  die "${pointers%%$'\n'*} is a git-lfs pointer, not the file itself: fetch it with 'git lfs pull'"
fi

if [[ -n ${EXPECT_DATASETS:-} ]]; then
  command -v python3 >/dev/null || die "python3 is missing in this image: it reads dataset_info.json"
  python3 - "$TARGET_DIR" "$EXPECT_DATASETS" <<'PYTHON'
import json
import pathlib
import sys

root = pathlib.Path(sys.argv[1])
info = root / "dataset_info.json"
try:
    known = json.loads(info.read_text(encoding="utf-8"))
except OSError:
    sys.exit(f"ftc: error: {info} is missing: a dataset for LLaMA-Factory has one, which lists its files")
except ValueError as error:
    sys.exit(f"ftc: error: {info} is not JSON: {error}")
for name in sys.argv[2].split(","):
    if name not in known:
        sys.exit(f"ftc: error: {info} has no dataset {name!r}; it has: {', '.join(known)}")
    file = root / known[name].get("file_name", ".")
    if not file.exists():
        sys.exit(f"ftc: error: {info} says that dataset {name!r} is in {file}, which does not exist")
PYTHON
fi
