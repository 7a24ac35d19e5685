"""At any request of a publishing comes a kill or a fault: no part looks finished, and a restart publishes once.

A sample of this is tests/e2e/test_faulty_stores.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.faulty_proxy import Fault
from e2e.publishing import Git, Publishing, Store, fill_and_publish, kill_and_restart, requests_of
from e2e.stores import STORES, serve_store
from unit.scripts.small_disk import SmallDisk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.publishing import Fill

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FROM_THEN_ON = ("500", "401", "page", "reset", "cut", "trickles", "hangs")
ONCE = ("503", "reset", "done-and-reset", "200", "page", "zeros")


@pytest.fixture(scope="module", params=(*STORES, "old-hub"))
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A server of each kind."""
    with serve_store(request.param, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.mark.parametrize("kind", ["hangs", "done-and-hangs"])
def test_a_kill_at_any_request_leaves_no_part_that_looks_finished(store: Store, tmp_path: Path, kind: str) -> None:
    requests = requests_of(tmp_path, store)
    assert len(requests) > 4
    for number in range(1, len(requests) + 1):
        kill_and_restart(tmp_path, store, number, kind)


@pytest.mark.parametrize(
    ("kind", "times"), [*((kind, 1_000_000) for kind in FROM_THEN_ON), *((kind, 1) for kind in ONCE)]
)
def test_a_fault_at_any_request_ends_in_time_and_never_in_a_success_without_a_result(
    store: Store, tmp_path: Path, kind: str, times: int
) -> None:
    requests = requests_of(tmp_path, store)
    for number, request in enumerate(requests, 1):
        run, fault = Publishing(tmp_path, store), Fault(kind, number, times)
        done = run.publish(fault, "8")
        at = f"{kind} at {request}, {fault.seen}\n{done.log}"
        said = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
        assert (done.status, len(said)) in ((0, 0), (1, 1), (1, 2)), at
        finished = run.finished()
        assert finished == 1 or done.status != 0, at
        run.check_restart()


@pytest.mark.parametrize("full", [SmallDisk.leave, SmallDisk.leave_files])
def test_a_full_disk_is_one_clear_line_and_no_part(store: Store, tmp_path: Path, full: Fill) -> None:
    # Only git writes to the disk; how full it is decides which of its writes fails first.
    lefts = (*range(0, 30, 2), 40, 100) if isinstance(store, Git) else (0,)
    ends = {fill_and_publish(tmp_path, store, full, left) for left in lefts}
    assert ends == ({0, 1} if isinstance(store, Git) else {0})
