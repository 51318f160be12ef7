"""Whatever is wrong with a running service, `POST /api/whatsapp-bootstrap/test` names it and says what to do, and is right again after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_disk import MB, SmallDisk, small_disk

from benchmarks.database import Database, Way, database
from benchmarks.faulty import Mood, Web, web_proxy
from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Service
from lab.client import LabClient
from sessions.worker import library

DISK = 384 * MB
RIGHT_S = 60.0
TEST = "/api/whatsapp-bootstrap/test"
ENGINE = library._package()
"""Where its library lies."""

_RIGHTS = """
create role vigia_app login bypassrls;
grant usage on schema public to vigia_app;
grant select, insert, update, delete on all tables in schema public to vigia_app;
grant execute on all functions in schema public to vigia_app;
"""
_NEWER = """
alter function public.vigia_schema() rename to vigia_schema_kept;
create function public.vigia_schema() returns jsonb language sql as $$ select public.vigia_schema_kept() || '{"number": 99}'::jsonb $$;
grant execute on function public.vigia_schema() to public;
"""
_OLD_AGAIN = """
drop function public.vigia_schema();
alter function public.vigia_schema_kept() rename to vigia_schema;
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """A running service with a linked phone, and everything around it that can be spoiled."""

    service: Service
    base: Database
    receiver: Web
    disk: SmallDisk

    @asynccontextmanager
    async def database_is(self, mood: Mood) -> AsyncGenerator[None]:
        await self.base.before.be(mood)
        yield
        await self.base.before.be(Mood.PASSES)

    @asynccontextmanager
    async def sql(self, spoils: str, mends: str) -> AsyncGenerator[None]:
        await self.base.run(spoils)
        yield
        await self.base.run(mends)

    @asynccontextmanager
    async def hidden(self, folder: Path) -> AsyncGenerator[None]:
        await self.disk.hide(folder)
        yield
        await self.disk.show(folder)

    @asynccontextmanager
    async def disk_low(self) -> AsyncGenerator[None]:
        self.disk.stuff(leave=70 * MB)  # sessions disconnect below 64
        yield
        self.disk.clear()

    @asynccontextmanager
    async def webhook_refused(self) -> AsyncGenerator[None]:
        await self.receiver.be(Mood.KILLED)
        yield
        await self.receiver.be(Mood.PASSES)

    async def tested(self) -> dict[str, Any]:
        """Answer what the service finds."""
        async with self.service._session.post(TEST) as answer:
            assert answer.status == 200
            return await answer.json()


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault, the step that names it, and words of what it says and of its remedy."""

    name: str
    spoil: Callable[[Ground], AbstractAsyncContextManager[None]]
    step: str
    says: str
    remedy: str


BOTH = (
    Planted(
        "nobody at the address",
        lambda it: it.database_is(Mood.KILLED),
        "database",
        "cannot be reached",
        "whether it runs",
    ),
    Planted(
        "missing function",
        lambda it: it.sql(
            "alter function public.vigia_messages rename to vigia_messages_gone",
            "alter function public.vigia_messages_gone rename to vigia_messages",
        ),
        "functions",
        "Missing in the database: vigia_messages.",
        "vigia migrate",
    ),
    Planted("webhook refused", Ground.webhook_refused, "webhook", "cannot be reached", "WEBHOOK_URL"),
)
PLANTED = {
    Way.POSTGRES: (
        *BOTH,
        Planted(
            "newer schema", lambda it: it.sql(_NEWER, _OLD_AGAIN), "schema", "of a newer Vigia (99", "Upgrade Vigia"
        ),
        Planted(
            "missing grant",
            lambda it: it.sql(
                "revoke insert on public.whatsapp_mensagens from vigia_app",
                "grant insert on public.whatsapp_mensagens to vigia_app",
            ),
            "grants",
            "insert on table public.whatsapp_mensagens",
            "grant insert on table public.whatsapp_mensagens to vigia_app",
        ),
        Planted("disk low", Ground.disk_low, "disk", "no session is connected", "Free some space"),
        Planted(
            "spool unwritable",
            lambda it: it.hidden(it.disk.place / "spool"),
            "spool",
            "cannot be written (",
            "Give this user the folder",
        ),
        Planted("engine cannot load", lambda it: it.hidden(ENGINE), "engine", "does not start", "./scripts/setup"),
    ),
    Way.REST: (
        *BOTH,
        Planted("wrong key", lambda it: it.database_is(Mood.UNAUTHORIZED), "database", "refuses the key", "SUPABASE_"),
        Planted("paused", lambda it: it.database_is(Mood.PAUSED), "database", "is paused", "dashboard"),
        Planted("not Supabase", lambda it: it.database_is(Mood.HTML), "database", "is not Supabase", "login page"),
    ),
}


@pytest.mark.timeout(420)
@pytest.mark.parametrize("way", Way)
async def test_each_fault_is_found_by_name(tmp_path: Path, lab: LabClient, number: Numbers, way: Way) -> None:
    """One after the other in the same service, and all is right before, between and after."""
    (tmp_path / "data").mkdir()
    async with (
        database(tmp_path, way) as base,
        small_disk(tmp_path / "data", DISK) as disk,
        Receiver() as receiver,
        web_proxy(receiver.url.rstrip("/")) as before,
        Service(
            disk.place, lab, webhook=f"http://127.0.0.1:{before.port}/", command=disk.command, **await _named(base, way)
        ) as service,
    ):
        await service.ready()
        await service.pair("loja", number())
        ground = Ground(service, base, before, disk)
        await _right(ground)
        for fault in PLANTED[way]:
            async with fault.spoil(ground):
                found = await ground.tested()
            _names(found, fault)
            await _right(ground)


async def _named(base: Database, way: Way) -> dict[str, Any]:
    """The settings of a database that the service uses as a user with just the rights it needs."""
    if way is Way.REST:
        return base.settings
    await base.run(_RIGHTS)
    return {"DATABASE_URL": base.settings["DATABASE_URL"].replace("//postgres@", "//vigia_app@")}


def _names(found: dict[str, Any], fault: Planted) -> None:
    """The step that stands for the fault failed, first of all; beside it only what follows from it."""
    wrong = {step["name"]: step for step in found["steps"] if step["status"] == "fail"}
    told = f"{fault.name}: {list(wrong.values())}"
    assert not found["ok"], told
    assert next(iter(wrong), None) == fault.step, told
    assert set(wrong) <= {fault.step, "probe", "queues"}, told
    assert fault.says in wrong[fault.step]["detail"], told
    assert fault.remedy in wrong[fault.step]["remedy"], told


async def _right(ground: Ground) -> None:
    """Soon after a fault is mended nothing is wrong: queues that were parked are told to try, and did."""
    async with asyncio.timeout(RIGHT_S):
        while not (found := await ground.tested())["ok"]:
            await ground.service.kick("record")
            await asyncio.sleep(0.1)
    assert {"engine", "database", "spool", "webhook", "message"} <= {step["name"] for step in found["steps"]}
