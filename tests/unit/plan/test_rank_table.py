"""Only a run that reads a rank table waits for it, and only its training."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, pod, template, trainer

WAIT = ["bash", "/etc/ftc/wait_rank_table.sh"]
TABLE = "env.RANK_TABLE_FILE=/user/serverid/devindex/config/hccl.json"
OPTION = ("hardware=ascend-910b-rank-table", "naming=fixed", "name=run")


@pytest.mark.parametrize(
    ("overrides", "command"),
    [
        (OPTION, [*WAIT, "bash", "/etc/ftc/train.sh"]),
        (("hardware=ascend", TABLE), [*WAIT, "bash", "/etc/ftc/train.sh"]),
        (("hardware=ascend", TABLE, *COMMAND), [*WAIT, "bash", "/etc/ftc/launch.sh"]),
        (
            (*OPTION, "storage.model_in_memory_gib=2"),
            ["bash", "/etc/ftc/stage.sh", *WAIT, "bash", "/etc/ftc/train.sh"],
        ),
        (
            (*OPTION, "publish=git", "publish.url=https://git.example.com/o"),
            ["bash", "/etc/ftc/hold_lock.sh", *WAIT, "bash", "/etc/ftc/train.sh"],
        ),
    ],
)
def test_the_training_waits_for_the_rank_table(overrides: tuple[str, ...], command: list[str]) -> None:
    assert trainer(*overrides)["command"] == command
    assert "ftc.dev/wait_rank_table.sh" in template(*overrides)["metadata"]["annotations"]
    others = [one for one in pod(*overrides).get("initContainers", []) if WAIT[1] in one["command"]]
    assert others == []


def test_other_runs_do_not_have_the_script() -> None:
    assert "wait_rank_table" not in str(template("hardware=ascend-910b-mindcluster"))
