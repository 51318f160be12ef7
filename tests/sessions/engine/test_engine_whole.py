"""The engine over many workers: who is where, who is told, and what is left when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sessions import engine as engine_module
from sessions import frames
from sessions.engine import Ears, Engine, Launch
from sessions.engine import crashes as crashes_module
from sessions.engine import keeper as keeper_module
from sessions.errors import DiskFull, GivenUp, SendError, SessionsError, UnknownSession, WorkerGone
from sessions.model import Loss, SendStatus, SessionId

TO = "5511999990000@s.whatsapp.net"
A, B, C, CRASH, FAT, STUCK, LOW = (SessionId(name) for name in ("a", "b", "c", "crash", "fat", "stuck", "low"))


@dataclass
class Bench:
    """An engine and what its ears heard."""

    engine: Engine
    folder: Path
    notices: list[tuple[SessionId, frames.Notice]] = field(default_factory=list)
    lost: list[tuple[list[SessionId], Loss]] = field(default_factory=list)
    low: list[list[SessionId]] = field(default_factory=list)

    async def open(self, *sessions: SessionId) -> None:
        for session in sessions:
            await self.engine.open(session, self.folder / f"{session}.db")


Make = Callable[..., Bench]


@pytest.fixture
async def make(fakes: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr(keeper_module, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(keeper_module, "wait_s", lambda *_: 0.0)
    made: list[Bench] = []

    def make(*lives: str, per_worker: int = 2, launch: Launch | None = None) -> Bench:
        ears = Ears(
            notice=lambda session, notice: bench.notices.append((session, notice)),
            lost=lambda sessions, loss: bench.lost.append((sessions, loss)),
            low_disk=lambda sessions, _full: bench.low.append(sessions),
            wake=fakes.woken.set,
            line=lambda worker, text: fakes.lines.append((worker, text)),
        )
        engine = Engine(launch or fakes.launch(*(lives or ("serve",))), ears, per_worker=per_worker)
        bench = Bench(engine, fakes.folder)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        await bench.engine.stop()
    assert fakes.running == []


async def test_sessions_fill_one_worker_after_another(make: Make, fakes):
    bench = make(per_worker=2)
    await bench.open(A, B, C)
    assert [(view.name, view.sessions, view.starts) for view in bench.engine.workers()] == [("w1", 2, 1), ("w2", 1, 1)]
    assert len(fakes.running) == 2


async def test_news_of_a_session_goes_to_that_session(make: Make):
    bench = make(per_worker=1)
    await bench.open(A, B)
    assert bench.notices == [
        (A, frames.Probed(session=A, answered=True)),
        (B, frames.Probed(session=B, answered=True)),
    ]


async def test_a_worker_without_sessions_ends_and_its_place_is_filled_again(make: Make, fakes, until):
    bench = make(per_worker=1)
    await bench.open(A, B)
    await bench.engine.close(A)
    await until(lambda: len(fakes.running) == 1)
    assert [view.name for view in bench.engine.workers()] == ["w2"]
    assert bench.lost == [], "who closes it knows"
    await bench.open(C)
    assert [view.name for view in bench.engine.workers()] == ["w1", "w2"]


async def test_what_is_not_open_can_be_closed_and_nothing_else(make: Make):
    bench = make()
    await bench.engine.close(A)
    for asking in (
        bench.engine.logout(A),
        bench.engine.on_whatsapp(A, "1"),
        bench.engine.send(A, "r", TO, "x", deadline_s=1.0),
    ):
        with pytest.raises(UnknownSession):
            await asking
    assert bench.engine.health(A)[:2] == (None, None)


async def test_a_crash_is_told_to_the_sessions_of_that_worker_alone_and_heals(make: Make, until):
    bench = make(per_worker=2)
    await bench.open(A, B, C)
    with pytest.raises(WorkerGone):
        await bench.engine.open(CRASH, Path("/x"))
    await until(lambda: bench.lost)
    assert bench.lost == [([C, CRASH], Loss.RESTARTING)]
    await bench.open(C)
    assert [view.starts for view in bench.engine.workers()] == [1, 2]


async def reopened(bench: Bench, session: SessionId, loss: Callable[[], Loss]) -> None:
    """What a session does: it opens again until it is open, or told not to."""
    async with asyncio.timeout(60):
        while loss() is Loss.RESTARTING:
            try:
                await bench.open(session)
            except SessionsError:
                await asyncio.sleep(0.01)
            else:
                return


async def test_the_one_session_that_ends_its_worker_is_found_and_everyone_else_is_back(make: Make, fakes):
    """By halves: the others crash with it a few times, and never again."""
    bench = make(per_worker=10)
    others = [SessionId(f"s{number}") for number in range(6)]
    sessions = [*others[:3], CRASH, *others[3:]]

    def loss(session: SessionId) -> Loss:
        told = [what for those, what in bench.lost if session in those]
        return told[-1] if told else Loss.RESTARTING

    await bench.open(*others[:3])
    await asyncio.gather(*(reopened(bench, one, lambda one=one: loss(one)) for one in sessions))
    assert loss(CRASH) is Loss.ISOLATED
    isolated_at = len(bench.lost)
    await asyncio.gather(*(reopened(bench, one, lambda: Loss.RESTARTING) for one in others))
    assert [view.gave_up for view in bench.engine.workers()] == [False] * len(bench.engine.workers())
    assert Loss.GIVEN_UP not in {what for _those, what in bench.lost}

    bench.lost.clear()
    with pytest.raises(SessionsError):
        await bench.open(CRASH)  # tried again, it hurts nobody: it is alone
    assert isolated_at
    assert all(those == [CRASH] for those, _what in bench.lost)
    assert bench.engine._placement.on(bench.engine._placement.place(CRASH)) == [CRASH]


async def test_the_one_session_that_uses_its_worker_up_is_found_and_everyone_else_is_back(make: Make, until):
    """It opens as well as any; its worker is replaced a moment later, with everybody in it."""
    bench = make(per_worker=10)
    others = [SessionId(f"s{number}") for number in range(5)]

    def told(session: SessionId) -> list[Loss]:
        return [what for those, what in bench.lost if session in those]

    async def keep_open(session: SessionId) -> None:
        while Loss.ISOLATED not in told(session):
            losses = len(told(session))
            await reopened(bench, session, lambda: Loss.RESTARTING)
            await until(lambda losses=losses: len(told(session)) > losses)

    keeping = {session: asyncio.create_task(keep_open(session)) for session in [*others[:2], FAT, *others[2:]]}
    await asyncio.wait_for(keeping[FAT], 60)
    for task in keeping.values():
        task.cancel()
    await asyncio.gather(*keeping.values(), return_exceptions=True)
    await asyncio.gather(*(reopened(bench, one, lambda: Loss.RESTARTING) for one in others))
    assert not any(view.gave_up for view in bench.engine.workers())
    assert {what for one in others for what in told(one)} == {Loss.RESTARTING}


async def test_a_worker_that_never_gets_ready_is_no_sessions_fault(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(crashes_module, "CRASHES_IN_A_ROW", 2)
    bench = make("exit_early")
    bench.engine._placement.place(A)
    with pytest.raises(GivenUp):
        await bench.open(B)
    assert bench.lost[-1] == ([A, B], Loss.GIVEN_UP)


async def test_a_session_that_rests_keeps_its_place(make: Make):
    bench = make(per_worker=1)
    await bench.engine.rest(A)
    await bench.open(A)
    await bench.engine.rest(A)
    assert [view.sessions for view in bench.engine.workers()] == [1]


async def test_a_session_that_does_not_let_go_costs_its_worker_and_no_more(make: Make, fakes, until):
    bench = make(per_worker=2)
    await bench.open(A)
    with pytest.raises(WorkerGone):
        await bench.engine.open(STUCK, Path("/x"))
    await until(lambda: bench.lost)
    assert bench.lost == [([A, STUCK], Loss.RESTARTING)]
    await bench.open(A)


async def test_one_that_does_not_let_go_when_it_is_closed_is_closed_all_the_same(make: Make, fakes, until):
    bench = make(per_worker=2)
    await bench.open(A)
    bench.engine._placement.place(STUCK)
    await bench.engine.close(STUCK)
    await until(lambda: bench.lost == [([A], Loss.RESTARTING)])  # its worker is replaced, and the lock goes with it
    await bench.open(A)
    assert fakes.lives == ["serve", "serve"]


async def test_a_send_whose_worker_dies_is_unknown_and_never_repeated(make: Make):
    bench = make()
    await bench.open(A)
    outcome = await bench.engine.send(A, "r", TO, "die", deadline_s=10.0)
    assert (outcome.status, outcome.error, outcome.ref) == (SendStatus.UNKNOWN, SendError.WORKER_GONE, "r")


async def test_a_send_that_is_not_answered_is_unknown(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sessions.engine.channel.GRACE_S", 0.0)
    bench = make()
    await bench.open(A)
    outcome = await bench.engine.send(A, "r", TO, "silence", deadline_s=0.01)
    assert (outcome.status, outcome.error) == (SendStatus.UNKNOWN, SendError.TIMED_OUT)


async def test_low_disk_is_told_for_every_session_of_that_worker(make: Make, until):
    bench = make(per_worker=2)
    await bench.open(A, LOW, C)
    await until(lambda: bench.low)
    assert bench.low == [[A, LOW]]


async def test_on_a_nearly_full_disk_nothing_is_begun(make: Make, fakes):
    bench = make(launch=replace(fakes.launch("serve"), free_bytes=lambda _: 0))
    with pytest.raises(DiskFull):
        await bench.engine.open(A, Path("/x"))
    with pytest.raises(DiskFull):
        await bench.engine.throwaway(A, lambda _: None)
    assert fakes.lives == []


async def test_a_worker_given_up_is_said_to_those_who_come_later_until_it_is_revived(
    make: Make, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(crashes_module, "CRASHES_IN_A_ROW", 2)
    bench = make("exit_early", "exit_early", "serve")
    with pytest.raises(GivenUp):
        await bench.engine.open(A, Path("/x"))
    assert bench.lost == [([A], Loss.RESTARTING), ([A], Loss.GIVEN_UP)]
    with pytest.raises(GivenUp):
        await bench.engine.open(B, Path("/x"))
    assert bench.engine.workers()[0].gave_up
    bench.engine.revive()
    await bench.open(A, B)


async def test_a_worker_for_a_pairing_is_its_callers_and_no_resident(make: Make, fakes):
    bench = make()
    heard: list[frames.Notice] = []
    worker = await bench.engine.throwaway(A, heard.append)
    await worker.channel.ask(frames.Open, deadline_s=10.0, session=A, path="/x")
    assert heard == [frames.Probed(session=A, answered=True)]
    assert bench.engine.workers() == []
    await worker.drain()
    assert fakes.running == []


async def test_when_the_engine_ends_nothing_runs_any_more(make: Make, fakes, until):
    bench = make(per_worker=1)
    await bench.open(A, B)
    await bench.engine.throwaway(C, lambda _: None)
    closing = asyncio.create_task(bench.engine.close(A))
    await until(lambda: bench.engine._retiring or closing.done())
    await bench.engine.stop()
    await closing
    assert fakes.running == []


def test_the_engine_waits_longer_than_its_workers():
    """Else a slow answer would look like none."""
    assert engine_module.LINE_UP_S >= 25 * engine_module.START_S
