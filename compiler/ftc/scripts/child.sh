#!/usr/bin/env bash
# Sourced by the scripts that run a program which a signal must end: run_child COMMAND... runs COMMAND and returns its
# status. After a signal it waits for all processes of COMMAND and exits.
child='' stopped=false

# The kernel stops a background program that reads from a terminal, so a terminal is replaced by /dev/null. Any other
# standard input stays: with -t script it is the lock of the run, because Python closes other descriptors of a child.
if [[ -t 0 ]]; then exec </dev/null; fi

# Asks the command to end. A script may redefine this function after it has sourced this file. It must not fail,
# because 'set -e' applies inside a trap, too.
stop_child() { kill -TERM "$child" 2>/dev/null || true; }

on_signal() {
  stopped=true
  if [[ -z $child ]]; then exit 143; fi
  stop_child
}

run_child() {
  local status pid
  # Until `child` is set, a signal is only recorded.
  trap 'stopped=true' TERM INT HUP
  # In the background, because bash handles a signal only between foreground commands, and in its own process group.
  set -m
  "$@" &
  child=$!
  set +m
  trap on_signal TERM INT HUP
  if $stopped; then stop_child; fi
  while true; do
    status=0
    wait "$child" || status=$?
    # A signal interrupts 'wait' before the command has ended.
    kill -0 "$child" 2>/dev/null || break
  done
  pid=$child child=''
  if ! $stopped; then return "$status"; fi
  kill -TERM -- "-$pid" 2>/dev/null || true
  while kill -0 -- "-$pid" 2>/dev/null; do sleep 0.2; done
  exit 143
}

# PID 1 of a container ignores signals that it does not trap.
trap on_signal TERM INT HUP
