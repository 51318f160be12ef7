"""A webhook that is dead while tens of thousands of events wait for it: the record goes on beside it, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks.rig import Numbers
from benchmarks.service import Mood, Moody, Service
from benchmarks.traffic import Shop
from connector import facts
from connector.events import bodies
from connector.facts import ConnectionRef, Stamp
from connector.spool import Connection, OutRow, Spool
from lab.client import LabClient

SHOPS = 4
WAITING = 50_000
CHUNK = 2_500
TEXTS = 250  # of each customer, each time
LOOK_S = 0.2
ROWS_S = 60.0
TOLD_S = 400.0


@pytest.mark.timeout(600)
async def test_a_dead_webhook_holds_up_nothing(tmp_path: Path, lab: LabClient, number: Numbers) -> None:
    """Whether it hangs or refuses, every text becomes a row; when it is back it is told everything, in the order of each session."""
    data = tmp_path / "data"
    async with Moody(Mood.HANGS) as receiver, Service(data, lab, webhook=receiver.url) as service:
        await service.ready()
        shops = [Shop(f"loja-{index}", number(), number()) for index in range(SHOPS)]
        for shop in shops:
            await lab.phone(shop.customer, "Ana")
            await service.pair(shop.connection, shop.number)
        await service.stop()
        await _let_wait(data / "spool")
        await service.start()
        await service.ready()
        await service.connected(SHOPS)

        await _texts_become_rows(service, shops, TEXTS)
        receiver.feel(Mood.REFUSES)
        await _texts_become_rows(service, shops, 2 * TEXTS)
        assert receiver.events == []
        assert receiver.asked
        assert await service.depth("webhook") >= WAITING + 2 * TEXTS * SHOPS

        receiver.feel(Mood.TAKES)
        await _until(lambda: _none(service.depth("webhook")), TOLD_S)
        for shop in shops:
            told = [one["data"] for one in receiver.events if one["type"] == "messageReceived"]
            contents = [one["content"] for one in told if one["connectionId"] == shop.connection]
            waited = [f"esperou {turn}" for turn in range(WAITING // SHOPS)]
            assert contents == [*waited, *(f"texto {turn}" for turn in [*range(TEXTS)] * 2)]


async def _let_wait(spool_folder: Path) -> None:
    """Put as many events in the queue as come together while a receiver is dead for long. The service is stopped meanwhile."""
    spool = await Spool.opened(spool_folder)
    try:
        shops = await spool.connections.list()
        events = [_event(shop, turn, spool) for turn in range(WAITING // SHOPS) for shop in shops]
        for begin in range(0, WAITING, CHUNK):
            await spool.outbox.put(events[begin : begin + CHUNK])
    finally:
        await spool.close()


def _event(shop: Connection, turn: int, spool: Spool) -> OutRow:
    ref = ConnectionRef(shop.id, shop.session, shop.name, shop.owner_id, shop.company_id)
    stamp = Stamp(f"waited:{shop.session}:{turn}", spool.outbox.next_version())
    event = bodies.of_message(stamp, "messageReceived", ref, 1_700_000_000_000, {"content": f"esperou {turn}"})
    return OutRow("webhook", shop.session, stamp.op, facts.encode(event))


async def _texts_become_rows(service: Service, shops: list[Shop], count: int) -> None:
    """Let every customer write; wait until the record has *count* texts of each in all, in order."""
    await asyncio.gather(*(service.lab.write(shop.customer, shop.number, "texto", count=TEXTS) for shop in shops))
    for shop in shops:
        await _until(lambda shop=shop: _at_least(service.rows(shop.connection), count), ROWS_S)
        contents = [row["conteudo"] for row in await service.rows(shop.connection)]
        assert contents == [f"texto {turn}" for turn in [*range(TEXTS)] * (count // TEXTS)]
    assert (await service.look("/atendimentos/active")).status == 200


async def _until(fact: Callable[[], Awaitable[bool]], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not await fact():  # noqa: ASYNC110 - the service is another process
            await asyncio.sleep(LOOK_S)


async def _at_least(rows: Awaitable[list[dict[str, object]]], count: int) -> bool:
    return len(await rows) >= count


async def _none(figure: Awaitable[int]) -> bool:
    return await figure == 0
