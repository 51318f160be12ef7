"""The command `vigia migrate`: says what it did to the database."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from connector import settings
from connector.command import Command, Say
from connector.failures import ExitCode, StartFailure
from connector.store import migrate
from connector.store.errors import StoreError

_ABOUT = """\
Creates or changes the tables and functions of the database in DATABASE_URL or SUPABASE_DB_URL: what is missing, in one
transaction, noted where the Supabase CLI notes it too. The service does this itself for its own, embedded database.
"""
OWN = "No database is named: the service keeps its own in DATA_DIR, and brings that up to date at every start."
OVER_REST = (
    "Nothing was changed: Supabase takes no migrations over REST. Set SUPABASE_DB_URL to the project's connection string "
    "and run this again, or paste what `vigia migrate --print` writes into the project's SQL editor."
)


def run(*, as_text: bool, say: Say) -> ExitCode:
    """Migrate the configured database, or with *as_text* only tell the SQL. Raises `StartFailure`."""
    if as_text:
        say(migrate.as_text())
        return ExitCode.STOPPED
    given = settings.load()
    url = given.database
    if url is None and given.supabase:
        raise StartFailure(ExitCode.DATABASE, OVER_REST)
    if url is None:
        say(OWN)
        return ExitCode.STOPPED
    try:
        applied = asyncio.run(migrate.migrate(url))
    except StoreError as error:
        raise StartFailure(ExitCode.DATABASE, f"Nothing was changed: {error}.") from error
    for each in applied:
        say(f"applied {each.version} {each.name}")
    say("The database is up to date." if applied else "The database was up to date already: nothing to do.")
    return ExitCode.STOPPED


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--print", action="store_true", help="print one SQL text instead, for Supabase's SQL editor")


def _run(asked: Namespace, say: Say) -> ExitCode:
    return run(as_text=asked.print, say=say)


COMMAND = Command(
    "migrate",
    "bring the database in DATABASE_URL or SUPABASE_DB_URL to this Vigia's tables",
    _ABOUT,
    _run,
    _arguments,
    {
        ExitCode.STOPPED: "the database is up to date",
        ExitCode.USAGE: "a setting or an argument is wrong",
        ExitCode.DATABASE: "the database could not be reached or used; nothing was changed",
    },
)
