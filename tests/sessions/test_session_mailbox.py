"""What a session has not heard yet."""

from __future__ import annotations

import asyncio

from sessions.mailbox import Mailbox
from sessions.model import Loss
from sessions.news import Lost, LowDisk

ONE, TWO = LowDisk(), Lost(Loss.RESTARTING)


async def test_news_is_taken_in_order_also_when_time_is_up():
    box = Mailbox()
    assert box.put(ONE)
    assert box.put(TWO)
    assert [await box.next(lambda: -1.0) for _ in range(3)] == [ONE, TWO, None]


async def test_one_that_is_full_says_so_and_keeps_what_it_has():
    box = Mailbox(1)
    assert [box.put(ONE), box.put(TWO)] == [True, False]
    box.wake()
    assert box.take_all() == [ONE]


async def test_woken_it_asks_anew_how_long_to_wait():
    box = Mailbox()
    waits: list[float | None] = [0.0, None]
    waiting = asyncio.create_task(box.next(waits.pop))
    await asyncio.sleep(0)
    assert waits == [0.0], "the first wait is for ever"
    box.wake()
    assert await asyncio.wait_for(waiting, 10) is None


async def test_emptied_it_gives_what_was_said_and_nothing_of_who_only_woke_it():
    box = Mailbox()
    box.wake()
    assert not box.empty()
    box.put(ONE)
    assert (box.take_all(), box.empty()) == ([ONE], True)
