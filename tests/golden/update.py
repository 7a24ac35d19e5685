"""Regenerate the golden files: `make golden`. Read the diff before you commit it."""

from __future__ import annotations

import os
import sys

from golden import cases


def main() -> None:  # noqa: C901 - one loop per kind
    """Update every golden file; refused in CI, because no one would read the diff."""
    if os.environ.get("CI"):
        sys.exit("golden files are not updated in CI: run `make golden` locally, read the diff, and commit it")
    os.chdir(cases.ROOT)
    scenarios = cases.scenarios("update")
    sys.stdout.write(scenarios.output)
    if scenarios.exit_code:
        sys.exit(scenarios.exit_code)
    for file in sorted(cases.PLANS.glob("*.txt")):
        file.write_text(cases.plan(file.stem))
    for file in sorted(cases.OPTIONS.glob("*/*.diff")):
        file.write_text(cases.option(cases.command_of(file)))
    for file in sorted(cases.ERRORS.glob("*.err")):
        file.write_text(cases.error(cases.command_of(file)))
    corpus = cases.corpus()
    for left in [file for file in cases.CORPUS.glob("*/FTC[0-9][0-9][0-9].err") if file not in corpus]:
        left.unlink()
    for file, command in corpus.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(cases.example(command))
    for files, made in ((cases.IMAGES, cases.image), (cases.INFERENCE, cases.inference)):
        for file in sorted(files.iterdir()):
            file.write_text(made(cases.command_of(file)))
    for file in sorted((cases.CORPUS / "bad").glob("*.yaml")):
        file.with_suffix(".err").write_text(cases.lint(file))


if __name__ == "__main__":
    main()
