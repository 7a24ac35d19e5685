"""Every target."""

from __future__ import annotations

from ftc.targets import POD_TARGETS, TARGETS
from reference.markdown import code, page, table

ABOUT = """
`ftc compile -t TARGET` writes one target to stdout; the default is `volcano`. `ftc compile -o DIRECTORY` writes the
spec and all targets that do not need `-t`.
"""
JOBS = """
## Jobs

Each of these runs the same pod.
"""
_WITH = "with Kueue or Volcano's scheduler"


def pages() -> dict[str, str]:
    """The page of the targets."""
    rows = [
        (
            code(one.name),
            one.help,
            code(one.file) if one.file else "several",
            "only with `-t`" if one.on_request else "always",
        )
        for one in TARGETS.values()
    ]
    every = table(("target", "output", "file", "with `-o`"), rows)
    return {"targets.md": page("Targets", ABOUT, every, JOBS, _jobs())}


def _jobs() -> str:
    """What each job can and cannot do."""
    heads = ("target", "object", "pods start together", "queue of Kueue", "a pod fails", "an elastic run loses a node")
    rows = [
        (
            code(one.name),
            one.title,
            "yes" if one.gang else _WITH,
            "yes" if one.kueue else "no",
            "all pods restart" if one.restarts_gang else "Kubernetes replaces the pod; its peers fail too",
            "is replaced, the others continue" if one.elastic else "restarts all nodes (FTC590)",
        )
        for one in POD_TARGETS.values()
    ]
    return table(heads, rows)
