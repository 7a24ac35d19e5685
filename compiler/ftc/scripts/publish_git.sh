#!/usr/bin/env bash
# publish.sh DIR: pushes the files of DIR as one commit to a new branch of PUBLISH_URL, weights by LFS.
# The branch and the time of the commit are chosen once, so a retry pushes the same commit: after a push that went
# through, but was not noted, there is nothing left to push.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${RUN_DIR:?}" "${PUBLISH_URL:?}" "${PUBLISH_BRANCH_PREFIX:?}" "${PUBLISH_MESSAGE:?}"
dir=$(cd -- "$1" && pwd)
time_limit=${PUBLISH_TIMEOUT:-21600}

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

chosen=$RUN_DIR/publish.branch
if [[ ! -s $chosen ]]; then
  printf '%s-%s\n' "$PUBLISH_BRANCH_PREFIX" "$(date -u +%Y%m%d-%H%M%S)" >"$chosen.tmp"
  mv -- "$chosen.tmp" "$chosen"
fi
branch=$(<"$chosen")
time=${branch: -15}
GIT_AUTHOR_DATE=${time:0:4}-${time:4:2}-${time:6:2}T${time:9:2}:${time:11:2}:${time:13:2}Z
export GIT_AUTHOR_DATE GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
export GIT_AUTHOR_NAME=${PUBLISH_AUTHOR_NAME:-ftc} GIT_AUTHOR_EMAIL=${PUBLISH_AUTHOR_EMAIL:-ftc@localhost}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

# Beside DIR, on its volume, so that objects can be hard links to its files and take no space.
export GIT_DIR=$RUN_DIR/publish.git GIT_WORK_TREE=$dir
rm -rf -- "$GIT_DIR"
trap 'rm -rf -- "$GIT_DIR"' EXIT
# shellcheck source-path=SCRIPTDIR source=git_credentials.sh
source "$ftc_dir/git_credentials.sh"
prepare_git "$PUBLISH_URL"
git remote add -- origin "$PUBLISH_URL"
# Says in a second what would else be said after gigabytes have been hashed.
timeout --foreground 120 git ls-remote --quiet origin >/dev/null || die "cannot reach $PUBLISH_URL: are the address and the token in the Secret right?"

add_blob() { # add_blob PATH, content on stdin
  git update-index --add --cacheinfo "100644,$(git hash-object -w --stdin),$1"
}

add_lfs() { # add_lfs PATH: what 'git add' with the LFS filter does, without its copy of the file
  local oid object
  read -r oid _ < <(sha256sum <"$dir/$1")
  object=$GIT_DIR/lfs/objects/${oid:0:2}/${oid:2:2}/$oid
  mkdir -p -- "$(dirname -- "$object")"
  ln -f -- "$dir/$1" "$object" 2>/dev/null || cp -- "$dir/$1" "$object"
  printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' "$oid" "$(stat -c %s -- "$dir/$1")" | add_blob "$1"
}

attributes=$(printf '%s filter=lfs diff=lfs merge=lfs -text\n' '*.safetensors' '*.bin' '*.pt' '*.pth' '*.gguf')
while IFS= read -r -d '' path; do
  size=$(stat -c %s -- "$dir/$path")
  case $path in
    *.safetensors | *.bin | *.pt | *.pth | *.gguf) add_lfs "$path" ;;
    *)
      if ((size > 10 * 1024 * 1024)); then
        attributes+=$'\n'"/${path// /[[:space:]]} filter=lfs diff=lfs merge=lfs -text"
        add_lfs "$path"
      else
        add_blob "$path" <"$dir/$path"
      fi
      ;;
  esac
done < <(cd -- "$dir" && find . -type d '(' -name 'checkpoint-*' -o -name .git ')' -prune -o -type f -printf '%P\0' | sort -z)
add_blob .gitattributes <<<"$attributes"
commit=$(git commit-tree "$(git write-tree)" <<<"$PUBLISH_MESSAGE")
git update-ref "refs/heads/$branch" "$commit"

printf 'ftc: pushing %s to branch %s of %s\n' "$dir" "$branch" "$PUBLISH_URL"
timeout --foreground "$time_limit" git lfs push origin "$branch" || die "cannot push the LFS objects to $PUBLISH_URL: the lines above say why"
timeout --foreground "$time_limit" git push --quiet origin "refs/heads/$branch" || die "cannot push branch $branch to $PUBLISH_URL: the lines above say why"
printf 'ftc: pushed commit %s to branch %s\n' "$commit" "$branch"
