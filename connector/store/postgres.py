"""Calls the database's functions over a connection of PostgreSQL's own: embedded, anybody's, Supabase's, or a pooler's."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from connector.store.driver import Pool, Target, classify, open_pool


class Postgres:
    """A pool that connects when it is first needed, and again after the database was away."""

    def __init__(self, target: Target, *, connections: int = 4) -> None:
        self._target = target
        self._connections = connections
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()

    async def call(self, function: str, **arguments: Any) -> list[Any]:
        """Answer the rows of one of the database's functions, as JSON values. Raises `StoreError`.

        Uuids and texts are given as str, a `jsonb[]` as a list of JSON texts.
        """
        try:
            pool = await self._open()
            found = await pool.fetchval(_statement(function, tuple(arguments)), *arguments.values())
        except Exception as error:
            raise classify(error) from error
        return msgspec.json.decode(found)

    async def greet(self) -> str:
        """Answer what lets us in, as "PostgreSQL 17.4". Raises `StoreError` when it cannot be reached or does not let us in."""
        try:
            version = await (await self._open()).fetchval("select current_setting('server_version')")
        except Exception as error:
            raise classify(error) from error
        return f"PostgreSQL {version.split()[0]}"

    async def close(self) -> None:
        """Close every connection; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), 2.0)
        except TimeoutError:
            pool.terminate()

    async def _open(self) -> Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await open_pool(self._target, self._connections)
            return self._pool


def _statement(function: str, names: tuple[str, ...]) -> str:
    """One shape for functions that answer a value and those that answer rows. Names are ours, never a caller's."""
    arguments = ", ".join(f"{name} => ${place}" for place, name in enumerate(names, 1))
    return f"select coalesce(json_agg(r), '[]')::text from public.{function}({arguments}) r"  # noqa: S608 - names of ours only
