"""Traffic for the whole service: customers who write at a steady rate, and a CRM that sends, and asks again under the same key."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks.rig import Numbers
from benchmarks.service import Refused, Service

AGAIN_S = 0.25
GIVE_UP_S = 90.0
ASKED_AGAIN = 5  # of the latest keyed sends that were answered before a hub died, after the next one is up
SENDS_AT_ONCE = 64
PAIRINGS = 4  # MAX_PAIRINGS as shipped
ANSWER_S = 0.3  # how long WhatsApp takes to answer a send: so that kills find some under way
A_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Shop:
    """A connection, its number, and the number of the one customer who writes to it."""

    connection: str
    number: str
    customer: str


@dataclass(slots=True)
class Asked:
    """A send as its caller knows it. `message_id` None: no answer ever named one. `refused`: with which code it was.

    `began` and `ended`: of the request that was answered, in monotonic seconds; `recorded`: as the answer said.
    """

    shop: Shop
    text: str
    key: str | None
    message_id: str | None = None
    refused: str | None = None
    began: float = 0.0
    ended: float = 0.0
    status: str | None = None
    recorded: bool | None = None


class Traffic:
    """What goes in (*rate* texts a second over all shops) and out (*sends* a second)."""

    def __init__(self, service: Service, chance: random.Random, *, rate: float, sends: float) -> None:
        self.shops: list[Shop] = []
        self.written: Counter[str] = Counter()
        self.asked: list[Asked] = []
        self.other_answers: list[str] = []
        """Sends that the same key answered with another message."""
        self._service = service
        self._chance = chance
        self._rate = rate
        self._sends = sends
        self._latest: deque[Asked] = deque(maxlen=ASKED_AGAIN)
        self._flowing: list[asyncio.Task[None]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def open(self, count: int, numbers: Numbers) -> None:
        """Pair *count* shops and give each its customer."""
        turns = asyncio.Semaphore(PAIRINGS)

        async def one(shop: Shop) -> None:
            async with turns:
                paired = await self._service.pair(shop.connection, shop.number)
            await self._service.lab.phone(shop.customer, "Ana")
            await self._service.lab.fault(paired["jid"], "ack", delay_s=ANSWER_S, for_s=A_DAY_S)

        self.shops = [Shop(f"loja-{index}", numbers(), numbers()) for index in range(count)]
        await asyncio.gather(*map(one, self.shops))

    def begin(self) -> None:
        """Let it flow."""
        self._flowing = [
            asyncio.create_task(self._write(shop), name=f"customer-{shop.customer}") for shop in self.shops
        ]
        self._flowing.append(asyncio.create_task(self._ask_on(), name="crm"))

    async def end(self) -> None:
        """Stop it, and wait until every send under way is answered or given up."""
        for task in self._flowing:
            task.cancel()
        gone = await asyncio.gather(*self._flowing, return_exceptions=True)
        self._flowing = []
        await asyncio.gather(*self._under_way)
        for one in gone:
            if one is not None and not isinstance(one, asyncio.CancelledError):
                raise one

    def ask_again(self) -> None:
        """Repeat some keyed sends that were answered already, as a caller does who lost the answer."""
        for asked in list(self._latest):
            self._start(self._repeat(asked))

    async def write(self, shop: Shop, text: str) -> str:
        """Let a shop's customer write one text; answers its WhatsApp id."""
        return (await self._service.lab.write(shop.customer, shop.number, text))[0]

    async def _write(self, shop: Shop) -> None:
        pause_s = len(self.shops) / self._rate
        await asyncio.sleep(self._chance.uniform(0, pause_s))
        while True:
            began = time.monotonic()
            await self.write(shop, f"entra {self.written[shop.connection]}")
            self.written[shop.connection] += 1
            await asyncio.sleep(max(0.0, pause_s - (time.monotonic() - began)))

    async def _ask_on(self) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(self._sends))
            if len(self._under_way) >= SENDS_AT_ONCE:
                continue
            number = len(self.asked)
            key = f"pedido-{number}" if self._chance.random() < 0.75 else None
            asked = Asked(self._chance.choice(self.shops), f"sai {number}", key)
            self.asked.append(asked)
            self._start(self._ask(asked))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="send")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _ask(self, asked: Asked) -> None:
        """Send once; under a key ask again until there is an answer."""
        until = time.monotonic() + GIVE_UP_S
        while True:
            asked.began = time.monotonic()
            try:
                answer = await self._send(asked)
            except Refused as refused:
                if refused.code != "in_progress" or time.monotonic() > until:
                    asked.refused, asked.message_id = refused.code, refused.message_id
                    return
            except (aiohttp.ClientError, OSError, TimeoutError):
                if asked.key is None or time.monotonic() > until:
                    return
            else:
                asked.ended = time.monotonic()
                asked.message_id, asked.status, asked.recorded = (
                    answer["messageId"],
                    answer["status"],
                    answer["recorded"],
                )
                if asked.key:
                    self._latest.append(asked)
                return
            await asyncio.sleep(AGAIN_S)

    async def _repeat(self, asked: Asked) -> None:
        again = Asked(asked.shop, asked.text, asked.key)
        await self._ask(again)
        if again.message_id != asked.message_id:
            self.other_answers.append(f"{asked.text}: {asked.message_id}, then {again.message_id or again.refused}")

    async def _send(self, asked: Asked) -> Any:
        return await self._service.send(asked.shop.connection, asked.shop.customer, asked.text, key=asked.key)
