"""How soon a text that a customer writes is a committed row, at a steady rate."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Protocol

from benchmarks.record import Record
from lab.client import LabClient

SOON_S = 10.0


class Account(Protocol):
    """A number, and the number of the one who writes to it."""

    @property
    def number(self) -> str: ...
    @property
    def customer(self) -> str: ...


async def waits_ms(
    lab: LabClient, record: Record, accounts: Sequence[Account], *, rate: float, during_s: float
) -> list[float]:
    """Write *rate* texts a second, one account after another; answers how long each took to its row, in milliseconds, sorted.

    The database tells of each row. Raises `TimeoutError` when one is not there `SOON_S` after the last was written.
    """
    count = round(rate * during_s)
    sent: dict[str, float] = {}

    async def write(account: Account) -> None:
        began = time.monotonic()
        [name] = await lab.write(account.customer, account.number, "texto")
        sent[name] = began

    async with record.arrivals() as arrived, asyncio.timeout(during_s + SOON_S):
        async with asyncio.TaskGroup() as writing:
            began = time.monotonic()
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                writing.create_task(write(accounts[number % len(accounts)]), name=f"write-{number}")
        while len(arrived) < count:  # noqa: ASYNC110 - an event for each row would cost more than looking
            await asyncio.sleep(0.05)
    return sorted(1000 * (arrived[name] - at) for name, at in sent.items())


def percentile(sorted_ms: Sequence[float], percent: int) -> float:
    """Answer what *percent* of the waits stay under."""
    return statistics.quantiles(sorted_ms, n=100)[percent - 1]
