#!/usr/bin/env bash
# Downloads the git repository SOURCE at REVISION (branch, tag or commit; empty for the default branch) into
# DOWNLOAD_DIR, including LFS objects. fetch.sh runs it under a time limit.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${SOURCE:?}" "${DOWNLOAD_DIR:?}" "${REVISION_FILE:?}"
DOWNLOAD_DIR=$(cd -- "$DOWNLOAD_DIR" && pwd)
revision=${REVISION:-HEAD}
pointer='version https://git-lfs.github.com/spec/v1'

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

command -v git >/dev/null || die "git is missing in this image: fetch with an image that has git and git-lfs"
git lfs version >/dev/null 2>&1 || die "git-lfs is missing in this image: fetch with an image that has git and git-lfs"

# The repository is outside DOWNLOAD_DIR and is deleted at the end: nothing pulls into it again, and its objects would
# double the size of the cache. git does not check the owner of an explicit GIT_DIR, and a volume may change the owner.
export GIT_DIR=$DOWNLOAD_DIR.git GIT_WORK_TREE=$DOWNLOAD_DIR
trap 'rm -rf -- "$GIT_DIR"' EXIT
# A command without its own message can fail only because it cannot write to the disk.
set -E
trap 'die "cannot write the files of $SOURCE: is the cache volume full?"' ERR
# shellcheck source-path=SCRIPTDIR source=git_credentials.sh
source "$ftc_dir/git_credentials.sh"
prepare_git "$SOURCE"
git remote add -- origin "$SOURCE"
# Write the files as committed: .gitattributes of the repository must not set a filter, encoding or line endings.
mkdir -p -- "$GIT_DIR/info"
echo '* -filter -text -eol -ident -working-tree-encoding' >"$GIT_DIR/info/attributes"

if ! git fetch --quiet --no-tags --depth 1 -- origin "$revision"; then
  # A server may offer an unreferenced or abbreviated commit only with the full history.
  [[ $revision =~ ^[0-9a-f]{7,64}$ && ! -e $GIT_DIR/ftc-refused ]] ||
    die "cannot fetch $SOURCE at $revision: are the address, the revision and the token in the Secret right?"
  git fetch --quiet --tags origin '+refs/heads/*:refs/remotes/origin/*' || die "cannot fetch $SOURCE"
  git rev-parse --verify --quiet "$revision^{commit}" >"$GIT_DIR/FETCH_HEAD" || die "$SOURCE has no commit $revision"
fi
git -C "$DOWNLOAD_DIR" checkout --quiet --detach FETCH_HEAD || die "cannot write the files of $SOURCE: is the cache volume full?"
git rev-parse HEAD >"$REVISION_FILE"

git -C "$DOWNLOAD_DIR" lfs fetch --include='' --exclude='' origin || die "cannot fetch the LFS objects of $SOURCE: the lines above say why"
# Hard links replace the pointers with the objects, which 'git lfs checkout' would copy. The pointers are found by their
# content, because 'git lfs ls-files' prints a name with a newline in two lines, and its --json is newer than Debian 12.
# find follows no link, so that nothing is written through a link of the repository.
# find's status is the last element: bash 5.2 may lose the status of a process substitution.
mapfile -d '' -t files < <(status=0; find "$DOWNLOAD_DIR" -type f -size -1024c -print0 || status=$?; printf '%s\0' "$status")
[[ ${#files[@]} -gt 0 && ${files[-1]} == 0 ]] || die "cannot read the files of $SOURCE in the cache"
unset 'files[-1]'
for file in "${files[@]}"; do
  mapfile -t lines <"$file"
  # A text file may quote a pointer.
  if [[ ${lines[0]-} != "$pointer" || ${lines[*]:1} != *'oid sha256:'* ]]; then continue; fi
  [[ ${lines[*]:1} =~ oid\ sha256:([0-9a-f]{64})\ size\ ([0-9]+)$ ]] || die "${file#"$DOWNLOAD_DIR"/} of $SOURCE is a broken LFS pointer"
  oid=${BASH_REMATCH[1]} size=${BASH_REMATCH[2]}
  object=$GIT_DIR/lfs/objects/${oid:0:2}/${oid:2:2}/$oid
  [[ -f $object && $(stat -c %s -- "$object") == "$size" ]] ||
    die "the LFS object of ${file#"$DOWNLOAD_DIR"/} in $SOURCE is incomplete on the server"
  ln -fT -- "$object" "$file" 2>/dev/null || cp -T --remove-destination -- "$object" "$file" ||
    die "cannot write ${file#"$DOWNLOAD_DIR"/} of $SOURCE: is the cache volume full?"
done
