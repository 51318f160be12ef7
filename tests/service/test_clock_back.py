"""The data folder is gone, or an old one, and the clock is an hour behind: the database holds later versions, and is still told."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import Numbers
from benchmarks.service import Service
from connector.store.driver import Target, connect
from connector.store.embedded import Embedded
from lab.client import LabClient

AN_HOUR_S = 3600
SLOW = (sys.executable, str(Path(__file__).with_name("slow_clock.py")), str(AN_HOUR_S), "serve")
RIGHT = (sys.executable, "-m", "connector", "serve")
LOOK_S = 0.1
SOON_S = 60.0
_CONNECTION = "select id::text, status, reason, version from public.whatsapp_sessions where connection_id = 'loja' order by version"

Row = dict[str, Any]
Open = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path, lab: LabClient, database: Embedded) -> Open:
    """Run the service over the one folder and the one database, with the right clock or the slow one."""

    @asynccontextmanager
    async def opened(command: tuple[str, ...]) -> AsyncGenerator[Service]:
        async with Service(tmp_path / "data", lab, command=command, DATABASE_URL=database.url) as service:
            await service.ready()
            yield service

    return opened


@pytest.fixture
def connections(database: Embedded) -> Callable[[], Awaitable[list[Row]]]:
    """What the database says of the connection, the newest last: a folder that is gone leaves its session's row behind."""

    async def connections() -> list[Row]:
        assert await database.until_up(SOON_S)
        connection = await connect(Target.of(database.url))
        try:
            return [dict(row) for row in await connection.fetch(_CONNECTION)]
        finally:
            await connection.close()

    return connections


async def test_without_its_folder_and_an_hour_late(
    tmp_path: Path, opened: Open, connections: Callable[[], Awaitable[list[Row]]], lab: LabClient, number: Numbers
) -> None:
    """Made and paired again: its state, new texts, sends and their receipts are rows, and newer than all there was."""
    shop, customer = number(), number()
    await lab.phone(customer, "Ana")
    async with opened(RIGHT) as service:
        await service.pair("loja", shop)
        await lab.write(customer, shop, "antes")
        await _contents(service, ["antes"])
    [before] = await connections()
    shutil.rmtree(tmp_path / "data")

    async with opened(SLOW) as service:
        assert (await service.ask("GET", "/connections"))["total"] == 0
        jid = (await service.link("loja", shop))["jid"]
        await _until(connections, lambda rows: [row["status"] for row in rows[1:]] == ["connected"])
        await lab.write(customer, shop, "depois")
        sent = await service.send("loja", customer, "resposta")
        assert (sent["status"], sent["recorded"]) == ("sent", True)
        await _status(service, sent["messageId"], "delivered")
        await lab.ask("POST", f"/phones/{customer}/receipts", {"ids": [sent["waMessageId"]], "type": "read"})
        await _status(service, sent["messageId"], "read")
        await _contents(service, ["depois", "resposta"])
        await lab.fault(jid, "removed")
        rows = await _until(connections, lambda rows: rows[-1]["reason"] == "logged_out")
    old, new = rows
    assert old == before
    assert new["version"] > old["version"]


async def test_with_an_older_copy_of_its_folder_and_an_hour_late(
    tmp_path: Path, opened: Open, connections: Callable[[], Awaitable[list[Row]]], lab: LabClient, number: Numbers
) -> None:
    """The same session told more since than the copy knows: what happens to it now is newer all the same."""
    shop, customer = number(), number()
    await lab.phone(customer, "Ana")
    async with opened(RIGHT) as service:
        await service.pair("loja", shop)
        sent = await service.send("loja", customer, "resposta")
        await _status(service, sent["messageId"], "delivered")
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    async with opened(RIGHT) as service:
        await service.connected(1)
    [before] = await connections()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "copy").rename(tmp_path / "data")

    async with opened(SLOW) as service:
        await service.connected(1)
        [after] = await _until(connections, lambda rows: rows[0]["version"] > before["version"])
        assert (after["id"], after["status"]) == (before["id"], "connected")
        await lab.ask("POST", f"/phones/{customer}/receipts", {"ids": [sent["waMessageId"]], "type": "read"})
        await _status(service, sent["messageId"], "read")
        await lab.write(customer, shop, "depois")
        await _contents(service, ["resposta", "depois"])
        await lab.fault((await service.ask("GET", "/connections/loja"))["jid"], "removed")
        await _until(connections, lambda rows: rows[0]["reason"] == "logged_out")


async def test_with_an_older_copy_and_a_database_that_comes_later(
    tmp_path: Path,
    database: Embedded,
    opened: Open,
    connections: Callable[[], Awaitable[list[Row]]],
    lab: LabClient,
    number: Numbers,
) -> None:
    """Nobody could say which versions there are when the session connected: it is told again once somebody can."""
    async with opened(RIGHT) as service:
        await service.pair("loja", number())
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    async with opened(RIGHT) as service:
        await service.connected(1)
        jid = (await service.ask("GET", "/connections/loja"))["jid"]
        await lab.fault(jid, "replaced")
        [before] = await _until(connections, lambda rows: rows[0]["reason"] == "replaced")
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "copy").rename(tmp_path / "data")
    await database.stop()

    async with opened(SLOW) as service:
        await service.connected(1)
        await database.start()
        [after] = await _until(connections, lambda rows: rows[0]["version"] > before["version"])
        assert (after["id"], after["status"], after["reason"]) == (before["id"], "connected", "connected")


async def _contents(service: Service, expected: list[str]) -> None:
    await _until(lambda: service.rows("loja"), lambda rows: sorted(row["conteudo"] for row in rows) == sorted(expected))


async def _status(service: Service, message_id: str, expected: str) -> None:
    """Wait until the row of a send says so."""
    await _until(
        lambda: service.rows("loja"),
        lambda rows: [row["status"] for row in rows if row["id"] == message_id] == [expected],
    )


async def _until(ask: Callable[[], Awaitable[list[Row]]], fact: Callable[[list[Row]], bool]) -> list[Row]:
    """Ask until *fact* holds of the rows; answers them."""
    rows: list[Row] = []
    try:
        async with asyncio.timeout(SOON_S):
            while not fact(rows := await ask()):  # noqa: ASYNC110 - the service is another process
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        pytest.fail(f"it stays so: {rows}")
    return rows
