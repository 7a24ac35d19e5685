"""A compiler from Hydra configurations to fine-tuning jobs on Kubernetes.

`compile`, `plan`, `lint`, `diff`, `explain`, `submit`, `status`, `logs`, `why` and `delete` are the commands of the
same names as functions. Each takes what its command takes, returns a frozen result that a notebook shows (`logs`: the
lines), and raises `RefusedError` if the command would refuse.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftc.api.comparison import Cause, Change, Diff, diff
    from ftc.api.deletion import Deleted, delete
    from ftc.api.diagnosis import Diagnosed, why
    from ftc.api.explanation import Explanation, explain
    from ftc.api.inference import Inference, inference
    from ftc.api.logs import LogLine, logs
    from ftc.api.manifests import Linted, lint
    from ftc.api.refused import ClusterRefusedError, RefusedError
    from ftc.api.runs import Compiled, Plan, Written, compile, plan  # noqa: A004 - the name of the command
    from ftc.api.status import Status, status
    from ftc.api.submission import Submitted, submit

__version__ = "0.1.0"
__all__ = (
    "Cause",
    "Change",
    "ClusterRefusedError",
    "Compiled",
    "Deleted",
    "Diagnosed",
    "Diff",
    "Explanation",
    "Inference",
    "Linted",
    "LogLine",
    "Plan",
    "RefusedError",
    "Status",
    "Submitted",
    "Written",
    "__version__",
    "compile",
    "delete",
    "diff",
    "explain",
    "inference",
    "lint",
    "logs",
    "plan",
    "status",
    "submit",
    "why",
)

# The modules behind the names are loaded when a name is used: `import ftc` takes a millisecond.
_MODULES = {
    "ftc.api.runs": ("Compiled", "Plan", "Written", "compile", "plan"),
    "ftc.api.comparison": ("Cause", "Change", "Diff", "diff"),
    "ftc.api.deletion": ("Deleted", "delete"),
    "ftc.api.diagnosis": ("Diagnosed", "why"),
    "ftc.api.explanation": ("Explanation", "explain"),
    "ftc.api.inference": ("Inference", "inference"),
    "ftc.api.manifests": ("Linted", "lint"),
    "ftc.api.logs": ("LogLine", "logs"),
    "ftc.api.refused": ("ClusterRefusedError", "RefusedError"),
    "ftc.api.status": ("Status", "status"),
    "ftc.api.submission": ("Submitted", "submit"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"'{name}' is not in the API of ftc", name=name, obj=sys.modules[__name__])
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """A package whose documented names win over those of its subpackages: `ftc.plan` is a function and a package."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PLACES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
