"""Sinks that are away: the database for some seconds under load, a webhook that refuses while thousands of events come in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Service
from connector.store.embedded import Embedded
from connector.store.migrate import migrate
from lab.client import LabClient

TEXTS = 200  # while the database is away
FLOOD = 1000  # for each of two sessions, while the webhook is dead
LOOK_S = 0.1
WAIT_S = 60.0


class Refusing(Receiver):
    """A receiver that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = True

    async def _take(self, request: web.Request) -> web.Response:
        return web.Response(status=503) if self.refuses else await super()._take(request)


async def until(fact: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the answer is something."""
    async with asyncio.timeout(WAIT_S):
        while not (found := await fact()):  # noqa: ASYNC110 - the service is another process
            await asyncio.sleep(LOOK_S)
    return found


async def asked(service: Service, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(service.url + path) as answer:
        return answer.status, await answer.text()


async def depth(service: Service, sink: str) -> int:
    """How many rows wait for a sink, as the metrics say."""
    _, text = await asked(service, "/metrics")
    found = re.search(rf'^vigia_sink_depth{{sink="{sink}"}} (\S+)$', text, re.MULTILINE)
    return int(float(found[1])) if found else 0


async def contents(service: Service, connection: str, remetente: str) -> list[str]:
    """What one side wrote, in the order of the rows."""
    return [row["conteudo"] for row in await service.rows(connection) if row["remetente"] == remetente]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The service's folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


async def test_the_database_goes_and_comes_back(tmp_path: Path, data: Path, lab: LabClient, number: Numbers) -> None:
    """Texts go in and out meanwhile; afterwards every row is there, in order, and each send knows its atendimento."""
    database = Embedded(tmp_path / "elsewhere", migrate)
    await database.start()
    try:
        assert await database.until_up(WAIT_S)
        async with Service(data, lab, DATABASE_URL=database.url) as service:
            await service.ready()
            loja, ana = number(), number()
            await lab.phone(ana, "Ana")
            await service.pair("loja", loja)
            assert (await service.send("loja", ana, "antes"))["recorded"]
            await lab.write(ana, loja, "antes")
            await until(lambda: contents(service, "loja", "CLIENTE"))

            await database.stop()
            await lab.write(ana, loja, "longe", count=TEXTS)
            sent = [await service.send("loja", ana, f"longe {turn}") for turn in range(3)]
            assert [(one["status"], one["recorded"], one["atendimentoId"]) for one in sent] == [
                ("sent", False, None)
            ] * 3
            status, ready = await asked(service, "/health/ready")
            assert (status, '"degraded"' in ready, '"sink_record"' in ready) == (200, True, True)
            await until(lambda: _at_least(depth(service, "record"), TEXTS))

            await database.start()
            await until(lambda: _none(depth(service, "record")))
            assert await contents(service, "loja", "CLIENTE") == ["antes", *(f"longe {n}" for n in range(TEXTS))]
            assert await contents(service, "loja", "ATENDENTE") == ["antes", *(f"longe {n}" for n in range(3))]
            [atendimento] = {row["atendimento_id"] for row in await service.rows("loja")}
            later = [await service.by_id(one["messageId"]) for one in sent]
            assert {(one["recorded"], one["atendimentoId"]) for one in later} == {(True, atendimento)}
            assert '"ok"' in (await asked(service, "/health/ready"))[1]
    finally:
        await database.stop()


async def test_a_dead_webhook_holds_up_nothing(data: Path, lab: LabClient, number: Numbers) -> None:
    """Every row arrives while every event waits; when the receiver is back it gets each of them, in the order of its session."""
    async with Refusing() as receiver, Service(data, lab, webhook=receiver.url) as service:
        await service.ready()
        shops = {f"loja-{turn}": (number(), number()) for turn in range(2)}
        for name, (shop, customer) in shops.items():
            await lab.phone(customer, "Ana")
            await service.pair(name, shop)
        await asyncio.gather(*(lab.write(customer, shop, "texto", count=FLOOD) for shop, customer in shops.values()))
        texts = [f"texto {n}" for n in range(FLOOD)]
        for name in shops:
            await until(lambda name=name: _at_least(_total(service, name), FLOOD))
            assert await contents(service, name, "CLIENTE") == texts
        assert await depth(service, "webhook") >= 2 * FLOOD
        assert receiver.events == []
        assert (await asked(service, "/health/ready"))[0] == 200

        receiver.refuses = False
        await until(lambda: _none(depth(service, "webhook")))
        told = [event["data"] for event in receiver.events if event["type"] == "messageReceived"]
        for name in shops:
            assert [data["content"] for data in told if data["connectionId"] == name] == texts


async def _total(service: Service, connection: str) -> int:
    active = (await service.ask("GET", "/atendimentos/active", connectionId=connection))["items"]
    pages = [await service.ask("GET", f"/messages/{one['id']}", limit=1) for one in active]
    return sum(page["total"] for page in pages)


async def _at_least(figure: Awaitable[int], least: int) -> bool:
    return await figure >= least


async def _none(figure: Awaitable[int]) -> bool:
    return await figure == 0
