#!/usr/bin/env bash
# launch.sh COMMAND...: runs a user's own program, told by its environment where it stands among the nodes.
ftc_command=("$@")
# Vendors' scripts look at their arguments.
set --
# shellcheck source-path=SCRIPTDIR source=prepare.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"
exec "${ftc_command[@]}"
