"""`whatsapp_sessions` follows reality, also where nobody was there to tell it: over a stop, a crash and a removal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.rig import Numbers
from benchmarks.service import Service
from connector.store.embedded import Embedded
from lab.client import LabClient

SOON_S = 60.0
_ROW = "select * from public.whatsapp_sessions where connection_id = $1"


async def row(database: Embedded, connection_id: str, fits: Callable[[Any], bool]) -> Any:
    """Answer a connection's row once it *fits*."""
    sql = await asyncpg.connect(database.url)
    try:
        async with asyncio.timeout(SOON_S):
            while True:
                found = await sql.fetchrow(_ROW, connection_id)
                if found and fits(found):
                    return found
                await asyncio.sleep(0.05)
    finally:
        await sql.close()


def reason(*words: str) -> Callable[[Any], bool]:
    return lambda found: found["reason"] in words


async def test_the_row_is_what_is(tmp_path: Path, database: Embedded, lab: LabClient, number: Numbers) -> None:
    """Connected with a sign of life, stopped with the service, back after a crash; a code that ended meanwhile is gone."""
    phone = number()
    async with Service(tmp_path / "data", lab, DATABASE_URL=database.url) as service:
        await service.ready()
        await service.pair("loja", phone)
        connected = await row(database, "loja", reason("connected"))
        assert (connected["status"], connected["phone"]) == ("connected", phone)
        assert connected["last_seen_at"] >= connected["connected_at"]
        await service.ask("POST", "/connections", {"connectionId": "nova", "name": "Nova", "ownerId": "dono"})
        await service.ask("GET", "/connections/nova/qr", wait=30)
        assert (await row(database, "nova", lambda found: found["qr_code"]))["reason"] == "waiting_scan"

        await service.kill()
        await service.start()
        await service.ready()
        again = await row(database, "nova", lambda found: found["qr_code"] is None)
        assert (again["status"], again["qr_expires_at"]) == ("disconnected", None)
        await service.connected(1, "loja")

        await service.ask("DELETE", "/connections/nova")
        assert (await row(database, "nova", reason("removed")))["status"] == "disconnected"

        await service.stop()
        stopped = await row(database, "loja", reason("service_stopped"))
        assert (stopped["status"], stopped["phone"]) == ("disconnected", phone)
        assert stopped["disconnected_at"] > stopped["connected_at"]
        assert (await row(database, "nova", lambda _found: True))["reason"] == "removed"

        await service.start()
        await service.ready()
        back = await row(database, "loja", reason("connected"))
        assert back["connected_at"] > stopped["disconnected_at"]
