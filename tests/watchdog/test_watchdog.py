"""The watchdog at work: rounds, what it says, what it does, and that nothing makes it fall over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

import pytest
from apscheduler.schedulers import base as schedulers
from loguru import logger

from sessions.model import SessionId
from watchdog import watchdog as watchdog_module
from watchdog.checks import Finding
from watchdog.pace import Limits
from watchdog.remedies import (
    KickSink,
    Nothing,
    Reconnect,
    Remedy,
    RemoveConnection,
    RemoveSession,
    RestartPostgres,
    RestartWorker,
    code,
)
from watchdog.sights import SinkSight, SinkState, Snapshot
from watchdog.watchdog import Habits, Watchdog


class World:
    """Everything the watchdog sees and touches."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wrong: list[Finding] = []
        self.before: list[Snapshot | None] = []
        self.blind: Exception | None = None
        self.looks = 0
        self.done: list[object] = []
        self.fails: dict[str, Exception] = {}
        self.held: asyncio.Event | None = None
        self.tally: list[object] = []
        self.ended: list[tuple[str, float]] = []

    async def look(self) -> Snapshot:
        self.looks += 1
        if self.blind:
            raise self.blind
        return Snapshot(at=self.now)

    def check(self, _now: Snapshot, before: Snapshot | None) -> list[Finding]:
        self.before.append(before)
        return self.wrong

    async def _do(self, what: str, name: str = "") -> None:
        if self.held:
            await self.held.wait()
        if what in self.fails:
            raise self.fails[what]
        self.done.append((what, name))

    async def reconnect(self, session: SessionId) -> None:
        await self._do("reconnect", session)

    async def restart_worker(self, name: str) -> None:
        await self._do("restart_worker", name)

    async def restart_postgres(self) -> None:
        await self._do("restart_postgres")

    async def kick_sink(self, name: str) -> None:
        await self._do("kick_sink", name)

    async def remove_connection(self, name: str) -> None:
        await self._do("remove_connection", name)

    async def remove_session(self, session: SessionId) -> None:
        await self._do("remove_session", session)

    async def end_pairing(self, session: SessionId) -> None:
        await self._do("end_pairing", session)

    def found(self, finding: Finding) -> None:
        self.tally.append(finding.problem)

    def over(self, finding: Finding, after_s: float) -> None:
        self.ended.append((finding.problem, after_s))

    def acted(self, remedy: Remedy, why: str, *, done: bool) -> None:
        assert why
        self.tally.append((code(remedy), done))

    def watchdog(self, **more: object) -> Watchdog:
        habits = {"checks": (self.check,), "clock": lambda: self.now, **more}
        return Watchdog(self, self, self, Habits(**habits))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def lines():
    said: list[str] = []
    handler = logger.add(lambda message: said.append(message.strip()), format="{level} {message}", level="DEBUG")
    yield said
    logger.remove(handler)


def wrong(remedy: Remedy, problem: str = "broken") -> Finding:
    return Finding(problem, "it", f"It is {problem}.", remedy)


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110 - a count that rises has no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("remedy", "done"),
    [
        (Reconnect(SessionId("one")), ("reconnect", "one")),
        (RestartWorker("w1"), ("restart_worker", "w1")),
        (RestartPostgres(), ("restart_postgres", "")),
        (KickSink("record"), ("kick_sink", "record")),
        (RemoveConnection("loja"), ("remove_connection", "loja")),
        (RemoveSession(SessionId("one")), ("remove_session", "one")),
    ],
)
async def test_each_remedy_reaches_its_hand(
    world: World, lines: list[str], remedy: Remedy, done: tuple[str, str]
) -> None:
    """It is carried out, logged with its reason, and counted."""
    world.wrong = [wrong(remedy)]
    await world.watchdog().look_round()
    assert world.done == [done]
    assert world.tally == ["broken", (done[0], True)]
    assert any(done[0] in line and "It is broken." in line for line in lines)


async def test_a_problem_is_told_once_and_so_is_its_end(world: World, lines: list[str]) -> None:
    """New is told, over is told with how long it lasted, in between is silence; who is told says so aloud."""
    watchdog = world.watchdog()
    world.wrong = [wrong(Nothing())]
    for world.now in (0.0, 5.0, 10.0):
        await watchdog.look_round()
    assert [one.problem for one in watchdog.findings] == ["broken"]
    world.wrong, world.now = [], 15.0
    await watchdog.look_round()
    assert lines == ["DEBUG Watchdog: It is broken.", "DEBUG Watchdog: broken of it is over after 15 s"]
    assert (world.tally, watchdog.findings) == (["broken"], [])


async def test_a_remedy_that_does_not_help_is_tried_ever_more_rarely(world: World) -> None:
    """A round every second for ten minutes: five tries, not six hundred."""
    watchdog = world.watchdog(limits=Limits(first_s=30, factor=2, cap_s=1800))
    world.wrong = [wrong(RestartPostgres())]
    for second in range(600):
        world.now = float(second)
        await watchdog.look_round()
    assert len(world.done) == 5


async def test_a_remedy_that_fails_or_hangs_keeps_no_other_from_being_tried(world: World, lines: list[str]) -> None:
    """One raises, one never ends: the third is carried out all the same, and all are counted."""
    world.fails["reconnect"] = OSError("no")
    world.wrong = [wrong(Reconnect(SessionId("one")), "a"), wrong(KickSink("record"), "b")]
    await world.watchdog().look_round()
    assert world.done == [("kick_sink", "record")]
    assert ("reconnect", False) in world.tally
    world.held = asyncio.Event()
    await world.watchdog(remedy_s=0.01).look_round()
    assert world.tally.count(("kick_sink", False)) == 1
    assert any(line.startswith("ERROR") and "kick_sink failed: TimeoutError" in line for line in lines)


async def test_who_sees_nothing_says_so_once_and_looks_again(world: World, lines: list[str]) -> None:
    """What the service cannot tell about itself must not end the watch."""
    watchdog = world.watchdog()
    world.blind = RuntimeError("away")
    for _ in range(3):
        await watchdog.look_round()
    assert [line.split()[0] for line in lines if "can be seen" in line] == ["ERROR", "DEBUG", "DEBUG"]
    world.blind, world.wrong = None, [wrong(KickSink("record"))]
    await watchdog.look_round()
    assert world.done == [("kick_sink", "record")]


async def test_checks_compare_with_a_look_from_a_minute_before(world: World) -> None:
    """None at first, then one that is a minute old, however often it looks."""
    watchdog = world.watchdog()
    for second in range(0, 200, 5):
        world.now = float(second)
        await watchdog.look_round()
    ages = [None if one is None else 5.0 * turn - one.at for turn, one in enumerate(world.before)]
    assert ages[:12] == [None] * 12
    assert set(ages[12:]) == {60.0}


async def test_it_looks_round_by_itself_and_stops(world: World) -> None:
    """On the real scheduler: at once, then again, one round at a time; a round under way ends with it."""
    world.wrong = [wrong(KickSink("record"))]
    world.held = asyncio.Event()
    watchdog = world.watchdog(every_s=0.02)
    await watchdog.stop()
    watchdog.start()
    await until(lambda: world.looks == 1)
    world.held.set()
    await until(lambda: world.looks > 3)
    world.held.clear()
    world.now += 1000
    await until(lambda: world.tally.count("broken") > 0)
    await asyncio.wait_for(watchdog.stop(), 2)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "watchdog-round"]
    seen, since = world.looks, time.monotonic()
    await until(lambda: time.monotonic() - since > 0.1)
    assert world.looks == seen


async def test_a_round_is_late_but_not_left_out_when_the_loop_was_busy(world: World) -> None:
    """The loop is blocked over several due times: one round follows, not none and not all."""
    watchdog = world.watchdog(every_s=0.3)
    watchdog.start()
    await until(lambda: world.looks == 1)
    time.sleep(1.5)  # noqa: ASYNC251 - what a busy loop looks like
    before = world.looks
    await until(lambda: world.looks == before + 1)
    await watchdog.stop()


async def test_the_real_checks_are_the_default(world: World) -> None:
    """A parked sink is found with no setting at all."""

    async def look() -> Snapshot:
        return Snapshot(at=0.0, sinks=(SinkSight("record", SinkState.PARKED, 3, 0, 1.0, "no key"),))

    world.look = look
    watchdog = Watchdog(world, world, world)
    await watchdog.look_round()
    assert [one.problem for one in watchdog.findings] == ["sink_parked"]


async def test_what_goes_on_is_told_again_at_each_turn_and_over_once(world: World) -> None:
    """A phone that was not seen for twelve days, for thirteen, and is back: not back after each day."""
    watchdog = world.watchdog()
    for turn in (0, 0, 12, 12, 13):
        world.wrong = [Finding("phone_unseen", "it", f"For {turn} days.", turn=turn)]
        world.now += 10.0
        await watchdog.look_round()
    assert (world.tally, world.ended) == (["phone_unseen"] * 3, [])
    world.wrong = []
    world.now += 10.0
    await watchdog.look_round()
    assert world.ended == [("phone_unseen", 50.0)]


async def test_what_was_told_before_is_open_and_not_told_until_its_next_turn(world: World) -> None:
    """It is wrong all the same, and its end is told."""
    watchdog = world.watchdog()
    for turn, told in ((12, True), (12, True), (13, False), (13, True)):
        world.wrong = [Finding("phone_unseen", "it", f"For {turn} days.", turn=turn, told=told)]
        await watchdog.look_round()
        assert watchdog.findings == world.wrong
    assert world.tally == ["phone_unseen"]
    world.wrong = []
    await watchdog.look_round()
    assert [problem for problem, _after_s in world.ended] == ["phone_unseen"]


async def test_a_clock_that_is_set_back_stops_no_rounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler plans by it: an hour back would be an hour without a round."""
    back = timedelta(0)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
            return datetime.now(tz) - back

    monkeypatch.setattr(watchdog_module, "datetime", Clock)
    monkeypatch.setattr(schedulers, "datetime", Clock)
    watchdog = world.watchdog(every_s=0.02)
    watchdog.start()
    try:
        await until(lambda: len(world.before) > 3)
        back = timedelta(hours=1)
        seen = len(world.before)
        await until(lambda: len(world.before) > seen + 5)
    finally:
        await watchdog.stop()
