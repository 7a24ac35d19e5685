#!/usr/bin/env bash
# Sourced by the scripts that use git: prepare_git URL makes the temporary repository GIT_DIR and sets how it reaches URL.
# Run by git as its credential helper: the token stays in the environment, in no address, file or argument.

# An environment may have SHELLOPTS=xtrace, or a file for every bash that sets it: what follows holds the token.
set +x
export -n SHELLOPTS
unset BASH_ENV

prepare_git() {
  local url=$1 site
  # Prompts and their helpers would wait forever: no one is at the terminal.
  export GIT_TERMINAL_PROMPT=0
  # Without redaction a trace of git prints the token.
  unset GIT_ASKPASS SSH_ASKPASS GIT_TRACE_REDACT
  git init --quiet
  git config core.askPass ''
  git config http.lowSpeedLimit 1000
  git config http.lowSpeedTime 120
  git config lfs.dialtimeout 30
  git config lfs.tlstimeout 30
  # A server that checks a large object it has received answers nothing for a while.
  git config lfs.activitytimeout 300
  if [[ ${TLS_VERIFY:-true} == false ]]; then
    printf 'ftc: warning: TLS certificates are not verified: anyone on the way can read the token and change the files\n' >&2
    git config http.sslVerify false
  fi
  # An empty value drops the helpers of the image: one of them might write the token to a disk.
  git config credential.helper ''
  if [[ -z ${GIT_TOKEN:-} || ! $url =~ ^(https?://)([^/@]*@)?([^/]+) ]]; then return 0; fi
  # For this server alone: a repository can name another one in its .lfsconfig.
  site=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
  # A Secret made with echo ends in a newline, which would cut the helper's answer short.
  GIT_USER=$(printf '%s' "${GIT_USER:-git}")
  GIT_TOKEN=$(printf '%s' "$GIT_TOKEN")
  export GIT_USER GIT_TOKEN
  git config "credential.$site.helper" "!bash '${BASH_SOURCE[0]}'"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  refused=$GIT_DIR/ftc-refused
  case ${1:-} in
    get)
      # git-lfs asks without end for a token that the server refuses, until the helper says quit.
      if [[ -e $refused ]]; then echo quit=1; else printf 'username=%s\npassword=%s\n' "$GIT_USER" "$GIT_TOKEN"; fi
      ;;
    erase)
      echo "ftc: the server refuses the user name or the token of the Secret" >&2
      : >"$refused"
      ;;
  esac
fi
