"""Dead letters: listed by pages, put back into their places, thrown away by hand or by age."""

from __future__ import annotations

from collections import Counter

import pytest

from connector.spool import INBOUND, Delivered, Going, OutRow, Poison, Spool, Wait
from connector.spool.dead import Which
from connector.spool.outbox import Move
from connector.spool.rows import Grave, StoredOut
from connector.spool.sink import Verdict

DAY_US = 86_400_000_000


def rows(sink: str, *numbers: int) -> list[OutRow]:
    return [OutRow(sink, f"chain {n % 2}", f"op:{n}", f"{n}".encode()) for n in numbers]


async def waiting(spool: Spool, sink: str = "a") -> list[str]:
    return [row.op for row in await spool.outbox.read(sink, 100)]


async def bury(spool: Spool, *ops: str, reason: str = "no") -> None:
    for row in await spool.outbox.read("a", 100):
        if row.op in ops:
            await spool.outbox.bury(row, reason)


async def test_they_are_listed_by_pages_and_by_what_they_are(spool):
    await spool.outbox.put(rows("a", *range(5)))
    await bury(spool, "op:1", "op:3", reason="odd")
    await bury(spool, "op:0", "op:2", "op:4", reason="even")
    page = await spool.dead.list(limit=2)
    assert [(it.op, it.reason) for it in page] == [("op:1", "odd"), ("op:3", "odd")]
    assert [it.op for it in await spool.dead.list(after=page[-1].id)] == ["op:0", "op:2", "op:4"]
    assert [it.op for it in await spool.dead.list(Which("a", "chain 0", "even"), limit=2)] == ["op:0", "op:2"]
    assert await spool.dead.list(Which(sink="b")) == []
    assert await spool.dead.list(limit=-1) == []
    assert (await spool.dead.count(), await spool.dead.count(Which(reason="odd"))) == (5, 2)
    assert await spool.dead.get(page[0].id) == page[0]
    assert await spool.dead.newest() == 5


async def test_a_replayed_letter_goes_before_what_came_after_it(spool):
    await spool.outbox.put(rows("a", *range(6)))
    await bury(spool, "op:1", "op:3")
    assert await waiting(spool) == ["op:0", "op:2", "op:4", "op:5"]
    (first, second) = await spool.dead.list()
    assert [it.op for it in await spool.dead.replay([second.id, first.id, 999])] == ["op:1", "op:3"]
    assert await waiting(spool) == [f"op:{n}" for n in range(6)]
    assert await spool.dead.replay([first.id]) == []
    assert (spool.tally.waiting("a"), spool.tally.dead("a")) == (6, 0)
    await bury(spool, "op:5")
    await spool.dead.replay([(await spool.dead.list())[0].id])
    await spool.outbox.put(rows("a", 6))
    assert await waiting(spool) == [f"op:{n}" for n in range(7)]


async def test_a_letter_that_never_had_a_place_goes_to_the_end(spool):
    await spool.outbox.move(Move(rows=rows("a", 2), cursors={}, dead=[Grave(rows("a", 1)[0], "no")]))
    (letter,) = await spool.dead.list()
    assert letter.seq is None
    await spool.dead.replay([letter.id])
    assert await waiting(spool) == ["op:2", "op:1"]


async def test_a_letter_of_the_inbox_is_not_put_into_a_queue_as_it_is(spool):
    await spool.outbox.move(Move(rows=[], cursors={}, dead=[Grave(rows(INBOUND, 1)[0], "no")]))
    (letter,) = await spool.dead.list()
    with pytest.raises(ValueError, match="mover"):
        await spool.dead.replay([letter.id])
    assert await spool.dead.list() == [letter]


async def test_what_is_thrown_away_is_gone(spool):
    await spool.outbox.put(rows("a", 1, 2))
    await bury(spool, "op:1", "op:2")
    (letter, other) = await spool.dead.list()
    assert await spool.dead.discard(letter.id) == letter
    assert await spool.dead.discard(letter.id) is None
    assert await spool.dead.list() == [other]
    assert spool.tally.dead("a") == 1


async def test_the_old_ones_go_by_themselves_and_are_counted(house, spool):
    await spool.outbox.put(rows("a", *range(4)) + rows("b", 9))
    await bury(spool, "op:0", "op:1")
    await spool.outbox.bury((await spool.outbox.read("b", 1))[0], "no")
    house.wall.us += DAY_US
    await bury(spool, "op:2")
    assert await spool.dead.expire(before_us=house.wall.us, limit=2) == Counter(a=2)
    assert await spool.dead.expire(before_us=house.wall.us) == Counter(b=1)
    assert await spool.dead.expire(before_us=house.wall.us) == Counter()
    assert [it.op for it in await spool.dead.list()] == ["op:2"]
    assert (spool.tally.dead("a"), spool.tally.dead("b")) == (1, 0)


async def test_a_replay_is_delivered_once_and_may_die_again(house, spool, receiver, until):
    """It carries the op it always had: whoever takes it knows whether it is told twice."""
    bad = {"op:1"}
    a = receiver("a", lambda found: Poison("never") if bad & {row.op for row in found} else Delivered())
    await spool.outbox.put(rows("a", 0, 1, 2))
    drainer = house.drain(spool, a)
    await until(lambda: drainer.view.dead == 1 and drainer.view.depth == 0)
    await spool.dead.replay([(await spool.dead.list())[0].id])
    await until(lambda: drainer.view.dead == 1 and drainer.view.depth == 0)
    bad.clear()
    (letter,) = await spool.dead.list()
    assert (letter.op, letter.seq) == ("op:1", 2)
    await spool.dead.replay([letter.id])
    await a.until(lambda: a.ops == ["op:0", "op:2", "op:1"])


@pytest.mark.parametrize("stays", [Going, lambda good: Wait("it fails", delivered=good)], ids=["going", "waiting"])
async def test_a_full_chain_that_stays_behind_holds_up_no_other(house, spool, receiver, until, stays):
    """A chain with more rows than a batch stands still; the others' rows, hundreds of places behind it, arrive in order."""

    def answer(found: list[StoredOut]) -> Verdict:
        good = {row.seq for row in found if row.chain != "stuck"}
        return Delivered() if len(good) == len(found) else stays(good)

    await spool.outbox.put([OutRow("a", "stuck", f"stuck:{n}", b"") for n in range(200)])
    await spool.outbox.put([OutRow("a", f"chain {n % 5}", f"{n}", b"") for n in range(100)])
    live = receiver("a", answer)
    drainer = house.drain(spool, live, batch=20)
    await live.until(lambda: len(live.took) == 100)
    for chain in range(5):
        own = [int(row.op) for row in live.took if row.chain == f"chain {chain}"]
        assert own == sorted(own)
    await until(lambda: drainer.view.depth == 200)


async def test_who_is_too_slow_for_a_batch_is_offered_smaller_ones(house, spool, receiver, until):
    """And full ones again once it answers."""
    a = receiver("a", lambda found: Wait("no answer in time") if len(found) > 20 else Delivered())
    await spool.outbox.put(rows("a", *range(100)))
    drainer = house.drain(spool, a, batch=64)
    await until(lambda: drainer.view.depth == 0)
    assert [row.op for row in a.took] == [f"op:{n}" for n in range(100)]
    assert len(a.offered[0]) == 64
    assert len(a.offered[1]) == 32
