"""Sessions against a lab, with everything they heard in memory: what benchmarks, long runs and end-to-end tests stand on."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Self

from lab.client import LabClient
from sessions.engine import Lab, Launch
from sessions.fleet import Fleet, Options
from sessions.intake import Heard, Intake
from sessions.model import Message, SessionId
from sessions.state import Reason

WAIT_S = 60.0


class Numbers:
    """Brazilian-looking phone numbers, each new."""

    def __init__(self, first: int = 5511900000000) -> None:
        self._next = itertools.count(first)

    def __call__(self) -> str:
        """Answer the next number, digits only."""
        return str(next(self._next))


class Rig:
    """A fleet and whoever hears it. Use as an async context manager."""

    def __init__(
        self, data: Path, lab: LabClient, *, options: Options | None = None, launch: Launch | None = None
    ) -> None:
        place = lab.place
        self.data = data
        self.lab = lab
        self.launch = launch or Launch(
            spool=data / "spool", lab=Lab(proxy=place.proxy, ca=place.ca, root_key=place.root_key)
        )
        self.fleet = Fleet(data, self.launch, options)
        self.intake = Intake(self.launch.spool, self.fleet.rung)
        self.heard: dict[SessionId, list[Heard]] = defaultdict(list)
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.fleet.start()
        self._task = asyncio.create_task(self._hear(), name="rig-hears")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fleet.stop()
        if self._task:
            await self.hear_the_rest()
        await self.leave()

    async def leave(self) -> None:
        """Stop hearing, without stopping the fleet."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def hear_the_rest(self) -> None:
        """Wait until the inboxes are empty."""
        await asyncio.wait_for(self.intake.emptied(), WAIT_S)

    async def pair(self, number: str, name: str = "Loja") -> SessionId:
        """Make a phone and a session, link them, wait until connected."""
        await self.lab.phone(number, name)
        session = self.fleet.create()
        await self.lab.scan(number, (await self.fleet.qr(session)).text)
        await self.connected(session)
        return session

    async def connected(self, *sessions: SessionId, within_s: float = WAIT_S) -> float:
        """Wait until *sessions* are connected; answers the seconds it took."""
        return await self.in_state(Reason.CONNECTED, *sessions, within_s=within_s)

    async def in_state(self, reason: Reason, *sessions: SessionId, within_s: float = WAIT_S) -> float:
        """Wait until *sessions* are in *reason*; answers the seconds it took."""
        return await self.until(
            lambda: all(self.fleet.view(one).state.reason is reason for one in sessions), within_s=within_s
        )

    async def texts(self, session: SessionId, count: int, *, within_s: float = WAIT_S) -> list[str]:
        """Wait until *session* heard *count* texts of others; answers them all, in order."""
        await self.until(lambda: len(self.messages(session)) >= count, within_s=within_s)
        return [message.text or "" for message in self.messages(session)]

    def messages(self, session: SessionId, *, own: bool = False) -> list[Message]:
        """Answer the texts that *session* heard so far, of others or of its own phone, without those that could not be read."""
        messages = [one.words for one in self.heard[session] if isinstance(one.words, Message)]
        return [one for one in messages if one.from_me is own and one.text is not None]

    async def until(self, fact: Callable[[], bool], *, within_s: float = WAIT_S) -> float:
        """Wait for *fact*; answers the seconds it took. Raises `TimeoutError` with the states of all sessions."""
        began = time.monotonic()
        while not fact():
            if time.monotonic() - began > within_s:
                raise TimeoutError(f"not within {within_s} s: {self._states()}")
            async with self._changed:
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.05)
                except TimeoutError:
                    continue
        return time.monotonic() - began

    def _states(self) -> str:
        return ", ".join(f"{view.state.reason.code}" for view in self.fleet.snapshot())

    async def _hear(self) -> None:
        async with aclosing(self.intake.batches()) as batches:
            async for batch in batches:
                for heard in batch:
                    self.heard[heard.session].append(heard)
                async with self._changed:
                    self._changed.notify_all()
