#!/usr/bin/env bash
# Sourced. A single node needs no rendezvous.
: "${NNODES:?}"
if ((NNODES != 1)); then
  echo "ftc: error: NNODES is $NNODES, but this target runs one node" >&2
  exit 1
fi
export NODE_RANK=0 MASTER_ADDR=127.0.0.1
