"""The tenant's page over a pairing that only says what a test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from connector.api.assets import Assets
from connector.api.health import Health
from connector.api.pair import PairPage
from connector.api.server import make_app
from connector.pairlinks import Opened
from connector.pairwatch import CodeNews, News, StateNews
from connector.refusals import UnknownLink
from sessions.errors import SessionsError
from sessions.pairing import Code

LINK = "a-told-link"
CODE = "https://wa.me/settings/linked_devices#2@" + "aB3/" * 40 + ",cD4=,eF5=,6"


@dataclass
class Told:
    """What the page is told, in this order; later looks are told the same, and what is said meanwhile."""

    valid: bool = True
    life_s: float = 3600.0
    first: list[News] = field(default_factory=list[News])
    looks: int = 0
    asked: list[str] = field(default_factory=list[str])
    typed: Code | SessionsError = field(default_factory=lambda: Code("ABCD-EFGH", time.time() + 160, 1))
    left: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Queue[News | None] = field(default_factory=asyncio.Queue[News | None])

    async def open(self, token: str) -> Opened:
        if token != LINK or not self.valid:
            raise UnknownLink
        return Opened("loja", "session", time.time() + self.life_s)

    async def news(self, connection_id: str) -> AsyncGenerator[News | None]:
        self.looks += 1
        try:
            for each in self.first:
                yield each
            while True:
                yield await self.heard.get()
        finally:
            self.left.set()

    async def pairing_code(self, connection_id: str, phone: str) -> Code:
        self.asked.append(phone)
        if isinstance(self.typed, SessionsError):
            raise self.typed
        return self.typed

    def say(self, *news: News | None) -> None:
        """Tell it to the one who looks now."""
        for each in news:
            self.heard.put_nowait(each)

    def app(self) -> web.Application:
        """Serve the page."""
        port: Any = self
        assets = Assets.read()
        health = Health(lab=True, sessions=lambda: 1)
        return make_app(key="planted", health_of=health, pages=(assets, PairPage(assets, port, port, port, time.time)))


def state(reason: str = "waiting_scan", name: str = "Loja da Ana") -> StateNews:
    """Say that the connection is so."""
    return StateNews(reason, name)


def code(life_s: float = 20.0, text: str = CODE, attempt: int = 1) -> CodeNews:
    """Say that this is to be scanned."""
    return CodeNews(Code(text, time.time() + life_s, attempt))
