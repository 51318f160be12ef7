"""Who may do what, for every table and every function there is: one that is added without rights of its own fails here."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from asyncpg import InsufficientPrivilegeError

from connector.facts import ConnectionRef
from connector.store.driver import Connection

INTERNAL = {"whatsapp_pending_receipts"}
"""Read by nobody but the service."""
COMPANY = str(uuid.uuid4())

As = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def acting(sql: Connection) -> As:
    """Answer a way to be somebody for a while, as PostgREST does it."""

    @asynccontextmanager
    async def acting(role: str, sub: str = "", company: str | None = None) -> AsyncGenerator[None]:
        await sql.execute(f"set role {role}")
        claims = {"sub": sub, "app_metadata": {"company_id": company} if company else {}}
        await sql.fetch("select set_config('request.jwt.claims', $1, false)", msgspec.json.encode(claims).decode())
        try:
            yield
        finally:
            await sql.execute("reset role; reset request.jwt.claims")

    return acting


@pytest.fixture
async def two_owners(teller) -> list[ConnectionRef]:
    """Fill every table for two owners of two companies."""
    other = type(teller)(teller.store)
    for one, company in ((teller, COMPANY), (other, str(uuid.uuid4()))):
        one.ref = ConnectionRef(one.ref.id, one.ref.session, "x", one.ref.owner_id, company)
        await one.tell(one.state("connected"), one.came("A"), one.receipt("read", "not-yet"))
    return [teller.ref, other.ref]


async def tables(sql: Connection) -> list[str]:
    rows = await sql.fetch(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    )
    assert len(rows) == 7
    return [row[0] for row in rows]


async def functions(sql: Connection) -> list[str]:
    rows = await sql.fetch("select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace")
    assert len(rows) > 15
    return [row[0] for row in rows]


async def refused(sql: Connection, query: str, *arguments: object) -> bool:
    try:
        await sql.fetch(query, *arguments)
    except InsufficientPrivilegeError:
        return True
    return False


async def test_every_table_is_closed_by_default(sql: Connection) -> None:
    open_ones = await sql.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity"
    )
    assert open_ones == []


async def test_nobody_sees_or_does_anything_without_signing_in(sql: Connection, two_owners, acting: As) -> None:
    names, calls = await tables(sql), await functions(sql)
    async with acting("anon"):
        for table in names:
            for query in (f"select from {table}", f"delete from {table}", f"insert into {table} default values"):
                assert await refused(sql, query), query
        for call in calls:
            assert not await sql.fetchval("select has_function_privilege($1, 'execute')", call), call


async def test_a_signed_in_person_reads_what_is_theirs(sql: Connection, two_owners, acting: As) -> None:
    mine = two_owners[0].owner_id
    names = set(await tables(sql)) - INTERNAL
    async with acting("authenticated", mine):
        for table in names:
            owners = {row[0] for row in await sql.fetch(f"select owner_id from {table}")}
            assert owners == (set() if table == "whatsapp_configuracoes" else {mine}), table
        for table in INTERNAL:
            assert await refused(sql, f"select from {table}")


async def test_a_colleague_reads_what_is_the_companys(sql: Connection, two_owners, acting: As) -> None:
    async with acting("authenticated", str(uuid.uuid4()), COMPANY):
        for table in set(await tables(sql)) - INTERNAL - {"whatsapp_configuracoes"}:
            assert {row[0] for row in await sql.fetch(f"select company_id from {table}")} == {COMPANY}, table
    async with acting("authenticated", str(uuid.uuid4()), str(uuid.uuid4())):
        for table in set(await tables(sql)) - INTERNAL:
            assert await sql.fetch(f"select from {table}") == [], table


async def test_a_signed_in_person_changes_little_and_only_theirs(sql: Connection, two_owners, acting: As) -> None:
    mine = two_owners[0].owner_id
    async with acting("authenticated", mine):
        changed = "update {} set {} where true returning owner_id"
        for query in (
            changed.format("whatsapp_atendimentos", "status = 'FINALIZADO', observacoes = 'ok'"),
            changed.format("whatsapp_mensagens", "lida = true"),
        ):
            assert {row[0] for row in await sql.fetch(query)} == {mine}
        for table in set(await tables(sql)) - {"whatsapp_configuracoes"}:
            assert await refused(sql, f"delete from {table}"), table
            assert await refused(sql, f"insert into {table} default values"), table
            if table not in INTERNAL:
                assert await refused(sql, f"update {table} set owner_id = 'x'"), table
        for call in await functions(sql):
            assert not await sql.fetchval("select has_function_privilege($1, 'execute')", call), call
    assert await sql.fetchval("select count(*) from whatsapp_atendimentos where data_fim is not null") == 1


async def test_settings_are_their_owners(sql: Connection, acting: As) -> None:
    mine, another = str(uuid.uuid4()), str(uuid.uuid4())
    insert = "insert into whatsapp_configuracoes (owner_id, chave, company_id, valor) values ($1, $2, $3, '1')"
    async with acting("authenticated", mine, COMPANY):
        await sql.fetch(insert, mine, "robo", COMPANY)
        await sql.fetch("update whatsapp_configuracoes set valor = '2'")
        assert await refused(sql, insert, another, "robo", None), "as somebody else"
        assert await refused(sql, insert, mine, "menu", str(uuid.uuid4())), "into another company"
    async with acting("authenticated", another, COMPANY):
        assert await sql.fetchval("select valor::text from whatsapp_configuracoes") == "2"
        await sql.fetch("delete from whatsapp_configuracoes")
    assert await sql.fetchval("select count(*) from whatsapp_configuracoes") == 1


async def test_the_service_role_does_its_work(sql: Connection, teller, two_owners, acting: As) -> None:
    facts = [teller.came("B"), teller.sending(str(uuid.uuid4())), teller.receipt("read", "B")]
    async with acting("service_role"):
        for table in await tables(sql):
            assert await sql.fetch(f"select from {table}") is not None
        for call in await functions(sql):
            assert await sql.fetchval("select has_function_privilege($1, 'execute')", call), call
        texts = [msgspec.json.encode(fact).decode() for fact in facts]
        assert len(await sql.fetch("select * from vigia_record($1)", texts)) == 3
        assert '"total": 2' in await sql.fetchval("select vigia_active_atendimentos()::text")


async def test_functions_act_as_their_caller_and_look_nothing_up(sql: Connection) -> None:
    loose = await sql.fetch(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace "
        "and (prosecdef or not coalesce(proconfig @> array['search_path=\"\"'], false))"
    )
    assert loose == []
