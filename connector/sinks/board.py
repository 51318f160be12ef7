"""Tells whoever waits for it which atendimento a message was recorded in."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from connector.store.rows import Recorded

KEPT = 1000
"""How many of the latest are remembered: the record may answer before the one who sent begins to wait."""


class Board:
    """The latest recorded messages, and who waits for one."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, str] = OrderedDict()
        self._waiting: dict[str, list[asyncio.Future[str]]] = {}

    def post(self, recorded: Recorded) -> None:
        """Tell what a fact was recorded as. A fact of no message, or of one without a row, is no news."""
        if recorded.message_id is None or recorded.atendimento_id is None:
            return
        self._latest[recorded.message_id] = recorded.atendimento_id
        self._latest.move_to_end(recorded.message_id)
        if len(self._latest) > KEPT:
            self._latest.popitem(last=False)
        for waiter in self._waiting.pop(recorded.message_id, ()):
            if not waiter.done():
                waiter.set_result(recorded.atendimento_id)

    async def wait(self, message_id: str, timeout_s: float) -> str | None:
        """Answer the id of the atendimento the message was recorded in, or None when that is not known within *timeout_s*."""
        if known := self._latest.get(message_id):
            return known
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(message_id, []).append(waiter)
        try:
            return await asyncio.wait_for(waiter, timeout_s)
        except TimeoutError:
            return None
        finally:
            self._forget(message_id, waiter)

    def _forget(self, message_id: str, waiter: asyncio.Future[str]) -> None:
        others = [one for one in self._waiting.get(message_id, ()) if one is not waiter]
        if others:
            self._waiting[message_id] = others
        else:
            self._waiting.pop(message_id, None)
