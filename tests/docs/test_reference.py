"""The reference has what the program has."""

from __future__ import annotations

from ftc.cli.main import _COMMANDS as COMMANDS
from ftc.plan.environment import OURS
from ftc.resources import directory
from ftc.rules.pages import pages as rules
from ftc.spec.schema import keys
from ftc.targets import TARGETS
from mkdocs_hooks import BROKEN
from reference import pages
from reference.runs import VARIABLES


def test_everything_has_its_place() -> None:
    made = pages()
    assert {f"rules/{code}.md" for code in rules()} <= made.keys()
    assert [path for path in keys() if f"{{ #{'.'.join(map(str, path))} }}" not in made["keys.md"]] == []
    assert [name for name in COMMANDS if f"{{ #ftc-{name} }}" not in made["commands.md"]] == []
    assert [name for name in TARGETS if f"`{name}`" not in made["targets.md"]] == []
    options = [file for file in directory("conf").glob("*/*.yaml") if file.parent.name != "pins"]
    assert [file for file in options if f"{{ #{file.stem} }}" not in made[f"options/{file.parent.name}.md"]] == []


def test_the_variables_of_a_run_are_those_that_ftc_sets() -> None:
    assert VARIABLES.keys() - OURS == set()


def test_lines_of_a_chinese_paragraph_are_joined() -> None:
    text = "看懂清单、\n最后\n完成\n\n- 第一\n  次\n- 第二\n\n用 ftc\n编译"
    assert BROKEN.sub("", text) == "看懂清单、最后完成\n\n- 第一次\n- 第二\n\n用 ftc\n编译"
