"""run_setup.py: run the commands of the setup.json next to it, one after the other and without a shell."""

import json
import pathlib
import subprocess
import sys

for command in json.loads(pathlib.Path(__file__).with_name("setup.json").read_text(encoding="utf-8")):
    sys.stdout.write(f"ftc: setup: {' '.join(command)}\n")
    sys.stdout.flush()
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"ftc: error: setup: {error}")
