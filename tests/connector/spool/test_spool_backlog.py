"""What waits for one sink costs the others nothing: counted in steps of the database, which no busy machine changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connector.spool import OutRow, Spool
from connector.spool.outbox import Move

BACKLOG = 50_000
CHAINS = 4
TURN = 200


def rows(sink: str, count: int) -> list[OutRow]:
    return [OutRow(sink, f"chain-{n % CHAINS}", f"{sink}:{n}", b"x" * 300) for n in range(count)]


async def steps(spool: Spool, work: Callable[[], Awaitable[Any]]) -> int:
    """How many steps the database takes for *work*."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    both = (spool._database._full, spool._database._normal)
    for db in both:
        db.set_progress_handler(step, 1)
    await work()
    for db in both:
        db.set_progress_handler(None, 1)
    return taken


async def a_turn(spool: Spool, number: int) -> None:
    """A batch is moved in, for a sink that takes it and one that is dead; the first one takes it."""
    both = [row for pair in zip(rows("record", TURN), rows("webhook", TURN), strict=True) for row in pair]
    await spool.outbox.move(Move(both, {"inbox-w1-b1.db": number}))
    read = await spool.outbox.read("record", TURN)
    assert len(read) == TURN
    await spool.outbox.delete(read)


async def test_a_turn_takes_no_more_steps_for_what_waits_elsewhere(spool):
    """Moved in, read and deleted beside fifty thousand rows of a dead sink as beside none."""
    await a_turn(spool, 1)
    light = await steps(spool, lambda: a_turn(spool, 2))
    await spool.outbox.put(rows("webhook", BACKLOG))
    heavy = await steps(spool, lambda: a_turn(spool, 3))
    assert light > TURN, "nothing was counted"
    assert heavy <= 1.05 * light


@pytest.mark.parametrize("way", ["read", "heads"])
async def test_a_dead_sinks_own_tries_take_no_more_steps_for_all_that_follows(spool, way: str):
    """What is offered again and again is found without a walk over what waits behind it."""

    async def offer() -> None:
        assert len(await getattr(spool.outbox, way)("webhook", TURN)) == TURN

    await spool.outbox.put(rows("webhook", 2 * TURN))
    few = await steps(spool, offer)
    await spool.outbox.put(rows("webhook", BACKLOG))
    many = await steps(spool, offer)
    assert many <= 1.05 * few
