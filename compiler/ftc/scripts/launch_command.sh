#!/usr/bin/env bash
# launch.sh COMMAND...: runs the user's program with the variables of the rendezvous.
ftc_command=("$@")
# The vendors' scripts read the positional parameters.
set --
# shellcheck source-path=SCRIPTDIR source=prepare.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"
exec "${ftc_command[@]}"
