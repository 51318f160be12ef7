"""A database of somebody else's, with something before it that misbehaves when told to: what a service is given to write to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from benchmarks.faulty import Faulty, web_proxy, wire
from benchmarks.lite import SECRET_KEY, Lite
from connector.store.cluster import Cluster
from connector.store.driver import Target as Address
from connector.store.driver import connect
from connector.store.embedded import Embedded
from connector.store.migrate import migrate

UP_S = 60.0
_RECORD = "function public.vigia_record"


class Way(StrEnum):
    """How the service reaches it."""

    POSTGRES = "postgres"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Database:
    """`settings`: what a service is started with to use it, through `before`. `url`: the way past that, for whoever looks."""

    before: Faulty
    url: str
    settings: dict[str, Any]
    server: Embedded

    async def kill(self) -> None:
        """End its process as a crash would; answers once another takes calls."""
        os.kill(self.server.view.pid or 0, signal.SIGKILL)
        restarts = self.server.view.restarts
        async with asyncio.timeout(UP_S):
            while self.server.view.restarts == restarts or not self.server.up:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(0.02)

    async def break_schema(self) -> None:
        """Take away the function that records, as a migration of somebody else's might."""
        await self.run(f"alter {_RECORD} rename to vigia_record_gone")

    async def mend_schema(self) -> None:
        """Give it back."""
        await self.run(f"alter {_RECORD}_gone rename to vigia_record")

    async def run(self, statement: str) -> None:
        """Have it run SQL, past what is before it."""
        connection = await connect(Address.of(self.url))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def database(folder: Path, way: Way) -> AsyncGenerator[Database]:
    """Start one in *folder*, with its tables. Leaves nothing running."""
    async with AsyncExitStack() as parts:
        place = folder / "elsewhere"
        server = Embedded(place, migrate)
        parts.push_async_callback(server.stop)
        await server.start()
        if not await server.until_up(UP_S):
            raise TimeoutError(f"the database does not start: {server.view.reason}")
        if way is Way.REST:
            (folder / "lite").mkdir()
            lite = await asyncio.to_thread(parts.enter_context, Lite(server.url, folder / "lite"))
            before: Faulty = await parts.enter_async_context(web_proxy(lite.url))
            settings = {"SUPABASE_URL": f"http://127.0.0.1:{before.port}", "SUPABASE_SECRET_KEY": SECRET_KEY}
        else:
            before = await parts.enter_async_context(wire(Cluster.at(place).sockets / ".s.PGSQL.5432"))
            settings = {"DATABASE_URL": f"postgresql://postgres@127.0.0.1:{before.port}/postgres?sslmode=disable"}
        yield Database(before, server.url, settings, server)
