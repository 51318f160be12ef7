"""Tasks that belong to a stack: started with a name, ended where everything else is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from loguru import logger


def run(parts: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Run *work* until it ends or *parts* is closed, whichever comes first. What ends it before its time is logged."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_told)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    parts.push_async_callback(end)


def _told(task: asyncio.Task[None]) -> None:
    """Say at once that a task met a fault of ours: nobody waits for it, and at the end of the service it were too late."""
    if not task.cancelled() and (error := task.exception()):
        logger.opt(exception=error).error(
            "The task {} met a fault of ours, and runs no more until the next start.", task.get_name()
        )
