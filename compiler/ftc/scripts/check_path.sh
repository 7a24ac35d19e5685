#!/usr/bin/env bash
# check_path.sh: checks that the source in TARGET_DIR exists and is complete, before the trainer fails on it minutes
# later. FETCHED=true means that it was downloaded, so its datasets must be its own files.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${TARGET_DIR:?}"
# shellcheck source-path=SCRIPTDIR source=marker.sh
source "$ftc_dir/marker.sh"
resolved='' requested='' first='' pointer='version https://git-lfs.github.com/spec/v1'

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

[[ -d $TARGET_DIR ]] || die "$TARGET_DIR is not a directory: is the path right, and the right volume mounted?"
[[ -n $(find "$TARGET_DIR/" -mindepth 1 -maxdepth 1 ! -name .ftc-revision -print -quit) ]] || die "$TARGET_DIR is empty: the volume has no files there"

# A fetch leaves its marker next to `files`; the first releases left it among the files.
marker=$TARGET_DIR/.ftc-revision
if [[ $TARGET_DIR =~ /files/*$ ]]; then marker=$TARGET_DIR/../.ftc-revision; fi
if [[ -n ${REVISION:-} && (-e $marker || -L $marker) ]]; then
  read_marker "$marker" || die "$marker is not the marker of a finished download: fetch $TARGET_DIR again"
  # REVISION may be a branch, a tag or an abbreviated commit.
  if [[ $resolved != "$REVISION"* && $requested != "requested: $REVISION" ]]; then
    die "$TARGET_DIR holds revision $resolved, but $REVISION is wanted: correct the revision or the path"
  fi
fi

# check_fetched.sh checks downloads for pointers. On a volume a model may consist of links into the cache of a hub's
# client. The search has few levels, because a volume may contain millions of files.
if [[ ${FETCHED:-} != true ]]; then
  while IFS= read -r -d '' file; do
    IFS= read -r first <"$file" || true
    # A text file may quote a pointer.
    [[ $first != "$pointer" ]] || die "$file is a git-lfs pointer, not the file itself: fetch it with 'git lfs pull'"
  done < <(find -L "$TARGET_DIR/" -maxdepth 3 -name .git -prune -o -type f -size -1024c -exec grep -lZx "$pointer" {} + 2>/dev/null)
fi

if [[ -n ${EXPECT_DATASETS:-} ]]; then
  command -v python3 >/dev/null || die "python3 is missing in this image: it reads dataset_info.json"
  python3 -I - "$TARGET_DIR" "$EXPECT_DATASETS" "${FETCHED:-false}" <<'PYTHON'
import json
import pathlib
import sys

root, wanted, fetched = pathlib.Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3] == "true"
info = root / "dataset_info.json"


def die(reason):
    # One short line, whatever the file contains.
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in f"{info} {reason}"[:1000])
    sys.exit(f"ftc: error: {line}")


def kind(value):
    known = {"dict": "an object", "list": "a list", "str": "a string", "bool": "a Boolean", "NoneType": "null"}
    return known.get(type(value).__name__, "a number")


def is_own(file):
    real, base = file.resolve(), root.resolve()
    return real == base or base in real.parents


def check(name, entry):
    if not isinstance(entry, dict):
        die(f"describes dataset {name!r} by {kind(entry)}, not by an object with its file_name")
    file_name = entry.get("file_name", ".")
    if not isinstance(file_name, str):
        die(f"has {kind(file_name)} as file_name of dataset {name!r}, not a string")
    file = root / file_name
    if fetched and not is_own(file):
        die(f"says that dataset {name!r} is in {file_name!r}, which is outside of the source")
    if not file.exists():
        die(f"says that dataset {name!r} is in {file}, which does not exist")


try:
    if fetched and not is_own(info):
        die("is a link that leads out of the source")
    if info.stat().st_size > 16 << 20:
        die("has more than 16 MiB: too large for a dataset_info.json")
    known = json.loads(info.read_text(encoding="utf-8"))
    if not isinstance(known, dict):
        die(f"holds {kind(known)}, not an object with a key for each dataset")
    for name in wanted:
        if name not in known:
            die(f"has no dataset {name!r}; it has: {', '.join(known)}")
        check(name, known[name])
except FileNotFoundError:
    die("is missing: a dataset for LLaMA-Factory has one, which lists its files")
except json.JSONDecodeError as error:
    die(f"is not JSON: {error}")
except (OSError, ValueError, RuntimeError) as error:  # an invalid file name, or invalid UTF-8
    die(f"cannot be read: {error}")
PYTHON
fi
if [[ -n ${CHECK_DATASET:-} ]]; then bash "$ftc_dir/check_rows.sh"; fi
