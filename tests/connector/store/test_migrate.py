"""Bringing a database to this schema: once, by whoever comes first, and never backwards."""

from __future__ import annotations

import asyncio
import re

import pytest

from connector import __main__ as command
from connector.failures import ExitCode
from connector.store import migrate as migration
from connector.store.driver import Target, connect
from connector.store.errors import Misconfigured
from connector.store.migrate import as_text, migrate, migrations
from connector.store.postgres import Postgres
from connector.store.store import SCHEMA, Store

NEWER = "create or replace function public.vigia_schema() returns jsonb language sql as $$ select '{\"number\": 99}'::jsonb $$"


def test_the_files_are_named_as_supabase_wants_them() -> None:
    found = migrations()
    assert found
    assert all(re.fullmatch(r"\d{14}", each.version) and each.name for each in found)


async def test_a_first_and_a_second_time(empty_url: str) -> None:
    assert await migrate(empty_url) == migrations()
    assert await migrate(empty_url) == []


async def test_two_at_once(empty_url: str) -> None:
    applied = await asyncio.gather(migrate(empty_url), migrate(empty_url))
    assert sorted(applied, key=len) == [[], migrations()]


async def test_a_newer_schema_is_left_alone(url: str, sql, store: Store) -> None:
    await sql.execute(NEWER)
    with pytest.raises(Misconfigured, match=f"99, this one knows {SCHEMA}.*upgrade Vigia"):
        await migrate(url)
    with pytest.raises(Misconfigured, match="upgrade Vigia"):
        await store.record([])


async def test_an_empty_database_says_what_to_do_and_works_once_it_is_done(empty_url: str) -> None:
    store = Store(Postgres(Target.of(empty_url)))
    with pytest.raises(Misconfigured, match="run `vigia migrate`"):
        await store.record([])
    await migrate(empty_url)
    assert await store.record([]) == []
    await store.close()


async def test_a_half_way_fault_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), migration.Migration("20990101000000", "broken", "select no_such_function()")]
    monkeypatch.setattr(migration, "migrations", lambda: broken)
    with pytest.raises(Misconfigured):
        await migrate(empty_url)
    connection = await connect(Target.of(empty_url))
    assert await connection.fetchval("select to_regclass('public.whatsapp_sessions')") is None
    await connection.close()


async def test_where_supabase_is_nothing_of_it_is_replaced_and_its_book_and_realtime_are_used(empty_url: str) -> None:
    connection = await connect(Target.of(empty_url))
    await connection.execute(
        """
        do $$ begin create role anon; create role authenticated; create role service_role bypassrls;
        exception when duplicate_object then null; end $$;
        create schema auth;
        create function auth.uid() returns uuid language sql as $$ select null::uuid $$;
        create function auth.jwt() returns jsonb language sql as $$ select '{"theirs": true}'::jsonb $$;
        create publication supabase_realtime;
        alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
        alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
        create schema supabase_migrations;
        create table supabase_migrations.schema_migrations (version text primary key);
        insert into supabase_migrations.schema_migrations values ('20240101000000');
        """
    )
    assert await migrate(empty_url) == migrations()
    assert await connection.fetchval("select auth.jwt()::text") == '{"theirs": true}'
    published = await connection.fetch(
        "select tablename::text from pg_publication_tables where pubname = 'supabase_realtime'"
    )
    assert {row[0] for row in published} == {"whatsapp_sessions", "whatsapp_atendimentos", "whatsapp_mensagens"}
    grants = "select has_table_privilege($1, 'public.whatsapp_mensagens', $2)"
    assert not await connection.fetchval(grants, "anon", "select")
    assert not await connection.fetchval(grants, "authenticated", "delete")
    assert not await connection.fetchval(
        "select has_function_privilege('anon', 'public.vigia_record(jsonb[])', 'execute')"
    )
    await connection.close()


async def test_the_printed_text_does_the_same(empty_url: str) -> None:
    connection = await connect(Target.of(empty_url))
    await connection.execute((migration._HERE / "shim.sql").read_text())
    await connection.execute(as_text())
    await connection.close()
    assert await migrate(empty_url) == []


def test_the_command_says_what_it_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cluster
) -> None:
    assert command.main(["migrate"]) == ExitCode.STOPPED
    assert "its own" in capsys.readouterr().out
    assert command.main(["migrate", "--print"]) == ExitCode.STOPPED
    assert capsys.readouterr().out.startswith("begin;\n")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:segredo@127.0.0.1:1/nowhere")
    assert command.main(["migrate"]) == ExitCode.DATABASE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "segredo" not in said
    monkeypatch.setenv("DATABASE_URL", cluster.url.replace("/postgres?", "/template?"))
    assert command.main(["migrate"]) == ExitCode.STOPPED
    assert "nothing to do" in capsys.readouterr().out
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    assert command.main(["migrate"]) == ExitCode.USAGE
