"""One queue out: in order, and only what arrived is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.spool import Delivered, Going, OutRow, Park, Poison, SinkState, Wait
from connector.spool.dead import Which
from connector.spool.sink import Verdict
from sessions.backoff import Backoff


async def put(spool, *numbers: int, sink: str = "a") -> None:
    await spool.outbox.put([OutRow(sink, "chain", f"{n}", b"body") for n in numbers])


async def left(spool, sink: str = "a") -> list[str]:
    return [row.op for row in await spool.outbox.read(sink, 1_000)]


def ops(numbers: Iterable[int]) -> list[str]:
    return [str(n) for n in numbers]


async def test_rows_are_delivered_in_order_and_deleted(house, spool, receiver, until):
    await put(spool, *range(25))
    a = receiver("a")
    drainer = house.drain(spool, a, batch=10)
    await a.until(lambda: len(a.took) == 25)
    await put(spool, 25)
    await a.until(lambda: len(a.took) == 26)
    assert a.ops == ops(range(26))
    assert [len(batch) for batch in a.offered] == [10, 10, 5, 1]
    await until(lambda: drainer.view.depth == 0 and drainer.view.oldest_s is None)
    assert await left(spool) == []
    view = drainer.view
    assert (view.state, view.delivered, view.dead, view.reason) == (SinkState.RUNNING, 26, 0, "")


async def test_it_waits_without_losing_or_reordering_and_recovers(house, spool, receiver, until):
    tries = iter([Wait("offline"), Wait("offline", retry_after_s=0.01), Wait("offline")])
    a = receiver("a", lambda _: next(tries, Delivered()))
    await put(spool, 1, 2)
    drainer = house.drain(spool, a)
    await a.until(lambda: len(a.took) == 2)
    assert a.offered == [["1", "2"]] * 4
    await until(lambda: drainer.view.state is SinkState.RUNNING)


async def test_a_fault_where_nobody_expected_one_ends_no_queue(house, spool, receiver, until, monkeypatch):
    """Nobody would deliver any more, and the view would go on saying that it runs."""
    faults = iter([MemoryError(), KeyError("a bug")])
    read = type(spool.outbox).read

    async def faulty(outbox, *arguments):
        if fault := next(faults, None):
            raise fault
        return await read(outbox, *arguments)

    monkeypatch.setattr(type(spool.outbox), "read", faulty)
    monkeypatch.setattr(type(spool.outbox), "heads", faulty)
    a = receiver("a")
    await put(spool, 1, 2)
    drainer = house.drain(spool, a)
    await a.until(lambda: len(a.took) == 2)
    await until(lambda: drainer.view.state is SinkState.RUNNING)


async def test_the_view_says_why_it_waits_and_how_old_the_head_is(house, spool, receiver, until):
    await put(spool, 1)
    house.wall.us += 3_000_000
    drainer = house.drain(spool, receiver("a", lambda _: Wait("offline")), waits=Backoff(60.0, 1.0, 60.0))
    await until(lambda: drainer.view.state is SinkState.WAITING)
    assert (drainer.view.reason, drainer.view.oldest_s, drainer.view.depth) == ("offline", 3.0, 1)


async def test_what_arrived_before_a_refusal_is_not_offered_again(house, spool, receiver):
    first = True

    def answer(rows) -> Verdict:
        nonlocal first
        was, first = first, False
        return Wait("half", delivered={rows[0].seq, rows[2].seq}) if was else Delivered()

    a = receiver("a", answer)
    await put(spool, 1, 2, 3, 4)
    house.drain(spool, a)
    await a.until(lambda: len(a.took) == 4)
    assert a.offered == [["1", "2", "3", "4"], ["2", "4"]]


async def test_a_sink_that_is_getting_on_is_offered_the_rest_at_once(house, spool, receiver, until):
    answers: list[Verdict] = []
    a = receiver("a", lambda rows: answers.append(Going({rows[-1].seq})) or answers[-1])
    await put(spool, 1, 2, 3)
    drainer = house.drain(spool, a, waits=Backoff(60.0, 1.0, 60.0))
    await until(lambda: drainer.view.depth == 0)
    assert a.offered == [["1", "2", "3"], ["1", "2"], ["1"]]
    assert drainer.view.state is SinkState.RUNNING


async def test_while_something_arrives_the_waits_do_not_grow(house, spool, receiver, until):
    a = receiver("a", lambda rows: Wait("slow", delivered={rows[0].seq}))
    await put(spool, *range(8))
    drainer = house.drain(spool, a, waits=Backoff(first_s=0.001, factor=1_000.0, cap_s=1_000.0))
    await until(lambda: drainer.view.depth == 0)
    assert a.ops == ops(range(8))


async def test_poison_that_the_sink_names_is_buried_without_a_search(house, spool, receiver, until):
    def answer(rows) -> Verdict:
        bad = [row.seq for row in rows if row.op in {"2", "4"}]
        return Poison("never", delivered={rows[0].seq} - set(bad), seq=bad[0]) if bad else Delivered()

    a = receiver("a", answer)
    await put(spool, *range(6))
    drainer = house.drain(spool, a, waits=Backoff(60.0, 1.0, 60.0))
    await until(lambda: drainer.view.depth == 0)
    assert a.ops == ["0", "1", "3", "5"]
    assert {it.op for it in await spool.dead.list()} == {"2", "4"}


async def test_a_kick_ends_every_wait(house, spool, receiver, until):
    answers: list[Verdict] = [Wait("busy", retry_after_s=290.0), Park("bad key")]
    a = receiver("a", lambda _: answers.pop(0) if answers else Delivered())
    await put(spool, 1)
    drainer = house.drain(spool, a, waits=Backoff(60.0, 1.0, 60.0))
    await until(lambda: drainer.view.state is SinkState.WAITING)
    drainer.kick()
    await until(lambda: drainer.view.state is SinkState.PARKED)
    assert drainer.view.reason == "bad key"
    assert await left(spool) == ["1"]
    drainer.kick()
    await a.until(lambda: len(a.took) == 1)
    assert len(a.offered) == 3


async def test_a_parked_sink_looks_again_by_itself_and_new_rows_do_not_hurry_it(house, spool, receiver, until):
    mended = False
    a = receiver("a", lambda _: Delivered() if mended else Park("schema"))
    await put(spool, 1)
    drainer = house.drain(spool, a, parked_s=0.3)
    await until(lambda: drainer.view.state is SinkState.PARKED)
    for n in range(2, 10):
        await put(spool, n)
    assert len(a.offered) <= 2
    mended = True
    await a.until(lambda: a.ops == ops(range(1, 10)))


async def test_poison_is_found_by_halves_and_the_rest_goes_on_in_order(house, spool, receiver, until):
    bad = {"3", "17", "18", "99"}
    a = receiver("a", lambda rows: Poison("never") if bad & {row.op for row in rows} else Delivered())
    await put(spool, *range(100))
    drainer = house.drain(spool, a)
    await until(lambda: drainer.view.depth == 0)
    assert a.ops == [op for op in ops(range(100)) if op not in bad]
    assert {it.op for it in await spool.dead.list(Which(sink="a"))} == bad
    assert (drainer.view.dead, drainer.view.delivered) == (4, 96)
    assert len(a.offered) < 60

    bad.clear()
    letter = (await spool.dead.list(Which(sink="a")))[0]
    await spool.dead.replay([letter.id])
    await a.until(lambda: a.ops[-1] == letter.op)


async def test_poison_with_everything_else_delivered_is_offered_alone(house, spool, receiver, until):
    def answer(rows) -> Verdict:
        good = {row.seq for row in rows if row.op != "2"}
        return Delivered() if len(good) == len(rows) else Poison("never", delivered=good)

    a = receiver("a", answer)
    await put(spool, 1, 2, 3)
    drainer = house.drain(spool, a)
    await until(lambda: drainer.view.depth == 0)
    assert a.offered == [["1", "2", "3"], ["2"]]
    assert drainer.view.dead == 1


async def test_a_refusal_in_the_middle_of_a_split_keeps_the_order(house, spool, receiver, until):
    waits = iter([True])

    def answer(rows) -> Verdict:
        if any(row.op == "1" for row in rows):
            return Poison("never")
        return Wait("offline") if rows[0].op == "2" and next(waits, False) else Delivered()

    a = receiver("a", answer)
    await put(spool, *range(4))
    drainer = house.drain(spool, a)
    await until(lambda: drainer.view.depth == 0)
    assert a.ops == ["0", "2", "3"]


async def test_a_sink_that_fails_or_never_answers_loses_nothing(house, spool, receiver):
    behaviours = iter(["fail", "hang"])

    a = receiver("a")
    deliver = a.deliver

    async def clumsy(rows):
        behaviour = next(behaviours, "work")
        if behaviour == "fail":
            raise LookupError
        if behaviour == "hang":
            await asyncio.get_running_loop().create_future()
        return await deliver(rows)

    a.deliver = clumsy
    await put(spool, 1)
    house.drain(spool, a, deliver_s=0.05)
    await a.until(lambda: a.ops == ["1"])


@pytest.mark.parametrize("state", [Park("key"), Wait("offline")])
async def test_no_sink_waits_for_another(house, spool, receiver, state):
    for n in range(50):
        await spool.outbox.put([OutRow(sink, "c", f"{n}", b"") for sink in ("dead", "alive")])
    alive = receiver("alive")
    house.drain(spool, receiver("dead", lambda _: state))
    house.drain(spool, alive)
    await alive.until(lambda: len(alive.took) == 50)
    assert spool.tally.waiting("dead") == 50


async def test_it_takes_up_where_an_earlier_run_stopped(house, spool, receiver):
    await put(spool, 1, 2)
    await spool.close()
    again = await house.spool()
    a = receiver("a")
    house.drain(again, a)
    await a.until(lambda: a.ops == ["1", "2"])


@settings(deadline=None, max_examples=30)  # each example has a file of its own
@given(st.lists(st.sampled_from("dwp"), max_size=12), st.sets(st.integers(0, 19)), st.integers(1, 25))
def test_whatever_a_sink_answers_each_row_arrives_in_order_or_is_dead(plan, bad, batch):
    asyncio.run(_survives(plan, bad, batch))


async def _survives(plan, bad, batch):
    """Rows numbered in *bad* are poison; before that, offers are refused as *plan* says (d: not at all, w: wait, p: park)."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from connector.spool import Drainer, Spool

    steps = iter(plan)
    took: list[int] = []

    class Moody:
        name = "a"

        async def deliver(self, rows) -> Verdict:
            drainer.kick()
            step = next(steps, "d")
            if step != "d":
                return Wait("offline") if step == "w" else Park("key")
            if any(int(row.op) in bad for row in rows):
                return Poison("never")
            took.extend(int(row.op) for row in rows)
            return Delivered()

    with TemporaryDirectory() as folder:
        spool = await Spool.opened(Path(folder))
        await put(spool, *range(20))
        drainer = Drainer(Moody(), spool.outbox, batch=batch)
        drainer.start()
        async with asyncio.timeout(20):
            while drainer.view.depth:
                await spool.outbox.cursors()  # one turn of the database's thread
        assert took == [n for n in range(20) if n not in bad]
        assert {int(it.op) for it in await spool.dead.list()} == bad
        await drainer.stop()
        await spool.close()


async def test_one_that_was_stopped_goes_on_when_it_is_started_again(house, spool, receiver):
    """As when an operator restarts the sinks."""
    a = receiver("a")
    drainer = house.drain(spool, a)
    await put(spool, 1)
    await a.until(lambda: a.ops == ops([1]))
    await drainer.stop()
    await put(spool, 2)
    assert await left(spool) == ops([2])
    drainer.start()
    await a.until(lambda: a.ops == ops([1, 2]))
