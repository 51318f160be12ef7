"""One worker kept alive over all its processes, with a program that fails as it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sessions import frames
from sessions.backoff import Retry
from sessions.engine import crashes as crashes_module
from sessions.engine import keeper as keeper_module
from sessions.engine import process as process_module
from sessions.engine.crashes import BLAMED_AFTER
from sessions.engine.keeper import Budget, Events, Keeper
from sessions.engine.process import WorkerProcess
from sessions.errors import GivenUp, WorkerGone

ASK_S = 20.0
UP_S = 20.0


@dataclass
class Watched:
    """A keeper, the waits it made between its workers, and what it told."""

    keeper: Keeper
    waits: list[tuple[Retry, int]]
    down: list[tuple[int, bool]] = field(default_factory=list)

    async def up(self) -> WorkerProcess:
        return await self.keeper.process(UP_S)

    async def crash(self) -> None:
        worker = await self.up()
        with pytest.raises(WorkerGone):
            await worker.channel.ask(frames.Open, deadline_s=ASK_S, session="crash", path="/x")
        await worker.wait()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Retry, int]]:
    """A quick keeper: it asks often, does not wait long for answers, and only notes the pauses it would make."""
    asked: list[tuple[Retry, int]] = []

    def wait_s(kind: Retry, failures: int, _chance: Callable[[], float]) -> float:
        asked.append((kind, failures))
        return 0.0

    monkeypatch.setattr(keeper_module, "wait_s", wait_s)
    monkeypatch.setattr(keeper_module, "PING_EVERY_S", 0.02)
    return asked


@pytest.fixture
async def keep(fakes, waits: list[tuple[Retry, int]]) -> AsyncIterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def keep(*lives: str, budget: Budget | None = None) -> Watched:
        down: list[tuple[int, bool]] = []
        events = Events(down=lambda number, gave_up: down.append((number, gave_up)), hearing=fakes.hearing)
        made.append(Watched(Keeper(3, fakes.launch(*lives), events, budget=budget), waits, down))
        made[-1].keeper.start()
        return made[-1]

    yield keep
    for one in made:
        await one.keeper.stop()
    assert fakes.running == []


async def test_it_brings_a_worker_up_and_asks_after_its_health(keep: Callable[..., Watched], until):
    one = keep("serve")
    worker = await one.up()
    assert one.keeper.running() is worker
    await until(lambda: one.keeper.health and one.keeper.health.pid == worker.pid)
    assert (one.keeper.starts, one.down, one.waits) == (1, [], [])


async def test_before_the_worker_is_up_there_is_none_to_be_had(keep: Callable[..., Watched]):
    one = keep("never_ready")
    with pytest.raises(WorkerGone):
        one.keeper.running()
    with pytest.raises(WorkerGone):
        await one.keeper.process(0.01)


async def test_after_a_crash_it_tells_then_waits_then_starts_another(keep: Callable[..., Watched], fakes):
    one = keep("serve")
    first = await one.up()
    await one.crash()
    second = await one.up()
    assert second.pid != first.pid
    assert one.down == [(3, False)]
    assert one.waits == [(Retry.WORKER, 1)]
    assert fakes.running == [second.pid]


async def test_crash_upon_crash_it_waits_longer_and_at_last_gives_up(
    keep: Callable[..., Watched], fakes, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crashes_module, "CRASHES_IN_A_ROW", 4)
    one = keep("serve", "exit_early", "exit_early", "serve")
    await one.crash()
    await until(lambda: len(one.down) == 3)
    await one.crash()
    await until(lambda: one.keeper.gave_up)
    assert one.down == [(3, False)] * 3 + [(3, True)]
    assert one.waits == [(Retry.WORKER, 1), (Retry.WORKER, 2), (Retry.WORKER, 3)]
    assert fakes.running == []
    with pytest.raises(WorkerGone):
        one.keeper.running()
    with pytest.raises(GivenUp):
        await one.up()


async def test_whoever_waits_for_a_worker_hears_at_once_that_none_is_to_come(
    keep: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crashes_module, "CRASHES_IN_A_ROW", 2)
    one = keep("exit_early")
    with pytest.raises(GivenUp):
        await one.up()


async def test_given_up_it_starts_nothing_until_it_is_revived_and_then_begins_anew(
    keep: Callable[..., Watched], fakes, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crashes_module, "CRASHES_IN_A_ROW", 2)
    one = keep("exit_early", "exit_early", "serve")
    await until(lambda: one.keeper.gave_up)
    assert fakes.lives == ["exit_early"] * 2
    one.keeper.revive()
    one.keeper.revive()
    await one.up()
    assert not one.keeper.gave_up
    await one.crash()
    await one.up()
    assert one.down == [(3, False), (3, True), (3, False)], "after a revival one crash is one crash"


async def test_a_worker_that_lived_long_begins_with_a_clean_slate(
    keep: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crashes_module, "STABLE_S", 0.0)
    one = keep("serve")
    for _ in range(3):
        await one.crash()
    await one.up()
    assert one.waits == [(Retry.WORKER, 1)] * 3


async def test_one_that_does_not_answer_is_killed_and_replaced(
    keep: Callable[..., Watched], fakes, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeper_module, "PING_DEADLINE_S", 0.05)
    monkeypatch.setattr("sessions.engine.channel.GRACE_S", 0.05)
    one = keep("mute", "serve")
    first = await one.up()
    assert await asyncio.wait_for(first.wait(), 10) == -9
    second = await one.up()
    assert second is not first
    assert one.down == [(3, False)], "to be deaf is a crash"


@pytest.mark.parametrize("with_what", [signal.SIGKILL, signal.SIGTERM])
async def test_killed_by_somebody_else_it_is_brought_back_again_and_again(
    keep: Callable[..., Watched], until, with_what: signal.Signals
):
    one = keep("serve")
    for count in range(1, BLAMED_AFTER + 3):
        os.kill((await one.up()).pid, with_what)
        await until(lambda count=count: one.keeper.starts > count)
    assert not any(gave_up for _number, gave_up in one.down)
    assert one.waits == [(Retry.WORKER, count) for count in range(1, BLAMED_AFTER + 3)], "it waits all the same"


async def test_killed_by_us_it_counts_as_a_crash(keep: Callable[..., Watched], until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper_module, "PING_DEADLINE_S", 0.05)
    monkeypatch.setattr("sessions.engine.channel.GRACE_S", 0.05)
    one = keep("mute")
    await until(lambda: one.keeper.gave_up)
    assert one.down == [(3, False)] * (BLAMED_AFTER - 1) + [(3, True)]


async def test_one_that_asks_too_much_is_drained_and_replaced_and_that_is_no_crash(
    keep: Callable[..., Watched], fakes, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sessions.engine.crashes.STABLE_S", 0.0)
    one = keep("fat", "fat", "serve")
    await until(lambda: fakes.lives == ["fat", "fat", "serve"])
    await one.up()
    assert [text for _worker, text in fakes.lines].count("drained") == 2
    assert one.down == [(3, False)] * 2, "its sessions have to be opened again all the same"
    assert one.waits == []


async def test_one_that_asks_too_much_soon_after_each_start_is_drained_and_at_last_given_up(
    keep: Callable[..., Watched], fakes, until
):
    """Some session of it is the cause, and the others are to be told apart from that."""
    one = keep("fat")
    await until(lambda: one.keeper.gave_up)
    assert one.down == [(3, False)] * (BLAMED_AFTER - 1) + [(3, True)]
    assert one.keeper.was_ready
    assert [text for _worker, text in fakes.lines].count("drained") == BLAMED_AFTER


async def test_a_worker_is_replaced_by_plan_when_somebody_says_so(keep: Callable[..., Watched], fakes, until):
    one = keep("serve")
    first = await one.up()
    one.keeper.recycle("a session does not let go")
    assert await asyncio.wait_for(first.wait(), 10) == 0
    await one.up()
    assert ("w3", "drained") in fakes.lines
    assert one.waits == []


async def test_one_replaced_by_plan_is_not_replaced_again_for_the_same_reason(keep: Callable[..., Watched], until):
    one = keep("serve")
    first = await one.up()
    one.keeper.recycle("once")
    await first.wait()
    second = await one.up()
    await until(lambda: one.keeper.health)
    one.keeper.health = None
    await until(lambda: one.keeper.health)
    assert one.keeper.running() is second


async def test_stopped_it_drains_the_worker_and_starts_no_other(keep: Callable[..., Watched], fakes):
    one = keep("serve")
    await one.up()
    await one.keeper.stop()
    assert ("w3", "drained") in fakes.lines
    assert fakes.running == []
    assert fakes.lives == ["serve"]
    assert one.down == [], "who stops it knows"
    with pytest.raises(WorkerGone):
        one.keeper.running()


async def test_stopped_while_the_worker_is_being_replaced_it_still_lets_it_drain(
    keep: Callable[..., Watched], fakes, until
):
    one = keep("serve")
    worker = await one.up()
    one.keeper.recycle("by plan")
    await until(lambda: worker._draining)
    await one.keeper.stop()
    assert ("w3", "drained") in fakes.lines
    assert await worker.wait() == 0


async def test_stopped_while_a_worker_starts_it_leaves_nothing_running(keep: Callable[..., Watched], fakes, until):
    one = keep("never_ready")
    await until(lambda: fakes.running)
    await one.keeper.stop()
    assert fakes.running == []


async def test_stopped_after_it_gave_up_it_is_done(
    keep: Callable[..., Watched], until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crashes_module, "CRASHES_IN_A_ROW", 1)
    one = keep("exit_early")
    await until(lambda: one.keeper.gave_up)
    await asyncio.wait_for(one.keeper.stop(), 10)


async def test_a_worker_that_never_becomes_ready_counts_as_a_crash(
    keep: Callable[..., Watched], fakes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(process_module, "READY_S", 1.0)
    monkeypatch.setattr("sessions.engine.channel.GRACE_S", 0.0)
    one = keep("never_ready", "serve")
    worker = await one.up()
    assert one.waits == [(Retry.WORKER, 1)]
    assert fakes.running == [worker.pid]


@pytest.mark.parametrize(
    ("figures", "passed"),
    [
        ({}, None),
        ({"rss_bytes": 768 << 20}, None),
        ({"rss_bytes": (768 << 20) + 1}, "memory 768 MB"),
        ({"descriptors": 70}, None),
        ({"descriptors": 71}, "71 file descriptors"),
        ({"oldest_call_s": 300.0}, None),
        ({"oldest_call_s": 300.4}, "a call stuck for 300 s"),
    ],
)
def test_each_budget_has_its_words(figures: dict[str, Any], passed: str | None):
    plain: dict[str, Any] = {
        "pid": 1, "rss_bytes": 1, "descriptors": 1, "descriptor_limit": 100, "threads": 1, "oldest_call_s": 0.0,
        "sessions": {}, "rows": {}, "untranslated": 0,
    }  # fmt: skip
    assert Budget().passed(frames.Health(**(plain | figures))) == passed
