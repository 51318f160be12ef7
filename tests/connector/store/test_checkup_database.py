"""The checkup's steps at a real database: everything that can be wrong there is found by name, with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from ways import every_way

from connector import checkup
from connector.checkup import Finding, Ground, Status
from connector.checkup import database as steps
from connector.checkup.ground import Database
from connector.datadir import DataDir
from connector.settings import Settings
from connector.store.cluster import Cluster
from connector.store.driver import Connection, Target, connect
from connector.store.postgres import Postgres
from connector.store.store import Store

NAMES = ("database", "schema", "functions", "grants", "probe")
STEPS = [step for step in checkup.STEPS if step.name in NAMES]


@pytest.fixture(autouse=True)
def however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database of a busy test machine is nobody's finding."""
    monkeypatch.setattr(steps, "SLOW_S", 1e9)


async def looked_at(database: Database) -> Mapping[str, Finding]:
    """Take the database's steps; answer what each found."""
    async with Ground(database=database) as ground:
        found = {one.name: one.finding async for one in checkup.run(STEPS, ground)}
        assert set(found) == set(NAMES)
        return found


async def looked_at_url(url: str) -> Mapping[str, Finding]:
    database = Postgres(Target.of(url), connections=1)
    try:
        return await looked_at(database)
    finally:
        await database.close()


def only_failure(found: Mapping[str, Finding], name: str) -> Finding:
    """Answer the failure of *name*: what came before it was right."""
    before = NAMES[: NAMES.index(name)]
    assert [found[one].status for one in before] == [Status.OK] * len(before), found
    assert found[name].status is Status.FAIL
    assert found[name].remedy
    return found[name]


def as_user(url: str, user: str, password: str = "") -> str:
    return url.replace("//postgres@", f"//{user}{password and f':{password}'}@")


@every_way
async def test_all_is_right_and_nothing_is_left(store: Store, sql: Connection) -> None:
    """Over every transport."""
    found = await looked_at(cast(Database, store._transport))
    assert {one.status for one in found.values()} == {Status.OK}, found
    for table in ("whatsapp_sessions", "whatsapp_contacts", "whatsapp_atendimentos", "whatsapp_mensagens"):
        assert await sql.fetchval(f"select count(*) from {table}") == 0


async def test_nobody_answers() -> None:
    found = await looked_at_url("postgresql://u:secret@127.0.0.1:1/x")
    assert only_failure(found, "database").detail == "The database cannot be reached (ConnectionRefusedError)."
    assert [found[name].status for name in NAMES[1:]] == [Status.SKIPPED] * 4
    assert found["probe"].detail == "skipped, because `database` failed"
    assert "secret" not in str(found)


async def test_the_services_own_does_not_answer(tmp_path: Path) -> None:
    """Where its log is; there is no address that could be wrong."""
    nobody = Postgres(Target.of("postgresql://u@127.0.0.1:1/x"), connections=1)
    async with Ground(database=nobody, found=Settings.model_construct(), folder=DataDir(tmp_path)) as ground:
        (found,) = [one.finding async for one in checkup.run(STEPS[:1], ground)]
    await nobody.close()
    assert found.detail == "The database cannot be reached (ConnectionRefusedError)."
    assert f"{tmp_path / 'postgres.log'} says why" in found.remedy


async def test_a_wrong_password(cluster: Cluster, url: str, sql: Connection) -> None:
    rules = cluster.folder / "pg_hba.conf"
    kept = rules.read_text()
    await sql.execute("drop role if exists locked; create role locked login superuser password 'right'")
    try:
        rules.write_text(f"local all locked scram-sha-256\n{kept}")
        await sql.execute("select pg_reload_conf()")
        found = only_failure(await _until_asked(as_user(url, "locked", "wrong")), "database")
        assert found.detail == "The database refuses this password or user."
        assert found.remedy == "Correct the connection string."
        right = await looked_at_url(as_user(url, "locked", "right"))
        assert right["database"].status is Status.OK
    finally:
        rules.write_text(kept)
        await sql.execute("select pg_reload_conf(); drop role locked")


async def _until_asked(url: str) -> Mapping[str, Finding]:
    """The server reads its rules a moment after it was told to."""
    for _ in range(500):
        found = await looked_at_url(url)
        if found["database"].status is Status.FAIL:
            return found
    raise AssertionError("the server asks for no password")


async def test_no_such_database(url: str) -> None:
    path, _, query = url.partition("?")
    found = only_failure(await looked_at_url(f"{path.rpartition('/')[0]}/nowhere?{query}"), "database")
    assert found.detail == "There is no database of that name."


async def test_a_database_without_tables(empty_url: str) -> None:
    found = only_failure(await looked_at_url(empty_url), "schema")
    assert found.remedy == "Run `vigia migrate`."


async def test_tables_of_a_newer_vigia(url: str, sql: Connection) -> None:
    await sql.execute(
        "create or replace function vigia_schema() returns jsonb language sql as $$ select '{\"number\": 99}'::jsonb $$"
    )
    found = only_failure(await looked_at_url(url), "schema")
    assert found.detail == "The database's tables are of a newer Vigia (99, this one knows 1)."
    assert found.remedy == "Upgrade Vigia."


async def test_a_missing_function_and_table(url: str, sql: Connection) -> None:
    await sql.execute("drop function vigia_set_atendimento_status; drop table whatsapp_configuracoes")
    found = await looked_at_url(url)
    wrong = only_failure(found, "functions")
    assert wrong.detail == "Missing in the database: vigia_set_atendimento_status, whatsapp_configuracoes."
    assert "vigia migrate" in wrong.remedy
    assert found["grants"].status is Status.SKIPPED


@pytest.fixture
async def weak(url: str, sql: Connection) -> str:
    """Answer the address for a user with every right that is asked about, but two."""
    await sql.execute(
        """drop role if exists weak; create role weak login bypassrls;
        grant usage on schema public to weak;
        grant select, insert, update, delete on all tables in schema public to weak;
        grant execute on all functions in schema public to weak;
        revoke insert on whatsapp_mensagens from weak;
        revoke execute on function vigia_sessions from weak;"""
    )
    return as_user(url, "weak")


async def test_a_missing_grant_and_its_remedy(weak: str, sql: Connection) -> None:
    """Its remedy mends one after the other."""
    found = await looked_at_url(weak)
    wrong = only_failure(found, "grants")
    assert wrong.detail == (
        "weak lacks 2 rights: execute on function public.vigia_sessions; insert on table public.whatsapp_mensagens."
    )
    assert found["probe"].status is Status.FAIL
    for _ in range(2):
        await sql.execute(only_failure(await looked_at_url(weak), "grants").remedy.partition(": ")[2])
    assert {one.status for one in (await looked_at_url(weak)).values()} == {Status.OK}


async def test_rows_that_are_hidden_from_the_user(weak: str, sql: Connection) -> None:
    await sql.execute("grant all on whatsapp_mensagens to weak; grant execute on function vigia_sessions to weak")
    await sql.execute("alter role weak nobypassrls")
    wrong = only_failure(await looked_at_url(weak), "probe")
    assert wrong.remedy == "Connect as the user that ran `vigia migrate`."


async def test_a_database_that_takes_no_writes(url: str, sql: Connection) -> None:
    name = await sql.fetchval("select current_database()")
    await sql.execute(f"alter database {name} set default_transaction_read_only = on")
    wrong = only_failure(await looked_at_url(url), "probe")
    assert wrong.detail == "The database takes no writes."


async def test_a_slow_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "SLOW_S", 0.0)
    found = (await looked_at_url(url))["database"]
    assert (found.status, found.remedy[:6]) == (Status.WARN, "Choose")


async def test_a_clock_that_is_off(url: str, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared with the database's."""
    clock = next(step for step in checkup.STEPS if step.name == "clock")
    connection = await connect(Target.of(url))
    theirs = float(await connection.fetchval("select extract(epoch from clock_timestamp())"))
    await connection.close()
    monkeypatch.setattr(steps.time, "time", lambda: theirs - 3_600.0)
    database = Postgres(Target.of(url), connections=1)
    async with Ground(database=database) as ground:
        found = [one.finding async for one in checkup.run([*STEPS, clock], ground)][-1]
    await database.close()
    assert found.status is Status.WARN
    assert "s behind that of the database" in found.detail
