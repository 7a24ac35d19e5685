#!/usr/bin/env bash
# Install what the tests need from Debian and the machine does not have.
set -euo pipefail

declare -A package_of=(
  [/usr/bin/git]=git
  [/usr/bin/git-lfs]=git-lfs
  [/usr/bin/openssl]=openssl
  [/usr/bin/bwrap]=bubblewrap
  [/usr/sbin/lighttpd]=lighttpd
  [/usr/lib/lighttpd/mod_openssl.so]=lighttpd-mod-openssl
  [/usr/bin/kubectl]=kubernetes-client
  [/usr/bin/zsh]=zsh
  [/usr/bin/fish]=fish
)
missing=()
for file in "${!package_of[@]}"; do
  [[ -e $file ]] || command -v "${file##*/}" >/dev/null || missing+=("${package_of[$file]}")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0
((EUID == 0)) || {
  printf 'install these packages and run the tests again: %s\n' "${missing[*]}" >&2
  exit 1
}
# A packaged server must not start by itself: the tests start their own.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
