"""How the database is, as far as somebody asked."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from connector.pulse import Pulse
from connector.store.errors import Offline


class Store:
    """A database that is there or away."""

    def __init__(self) -> None:
        self.away = False
        self.asked = asyncio.Event()

    async def newest_version(self) -> int:
        self.asked.set()
        if self.away:
            raise Offline("It is away.")
        return 1


async def test_it_says_nothing_before_it_asks_nor_once_it_has_stopped() -> None:
    """A service that does not run yet, or no more, has no database that is away."""
    store = Store()
    pulse = Pulse(cast(Any, store))
    assert (pulse.answers, pulse.latency_ms) == (None, None)
    await pulse.ask()
    assert pulse.answers is True
    assert pulse.latency_ms is not None
    store.away = True
    await pulse.ask()
    assert (pulse.answers, pulse.latency_ms) == (False, None)
    store.asked.clear()
    running = asyncio.create_task(pulse.run())
    await store.asked.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (pulse.answers, pulse.latency_ms) == (None, None)
