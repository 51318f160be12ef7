"""A real PostgreSQL for the tests of the record: one cluster a run, one database a test, and three ways to it."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from as_supabase import over, restore_rights
from asyncpg import CannotConnectNowError
from ways import Way

from benchmarks.lite import Lite
from connector import facts
from connector.facts import ConnectionRef, Fact, Stamp
from connector.store.cluster import Cluster
from connector.store.driver import Connection, Target, connect
from connector.store.migrate import migrate
from connector.store.postgres import Postgres
from connector.store.rows import Recorded
from connector.store.store import Store
from sessions.model import Address, Delivery, Message, Outcome, Receipt, SendStatus

ANA = "5511988887777@s.whatsapp.net"
ANA_LID = "111222333@lid"
NOON_MS = 1_700_000_000_000


USER = "dono"
SERVED = "served"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """Run a PostgreSQL whose database `template` has the schema, and nobody connected to it."""
    made = Cluster.at(tmp_path_factory.mktemp("cluster") / "postgres")
    asyncio.run(made.prepare())
    with (
        made.log.open("wb") as log,
        subprocess.Popen([*made.command, "-c", "fsync=off"], env=made.environment, stdout=log, stderr=log) as process,
    ):
        try:
            asyncio.run(_make_template(made))
            yield made
        finally:
            process.terminate()


async def _make_template(cluster: Cluster) -> None:
    connection = await answering(cluster.url)
    await connection.execute(f"create role {USER} login")
    await connection.close()
    await _make(cluster, "template")
    await _make(cluster, "template_of_a_user", USER)
    await _make(cluster, SERVED)


async def _make(cluster: Cluster, name: str, owner: str = "postgres") -> None:
    """Make a database with the schema, migrated by its owner."""
    connection = await connect(Target.of(cluster.url))
    await connection.execute(f"create database {name} owner {owner}")
    await connection.close()
    await migrate(as_user(named(cluster, name), owner))


def as_user(url: str, user: str = USER) -> str:
    return url.replace("//postgres@", f"//{user}@")


async def answering(url: str) -> Connection:
    """Wait until a server that is starting takes a connection."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await connect(Target.of(url))
            except (OSError, CannotConnectNowError):
                await asyncio.sleep(0.03)


def named(cluster: Cluster, database: str) -> str:
    return cluster.url.replace("/postgres?", f"/{database}?")


@pytest.fixture
async def empty_url(cluster: Cluster) -> AsyncGenerator[str]:
    """Answer the address of a database with nothing in it."""
    async with _database(cluster, "template1") as url:
        yield url


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Way:
    """Answer how the store reaches its database; `every_way` runs a test over all of them."""
    return Way(getattr(request, "param", Way.EMBEDDED))


@pytest.fixture
async def url(cluster: Cluster, way: Way, request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    """Answer the address of a database with the schema, for a connection of PostgreSQL's own."""
    if way is Way.REST:
        request.getfixturevalue("lite")
        await emptied(named(cluster, SERVED))
        yield named(cluster, SERVED)
        return
    async with _database(cluster, "template" if way is Way.EMBEDDED else "template_of_a_user") as url:
        yield url


async def emptied(url: str) -> None:
    """Remove every row, and put rights back. The endpoint keeps one database for all tests: to start it anew takes a second."""
    connection = await connect(Target.of(url))
    rows = await connection.fetch(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'public'"
    )
    await connection.execute(f"truncate {', '.join(row[0] for row in rows)}")
    await restore_rights(connection)
    await connection.close()


@pytest.fixture(scope="session")
def lite(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Generator[Lite]:
    """Run Supabase's REST interface for the database `served`."""
    with Lite(named(cluster, SERVED), tmp_path_factory.mktemp("lite")) as endpoint:
        yield endpoint


@asynccontextmanager
async def _database(cluster: Cluster, template: str) -> AsyncGenerator[str]:
    name = f"t{uuid.uuid4().hex}"
    connection = await connect(Target.of(cluster.url))
    owner = USER if template.endswith("_user") else "postgres"
    try:
        await connection.execute(f"create database {name} template {template} owner {owner}")
        yield named(cluster, name)
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


@pytest.fixture
async def store(url: str, way: Way, request: pytest.FixtureRequest) -> AsyncGenerator[Store]:
    """Answer the store over a database of its own."""
    match way:
        case Way.EMBEDDED:
            transport = Postgres(Target.of(url))
        case Way.DATABASE_URL:
            transport = Postgres(Target.of(as_user(url) + "&pgbouncer=true"))
        case Way.REST:
            transport = over(request.getfixturevalue("lite"))
    store = Store(transport)
    yield store
    await store.close()


@pytest.fixture
async def sql(url: str) -> AsyncGenerator[Connection]:
    """Answer a connection of the test's own, to look and to disturb."""
    connection = await connect(Target.of(url))
    yield connection
    await connection.close()


@dataclass
class Teller:
    """Says facts of one connection, in the words of the service, each with the next operation and version."""

    store: Store
    ref: ConnectionRef = field(
        default_factory=lambda: ConnectionRef("loja-1", str(uuid.uuid4()), "Loja", str(uuid.uuid4()), str(uuid.uuid4()))
    )
    steps: count[int] = field(default_factory=lambda: count(1))

    def stamp(self) -> Stamp:
        step = next(self.steps)
        return Stamp(f"inbox-1:{step}", step)

    async def tell(self, *told: Fact) -> list[Recorded]:
        return await self.store.record([msgspec.json.encode(fact) for fact in told])

    def came(self, wa_id: str, text: str | None = "Olá", *, chat: str = ANA, alt: str | None = None, **more) -> Fact:
        from_me = more.pop("from_me", False)
        sender = Address("5511900000000@s.whatsapp.net") if from_me else Address(chat, alt)
        words: dict[str, Any] = {"group": False, "at_ms": NOON_MS, "push_name": "Ana", **more}
        message = Message(id=wa_id, chat=Address(chat, alt), sender=sender, from_me=from_me, text=text, **words)
        return facts.message(self.stamp(), self.ref, message)

    def sending(self, message_id: str, *, to: str = ANA, remetente: str = "ATENDENTE") -> Fact:
        words: dict[str, Any] = {"to": to, "text": "Bom dia", "remetente": remetente, "at_ms": NOON_MS}
        return facts.sending(self.stamp(), self.ref, message_id=message_id, **words)

    def outcome(self, message_id: str, status: str, wa_id: str | None = None, **more) -> Fact:
        words = Outcome(ref=message_id, to=ANA, status=SendStatus(status), message_id=wa_id, **more)
        return facts.outcome(self.stamp(), self.ref, words)

    def receipt(self, state: str, *ids: str, at_ms: int = NOON_MS) -> Fact:
        words = Receipt(ids=ids, chat=Address(ANA), sender=Address(ANA), kind=Delivery(state), at_ms=at_ms)
        return facts.receipt(self.stamp(), self.ref, words)

    def state(self, status: str, *, at_ms: int = NOON_MS, **more) -> Fact:
        words = {"reason": "ok", "phone": "5511900000000", "jid": None, "lid": None, **more}
        return facts.state(self.stamp(), self.ref, {"status": status, "at_ms": at_ms, **words})


@pytest.fixture
def teller(store: Store) -> Teller:
    """Answer somebody who tells the store facts."""
    return Teller(store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Answer a place for a cluster, with a space in its name."""
    return tmp_path / "meus dados" / "postgres"
