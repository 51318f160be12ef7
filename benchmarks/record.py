"""The record, asked directly: over a connection to the service's own database, beside the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from connector.store.cluster import Cluster
from connector.store.driver import Connection, Target, classify, connect

LOOK_S = 0.02
WAIT_S = 120.0
READY_S = 60.0
_CHANNEL = "benchmark"
_COUNT = "select count(*) from public.whatsapp_mensagens where remetente = 'CLIENTE'"
_TELL = """
create function public.benchmark_tell() returns trigger language plpgsql as $$
begin perform pg_notify('benchmark', new.wa_message_id); return null; end $$;
create trigger benchmark_tell after insert on public.whatsapp_mensagens
  for each row when (new.remetente = 'CLIENTE') execute function public.benchmark_tell();
"""
_TELL_NO_MORE = "drop function public.benchmark_tell cascade"


class Record:
    """The rows of what customers wrote."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """Answer how many are committed."""
        return await self._connection.fetchval(_COUNT)

    async def until(self, count: int) -> None:
        """Wait until *count* are committed."""
        async with asyncio.timeout(WAIT_S):
            while await self.count() < count:  # noqa: ASYNC110 - nobody tells another process
                await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def arrivals(self) -> AsyncGenerator[dict[str, float]]:
        """Note when each row was committed, by WhatsApp's id, in monotonic seconds. The database tells of it, nobody asks."""
        at: dict[str, float] = {}

        def told(*said: Any) -> None:
            at[said[-1]] = time.monotonic()

        await self._connection.execute(_TELL)
        await cast(Any, self._connection).add_listener(_CHANNEL, told)
        try:
            yield at
        finally:
            await cast(Any, self._connection).remove_listener(_CHANNEL, told)
            await self._connection.execute(_TELL_NO_MORE)


@asynccontextmanager
async def watched(data: Path) -> AsyncGenerator[Record]:
    """Connect to the embedded database of the service in *data*, once it is up and migrated."""
    connection = await _connected(Target.of(Cluster.at(data / "postgres").url))
    try:
        yield Record(connection)
    finally:
        await connection.close()


async def _connected(target: Target) -> Connection:
    async with asyncio.timeout(READY_S):
        while (connection := await _if_there(target)) is None:  # noqa: ASYNC110 - nobody tells another process
            await asyncio.sleep(LOOK_S)
    return connection


async def _if_there(target: Target) -> Connection | None:
    """Answer a connection, or None while there is no database or no table in it."""
    try:
        connection = await connect(target)
    except Exception as error:  # noqa: BLE001 - the next line raises what no database answered
        classify(error)
        return None
    if await connection.fetchval("select to_regclass('public.whatsapp_mensagens') is not null"):
        return connection
    await connection.close()
    return None
