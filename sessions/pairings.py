"""The pairings under way: one a session at most, a few at a time, each a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context  # a pairing outlives the request that asked for it, and must not bear its name
from functools import partial

from loguru import logger

from sessions.engine import Engine
from sessions.errors import AlreadyConnected, Busy, PairingEnded, SessionsError
from sessions.model import Identity, SessionId
from sessions.pairing import Code, Pairing
from sessions.register import Register
from sessions.session import Session

GONE_S = 10.0

Ask = Callable[[Pairing], Coroutine[None, None, Code]]


class Pairings:
    """Begins pairings and ends them. *most*: how many at once; *coded* is told of each code to scan."""

    def __init__(
        self, engine: Engine, register: Register, *, most: int, coded: Callable[[SessionId, Code], None]
    ) -> None:
        self._engine = engine
        self._register = register
        self._most = most
        self._coded = coded
        self._under_way: dict[SessionId, tuple[Pairing, asyncio.Task[Identity]]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, session: SessionId) -> bool:
        return session in self._under_way

    async def gone(self, session: SessionId) -> None:
        """Let a pairing that has ended go: who asks after its end was told asks for the next one."""
        if session in self._under_way and self._under_way[session][0].ended:
            await asyncio.wait({self._under_way[session][1]}, timeout=GONE_S)

    async def ask(self, one: Session, ask: Ask) -> Code:
        """Ask the pairing of *one*, which begins if there is none, and hear at once when it ends instead.

        Raises `AlreadyConnected`, `Busy`, `PairingEnded`, what *ask* raises, or why the pairing could not begin.
        """
        pairing, task = self._of(one)
        asking = asyncio.ensure_future(ask(pairing))
        try:
            await asyncio.wait({asking, task}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
        finally:
            asking.cancel()
        if task.cancelled():
            raise PairingEnded
        task.result()  # why it could not begin
        raise AlreadyConnected

    async def end(self, session: SessionId) -> None:
        """Break a pairing off, if there is one under way."""
        if session in self._under_way:
            task = self._under_way[session][1]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """Break every pairing off."""
        tasks = [task for _pairing, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, one: Session) -> tuple[Pairing, asyncio.Task[Identity]]:
        if one.id not in self._under_way:
            if len(self._under_way) >= self._most:
                raise Busy("As many pairings as are allowed at once are under way: try again in a minute.")
            database = self._register.database(one.id)
            pairing = Pairing(one.id, database, self._engine.throwaway, one.move, partial(self._coded, one.id))
            task = asyncio.create_task(pairing.run(), name=f"pairing-{one.id[:8]}", context=Context())
            self._under_way[one.id] = (pairing, task)
            task.add_done_callback(partial(self._over, one, pairing), context=Context())
        return self._under_way[one.id]

    def _over(self, one: Session, pairing: Pairing, done: asyncio.Task[Identity]) -> None:
        """Whatever ended it, also in the midst of its last steps: with credentials in hand the session is linked."""
        self._under_way.pop(one.id, None)
        if pairing.linked:
            self._engine.forgive(one.id)
            one.adopt(pairing.linked)
            one.start()
        if not done.cancelled() and (error := done.exception()) and not isinstance(error, SessionsError):
            logger.opt(exception=error).error("The pairing of {} met a fault of ours", one.id)
