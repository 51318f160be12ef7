"""What those who look at a pairing are told: in order, each once, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.facts import ConnectionRef
from connector.pairwatch import (
    CodeNews,
    ConnectedNews,
    EndedNews,
    HeldUpNews,
    News,
    PairWatch,
    StateNews,
    Stirs,
)
from connector.refusals import UnknownConnection
from connector.views import ConnectionView
from sessions.errors import AlreadyConnected, Busy, DiskFull, EngineRefused, PairingEnded, SessionsError, WorkerGone
from sessions.model import SessionId
from sessions.pairing import UNREACHABLE, Code

NOW = 1_800_000_000.0
ONE = SessionId("s-1")
FIRST, SECOND = Code("first", NOW + 60, 1), Code("second", NOW + 80, 2)


@dataclass
class Bench:
    """A connection whose state and codes the test says. An answer that is a Python exception is raised."""

    answers: list[Code | SessionsError | TimeoutError]
    reason: str = "never_paired"
    there: bool = True
    asked: int = 0
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    stirs: Stirs = field(default_factory=Stirs)

    def ref(self, connection_id: str) -> ConnectionRef:
        if not self.there:
            raise UnknownConnection
        return ConnectionRef(connection_id, ONE, "Loja", "eu", None)

    async def get(self, connection_id: str) -> ConnectionView:
        status: Any = "connected" if self.reason == "connected" else "connecting"
        when = datetime.fromtimestamp(NOW, UTC)
        return ConnectionView(
            connection_id, "Loja", "eu", None, status, self.reason, "", "5511987650001", None, None, None, None, None,
            when, True,
        )  # fmt: skip

    async def qr(self, connection_id: str, wait_s: float) -> Code:
        self.asked += 1
        self.was_asked.set()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def become(self, reason: str) -> None:
        self.reason = reason
        self.stirs.ring(ONE)

    @asynccontextmanager
    async def looking(self, **pauses: float) -> AsyncGenerator[Callable[[], Awaitable[News]]]:
        """Answer what gives the next news that is any."""
        watch = PairWatch(self, self.stirs, lambda: NOW, **{"tick_s": 600.0, "again_s": 600.0, **pauses})
        async with aclosing(watch.news("loja")) as news:

            async def following() -> News:
                async with asyncio.timeout(20):
                    async for each in news:
                        if each:
                            return each
                raise StopAsyncIteration

            yield following


async def over(news: Callable[[], Awaitable[News]]) -> bool:
    try:
        await news()
    except StopAsyncIteration:
        return True
    return False


async def test_from_a_code_to_connected() -> None:
    """Each step once, at once, whatever the pauses are."""
    bench = Bench([FIRST, AlreadyConnected()])
    async with bench.looking() as news:
        assert await news() == StateNews("never_paired", "Loja")
        assert await news() == CodeNews(FIRST)
        bench.become("linking")
        assert await news() == StateNews("linking", "Loja")
        bench.become("connected")
        assert await news() == StateNews("connected", "Loja")
        assert await news() == ConnectedNews("5511987650001")
        assert await over(news)


async def test_a_code_is_told_once_and_the_next_as_soon_as_it_is_there() -> None:
    """Asked again meanwhile, since to ask is what keeps the pairing alive."""
    bench = Bench([FIRST, FIRST, FIRST, TimeoutError(), SECOND])
    async with bench.looking(tick_s=0.01) as news:
        assert [await news() for _ in range(3)] == [
            StateNews("never_paired", "Loja"),
            CodeNews(FIRST),
            CodeNews(SECOND),
        ]
    assert bench.asked == 5


async def test_a_connection_without_a_session_has_nothing_to_pair() -> None:
    """Its record was damaged: there is nothing to wait for."""
    bench = Bench([FIRST], reason="without_session")
    async with bench.looking() as news:
        assert await news() == EndedNews("gone")
        assert await over(news)
    assert not bench.asked


async def test_signs_of_life_while_there_is_no_news() -> None:
    """So that a reader who left is noticed."""
    bench = Bench([FIRST])
    watch = PairWatch(bench, bench.stirs, lambda: NOW, tick_s=0.01, again_s=1)
    async with aclosing(watch.news("loja")) as news:
        told = [await anext(news) for _ in range(5)]
    assert told[2:] == [None, None, None]


@pytest.mark.parametrize("reason", ["pairing_ended", "passkey_required", "outdated"])
async def test_a_pairing_that_ends_is_not_begun_again(reason: str) -> None:
    """Not by itself: the last news says why, and nobody asks for another code."""
    bench = Bench([FIRST])
    async with bench.looking() as news:
        await news()
        await news()
        bench.become(reason)
        assert [await news(), await news()] == [StateNews(reason, "Loja"), EndedNews(reason)]
        assert await over(news)
    assert bench.asked == 1


@pytest.mark.parametrize("reason", ["pairing_ended", "passkey_required", "logged_out"])
async def test_whoever_looks_anew_begins_anew(reason: str) -> None:
    """What was over before is no answer to who comes now."""
    bench = Bench([FIRST], reason=reason)
    async with bench.looking() as news:
        assert [await news(), await news()] == [StateNews(reason, "Loja"), CodeNews(FIRST)]


@pytest.mark.parametrize(
    ("error", "reason", "told"),
    [
        (PairingEnded(UNREACHABLE), "never_paired", "whatsapp_unreachable"),
        (PairingEnded(), "never_paired", "pairing_ended"),
        (PairingEnded(), "passkey_required", "passkey_required"),
        (EngineRefused(), "never_paired", "fault"),
    ],
)
async def test_a_pairing_that_could_not_begin(error: SessionsError, reason: str, told: str) -> None:
    """Says why."""
    async with Bench([error], reason=reason).looking() as news:
        await news()
        assert await news() == EndedNews(told)
        assert await over(news)


@pytest.mark.parametrize(
    ("error", "told"), [(Busy(), "busy"), (DiskFull(), "disk_full"), (WorkerGone(), "worker_gone")]
)
async def test_what_passes_is_waited_for(error: SessionsError, told: str) -> None:
    """Said once, tried again, and then there is a code."""
    async with Bench([error, error, FIRST]).looking(again_s=0.01) as news:
        await news()
        assert [await news(), await news()] == [HeldUpNews(told), CodeNews(FIRST)]


async def test_a_linked_phone_that_is_away_is_waited_for() -> None:
    """The reason is told, and when it changes."""
    bench = Bench([AlreadyConnected()], reason="banned")
    async with bench.looking() as news:
        assert await news() == StateNews("banned", "Loja")
        waiting = asyncio.ensure_future(news())
        await bench.was_asked.wait()
        bench.become("connected")
        assert [await waiting, await news()] == [StateNews("connected", "Loja"), ConnectedNews("5511987650001")]


async def test_a_connection_that_goes_takes_the_pairing_with_it() -> None:
    """Before it is looked at, or while it is."""
    async with Bench([FIRST], there=False).looking() as news:
        assert await news() == EndedNews("gone")
    bench = Bench([FIRST])
    async with bench.looking() as news:
        await news()
        await news()
        bench.there = False
        bench.stirs.ring(ONE)
        assert await news() == EndedNews("gone")
