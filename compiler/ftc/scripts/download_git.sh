#!/usr/bin/env bash
# Puts the files of the git repository SOURCE at REVISION (branch, tag or commit; empty: the default branch) into
# DOWNLOAD_DIR, LFS objects included. fetch.sh runs it under a time limit.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${SOURCE:?}" "${DOWNLOAD_DIR:?}" "${REVISION_FILE:?}"
DOWNLOAD_DIR=$(cd -- "$DOWNLOAD_DIR" && pwd)
revision=${REVISION:-HEAD}

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

command -v git >/dev/null || die "git is missing in this image: fetch with an image that has git and git-lfs"
git lfs version >/dev/null 2>&1 || die "git-lfs is missing in this image: fetch with an image that has git and git-lfs"

# The repository lies outside of the files and goes when they are there: a model is only read, never pulled again, and
# its objects would double the cache. A GIT_DIR that is named is also not refused when a volume changes the owner.
export GIT_DIR=$DOWNLOAD_DIR.git GIT_WORK_TREE=$DOWNLOAD_DIR GIT_LFS_SKIP_SMUDGE=1
trap 'rm -rf -- "$GIT_DIR"' EXIT
# shellcheck source-path=SCRIPTDIR source=git_credentials.sh
source "$ftc_dir/git_credentials.sh"
prepare_git "$SOURCE"
git remote add -- origin "$SOURCE"

if ! git fetch --quiet --no-tags --depth 1 -- origin "$revision"; then
  # A server may give a commit that no branch points at, or that is cut short, only with the whole history.
  [[ $revision =~ ^[0-9a-f]{7,64}$ && ! -e $GIT_DIR/ftc-refused ]] ||
    die "cannot fetch $SOURCE at $revision: are the address, the revision and the token in the Secret right?"
  git fetch --quiet --tags origin '+refs/heads/*:refs/remotes/origin/*' || die "cannot fetch $SOURCE"
  git rev-parse --verify --quiet "$revision^{commit}" >"$GIT_DIR/FETCH_HEAD" || die "$SOURCE has no commit $revision"
fi
git -C "$DOWNLOAD_DIR" checkout --quiet --detach FETCH_HEAD || die "cannot write the files of $SOURCE: is the cache volume full?"
git rev-parse HEAD >"$REVISION_FILE"

git -C "$DOWNLOAD_DIR" lfs fetch --include='' --exclude='' origin || die "cannot fetch the LFS objects of $SOURCE: the lines above say why"
# The objects become the files by hard links: 'git lfs checkout' would copy every one of them.
git -C "$DOWNLOAD_DIR" lfs ls-files --long | while read -r oid _ path; do
  object=$GIT_DIR/lfs/objects/${oid:0:2}/${oid:2:2}/$oid
  ln -f -- "$object" "$DOWNLOAD_DIR/$path" 2>/dev/null || cp -- "$object" "$DOWNLOAD_DIR/$path" ||
    die "cannot write $path of $SOURCE: is the cache volume full?"
done
