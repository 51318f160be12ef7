"""What the database holds, asked for while it says nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector import records
from connector.records import Records
from connector.refusals import RecordAway


class Silent:
    """A store that never answers, and when it is called off does not end at once either."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.called_off = asyncio.Event()
        self.released = asyncio.Event()

    async def messages(self, *_: object, **__: object) -> None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.called_off.set()
            await self.released.wait()


async def test_a_database_that_never_answers_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is told so in time, whatever the driver waits for."""
    monkeypatch.setattr(records, "READ_S", 0.05)
    silent: Any = Silent()
    nothing: Any = None
    async with asyncio.timeout(5):
        with pytest.raises(RecordAway):
            await Records(silent, nothing).messages("a", 1, 0)
        await silent.called_off.wait()
    silent.released.set()


async def test_a_caller_that_leaves_calls_the_question_off() -> None:
    """Nothing goes on asking for somebody who is gone."""
    silent: Any = Silent()
    nothing: Any = None
    asking = asyncio.create_task(Records(silent, nothing).messages("a", 1, 0), name="caller")
    async with asyncio.timeout(5):
        await silent.asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await silent.called_off.wait()
    silent.released.set()
