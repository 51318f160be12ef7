"""Calls into the engine: bounded threads, a deadline each, and the gate around what the engine must not do at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sessions.errors import Busy, Deadline
from sessions.worker import calls as calls_module
from sessions.worker.calls import Calls
from sessions.worker.gate import Gate

LONG_S = 20.0


class Blocking:
    """A function of the engine that takes as long as the test wants."""

    def __init__(self, answer: str = "answer") -> None:
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.ended = threading.Event()
        self._answer = answer

    def __call__(self) -> str:
        self.began.set()
        assert self.let_go.wait(LONG_S)
        self.ended.set()
        return self._answer


@pytest.fixture
def blocking() -> Iterator[Any]:
    made: list[Blocking] = []

    def blocking(answer: str = "answer") -> Blocking:
        made.append(Blocking(answer))
        return made[-1]

    yield blocking
    for one in made:
        one.let_go.set()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Few threads, so that a test can fill them."""
    monkeypatch.setattr(calls_module, "THREADS", 3)
    return 3


@pytest.fixture
async def calls() -> Calls:
    return Calls(Gate())


async def test_it_answers_what_the_engine_answers_or_raises(calls: Calls):
    def fail() -> None:
        raise ZeroDivisionError

    assert await calls.run(lambda: 7, deadline_s=LONG_S) == 7
    with pytest.raises(ZeroDivisionError):
        await calls.run(fail, deadline_s=LONG_S)
    assert await calls.run(lambda: threading.current_thread() is threading.main_thread(), deadline_s=LONG_S) is False


async def test_a_deadline_ends_the_waiting_and_not_the_call(calls: Calls, blocking, until):
    call = blocking()
    with pytest.raises(Deadline):
        await calls.run(call, deadline_s=0.01)
    assert call.began.is_set()
    assert not call.ended.is_set()
    assert calls.oldest_s > 0
    call.let_go.set()
    await until(call.ended.is_set)
    await until(lambda: calls.oldest_s == 0)


async def test_a_call_that_fails_after_its_deadline_leaves_no_complaint(calls: Calls, blocking, until, caplog):
    call = blocking()

    def fail_late() -> None:
        call()
        raise ZeroDivisionError

    with pytest.raises(Deadline):
        await calls.run(fail_late, deadline_s=0.01)
    call.let_go.set()
    await until(lambda: calls.oldest_s == 0)
    assert caplog.records == []


async def test_only_so_many_run_at_once_and_the_next_waits_its_turn(few: int, blocking, until):
    calls = Calls(Gate())
    running = [blocking() for _ in range(few)]
    tasks = [asyncio.create_task(calls.run(call, deadline_s=LONG_S)) for call in running]
    await until(lambda: all(call.began.is_set() for call in running))
    extra = blocking("extra")
    waiting = asyncio.create_task(calls.run(extra, deadline_s=LONG_S))
    with pytest.raises(Busy):
        await calls.run(blocking(), deadline_s=0.01)
    assert not extra.began.is_set()
    running[0].let_go.set()
    await until(extra.began.is_set)
    for call in (*running, extra):
        call.let_go.set()
    assert await asyncio.gather(*tasks, waiting) == ["answer"] * few + ["extra"]


async def test_what_did_not_get_its_turn_never_begins(few: int, blocking, until):
    calls = Calls(Gate())
    running = [blocking() for _ in range(few)]
    tasks = [asyncio.create_task(calls.run(call, deadline_s=LONG_S)) for call in running]
    await until(lambda: all(call.began.is_set() for call in running))
    late = blocking()
    with pytest.raises(Busy):
        await calls.run(late, deadline_s=0.01)
    for call in running:
        call.let_go.set()
    await asyncio.gather(*tasks)
    assert await calls.run(lambda: "still good", deadline_s=LONG_S) == "still good"
    assert not late.began.is_set()


async def test_when_too_many_wait_the_next_is_sent_away_at_once(
    few: int, blocking, until, monkeypatch: pytest.MonkeyPatch
):
    calls = Calls(Gate())
    running = [blocking() for _ in range(few)]
    tasks = [asyncio.create_task(calls.run(call, deadline_s=LONG_S)) for call in running]
    await until(lambda: all(call.began.is_set() for call in running))
    monkeypatch.setattr(calls_module, "MAX_WAITING", 2)
    tasks += [asyncio.create_task(calls.run(lambda: "waited", deadline_s=LONG_S)) for _ in range(2)]
    await until(lambda: calls._waiting == 2)
    with pytest.raises(Busy):
        await calls.run(blocking(), deadline_s=LONG_S)
    for call in running:
        call.let_go.set()
    assert (await asyncio.gather(*tasks))[few:] == ["waited"] * 2


async def test_an_exclusive_call_lets_nobody_in_until_it_is_over(calls: Calls, blocking, until):
    alone = blocking()
    tasks = [asyncio.create_task(calls.run(alone, deadline_s=LONG_S, exclusive=True))]
    await until(alone.began.is_set)
    others = [blocking(), blocking()]
    tasks += [
        asyncio.create_task(calls.run(others[0], deadline_s=LONG_S)),
        asyncio.create_task(calls.run(others[1], deadline_s=LONG_S, exclusive=True)),
    ]
    await until(lambda: calls._gate._writers_waiting)
    assert not any(other.began.is_set() for other in others)
    for call in (alone, *others):
        call.let_go.set()
    assert await asyncio.gather(*tasks) == ["answer"] * 3


async def test_an_exclusive_call_waits_only_until_the_others_have_found_their_session(
    blocking, until, monkeypatch: pytest.MonkeyPatch
):
    """A send may last minutes; the engine reads its maps at its first step."""
    monkeypatch.setattr(calls_module, "ENTRY_S", 0.01)
    calls = Calls(Gate())
    send = blocking("sent")
    sending = asyncio.create_task(calls.run(send, deadline_s=LONG_S))
    await until(send.began.is_set)
    assert await calls.run(lambda: "stopped", deadline_s=LONG_S, exclusive=True) == "stopped"
    assert not sending.done()
    send.let_go.set()
    assert await sending == "sent"


async def test_a_stuck_exclusive_call_gives_the_gate_back_at_its_deadline(calls: Calls, blocking):
    with pytest.raises(Deadline):
        await calls.run(blocking(), deadline_s=0.05, exclusive=True)
    assert await calls.run(lambda: "through", deadline_s=LONG_S) == "through"


async def test_a_caller_who_is_called_away_takes_no_thread_along(few: int, blocking, until):
    calls, gate_keeper = Calls(gate := Gate()), asyncio.Event()

    async def hold() -> None:
        async with gate.exclusive():
            await gate_keeper.wait()

    holding = asyncio.create_task(hold())
    await until(lambda: gate._writing)
    waiting = [asyncio.create_task(calls.run(lambda: 1, deadline_s=LONG_S)) for _ in range(few)]
    await until(lambda: calls._free.locked())
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    gate_keeper.set()
    await holding
    assert await calls.run(lambda: "free", deadline_s=LONG_S) == "free"
