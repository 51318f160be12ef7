"""The command `vigia migrate`: says what it did to the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from connector import settings
from connector.failures import ExitCode, StartFailure
from connector.store import migrate
from connector.store.errors import StoreError

OWN = "No database is named: the service keeps its own in DATA_DIR, and brings that up to date at every start."


def run(*, as_text: bool, say: Callable[[str], None]) -> ExitCode:
    """Migrate the configured database, or with *as_text* only tell the SQL. Raises `StartFailure`."""
    if as_text:
        say(migrate.as_text())
        return ExitCode.STOPPED
    url = settings.load().database
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
