"""What a session has not heard yet, in order: whoever speaks never waits, and the session's own task takes it when it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sessions.news import News

MAX_NEWS = 10_000


class Mailbox:
    """At most *limit* news."""

    def __init__(self, limit: int = MAX_NEWS) -> None:
        self._news: asyncio.Queue[News | None] = asyncio.Queue(limit)

    def put(self, news: News) -> bool:
        """Add *news*; answers whether there was room."""
        if self._news.full():
            return False
        self._news.put_nowait(news)
        return True

    def wake(self) -> None:
        """Have whoever waits look at the time again."""
        if self._news.empty():
            self._news.put_nowait(None)

    def empty(self) -> bool:
        """Answer whether everything was heard."""
        return self._news.empty()

    def take_all(self) -> list[News]:
        """Take everything at once."""
        taken: list[News] = []
        while not self._news.empty():
            if (news := self._news.get_nowait()) is not None:
                taken.append(news)
        return taken

    async def next(self, wait_s: Callable[[], float | None]) -> News | None:
        """Take the next news; None after *wait_s* seconds without any. That is asked anew at each `wake`; its None is for ever."""
        while True:
            try:
                # Not wait_for: news that is here already comes first, whatever the time, and a cancellation is never lost to it.
                async with asyncio.timeout(wait_s()):
                    news = await self._news.get()
            except TimeoutError:
                return None
            if news is not None:
                return news
