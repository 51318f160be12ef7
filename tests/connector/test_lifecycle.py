"""Services start once, restart one after another, and say what became of it."""

from __future__ import annotations

import asyncio

import pytest

from connector import lifecycle
from connector.lifecycle import Condition, Job, Lifecycle, Name, Service
from connector.refusals import CannotStart, NotInitialized, RestartUnderWay, UnknownJob


class House:
    """Services that write down what is asked of them. `held`: restarts wait for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[Job] = []
        self.held = asyncio.Event()
        self.held.set()
        self.broken: set[str] = set()
        self.life = Lifecycle([self.service("database"), self.service("sinks")], self.start, self.told.append)

    def service(self, name: Name) -> Service:
        async def restart() -> None:
            self.asked.append(name)
            await self.held.wait()
            if name in self.broken:
                raise OSError("it cannot")

        return Service(name, lambda: Condition("running"), restart)

    async def start(self) -> None:
        self.asked.append("start")
        await self.held.wait()


@pytest.fixture
async def house() -> House:
    """Have a house that was started."""
    house = House()
    await house.life.initialize()
    house.asked.clear()
    return house


async def test_everything_starts_once_whoever_asks_first() -> None:
    house = House()
    house.held.clear()
    first = asyncio.create_task(house.life.initialize())
    second = asyncio.create_task(house.life.initialize())
    await asyncio.sleep(0)
    assert not house.life.initialized
    assert {one.state for one in house.life.conditions().values()} == {"stopped"}
    house.held.set()
    assert sorted([await first, await second]) == [False, True]
    assert house.asked == ["start"]
    assert {one.state for one in house.life.conditions().values()} == {"running"}


async def test_a_start_that_fails_can_be_asked_for_again() -> None:
    fails = [True]

    async def start() -> None:
        if fails.pop():
            fails.append(False)
            raise OSError("no")

    life = Lifecycle([], start, lambda _job: None)
    with pytest.raises(OSError, match="no"):
        await life.initialize()
    assert await life.initialize()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TimeoutError(), "It did not come back in time: the watchdog goes on with it, and the log says more."),
        (CannotStart("The database's disk is full: give it space."), "The database's disk is full: give it space."),
        (OSError("/secret/path"), "OSError: see the log."),
    ],
)
async def test_a_restart_that_fails_says_why(house: House, error: Exception, says: str) -> None:
    async def restart() -> None:
        raise error

    house.life._services = [Service("database", lambda: Condition("running"), restart)]
    job = await house.life.ended(house.life.restart([]).id, 10)
    assert (job.status, job.errors) == ("failed", {"database": says})


@pytest.mark.parametrize(("names", "done"), [([], ["database", "sinks"]), (["sinks"], ["sinks"])])
async def test_restarts_in_order(house: House, names: list[Name], done: list[str]) -> None:
    job = await house.life.ended(house.life.restart(names).id, 10)
    assert (job.status, house.asked, house.told) == ("done", done, [job])
    assert job.ended_at


async def test_one_at_a_time(house: House) -> None:
    house.held.clear()
    job = house.life.restart([])
    with pytest.raises(RestartUnderWay):
        house.life.restart([])
    assert (await house.life.ended(job.id, 0)).status == "running"
    house.held.set()
    assert (await house.life.ended(job.id, 10)).status == "done"


async def test_a_service_that_does_not_restart_keeps_no_other_from_it(house: House) -> None:
    house.broken = {"database"}
    job = await house.life.ended(house.life.restart([]).id, 10)
    assert (job.status, list(job.errors), house.asked) == ("failed", ["database"], ["database", "sinks"])


async def test_jobs_are_remembered_for_a_while(house: House, monkeypatch) -> None:
    monkeypatch.setattr(lifecycle, "JOBS_KEPT", 2)
    ids = [(await house.life.ended(house.life.restart(["sinks"]).id, 10)).id for _ in range(3)]
    assert house.life.job(ids[2]).status == "done"
    with pytest.raises(UnknownJob):
        house.life.job(ids[0])


async def test_the_end_breaks_a_restart_off(house: House) -> None:
    """And lets go of whoever waits for it."""
    house.held.clear()
    job = house.life.restart([])
    waiting = asyncio.create_task(house.life.ended(job.id, 300))
    await asyncio.sleep(0)
    await house.life.stop()
    assert house.asked == ["database"]
    assert (await asyncio.wait_for(waiting, 10)).status == "running"


async def test_nothing_is_restarted_that_was_never_started() -> None:
    """It would run from then on, and nobody would stop it."""
    house = House()
    with pytest.raises(NotInitialized):
        house.life.restart([])
    assert house.asked == []
