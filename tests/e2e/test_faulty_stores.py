"""Whatever a server does while a result is published, the end comes in time, and success means a whole result.

A sample: every request and every fault are in tests/unit/scripts/test_store_faults.py.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pytest

from e2e.faulty_proxy import Fault
from e2e.publishing import Bucket, Git, Hub, Publishing, files_of, fill_and_publish, kill_and_restart, requests_of
from e2e.stores import STORES, serve_store
from unit.scripts.small_disk import SmallDisk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.publishing import Store

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A server of each kind."""
    with serve_store(request.param, tmp_path_factory.mktemp("server")) as server:
        yield server


def last_change(root: Path, store: Store) -> int:
    """The number of the last request that changes what the server has."""
    requests = enumerate(requests_of(root, store), 1)
    return max(number for number, seen in requests if seen[:3] != "GET" and "git-upload-pack" not in seen)


def test_a_server_that_only_says_that_it_has_taken_the_last_request_is_not_believed(
    store: Store, tmp_path: Path
) -> None:
    number = last_change(tmp_path, store)
    run = Publishing(tmp_path, store)
    done = run.publish(Fault("200", number, 1), "10")
    assert (done.status, run.finished()) == (1, 0), done.log
    run.check_restart()


def test_a_server_that_does_not_answer_is_waited_for_until_the_time_limit(store: Store, tmp_path: Path) -> None:
    run = Publishing(tmp_path, store)
    start = time.monotonic()
    done = run.publish(Fault("hangs", 3), "4")
    assert time.monotonic() - start < 20
    assert done.status == 1
    assert done.says("the upload took longer than 4 seconds"), done.log


def test_an_answer_that_is_lost_after_the_last_change_is_made_up_for_by_a_restart(store: Store, tmp_path: Path) -> None:
    number = last_change(tmp_path, store)
    kill_and_restart(tmp_path, store, number, "done-and-hangs")


def test_a_full_temporary_disk_stops_git_with_one_clear_line(store: Store, tmp_path: Path) -> None:
    lefts = (0, 12) if isinstance(store, Git) else (0,)
    ends = {fill_and_publish(tmp_path, store, SmallDisk.leave_files, left) for left in lefts}
    assert ends == ({1} if isinstance(store, Git) else {0})


def test_a_mark_over_a_part_is_replaced(store: Store, tmp_path: Path) -> None:
    if not isinstance(store, Bucket):
        pytest.skip("only a bucket has a mark")
    run = Publishing(tmp_path, store)
    assert run.publish(Fault()).status == 0
    (tmp_path / "cut" / run.name).mkdir(parents=True)
    (tmp_path / "cut" / run.name / "adapter_model.safetensors").write_bytes(b"cut")
    store.server.put(store.name, tmp_path / "cut")
    run.check_restart()


@pytest.mark.parametrize("lie", ["other", "cut", "ignored"])
def test_a_hub_that_has_something_else_than_was_sent_is_not_believed(store: Store, tmp_path: Path, lie: str) -> None:
    if not isinstance(store, Hub):
        pytest.skip("the routes are those of a hub")
    run = Publishing(tmp_path, store)
    weights = files_of(run.name)["adapter_model.safetensors"]
    branch, objects = store.files / "team" / f"{run.name}@{store.branch}", store.files.parent / "lfs"
    if lie == "ignored":
        branch.mkdir(parents=True)
        (branch / ".gitignore").write_text("adapter_config.json\n", encoding="utf-8")
    else:
        objects.mkdir(exist_ok=True)
        content = weights[:-1] if lie == "cut" else bytes(len(weights))
        (objects / hashlib.sha256(weights).hexdigest()).write_bytes(content)
    done = run.publish(Fault())
    assert done.status == 1
    named = "adapter_config.json" if lie == "ignored" else "adapter_model.safetensors"
    assert done.says(f"branch {store.branch} of team/{run.name} does not have {named!r}"), done.log
