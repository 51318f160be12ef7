"""Real neonize sessions in a child process, as a test or a benchmark of the lab sees them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lab.client import LabClient, Place

ROOT = Path(__file__).parents[1]
WAIT_S = 20.0
STOP_S = 5.0


class EngineError(Exception):
    """The engine raised; the text says what."""


class Engine:
    """One child process. Events are kept in order, and a test waits for the one it expects."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process, self.folder = process, folder
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._news = asyncio.Condition()
        self.events: list[dict[str, Any]] = []
        self.prefix = ""  # put before every session's name, so that tests which share a child do not meet
        self._reading = asyncio.create_task(self._read(), name="engine-reader")

    @property
    def now(self) -> int:
        """A mark: events after it are new."""
        return len(self.events)

    async def ask(self, do: str, *, session: str, timeout: float = 60.0, **words: Any) -> Any:
        """Has the child do something; answers what it answers. Raises EngineError or TimeoutError."""
        number = next(self._numbers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        self._write({"n": number, "do": do, "with": words | {"session": self.prefix + session}})
        return await asyncio.wait_for(future, timeout)

    async def event(
        self, session: str | None, kind: str, *, since: int = 0, timeout: float = WAIT_S, **facts: Any
    ) -> dict[str, Any]:
        """The first event after `since` of this kind with these facts. Raises AssertionError when there is none in time."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.of(session, kind, since) if facts.items() <= event.items()), None)

        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: found() is not None)
        except TimeoutError:
            seen = self.events[since:][-20:]
            raise AssertionError(f"{session}: no {kind} {facts} within {timeout} s; seen: {seen}") from None
        return found() or {}

    async def events_of(self, session: str, kind: str, count: int, *, timeout: float = WAIT_S) -> list[dict[str, Any]]:
        """All events of a kind, once there are `count`."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: len(self.of(session, kind)) >= count)
        return self.of(session, kind)

    def of(self, session: str | None, kind: str, since: int = 0) -> list[dict[str, Any]]:
        """All events of a kind so far. Messages between an account's own devices, which nobody reads, are left out."""
        name = self.prefix + session if session is not None else None
        ours = (event for event in self.events[since:] if event.get("session") == name and event["event"] == kind)
        return [event for event in ours if not event.get("protocol")]

    async def pair(self, lab: LabClient, session: str, number: str) -> str:
        """Connects a new session and scans its QR code with a phone; returns the device's address once it is logged in."""
        await self.ask("connect", session=session)
        qr = await self.event(session, "qr")
        answer = await lab.scan(number, qr["text"])
        await self.event(session, "Connected")
        return answer["jid"]

    async def stop(self) -> None:
        """Ends the child."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    def tell(self, config: dict[str, Any]) -> None:
        """The child's first line."""
        self._write(config)

    def _write(self, line: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the child has no standard input")
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _read(self) -> None:
        while self._process.stdout is not None and (line := await self._process.stdout.readline()):
            said = json.loads(line)
            if "n" in said:
                _settle(self._answers.pop(said["n"]), said)
                continue
            async with self._news:
                self.events.append(said)
                self._news.notify_all()


def _settle(future: asyncio.Future[Any], said: dict[str, Any]) -> None:
    if future.done():
        return
    if "error" in said:
        future.set_exception(EngineError(said["error"]))
    else:
        future.set_result(said["answer"])


@asynccontextmanager
async def running_engine(
    place: Place, folder: Path, *, threads: int = 64, untold: Sequence[str] = ()
) -> AsyncGenerator[Engine]:
    """A child that talks to the lab at `place`, with its databases and its log in `folder`.

    `threads`: the engine needs one for each session, and one for each call at a time. `untold`: events not to tell of.
    """
    environment = {**os.environ, "SSL_CERT_FILE": str(place.ca), "NEONIZE_BOT_TAG": "off"}
    with (folder / "engine.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.lab_engine_driver",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment,
            limit=2**24,
        )
    engine = Engine(process, folder)
    config = {"proxy": place.proxy, "root_key": place.root_key, "folder": str(folder)}
    engine.tell({**config, "threads": threads, "untold": list(untold)})
    try:
        await engine.event(None, "ready", timeout=30)
        yield engine
    finally:
        await engine.stop()
