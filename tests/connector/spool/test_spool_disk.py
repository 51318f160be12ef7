"""The ballast and the gate."""

from __future__ import annotations

import pytest

from connector.spool import OutRow, SpoolFull
from connector.spool.disk import Disk

MB = 1 << 20


def test_ballast_is_taken_in_thrown_out_and_taken_in_again_when_there_is_room(tmp_path):
    free = 100 * MB
    disk = Disk(tmp_path, low_water_bytes=64 * MB, ballast_bytes=1 * MB, free_bytes=lambda _: free)
    assert not disk.relieve()
    disk.tend()
    ballast = tmp_path / "ballast"
    assert ballast.stat().st_size == 1 * MB
    assert ballast.stat().st_blocks * 512 >= 1 * MB  # a file with holes would free nothing
    disk.tend()
    assert disk.relieve()
    assert not ballast.exists()
    assert not disk.relieve()
    free = 65 * MB - 1
    disk.tend()
    assert not ballast.exists()
    free = 65 * MB
    disk.tend()
    assert ballast.exists()


def test_ballast_that_does_not_fit_leaves_nothing_behind(tmp_path):
    disk = Disk(tmp_path, ballast_bytes=1 << 60, free_bytes=lambda _: 1 << 62)
    disk.tend()
    assert list(tmp_path.iterdir()) == []


def test_the_gate_needs_both_a_full_disk_and_a_lagging_sink(tmp_path):
    free = 0
    disk = Disk(tmp_path, high_water_bytes=10, gate_rows=5, free_bytes=lambda _: free)
    assert disk.shut(5)
    assert not disk.shut(4)
    free = 10
    assert not disk.shut(5_000_000)


def test_a_disk_that_does_not_answer_takes_no_more(tmp_path):
    def broken(_) -> int:
        raise OSError

    assert Disk(tmp_path, free_bytes=broken).shut(1 << 30)


async def test_a_full_spool_throws_its_ballast_out_and_takes_it_in_again_when_idle(house, said, into, until):
    house.disk = Disk(house.folder, low_water_bytes=0, ballast_bytes=1 * MB, free_bytes=lambda _: 2 * MB)
    spool = await house.spool()
    ballast = house.folder / "ballast"
    assert ballast.exists()
    full = spool._database._full
    (pages,) = full.execute("PRAGMA page_count").fetchone()
    full.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolFull):
        await spool.outbox.put([OutRow("a", "chain", "op", bytes(99_999))])
    assert not ballast.exists()
    assert await spool.outbox.read("a", 10) == []

    full.execute("PRAGMA max_page_count = 1000000")
    house.inbox().append(said("s1", 1))
    mover = spool.mover(into("a"), house.rung)
    await mover.start()
    await mover.drained()
    assert spool.tally.waiting("a") == 1
    await until(ballast.exists)
    await mover.stop()
