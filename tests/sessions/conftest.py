from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Waits for a fact that nobody announces: looks at it again at every turn of the loop, for 20 seconds at most."""

    async def until(fact: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not fact():  # noqa: ASYNC110  # see above
                await asyncio.sleep(0.002)

    return until
