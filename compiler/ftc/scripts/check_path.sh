#!/usr/bin/env bash
# check_path.sh: a source in TARGET_DIR is there and whole. What fails here would fail minutes later in the trainer.
# With FETCHED=true it came from outside: its datasets are files of its own.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${TARGET_DIR:?}"
# shellcheck source-path=SCRIPTDIR source=marker.sh
source "$ftc_dir/marker.sh"
resolved='' requested='' first='' pointer='version https://git-lfs.github.com/spec/v1'

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

[[ -d $TARGET_DIR ]] || die "$TARGET_DIR is not a directory: is the path right, and the right volume mounted?"
[[ -n $(find "$TARGET_DIR/" -mindepth 1 -maxdepth 1 ! -name .ftc-revision -print -quit) ]] || die "$TARGET_DIR is empty: nothing has been put on the volume there"

# A fetch leaves its marker next to `files`; the first releases left it among the files.
marker=$TARGET_DIR/.ftc-revision
if [[ $TARGET_DIR =~ /files/*$ ]]; then marker=$TARGET_DIR/../.ftc-revision; fi
if [[ -n ${REVISION:-} && (-e $marker || -L $marker) ]]; then
  read_marker "$marker" || die "$marker is not the mark of a finished download: fetch $TARGET_DIR again"
  # A revision may be given as a branch, a tag, or a commit that is cut short.
  if [[ $resolved != "$REVISION"* && $requested != "requested: $REVISION" ]]; then
    die "$TARGET_DIR holds revision $resolved, but $REVISION is wanted: correct the revision or the path"
  fi
fi

# check_fetched.sh has looked for pointers in what was fetched. On a volume a model may be links into the cache of a hub's
# client; few levels, because a volume may hold millions of files.
if [[ ${FETCHED:-} != true ]]; then
  while IFS= read -r -d '' file; do
    IFS= read -r first <"$file" || true
    # A text may quote a pointer.
    [[ $first != "$pointer" ]] || die "$file is a git-lfs pointer, not the file itself: fetch it with 'git lfs pull'"
  done < <(find -L "$TARGET_DIR/" -maxdepth 3 -name .git -prune -o -type f -size -1024c -exec grep -lZx "$pointer" {} + 2>/dev/null)
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
