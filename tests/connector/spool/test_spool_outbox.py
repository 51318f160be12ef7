"""Queues, dead letters, connections and versions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.spool import INBOUND, Connection, OutRow, Spool
from connector.spool.clock import VersionClock
from connector.spool.outbox import Move
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


async def test_dead_letters_are_listed_by_pages_replayed_and_discarded(spool):
    await spool.outbox.put(rows("a", *range(5)) + rows("b", 9))
    for row in await spool.outbox.read("a", 10) + await spool.outbox.read("b", 10):
        await spool.outbox.bury(row, f"no {row.op}")
    assert spool.tally.waiting("a") == 0
    page = await spool.dead.list(sink="a", limit=2)
    assert [(it.op, it.reason) for it in page] == [("op:0", "no op:0"), ("op:1", "no op:1")]
    assert [it.op for it in await spool.dead.list(sink="a", after=page[-1].id)] == ["op:2", "op:3", "op:4"]
    assert len(await spool.dead.list()) == 6
    assert len(await spool.dead.list(limit=-1)) == 0
    assert await spool.dead.get(page[0].id) == page[0]

    assert await spool.dead.replay(page[1].id)
    assert await spool.dead.replay(page[0].id)
    assert not await spool.dead.replay(page[0].id)
    assert [row.op for row in await spool.outbox.read("a", 10)] == ["op:1", "op:0"]
    assert await spool.dead.discard((await spool.dead.list(sink="b"))[0].id)
    assert not await spool.dead.discard(10_000)
    assert (spool.tally.waiting("a"), spool.tally.dead("a"), spool.tally.dead("b")) == (2, 3, 0)


async def test_a_letter_of_the_inbox_is_not_put_into_a_queue_as_it_is(spool):
    await spool.outbox.move(Move(rows=[], cursors={}, dead=[Grave(rows(INBOUND, 1)[0], "no")]))
    (letter,) = await spool.dead.list()
    with pytest.raises(ValueError, match="mover"):
        await spool.dead.replay(letter.id)
    assert await spool.dead.list() == [letter]


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
