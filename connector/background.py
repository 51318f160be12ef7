"""Tasks that belong to a stack: started with a name, ended where everything else is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any


def run(parts: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Run *work* until it ends or *parts* is closed, whichever comes first."""
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    parts.push_async_callback(end)
