"""The action for pull requests: it comments once, and updates its comment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from review.repository import Repository, initialised
from unit.compiling import ROOT

# A substitute for GitHub's own client: it keeps the comments in a file, and answers the calls that the action makes.
GH = f"""#!{sys.executable}
import json, pathlib, sys
words = sys.argv[1:]
assert words.pop(0) == "api"
store = pathlib.Path("comments.json")
comments = json.loads(store.read_text()) if store.exists() else []
given = [words[i + 1].partition("=") for i, word in enumerate(words) if word in ("--field", "--raw-field")]
fields = {{name: value for name, _, value in given}}
if "body" in fields:
    assert fields["body"].startswith("@")
    body = pathlib.Path(fields["body"][1:]).read_text()
if words[0] != "graphql":
    assert words[-3:-1] == ["repos/team/runs/issues/7/comments", "--field"]
    assert words[words.index("--method") + 1] == "POST"
    comments.append({{"id": f"IC_{{len(comments)}}", "body": body, "viewerDidAuthor": True}})
elif "mutation" in fields["query"]:
    (one,) = [one for one in comments if one["id"] == fields["id"]]
    one["body"] = body
else:
    assert (fields["owner"], fields["name"], fields["number"]) == ("team", "runs", "7")
    assert "--paginate" in words and "$endCursor" in fields["query"] and "viewerDidAuthor" in fields["query"]
    select = words[words.index("--jq") + 1]
    assert "select(.viewerDidAuthor and (.body | startswith(" in select
    mark = select.split('"')[1]
    print("\\n".join(one["id"] for one in comments if one["viewerDidAuthor"] and one["body"].startswith(mark)))
store.write_text(json.dumps(comments))
"""


def step() -> dict[str, Any]:
    (found,) = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    return dict(found)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = initialised(tmp_path)
    client = tmp_path / ".git" / "bin" / "gh"
    client.parent.mkdir()
    client.write_text(GH)
    client.chmod(0o755)
    repository.done("git", "update-ref", "refs/remotes/origin/main", "main")
    return repository


def act(repository: Repository) -> str:
    """Run the action's step as a runner does; the comments are those of a pull request to main."""
    bin_ = repository.root / ".git" / "bin"
    given = {
        "BASE": "origin/main",
        "GOLDEN": "golden",
        "GH_TOKEN": "-",
        "REPOSITORY": "team/runs",
        "PULL_REQUEST": "7",
        "COMMENTS": step()["env"]["COMMENTS"],
        "UPDATE": step()["env"]["UPDATE"],
        "GITHUB_STEP_SUMMARY": str(repository.root / ".git" / "summary.md"),
        "PATH": f"{bin_}:{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    assert set(step()["env"]) == set(given) - {"GITHUB_STEP_SUMMARY", "PATH"}
    return repository.done("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step()["run"], **given)


def comments(repository: Repository) -> list[str]:
    store = repository.root / "comments.json"
    return [one["body"] for one in json.loads(store.read_text())] if store.exists() else []


def test_it_comments_once_and_updates_its_comment(repository: Repository) -> None:
    act(repository)
    assert comments(repository) == []  # nothing changes
    others = [{"id": "IC_a", "body": "LGTM", "viewerDidAuthor": False}]
    (repository.root / "comments.json").write_text(json.dumps(others))
    repository.edit("conf/my-run.yaml", "nodes: 1", "nodes: 2")
    act(repository)
    other, first = comments(repository)
    assert other == "LGTM"
    assert "| `spec.tasks[worker].replicas` | `1` | `2` |" in first
    repository.edit("conf/my-run.yaml", "nodes: 2", "nodes: 3")
    act(repository)
    (_, second) = comments(repository)
    assert "| `spec.tasks[worker].replicas` | `1` | `3` |" in second
    repository.edit("conf/my-run.yaml", "nodes: 3", "nodes: 1")
    act(repository)
    (_, last) = comments(repository)
    assert "Nothing changes on the cluster." in last
    assert "`3`" in (repository.root / ".git" / "summary.md").read_text()


def test_a_comment_of_another_author_is_left_alone_whatever_it_begins_with(repository: Repository) -> None:
    theirs = "<!-- ftc diff -->\nMine"
    others = [{"id": "IC_a", "body": theirs, "viewerDidAuthor": False}]
    (repository.root / "comments.json").write_text(json.dumps(others))
    act(repository)
    assert comments(repository) == [theirs]
    for nodes in ("2", "3"):
        repository.edit("conf/my-run.yaml", "nodes: ", f"nodes: {nodes} # ")
        act(repository)
        found = comments(repository)
        assert (len(found), found[0]) == (2, theirs)
        assert f"| `{nodes}` |" in found[1]


def test_a_case_that_no_longer_compiles_is_in_the_comment_and_the_step_fails(repository: Repository) -> None:
    repository.edit("conf/my-run.yaml", "nodes: 1", "nodes: 0")
    with pytest.raises(AssertionError, match="exit_code=1"):
        act(repository)
    (comment,) = comments(repository)
    assert "**1 run does not compile**" in comment
    assert "`FTC012 " in comment


def test_what_a_stranger_can_name_never_becomes_code() -> None:
    assert "${{" not in step()["run"]


def test_the_script_is_sound() -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    command = [str(shellcheck), "--shell=bash", "--severity=style", "-"]
    done = subprocess.run(command, input=step()["run"], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_init_brings_the_same_action() -> None:
    copied = ROOT / "compiler" / "ftc" / "template" / "action.yml"
    assert copied.read_text() == (ROOT / "action.yml").read_text()


def test_the_workflow_of_init_uses_it_with_the_rights_that_it_needs(repository: Repository) -> None:
    workflow = yaml.safe_load((repository.root / ".github" / "workflows" / "ftc.yaml").read_text())
    steps = workflow["jobs"]["ftc"]["steps"]
    (step,) = [one for one in steps if one.get("uses", "").startswith("./")]
    assert (repository.root / step["uses"] / "action.yml").is_file()
    assert "head.repo" in step["if"]  # the token of a fork's pull request may not comment
    assert workflow["permissions"]["pull-requests"] == "write"
    assert steps[0]["with"]["fetch-depth"] == 0
    assert steps.index(step) > [one.get("run") for one in steps].index("ftc golden check")
    assert step["if"].startswith("always()")


def test_the_job_of_gitlab_runs_what_there_is(repository: Repository) -> None:
    job = yaml.safe_load((repository.root / ".gitlab-ci.yml").read_text())["ftc"]
    repository.edit("conf/my-run.yaml", "nodes: 1", "nodes: 2")
    lines = [line for line in job["script"] if line.startswith("ftc ")]
    said = repository.run("bash", "-ec", "\n".join(lines), CI="true", CI_MERGE_REQUEST_DIFF_BASE_SHA="main")
    assert said.exit_code == 1  # golden/ has not been updated
    assert "golden/my-run/volcano.yaml: changed" in said.stdout
    (report,) = job["artifacts"]["paths"]
    assert (repository.root / report).read_text().startswith("**1 of 2 runs changes on the cluster**")
