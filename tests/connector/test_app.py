"""The life of the service in one process: order, drain, faults. The sessions are a fake that writes down what it is asked."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from connector import app
from connector.api.sockets import bind
from connector.app import Service, Serving
from connector.datadir import DataDir, prepare
from connector.failures import ExitCode, StartFailure
from connector.keyfile import ApiKey
from connector.settings import Settings, load
from connector.signals import StopRequests
from sessions.redaction import Redactor


class RecordingFleet:
    """Writes down what it is asked; starts and stops as slowly as it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.starting = asyncio.Event()
        self.stopping = asyncio.Event()
        self.may_start = asyncio.Event()
        self.may_stop = asyncio.Event()
        self.may_start.set()
        self.may_stop.set()
        self.fault: Exception | None = None

    async def start(self) -> None:
        self.asked.append("start")
        self.starting.set()
        await self.may_start.wait()
        if self.fault:
            raise self.fault
        self.asked.append("started")

    async def stop(self) -> None:
        self.asked.append("stop")
        self.stopping.set()
        await self.may_stop.wait()
        self.asked.append("stopped")

    def snapshot(self) -> Sequence[Any]:
        return []


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Set PORT to one that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    monkeypatch.setenv("PORT", str(port))
    return port


class Stage:
    """A service with a fake fleet, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.fleet = RecordingFleet()
        self.said: list[str] = []
        self.ready = asyncio.Event()
        self.stop = StopRequests()
        self.service = Service(load(), prepare(folder), ApiKey("k" * 20), self.start, self.say, Redactor())

    async def start(self, _settings: Settings, _data: DataDir, _redact: Redactor, parts: AsyncExitStack) -> Serving:
        parts.push_async_callback(self.fleet.stop)
        await self.fleet.start()
        return Serving(lambda: len(self.fleet.snapshot()))

    def say(self, text: str) -> None:
        self.said.append(text)
        self.ready.set()

    def run(self) -> asyncio.Task[ExitCode]:
        return asyncio.create_task(self.service.run(self.stop), name="service")


@pytest.fixture
async def stage(own_folder: Path, free_port: int) -> Stage:
    """Set the service up, not started."""
    return Stage(own_folder / "data")


def ask(port: int) -> Any:
    with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=10) as answer:
        return json.load(answer)


async def test_it_starts_in_order_serves_and_stops_in_reverse(stage: Stage, free_port: int) -> None:
    """Callers are let in last and sent away first."""
    running = stage.run()
    await stage.ready.wait()
    assert stage.fleet.asked == ["start", "started"]
    assert await asyncio.to_thread(ask, free_port) == {"status": "ok", "lab": False}
    ready, following = stage.said
    assert ready == f"Vigia is ready on http://127.0.0.1:{free_port}; the API key is the one in API_KEY."
    assert "$API_KEY" in following
    assert stage.service.key.value not in following
    stage.fleet.may_stop.clear()
    stage.stop.ask()
    await stage.fleet.stopping.wait()
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(ask, free_port)
    stage.fleet.may_stop.set()
    assert await running is ExitCode.STOPPED
    assert stage.fleet.asked == ["start", "started", "stop", "stopped"]


async def test_a_stop_during_the_start_is_heard(stage: Stage) -> None:
    """What was begun is stopped, although it never was ready."""
    stage.fleet.may_start.clear()
    running = stage.run()
    await stage.fleet.starting.wait()
    stage.stop.ask()
    assert await running is ExitCode.STOPPED
    assert stage.fleet.asked == ["start", "stop", "stopped"]
    assert stage.said == []


async def test_a_start_that_fails_is_cleaned_up(stage: Stage, free_port: int) -> None:
    """The fleet is stopped, the address is free again, the fault comes out."""
    stage.fleet.fault = RuntimeError("no engine")
    with pytest.raises(RuntimeError, match="no engine"):
        await stage.run()
    assert stage.fleet.asked == ["start", "stop", "stopped"]
    for listener in bind("127.0.0.1", free_port):
        listener.close()


async def test_a_drain_does_not_last_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not done in time is left behind, and the shell is told."""
    monkeypatch.setattr(app, "DRAIN_S", 0.05)
    stage.fleet.may_stop.clear()
    running = stage.run()
    await stage.ready.wait()
    stage.stop.ask()
    assert await running is ExitCode.DRAIN_TIMED_OUT
    assert stage.fleet.asked[-1] == "stop"


async def test_a_second_request_ends_at_once(stage: Stage) -> None:
    """Who presses Ctrl-C twice does not want to wait eight seconds."""
    stage.fleet.may_stop.clear()
    running = stage.run()
    await stage.ready.wait()
    stage.stop.ask()
    stage.stop.ask()
    assert await running is ExitCode.INTERRUPTED


async def test_a_taken_port_is_told_before_anything_starts(stage: Stage, free_port: int) -> None:
    """One sentence with the remedy; no session was touched."""
    [other] = bind("127.0.0.1", free_port)
    sentence = rf"Port {free_port} on 127\.0\.0\.1 is taken by another program: stop it, or set PORT to a free one"
    with other, pytest.raises(StartFailure, match=sentence) as caught:
        await stage.run()
    assert caught.value.code is ExitCode.ADDRESS
    assert stage.fleet.asked == []


def test_a_foreign_address_is_told() -> None:
    """It belongs to no network card here."""
    with pytest.raises(
        StartFailure, match=r"HOST 192\.0\.2\.1 is no address of this machine .+: set HOST=127\.0\.0\.1"
    ):
        bind("192.0.2.1", 0)


def test_localhost_is_enough_with_one_address() -> None:
    """Where it means two addresses both are taken, where one does not work the other is."""
    listeners = bind("localhost", 0)
    assert listeners
    for listener in listeners:
        listener.close()
