"""A data folder on a small disk that really fills up: everybody is told, WhatsApp keeps what comes, and nothing is missing afterwards."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from small_disk import MB, SmallDisk, small_disk

from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Refused, Service
from benchmarks.traffic import Shop, Traffic
from benchmarks.verdict import Judge
from connector.store.embedded import Embedded
from lab.client import LabClient

DISK = 384 * MB
SHOPS = 2
TEXTS_A_SECOND = 40.0
SENDS_A_SECOND = 2.0
KEPT = 200  # texts that are written while the disk is full
TRIES = 5  # the ballast is thrown out first, and what it leaves is filled up too
LOOK_S = 0.1
SOON_S = 120.0

T = TypeVar("T")


@pytest_asyncio.fixture
async def disk(tmp_path: Path) -> AsyncGenerator[SmallDisk]:
    """The disk that the service's folder is."""
    (tmp_path / "data").mkdir()
    async with small_disk(tmp_path / "data", DISK) as disk:
        yield disk


@dataclass(frozen=True, slots=True)
class Case:
    """How it fills up. `left`: bytes, at first; `elsewhere`: whether the database is; `killed`: whether the hub is, meanwhile."""

    left: int
    elsewhere: bool = False
    killed: bool = False


CASES = {
    "nearly full, then full": Case(left=40 * MB, elsewhere=True),
    "full at once": Case(left=0),
    "full at once and killed": Case(left=0, killed=True),
}


@pytest.mark.timeout(420)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_nothing_is_lost_on_a_full_disk(
    disk: SmallDisk, database: Embedded, lab: LabClient, number: Numbers, case: Case
) -> None:
    """Disconnected with `disk_full`, sends refused; with space again, connected, and every text a row: once, in order."""
    url = database.url if case.elsewhere else ""
    async with (
        Receiver() as receiver,
        Service(disk.place, lab, webhook=receiver.url, command=disk.command, DATABASE_URL=url) as service,
    ):
        await service.ready()
        traffic = Traffic(service, random.Random(5), rate=TEXTS_A_SECOND, sends=SENDS_A_SECOND)
        await traffic.open(SHOPS, number)
        traffic.begin()
        await _until(lambda: _total(traffic), lambda texts: texts > KEPT)
        disk.stuff(leave=case.left)
        for shop in traffic.shops:
            await _until(lambda shop=shop: _connection(service, shop), _stopped_by_the_disk)
        disk.stuff(leave=0)
        written = await _total(traffic)
        await _refuses(service, disk, traffic.shops[0])
        await _until(lambda: _total(traffic), lambda texts: texts > written + KEPT)
        assert not [one for one in await _states(service, traffic) if one["status"] == "connected"]

        if case.killed:
            await service.kill()
        disk.clear()
        if case.killed:
            await service.start()
            await service.ready()
        await service.connected(SHOPS, within_s=SOON_S)
        await _until(lambda: service.depth("record"), lambda rows: rows == 0)
        await traffic.end()
        verdict = await Judge(service, receiver, traffic).judge()
        sys.stdout.write(f"{verdict.rows} rows, sends: {dict(verdict.sends)}\n")
        assert verdict.broken == []
        assert not any(verdict.missing.values())


async def _refuses(service: Service, disk: SmallDisk, shop: Shop) -> None:
    """A send is told why it is not taken; what needs the disk is, once nothing of the ballast is left."""
    with pytest.raises(Refused) as refused:
        await service.send(shop.connection, shop.customer, "cabe?")
    assert refused.value.status in (409, 507)
    assert "disk" in str(refused.value)
    for attempt in range(TRIES):
        disk.stuff(leave=0)
        try:
            await _new_connection(service, f"nova-{attempt}")
        except Refused as full:
            assert (full.status, full.code) == (507, "disk_full")  # noqa: PT017 - it may take some tries
            return
    pytest.fail("a full disk took every connection")


async def _new_connection(service: Service, name: str) -> None:
    # With as much to write as may be given: a few bytes may still fit in a page that is there.
    body = {"connectionId": name, "name": "n" * 200, "ownerId": "dono", "companyId": None}
    await service.ask("POST", "/connections", body)


async def _states(service: Service, traffic: Traffic) -> list[dict[str, Any]]:
    return [await _connection(service, shop) for shop in traffic.shops]


async def _connection(service: Service, shop: Shop) -> dict[str, Any]:
    return await service.ask("GET", f"/connections/{shop.connection}")


def _stopped_by_the_disk(connection: dict[str, Any]) -> bool:
    return (connection["status"], connection["reason"]) == ("error", "disk_full")


async def _total(traffic: Traffic) -> int:
    return sum(traffic.written.values())


async def _until(ask: Callable[[], Awaitable[T]], fact: Callable[[T], bool]) -> T:
    async with asyncio.timeout(SOON_S):
        while not fact(answer := await ask()):  # noqa: ASYNC110 - the service is another process
            await asyncio.sleep(LOOK_S)
    return answer
