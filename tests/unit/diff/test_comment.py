"""The comment on a pull request: short, with the number of what is left out, and without markup of users."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from ftc.diagnostics.model import Diagnostic, Severity
from ftc.diff.changes import Change, Kind
from ftc.diff.comment import Judged, markdown
from ftc.diff.report import Difference, Explained, Status
from unit.compiling import Said, ftc

WARNED = ("hardware=ascend", "storage.workspace.mount_path=/usr/local/Ascend")
COMPARE = ("diff", "--format", "markdown")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def comment(*arguments: str) -> str:
    said = ftc(*COMPARE, *arguments)
    assert said.exit_code == 0, said
    return said.stdout


def head(text: str) -> str:
    """The part that is not folded."""
    return text.partition("<details>")[0]


def cases(**overrides: str) -> None:
    """A repository with golden files of these cases, committed."""
    Path("conf/hardware").mkdir(parents=True)
    Path("conf/hardware/ours.yaml").write_text("defaults: [h800, _self_]\ncpu_per_device: 8\n")
    for name, given in overrides.items():
        case(name, given)
    assert ftc("golden", "update").exit_code == 0
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], check=True)


def case(name: str, overrides: str) -> None:
    place = Path("golden") / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "case.yaml").write_text(f"why: A test.\noverrides: [{overrides}]\ntargets: [volcano]\n")


def test_a_changed_argument_is_one_row_and_nothing_else() -> None:
    said = comment("train.learning_rate=1.0e-4", "--", "train.learning_rate=2.0e-4")
    assert said.splitlines() == [
        "**1 run changes on the cluster**",
        "",
        "the run: training, data, devices, memory, batch and steps stay the same.",
        "",
        "| key | before | after | set by |",
        "| --- | --- | --- | --- |",
        "| `train.learning_rate` | `1.0e-4` | `2.0e-4` | an override |",
    ]


def test_the_facts_that_change_come_first_and_the_manifest_is_folded() -> None:
    said = comment("devices=2", "--", "devices=2", "nodes=2", "dataset=no-robots")
    first = next(line for line in said.splitlines() if line.startswith("| the run"))
    assert "| 1 x 2 → 2 x 2 `nvidia.com/gpu` |" in first
    assert "| 32 x 2,048 → 64 x 2,048 tokens |" in first
    assert "alpaca (52,002 rows) → " in first
    assert "| `dataset` | `alpaca` | `no-robots` |" in head(said)
    assert "```mermaid" not in head(said)
    assert "```mermaid" in said
    assert "| `spec.minAvailable` | `1` | `2` | `nodes` |" in said.partition("changes in")[2]
    assert said.count("<details>") == said.count("</details>") == 2


def test_a_change_of_conf_in_many_cases_is_one_row_with_their_number() -> None:
    cases(**{f"run-{number}": f"hardware=ours,name=run-{number}" for number in range(6)}, other="hardware=h100")
    Path("conf/hardware/ours.yaml").write_text("defaults: [h800, _self_]\ncpu_per_device: 4\n")
    case("run-5", "hardware=ours,name=run-5,nodes=2")
    said = comment("--base", "HEAD")
    assert said.startswith("**6 of 7 runs change on the cluster**\n")
    assert said.count("`hardware.cpu_per_device`, ") == 1
    assert "| `8` | `4` | `conf/hardware/ours.yaml:2` | all 6 |\n" in said
    assert "| `nodes` | `1` | `2` | an override | `run-5` |\n" in said
    assert "| `run-5` | 1 x 1 → 2 x 1 `nvidia.com/gpu` |" in said
    assert (
        "in each of <code>run-0</code>, <code>run-1</code>, <code>run-2</code>, <code>run-3</code> and 1 more" in said
    )
    assert said.count("resources.limits.cpu") == 2  # once for the five, once for the one with two nodes


def test_cases_that_no_longer_compile_are_added_or_are_removed_are_in_the_headline() -> None:
    cases(a="devices=2", b="devices=4", c="devices=8")
    case("b", "devices=16")
    case("new", "devices=1, method=qlora-sft")
    Path("golden/c/case.yaml").unlink()
    said = ftc(*COMPARE, "--base", "HEAD")
    assert said.exit_code == 1
    assert said.stdout.startswith("**1 of 4 runs is added, 1 is removed, 1 does not compile**\n\n> [!CAUTION]\n")
    assert "> - `b`: `devices`: requests 16, but a node has 8<br>" in said.stdout
    assert "`FTC301 devices-exceed-node`" in said.stdout
    assert "| `new` **added** | qlora sft of `Qwen/Qwen3-0.6B` |" in said.stdout
    assert "| `c` **removed** |" in said.stdout
    assert "error[FTC301" in said.stderr


def test_options_in_a_message_are_code_and_the_punctuation_between_them_is_not() -> None:
    cases(a="engine=deepspeed-z2")
    case("a", "engine=deepspeed-z9")
    said = ftc(*COMPARE, "--base", "HEAD").stdout
    assert "known: ddp, `deepspeed-z0`, `deepspeed-z2`, `deepspeed-z2-offload`, " in said


def test_keys_that_the_run_sets_are_listed_also_if_an_option_above_them_changes() -> None:
    cases(a="hardware=ours")
    case("a", "source@model.source=git,model.source.url=https://git.example.com/other.git,hardware=ours")
    said = head(comment("--base", "HEAD"))
    assert "| `source@model.source` | `huggingface` | `git` | an override |\n" in said
    assert "| `model.source.url` |  | `https://git.example.com/other.git` | an override |\n" in said
    assert said.count("| `model.source.") == 1


def test_an_option_has_the_place_of_the_defaults_list_that_chooses_it() -> None:
    cases(a="hardware=ours")
    Path("conf/run.yaml").write_text("defaults:\n  - config\n  - override hardware: ascend\n  - _self_\n")
    Path("golden/a/case.yaml").write_text("why: A test.\nconfig: run\ntargets: [volcano]\n")
    said = head(comment("--base", "HEAD"))
    assert "| `hardware` | `ours` | `ascend` | `conf/run.yaml:3` |\n" in said
    assert "| `build@hardware.build` | `cuda` | `ascend-a2` | `<ftc>/conf/hardware/ascend.yaml:" in said
    assert "` `" not in said


def test_a_fact_that_becomes_unknown_is_said_and_a_number_of_rows_is_no_unit() -> None:
    more = "dataset.names=[alpaca,other]", "dataset.info.other.file_name=b.json"
    said = head(comment("--", *more, "dataset.rows.other=100"))
    assert "| alpaca (52,002 rows) → alpaca, other (52,102 rows) |" in said
    assert "| 9,753 → unknown |" in head(comment("--", *more))


def test_code_in_a_message_is_one_span_and_warnings_do_not_say_why_a_run_does_not_compile() -> None:
    cases(a="image=registry.example.com/a:1.0")
    case("a", "image=registry.example.com/a:latest,train.learning_rte=1")
    said = ftc(*COMPARE, "--base", "HEAD").stdout
    assert "FTC404" in said
    assert "FTC542" not in said
    case("a", "image=registry.example.com/a:1.0,publish=git,publish.url=https://a.example/b,model.source.revision=dev")
    assert "or run `ftc pin`, which writes commits" in comment("--base", "HEAD")


def test_a_bar_is_escaped_in_tables_only() -> None:
    wrong = Diagnostic(code="FTC1", message="is 'a|b'", severity=Severity.ERROR)
    said = markdown([run("c|d", 1)], ("see e|f",), Judged({}, {}, {"c|d": (wrong,)}, 2))
    assert "> - `c|d`: is `'a|b'`<br>`FTC1`\n" in said
    assert "\nsee `e|f`\n" in said


def test_json_has_the_removed_runs_and_those_that_no_longer_compile() -> None:
    cases(a="devices=2", b="devices=4", c="devices=8")
    case("b", "devices=16")
    Path("golden/c/case.yaml").unlink()
    said = ftc("diff", "--base", "HEAD", "--format", "json")
    assert said.exit_code == 1
    assert {one["run"]: one["status"] for one in json.loads(said.stdout)} == {"b": "does not compile", "c": "removed"}
    assert "error[FTC301" in said.stderr


def test_a_case_file_that_is_malformed_is_not_a_removed_run() -> None:
    cases(a="devices=2")
    Path("golden/a/case.yaml").write_text("why: [\n")
    said = ftc(*COMPARE, "--base", "HEAD")
    assert said.stdout.startswith("**1 run does not compile**\n")
    assert "removed" not in said.stdout


def test_a_new_warning_is_shown_and_an_old_one_is_counted() -> None:
    assert "\n> [!WARNING]\n> **1 new warning**\n> \n> - the run: " in comment("--", *WARNED)
    both = comment(*WARNED, "--", *WARNED, "nodes=2")
    assert "[!WARNING]" not in both
    assert "\n1 warning as before: see `ftc diff`.\n" in both


def test_nothing_changes() -> None:
    assert comment("nodes=1", "--") == "Nothing changes on the cluster.\n"


def run(name: str, number: int, text: str = "x") -> Difference:
    found = tuple(
        Explained("Job/a", Change(("spec", f"key{index}"), text, f"{text}{name}{index}", Kind.CHANGED))
        for index in range(number)
    )
    return Difference(name, Status.CHANGED, found)


@pytest.mark.parametrize(
    "found",
    [
        [run("big", 5000)],
        [run(f"run-{index}", 20) for index in range(2000)],
        [run("n" * 300, 3, "長\n" * 100_000)],
        [run(f"{index}{'n' * 500}", 3) for index in range(200)],
        [run("wide", 300, "`|" * 5000)],
    ],
)
def test_a_comment_fits_whatever_the_size(found: list[Difference]) -> None:
    text = markdown(found)
    assert len(text.encode()) < 65_536
    assert text.count("<details>") == text.count("</details>")
    assert "see `ftc diff`" in text or text.count("<details>") == len(found)


def test_what_does_not_fit_is_left_out_by_run_and_counted() -> None:
    text = markdown([run(f"run-{index}", 20) for index in range(2000)])
    left_out = re.search(r"The changes of ([0-9]+) runs do not fit into a comment: see `ftc diff`.\n$", text)
    assert left_out
    assert int(left_out[1]) == 2000 - text.count("<summary>20 changes in <code>run-")
    assert text.count("\n| `spec.key19` |") == text.count("<summary>")


def test_many_warnings_and_errors_fit() -> None:
    found = tuple(
        Diagnostic(code="FTC1", message=f"{'x' * 900}{index}", help="y" * 900, severity=Severity.WARNING)
        for index in range(500)
    )
    errors = tuple(msgspec.structs.replace(one, severity=Severity.ERROR) for one in found)
    text = markdown([run("a", 2)], (), Judged({}, {"a": found}, {"b": errors}, 2))
    assert len(text) < 65_536
    assert text.count("> - and 480 more: see `ftc diff`") == 2


def test_markup_in_a_value_is_shown_literally() -> None:
    change = Change(("a",), "x|y `z` <b>", "```", Kind.CHANGED)
    text = markdown([Difference("a<b>", Status.CHANGED, (Explained("Job/a", change),))])
    assert "``x\\|y `z` <b>``" in text
    assert "<summary>1 change in <code>a&lt;b&gt;</code></summary>" in text


HOSTILE = (
    "@team/x",
    "a\\|b @me",
    "`|`",
    "``\n# x",
    "https://a.example",
    "www.a.example",
    "<img src=x>",
    "#1",
    "GH-1",
    "a@b.example",
    "\u202e|",
    "[a](b)",
    "a\r\n\r\n# x",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_escapes_from_its_code(text: str) -> None:
    changes = (Change((text,), text, "", Kind.CHANGED), Change((text,), text, f"{text}\n", Kind.CHANGED))
    found = [Difference(text, Status.CHANGED, tuple(Explained(text, change) for change in changes))]
    finding = Diagnostic(code="FTC1", message=f"is {text} or so", help=f"use {text}", path=(text,))
    said = markdown(found, [f"golden at {text}"], Judged({}, {text: (finding,)}, {text: (finding,)}, 1))
    outside = re.sub(r"(?s)(`+)(?!`).*?(?<!`)\1(?!`)|<code>.*?</code>", "", said)
    for sign in ("@", "http", "#", "<img", "[a]", "\u202e", "GH-", "www"):
        assert sign not in outside, outside
    for line in outside.splitlines():
        assert line.count("|") - line.count("\\|") in (0, 5)


@pytest.mark.parametrize("text", ["@team", "#1 <b>", "GH-1 | x", "`"])
def test_no_text_of_a_spec_escapes(text: str) -> None:
    said: Said = ftc(*COMPARE, "--", f'env.A="{text}"', f'labels.x="{text}"')
    if said.exit_code == 0:
        outside = re.sub(r"(?s)(`+)(?!`).*?(?<!`)\1(?!`)|<code>.*?</code>", "", said.stdout)
        assert not re.search(r"@|#|GH-|<b>", outside)
