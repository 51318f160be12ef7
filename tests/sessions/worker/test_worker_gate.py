"""The gate in front of the engine: a writer is alone, and gets in."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.worker.gate import Gate


@dataclass(frozen=True)
class Visit:
    """Somebody who comes after some turns of the loop, stays for some, and may be called away."""

    kind: Literal["shared", "exclusive"]
    comes: int
    stays: int
    called_away: int | None


visits = st.builds(
    Visit,
    kind=st.sampled_from(["shared", "exclusive"]),
    comes=st.integers(0, 12),
    stays=st.integers(0, 6),
    called_away=st.none() | st.integers(0, 20),
)


class Inside:
    """Who is inside the gate now; complains when somebody is who must not be."""

    def __init__(self) -> None:
        self.readers = 0
        self.writers = 0
        self.been = 0

    async def visit(self, gate: Gate, visit: Visit) -> None:
        await turns(visit.comes)
        async with gate.exclusive() if visit.kind == "exclusive" else gate.shared():
            self._count(visit, 1)
            try:
                assert self.writers + bool(self.readers) == 1, "a writer is alone"
                await turns(visit.stays)
                assert self.writers + bool(self.readers) == 1, "and stays so"
            finally:
                self._count(visit, -1)
        self.been += 1

    def _count(self, visit: Visit, step: int) -> None:
        if visit.kind == "exclusive":
            self.writers += step
        else:
            self.readers += step


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@given(st.lists(visits, max_size=14))
@settings(max_examples=150, deadline=None)
def test_a_writer_is_never_inside_with_anybody_and_everybody_gets_in(all_visits: list[Visit]):
    async def play() -> None:
        gate, inside = Gate(), Inside()
        stays = [Visit(one.kind, one.comes, one.stays, None) for one in all_visits]
        async with asyncio.timeout(10):
            await asyncio.gather(*(inside.visit(gate, one) for one in stays))
        assert inside.been == len(stays)

    asyncio.run(play())


@given(st.lists(visits, max_size=14))
@settings(max_examples=150, deadline=None)
def test_whoever_is_called_away_leaves_the_gate_as_it_was(all_visits: list[Visit]):
    async def play() -> None:
        gate, inside = Gate(), Inside()
        tasks = [asyncio.create_task(inside.visit(gate, one)) for one in all_visits]
        for turn in range(21):
            for one, task in zip(all_visits, tasks, strict=True):
                if one.called_away == turn:
                    task.cancel()
            await turns(1)
        async with asyncio.timeout(10):
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await inside.visit(gate, Visit("exclusive", 0, 1, None))
            await inside.visit(gate, Visit("shared", 0, 1, None))

    asyncio.run(play())


async def test_a_writer_goes_before_readers_who_come_later():
    """Else a busy worker would never start or stop a session."""
    gate, inside, order = Gate(), Inside(), list[str]()

    async def one(name: str, visit: Visit) -> None:
        await inside.visit(gate, visit)
        order.append(name)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(one("early reader", Visit("shared", 0, 8, None)))
        group.create_task(one("writer", Visit("exclusive", 1, 3, None)))
        for number in range(30):
            group.create_task(one(f"late reader {number}", Visit("shared", 2 + number, 3, None)))
    assert order[:2] == ["early reader", "writer"]
    assert len(order) == 32


async def test_readers_are_inside_together():
    gate, inside = Gate(), Inside()
    all_in = asyncio.Barrier(5)

    async def read() -> None:
        async with gate.shared():
            await all_in.wait()  # nobody leaves before all are in

    async with asyncio.timeout(10):
        await asyncio.gather(*(read() for _ in range(5)))
    assert inside.readers == 0


async def test_what_goes_wrong_inside_frees_the_gate():
    gate = Gate()
    for enter in (gate.exclusive, gate.shared):
        with suppress(ZeroDivisionError):
            async with enter():
                raise ZeroDivisionError
    async with asyncio.timeout(10):
        async with gate.exclusive():
            pass
