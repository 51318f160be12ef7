"""Queues, dead letters, connections and versions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.spool import Connection, OutRow, Spool
from connector.spool.clock import VersionClock
from connector.spool.file import connect, prepare
from connector.spool.outbox import HEADS, Move
from connector.spool.rows import Grave


def rows(sink: str, *numbers: int) -> list[OutRow]:
    return [OutRow(sink, "chain", f"op:{n}", f"{n}".encode()) for n in numbers]


async def test_each_sink_has_its_own_queue_in_order(spool):
    await spool.outbox.put(rows("a", 1, 2) + rows("b", 1) + rows("a", 3))
    read = await spool.outbox.read("a", 10)
    assert [row.body for row in read] == [b"1", b"2", b"3"]
    assert [row.op for row in await spool.outbox.read("a", 2)] == ["op:1", "op:2"]
    assert (spool.tally.waiting("a"), spool.tally.waiting("b"), spool.tally.deepest()) == (3, 1, 3)
    await spool.outbox.delete(read[:2])
    assert [row.op for row in await spool.outbox.read("a", 10)] == ["op:3"]
    assert spool.tally.waiting("a") == 1


async def test_a_number_is_never_given_twice(house, spool):
    await spool.outbox.put(rows("a", 1, 2))
    first = await spool.outbox.read("a", 10)
    await spool.outbox.delete(first)
    await spool.close()
    again = await house.spool()
    await again.outbox.put(rows("a", 3))
    (row,) = await again.outbox.read("a", 10)
    assert row.seq > first[-1].seq


async def test_what_is_left_is_counted_at_the_next_start(house, spool):
    await spool.outbox.put(rows("a", 1, 2) + rows("b", 1))
    await spool.outbox.bury((await spool.outbox.read("a", 1))[0], "never")
    await spool.close()
    tally = (await house.spool()).tally
    assert (tally.waiting("a"), tally.waiting("b"), tally.dead("a"), tally.dead("b")) == (1, 1, 1, 0)


async def test_a_move_is_whole_or_not_at_all(spool):
    bad = OutRow("a", "chain", "op", None)  # pyright: ignore[reportArgumentType] - what the types forbid, the file refuses
    with pytest.raises(Exception, match="NOT NULL"):
        await spool.outbox.move(Move(rows=[*rows("a", 1), bad], cursors={"f": 9}))
    assert await spool.outbox.read("a", 10) == []
    assert await spool.outbox.cursors() == {}
    assert spool.tally.waiting("a") == 0
    await spool.outbox.move(Move(rows=rows("a", 1), cursors={"f": 9, "g": 1}, dead=[Grave(rows("x", 2)[0], "no")]))
    assert await spool.outbox.cursors() == {"f": 9, "g": 1}
    assert spool.tally.dead("x") == 1
    await spool.outbox.move(Move(rows=[], cursors={"f": 3}))
    assert (await spool.outbox.cursors())["f"] == 9
    await spool.outbox.forget(["g"])
    assert await spool.outbox.cursors() == {"f": 9}


async def test_a_sinks_heads_are_the_first_rows_of_each_chain(spool):
    await spool.outbox.put([OutRow("a", "long", f"long:{n}", b"") for n in range(20)])
    await spool.outbox.put([OutRow("a", f"chain {n % 3}", f"{n % 3}:{n}", b"") for n in range(6)] + rows("b", 1))
    assert {row.chain for row in await spool.outbox.read("a", 20)} == {"long"}
    assert [row.op for row in await spool.outbox.heads("a", 8)] == [
        "long:0", "long:1", "0:0", "1:1", "2:2", "0:3", "1:4", "2:5",
    ]  # fmt: skip
    assert [row.op for row in await spool.outbox.heads("a", 4)] == ["long:0", "0:0", "1:1", "2:2"]
    assert len(await spool.outbox.heads("a", 2)) == 2
    assert [row.op for row in await spool.outbox.heads("b", 4)] == ["op:1"]
    assert await spool.outbox.heads("nobody", 4) == []


def test_heads_are_found_without_walking_over_what_waits(tmp_path):
    """Each step is a look into an index: a chain with 50,000 rows costs as much as one with ten."""
    prepare(tmp_path / "outbox.db")
    db = connect(tmp_path / "outbox.db", "normal")
    plan = db.execute(f"EXPLAIN QUERY PLAN {HEADS}", {"sink": "a", "each": 1, "limit": 1}).fetchall()
    assert [line[3] for line in plan if line[3].startswith("SCAN outbox")] == []
    assert any("outbox_by_chain (sink=? AND chain>?)" in line[3] for line in plan)


def test_a_file_of_an_earlier_day_gets_what_it_lacks(tmp_path):
    """Same format, made before dead letters knew their places: nothing in it is lost."""
    prepare(tmp_path / "outbox.db")
    db = connect(tmp_path / "outbox.db", "normal")
    for statement in ("DROP INDEX outbox_by_chain", "DROP INDEX dead_by_age", "ALTER TABLE dead DROP COLUMN seq"):
        db.execute(statement)
    db.execute("INSERT INTO dead (sink, chain, op, body, reason, at_us) VALUES ('a', 'c', 'op', x'00', 'no', 1)")
    prepare(tmp_path / "outbox.db")
    assert db.execute("SELECT op, seq FROM dead").fetchall() == [("op", None)]
    assert "outbox_by_chain" in {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


async def test_connections_are_kept_with_what_is_said_of_them(house, spool):
    new = Connection("loja-1", "uuid-1", "Loja", "owner", None, 2)
    other = replace(new, id="loja-2", session="uuid-2", created_us=1, company_id="c", body=b"more")
    assert await spool.connections.add(new, rows("a", 1)) is None
    assert await spool.connections.add(replace(new, name="Outra"), rows("a", 2)) == new
    await spool.connections.put(other)
    await spool.connections.put(replace(new, body=b"changed"), rows("a", 3))
    assert not await spool.connections.delete("nobody", rows("a", 4))
    await spool.close()
    again = await house.spool()
    assert await again.connections.list() == [other, replace(new, body=b"changed")]
    assert await again.connections.get("loja-2") == other
    assert await again.connections.get("loja-3") is None
    assert await again.connections.delete("loja-2", rows("a", 5))
    assert await again.connections.list() == [replace(new, body=b"changed")]
    assert [row.op for row in await again.outbox.read("a", 10)] == ["op:1", "op:3", "op:5"]
    assert again.tally.waiting("a") == 3


async def test_versions_rise_when_the_clock_is_set_back_and_the_service_starts_anew(house, spool):
    before = [spool.outbox.next_version() for _ in range(3)]
    await spool.outbox.put(rows("a", 1))
    await spool.close()
    house.wall.us -= 3_600_000_000
    again = await house.spool()
    assert again.outbox.next_version() == max(before) + 1
    again.clock.not_before(before[-1] + 10_000_000)
    assert again.outbox.next_version() == before[-1] + 10_000_001


@given(st.lists(st.integers(0, 50), min_size=1))
def test_versions_only_rise_whatever_the_wall_clock_does(walls):
    times = iter(walls)
    clock = VersionClock(lambda: next(times))
    issued = [clock.next() for _ in walls]
    assert all(a < b for a, b in pairwise(issued))
    assert all(version >= wall for version, wall in zip(issued, walls, strict=True))
    assert clock.last == issued[-1]


async def test_a_spool_is_made_where_there_is_no_folder_yet(tmp_path):
    spool = await Spool.opened(tmp_path / "data" / "spool")
    assert (tmp_path / "data" / "spool" / "outbox.db").exists()
    await spool.close()
