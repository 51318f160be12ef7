"""One worker process from start to end, with a program that behaves as badly as it is told to."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sessions import frames
from sessions.engine import process as process_module
from sessions.engine.process import WorkerProcess
from sessions.errors import Deadline, WorkerGone

ASK_S = 20.0

Start = Callable[..., Awaitable[WorkerProcess]]


@pytest.fixture
async def start(fakes) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(*lives: str) -> WorkerProcess:
            worker = await WorkerProcess.start("w1", fakes.launch(*lives), fakes.hearing)
            stack.push_async_callback(worker.kill)
            return worker

        yield start
    assert fakes.running == []


def open_descriptors() -> set[str]:
    return {name for name in os.listdir("/proc/self/fd") if (Path("/proc/self/fd") / name).exists()}  # noqa: PTH208


async def test_it_starts_answers_and_says_what_it_hears(start: Start, fakes):
    worker = await start("serve")
    await worker.channel.ask(frames.Open, deadline_s=ASK_S, session="one", path="/x")
    assert fakes.notices == [frames.Probed(session="one", answered=True)]
    assert fakes.running == [worker.pid]


async def test_the_bell_of_its_inbox_is_heard(start: Start, fakes):
    worker = await start("serve")
    await worker.channel.ask(frames.Open, deadline_s=ASK_S, session="ring", path="/x")
    await asyncio.wait_for(fakes.woken.wait(), 10)


async def test_drained_it_is_asked_first_and_gone_afterwards(start: Start, fakes):
    worker = await start("serve")
    await worker.drain()
    assert await worker.wait() == 0
    assert ("w1", "drained") in fakes.lines
    assert fakes.running == []


async def test_one_that_does_not_drain_is_killed(start: Start, fakes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process_module, "DRAIN_S", 0.1)
    monkeypatch.setattr("sessions.engine.channel.GRACE_S", 0.1)
    worker = await start("stubborn")
    await worker.drain()
    assert await worker.wait() == -9
    assert fakes.running == []


async def test_drained_twice_at_once_it_is_still_given_its_time(start: Start, fakes):
    worker = await start("serve")
    await asyncio.gather(worker.drain(), worker.drain())
    assert await worker.wait() == 0
    assert ("w1", "drained") in fakes.lines


async def test_it_is_killed_with_whatever_it_started(start: Start, fakes, until, alive: Callable[[int], bool]):
    worker = await start("child")
    await until(lambda: fakes.lines)
    child = int(fakes.lines[0][1].split()[1])
    assert alive(child)
    await worker.kill()
    await until(lambda: not alive(child))


async def test_its_last_lines_are_kept_and_its_death_is_told_to_whoever_waits(start: Start, fakes):
    worker = await start("serve")
    with pytest.raises(WorkerGone):
        await worker.channel.ask(frames.Open, deadline_s=ASK_S, session="crash", path="/x")
    assert await worker.wait() == 7
    assert list(worker.last_lines) == ["last words"]
    assert fakes.lines == [("w1", "last words")]


async def test_lines_too_long_or_of_any_bytes_stop_nothing(start: Start, fakes):
    worker = await start("serve")
    await worker.channel.ask(frames.Open, deadline_s=ASK_S, session="shout", path="/x")
    await worker.drain()
    said = [line for _worker, line in fakes.lines]
    assert said[-3:] == ["after", "\ufffd\ufffd bytes", "drained"]
    assert max(map(len, said)) <= 2 * process_module.LONGEST_LINE
    assert len(worker.last_lines) <= process_module.KEPT_LINES


async def test_one_that_talks_nonsense_is_not_listened_to(start: Start):
    worker = await start("serve")
    with pytest.raises(WorkerGone):
        await worker.channel.ask(frames.Open, deadline_s=ASK_S, session="garbage", path="/x")
    await asyncio.wait_for(worker.wait(), 10)  # its socket has ended: to it the hub is gone


@pytest.mark.parametrize("life", ["never_ready", "exit_early"])
async def test_one_that_never_becomes_ready_leaves_nothing_behind(fakes, life: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process_module, "READY_S", 1.0)
    monkeypatch.setattr("sessions.engine.channel.GRACE_S", 0.0)
    before = open_descriptors()
    with pytest.raises(Deadline if life == "never_ready" else WorkerGone):
        await WorkerProcess.start("w1", fakes.launch(life), fakes.hearing)
    assert fakes.running == []
    assert open_descriptors() <= before
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("w1")] == []


async def test_a_start_that_is_given_up_leaves_nothing_behind(fakes, until):
    before = open_descriptors()
    starting = asyncio.create_task(WorkerProcess.start("w1", fakes.launch("never_ready"), fakes.hearing))
    await until(lambda: fakes.running)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert fakes.running == []
    assert open_descriptors() <= before


@pytest.mark.parametrize("turns", range(12))
async def test_called_away_at_any_moment_of_a_start_nothing_is_left_behind(fakes, until, turns: int):
    before = open_descriptors()
    starting = asyncio.create_task(WorkerProcess.start("w1", fakes.launch("serve"), fakes.hearing))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    gc.collect()  # whatever was left to it would complain here
    await until(lambda: open_descriptors() <= before)
    assert fakes.running == []


async def test_a_program_that_is_not_there_leaves_nothing_behind(fakes):
    launch = replace(fakes.launch(), command=("/nowhere/python",))
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        await WorkerProcess.start("w1", launch, fakes.hearing)
    assert open_descriptors() <= before


async def test_when_it_is_over_nothing_of_it_is_left_in_the_hub(fakes):
    worker = await WorkerProcess.start("w1", fakes.launch("serve"), fakes.hearing)
    during = open_descriptors()
    await worker.kill()
    await worker.kill()
    assert open_descriptors() < during
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("w1")] == []
