#!/usr/bin/env bash
# publish_git.sh ROOT PATH: pushes the files of PATH below ROOT as one commit to a new branch of PUBLISH_URL, weights with
# LFS. The name of the branch contains RESULT_ID: if the branch exists, the result is published.
set -euo pipefail
ftc_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
: "${RESULT_ID:?}" "${PUBLISH_URL:?}" "${PUBLISH_BRANCH_PREFIX:?}" "${PUBLISH_MESSAGE:?}"
branch=$PUBLISH_BRANCH_PREFIX-$RESULT_ID

die() { printf 'ftc: error: %s\n' "$*" >&2; exit 1; }

GIT_AUTHOR_DATE=${RESULT_ID:0:4}-${RESULT_ID:4:2}-${RESULT_ID:6:2}T${RESULT_ID:9:2}:${RESULT_ID:11:2}:${RESULT_ID:13:2}Z
export GIT_AUTHOR_DATE GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
export GIT_AUTHOR_NAME=${PUBLISH_AUTHOR_NAME:-ftc} GIT_AUTHOR_EMAIL=${PUBLISH_AUTHOR_EMAIL:-ftc@localhost}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

no_space="cannot write to ${TMPDIR:-/tmp}: is the disk full?"
scratch=$(mktemp -d) || die "$no_space"
trap 'rm -rf -- "$scratch"' EXIT
# A command without its own message can fail only because it cannot write to this directory.
set -E
trap 'die "$no_space"' ERR
mkdir -- "$scratch/empty"
# Ignore all configuration and hooks except those created here.
export GIT_DIR=$scratch/git GIT_WORK_TREE=$scratch/empty GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TEMPLATE_DIR=
cd -- "$scratch/empty"
# shellcheck source-path=SCRIPTDIR source=git_credentials.sh
source "$ftc_dir/git_credentials.sh"
prepare_git "$PUBLISH_URL"
git config core.hooksPath /dev/null
git remote add -- origin "$PUBLISH_URL"
# Check the access first, because hashing gigabytes takes minutes.
found=$(timeout --foreground 120 git ls-remote --quiet origin "refs/heads/$branch") ||
  die "cannot reach $PUBLISH_URL: are the address and the token in the Secret right?"
if [[ -n $found ]]; then
  printf 'ftc: branch %s of %s exists: published before\n' "$branch" "$PUBLISH_URL"
  exit
fi
python3 -I "$ftc_dir/publish_git.py" "$@" "$branch" || exit 1 # it has printed the reason
