"""Brings a database to this Vigia's schema: each file of `supabase/migrations` once, in Supabase's own book of what was applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connector.store.driver import Connection, Target, classify, connect
from connector.store.errors import Misconfigured
from connector.store.store import NEWER, SCHEMA

_HERE = Path(__file__).parent
_FOLDERS = (_HERE / "migrations", _HERE.parents[1] / "supabase" / "migrations")
"""Where the files are: packed into the installed service, or in the project's own folder."""
_LOCK = 0x76696769  # "vigi": one migration at a time in a database
_BOOK = """\
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[], add column if not exists name text;
"""
_NOTE = "insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, array[$3])"
_TELL = "notify pgrst, 'reload schema';"
"""Supabase's interface looks at the tables again: hosted projects do that by themselves, one of your own may not."""
_MIGRATE_S = 300.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number of 14 digits, its name, its SQL."""

    version: str
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Answer every migration, in order."""
    folder = next(folder for folder in _FOLDERS if folder.is_dir())
    parts = [(*path.stem.partition("_"), path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))]
    return [Migration(version, name, sql) for version, _, name, sql in parts]


def as_text() -> str:
    """Answer everything as one SQL text for Supabase's SQL editor. Run a second time it fails at its start and changes nothing."""
    parts = ["begin;", _BOOK]
    for each in migrations():
        note = f"insert into supabase_migrations.schema_migrations (version, name) values ('{each.version}', '{each.name}');"  # noqa: S608 - file names of ours
        parts += [f"-- {each.version} {each.name}", note, each.sql]
    return "\n".join([*parts, _TELL, "commit;\n"])


async def migrate(url: str) -> list[Migration]:
    """Apply what is missing, in one transaction, and answer it. Raises `StoreError`."""
    try:
        connection = await connect(Target.of(url), command_s=_MIGRATE_S)
        try:
            async with connection.transaction():
                return await _apply(connection)
        finally:
            await connection.close()
    except Exception as error:
        raise classify(error) from error


async def _apply(connection: Connection) -> list[Migration]:
    await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
    await _refuse_newer(connection)
    if await connection.fetchval("select to_regprocedure('auth.uid()') is null"):
        await connection.execute((_HERE / "shim.sql").read_text("utf-8"))
    await connection.execute(_BOOK)
    applied = {row[0] for row in await connection.fetch("select version from supabase_migrations.schema_migrations")}
    missing = [each for each in migrations() if each.version not in applied]
    for each in missing:
        await connection.execute(each.sql)
        await connection.execute(_NOTE, each.version, each.name, each.sql)
    await connection.execute(_TELL)
    return missing


async def _refuse_newer(connection: Connection) -> None:
    if await connection.fetchval("select to_regprocedure('public.vigia_schema()') is null"):
        return
    number = await connection.fetchval("select (public.vigia_schema() ->> 'number')::int")
    if number > SCHEMA:
        raise Misconfigured(NEWER.format(number, SCHEMA))
