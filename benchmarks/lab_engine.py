"""Real neonize sessions in a child process, as seen by a test."""

import asyncio
import itertools
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

DRIVER = Path(__file__).with_name("lab_engine_driver.py")
WAIT_S = 20.0


class EngineError(Exception):
    """The engine raised; the text says what."""


class Engine:
    """One child process. Events are kept in order, and a test waits for the one it expects."""

    def __init__(self, process):
        self._process = process
        self._answers = {}
        self._numbers = itertools.count()
        self._news = asyncio.Condition()
        self.events = []
        self._reading = asyncio.create_task(self._read(), name="engine-reader")

    async def ask(self, do, *, timeout=60.0, **words):
        """Has the child do something; answers what it answers. Raises EngineError."""
        number = next(self._numbers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"n": number, "do": do, "with": words}).encode() + b"\n")
        await self._process.stdin.drain()
        return await asyncio.wait_for(future, timeout)

    async def event(self, session, kind, *, since=0, timeout=WAIT_S, **facts):
        """The first event after `since` of this kind with these facts."""

        def found():
            return next(
                (
                    event
                    for event in self.events[since:]
                    if event.get("session") == session
                    and event["event"] == kind
                    and all(event.get(name) == fact for name, fact in facts.items())
                ),
                None,
            )

        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: found() is not None)
        except TimeoutError:
            seen = [event for event in self.events[since:] if event.get("session") == session]
            raise AssertionError(f"{session}: no {kind} {facts} within {timeout} s; seen: {seen[-20:]}") from None
        return found()

    def of(self, session, kind, since=0):
        """All events of a kind so far."""
        return [e for e in self.events[since:] if e.get("session") == session and e["event"] == kind]

    @property
    def now(self):
        """A mark: events after it are new."""
        return len(self.events)

    async def pair(self, lab, session, number):
        """Connects a new session and scans its QR with a phone; returns the device's address once it is logged in."""
        await self.ask("connect", session=session)
        qr = await self.event(session, "qr")
        answer = await lab.scan(number, qr["text"])
        await self.event(session, "Connected")
        return answer["jid"]

    async def stop(self):
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self):
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "n" in said:
                self._settle(self._answers.pop(said["n"]), said)
                continue
            async with self._news:
                self.events.append(said)
                self._news.notify_all()

    @staticmethod
    def _settle(future, said):
        if future.done():
            return
        if "error" in said:
            future.set_exception(EngineError(said["error"]))
        else:
            future.set_result(said["answer"])


@asynccontextmanager
async def running_engine(place, folder, *, threads=64):
    """A child that talks to the lab at `place`, its databases in `folder`."""
    environment = {**os.environ, "SSL_CERT_FILE": str(place.ca), "NEONIZE_BOT_TAG": "off"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(DRIVER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=(folder / "engine.log").open("ab"),
        env=environment,
        limit=2**24,
    )
    engine = Engine(process)
    config = {"proxy": place.proxy, "root_key": place.root_key, "folder": str(folder), "threads": threads}
    process.stdin.write(json.dumps(config).encode() + b"\n")
    try:
        await engine.event(None, "ready", timeout=30)
        yield engine
    finally:
        await engine.stop()
