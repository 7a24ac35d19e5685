#!/usr/bin/env bash
# Sourced by the scripts that use git: prepare_git URL creates the temporary repository GIT_DIR and configures access to
# URL. git also runs it as its credential helper, so the token is only in the environment, never in a URL, file or argument.

# The environment may set SHELLOPTS=xtrace or BASH_ENV, and the commands below contain the token.
set +x
export -n SHELLOPTS
unset BASH_ENV

prepare_git() {
  local url=$1 site
  # There is no terminal, so a prompt would wait forever.
  export GIT_TERMINAL_PROMPT=0
  # Without redaction a trace of git prints the token.
  unset GIT_ASKPASS SSH_ASKPASS GIT_TRACE_REDACT
  git init --quiet
  git config core.askPass ''
  git config http.lowSpeedLimit 1000
  git config http.lowSpeedTime 120
  git config lfs.dialtimeout 30
  git config lfs.tlstimeout 30
  # A server does not respond while it verifies a large object.
  git config lfs.activitytimeout 300
  if [[ ${TLS_VERIFY:-true} == false ]]; then
    printf 'ftc: warning: TLS certificates are not verified: anyone on the network path can read the token and change the files\n' >&2
    git config http.sslVerify false
  fi
  # An empty value removes the image's helpers, which might write the token to a disk.
  git config credential.helper ''
  if [[ -z ${GIT_TOKEN:-} || ! $url =~ ^(https?://)([^/@]*@)?([^/]+) ]]; then return 0; fi
  # For this server only: a repository can name another server in its .lfsconfig.
  site=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
  # A Secret created with echo ends with a newline, which would truncate the helper's answer.
  GIT_USER=$(printf '%s' "${GIT_USER:-git}")
  GIT_TOKEN=$(printf '%s' "$GIT_TOKEN")
  export GIT_USER GIT_TOKEN
  git config "credential.$site.helper" "!bash '${BASH_SOURCE[0]}'"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  refused=$GIT_DIR/ftc-refused
  case ${1:-} in
    get)
      # git-lfs repeats a request with a rejected token forever, unless the helper prints quit.
      if [[ -e $refused ]]; then echo quit=1; else printf 'username=%s\npassword=%s\n' "$GIT_USER" "$GIT_TOKEN"; fi
      ;;
    erase)
      echo "ftc: the server rejects the user name or the token of the Secret" >&2
      : >"$refused"
      ;;
  esac
fi
