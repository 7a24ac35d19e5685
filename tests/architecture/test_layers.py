"""The structure of the program: which module may import which, and what each may contain."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "compiler" / "ftc"
MODULES = {
    ".".join(("ftc", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(PACKAGE.rglob("*.py"))
}

# From top to bottom; an import never points up. The packages of one row may not import each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("api",),
    ("diff", "cluster", "pin"),
    ("golden",),
    ("places",),
    ("explain", "lint", "fit", "fixed_names"),
    ("driver",),
    ("validate",),
    ("compose",),
    ("rules",),
    ("manifests",),
    ("targets",),
    ("output", "summary"),
    ("plan",),
    ("estimate", "editor", "checkpoint"),
    ("trainer",),
    ("spec",),
    ("accelerators",),
    ("source",),
    ("diagnostics",),
    ("output_schemas",),
    ("constrained",),
    ("constraints",),
    ("conf_tree", "releases"),
    ("yaml_text", "resources", "scripts"),
    ("patterns", ""),
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def layer(module: str) -> str:
    """`ftc.plan.pod` is in the layer of `plan`; the package itself is in the lowest."""
    return module.split(".")[1] if "." in module else ""


def imported(file: Path) -> set[str]:
    """The modules that a file imports, including imports inside functions and for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the layers"
            module = node.module or ""
            found |= {f"{module}.{a.name}" if f"{module}.{a.name}" in MODULES else module for a in node.names}
    return found


IMPORTS = {module: imported(file) for module, file in MODULES.items()}
# `import ftc` has the names of the API, which it loads when they are used.
FACADE = "ftc"
OWN = {module: {name for name in names if name in MODULES} for module, names in IMPORTS.items() if module != FACADE}


def test_every_module_has_a_layer() -> None:
    assert {layer(module) for module in MODULES} == set(RANK)


def test_an_import_never_points_up_or_sideways() -> None:
    wrong = []
    for module, names in OWN.items():
        for name in names:
            one, other = layer(module), layer(name)
            sideways = RANK[one] == RANK[other] and one != other
            if RANK[other] < RANK[one] or sideways:
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_targets_do_not_import_each_other() -> None:
    targets = {module for module in MODULES if module.startswith("ftc.targets.")}
    assert len(targets) >= 2
    assert [(module, OWN[module] & targets) for module in targets if OWN[module] & targets] == []


def test_no_import_cycle() -> None:
    def reached(module: str, seen: set[str]) -> set[str]:
        for name in OWN.get(module, set()) - seen:
            seen.add(name)
            reached(name, seen)
        return seen

    packages = {module for module, file in MODULES.items() if file.name == "__init__.py"}
    assert [module for module in MODULES if module not in packages and module in reached(module, set())] == []


@pytest.mark.parametrize("library", ["hydra", "omegaconf", "antlr4"])
def test_only_composition_knows_hydra(library: str) -> None:
    users = {module for module, names in IMPORTS.items() if any(name.split(".")[0] == library for name in names)}
    assert {layer(module) for module in users} <= {"compose"}


def test_only_the_command_line_knows_click() -> None:
    users = {module for module, names in IMPORTS.items() if any(name.split(".")[0] == "click" for name in names)}
    assert {layer(module) for module in users} == {"cli"}


def test_passes_from_validation_to_verification_are_pure() -> None:
    forbidden = {"os", "time", "datetime", "random", "socket", "subprocess", "urllib", "uuid", "tempfile", "getpass"}
    pure = {
        "compose",
        "validate",
        "rules",
        "manifests",
        "targets",
        "plan",
        "estimate",
        "trainer",
        "spec",
        "diagnostics",
    }
    pure |= {"yaml_text", "summary"}
    users = {m: {n.split(".")[0] for n in names} & forbidden for m, names in IMPORTS.items() if layer(m) in pure}
    assert {module: names for module, names in users.items() if names} == {}


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "helper", "common", "misc", "base_utils", "tools"])
def test_no_file_has_a_meaningless_name(name: str) -> None:
    everywhere = [file for top in ("compiler", "tests", "schemas", "conf") for file in (ROOT / top).rglob(f"{name}.*")]
    assert [file for file in everywhere if not {"__pycache__", "node_modules"} & set(file.parts)] == []


VENDORS = re.compile(
    r"(?<![a-z])(nvidia|cuda|ascend|huawei|npu|alauda|aladdin|alaya\w*|hccl|nccl|h800|a100|cann)(?![a-z])",
    re.IGNORECASE,
)


def texts(file: Path) -> list[tuple[int, str]]:
    """Names and strings of the code, without docstrings and comments."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | loose:
            found.append((node.lineno, node.value))
        elif isinstance(node, ast.Name):
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.Attribute):
            found.append((node.lineno, node.attr))
    return found


# Words of the trainer and of accelerate rather than of a vendor's device; advice in messages.
ALLOWED: dict[str, set[str]] = {
    "ftc.rules.pod.libraries": {"cuda"},
    "ftc.estimate.reading": {"npu"},
    "ftc.manifests.configs": {"cuda"},
}


def test_code_names_no_vendor() -> None:
    known = {
        f"{module}:{line}: {text}"
        for module, file in MODULES.items()
        if "ftc.scripts" not in module and layer(module) != "cli"
        for line, text in texts(file)
        for word in VENDORS.findall(text)
        if word.lower() not in ALLOWED.get(module, set())
    }
    assert known == set()


GROUPS = ("training", "pod", "job", "launch", "shell", "spec")


def test_a_subject_of_rules_has_one_file() -> None:
    files = [module.rpartition(".") for module in MODULES if re.match(rf"ftc\.rules\.({'|'.join(GROUPS)})\.", module)]
    names = [name for _, _, name in files]
    assert len(names) > 40
    assert sorted(names) == sorted(set(names))


def test_functions_and_modules_stay_short() -> None:
    lines = {module: len(file.read_text(encoding="utf-8").splitlines()) for module, file in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > 400} == {}
    functions = {
        f"{module}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: count for name, count in functions.items() if count > 50} == {}
