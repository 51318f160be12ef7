"""Steps that ask the database, over whichever transport is configured, for everything the service needs of it."""

from __future__ import annotations

import time
from typing import Any

from connector.checkup.ground import Database, Ground
from connector.checkup.steps import Finding, failed, fine, told, warned
from connector.store.cluster import Cluster
from connector.store.driver import Target
from connector.store.embedded import Embedded
from connector.store.errors import Offline, StoreError
from connector.store.migrate import migrate
from connector.store.postgres import Postgres
from connector.store.rest import Rest
from connector.store.store import SCHEMA, require_fitting

FUNCTIONS = (
    "vigia_record",
    "vigia_message",
    "vigia_messages",
    "vigia_active_atendimentos",
    "vigia_set_atendimento_status",
    "vigia_sessions",
    "vigia_schema",
    "vigia_probe",
)
"""What the service calls."""
UP_S = 150.0
SLOW_S = 1.0
_AWAY = "Look whether it runs and whether the address is right; until then everything waits on disk."
_OWN_AWAY = (
    "The service starts it again by itself; the end of {} says why it ended. Until then everything waits on disk."
)
_MIGRATE = "Run `vigia migrate` (over REST: put what `vigia migrate --print` prints into the SQL editor)."
_GRANT = "As the database's owner run: grant {} to {};"


async def database(ground: Ground) -> Finding:
    """Reach it and be let in. The service's own is started for this where no service runs."""
    try:
        ground.database = ground.database or await _found(ground)
        began = time.monotonic()
        greeting = await ground.database.greet()
    except StoreError as error:
        return _trouble(error, _remedy(ground))
    took = time.monotonic() - began
    if took > SLOW_S:
        return warned(
            f"{greeting} took {took:.1f} s to answer.", "Choose a database nearer to this machine, or a stronger one."
        )
    return fine(f"{greeting}, let in after {took * 1000:.0f} ms")


async def schema(ground: Ground) -> Finding:
    """The tables are of this Vigia."""
    try:
        said = (await ground.store.call("vigia_schema"))[0]
        require_fitting(int(said["number"]))
    except StoreError as error:
        return _trouble(error)
    return fine(f"number {SCHEMA}, as this Vigia knows it")


async def functions(ground: Ground) -> Finding:
    """Every function and table is there."""
    try:
        said = await _examined(ground)
    except StoreError as error:
        return _trouble(error)
    ground.clocks["the database"] = float(said["clock"]) - time.time()
    if said["missing"]:
        return failed(f"Missing in the database: {', '.join(said['missing'])}.", _MIGRATE)
    return fine(f"all {len(FUNCTIONS)} that the service calls are there, and their tables")


async def grants(ground: Ground) -> Finding:
    """Whoever we are there may use them."""
    try:
        said = await _examined(ground)
    except StoreError as error:
        return _trouble(error)
    lacking: list[str] = said["lacking"]
    if lacking:
        remedy = _GRANT.format(lacking[0], said["user"])
        return failed(f"{said['user']} lacks {len(lacking)} rights: {'; '.join(lacking)}.", remedy)
    return fine(f"{said['user']} may use all of them")


async def probe(ground: Ground) -> Finding:
    """Write a message the way the service does, read it, delete it; the database undoes all of it."""
    try:
        said = (await ground.store.call("vigia_probe"))[0]
    except StoreError as error:
        return _trouble(error)
    if said != {"seen": 1, "gone": 1}:
        return failed(
            "A message that was written could not be read or deleted.",
            "Connect as the user that ran `vigia migrate`: row level security hides rows from this one.",
        )
    return fine("a message was written, read, deleted, and all of it undone")


async def _examined(ground: Ground) -> dict[str, Any]:
    return (await ground.store.call("vigia_examine", wanted=",".join(FUNCTIONS)))[0]


async def _found(ground: Ground) -> Database:
    found = await _chosen(ground)
    ground.parts.push_async_callback(found.close)
    return found


async def _chosen(ground: Ground) -> Database:
    """The same choice as the service's: a connection string, else a project's key, else its own."""
    url, project = ground.settings.database, ground.settings.supabase
    if url is None and project:
        return Rest(project)
    return Postgres(Target.of(url or await _embedded(ground)), connections=1)


async def _embedded(ground: Ground) -> str:
    """Answer the address of the service's own database: the running one's, or one that is started for the checkup.

    Where none was made yet, one is made in a folder that goes away again: a checkup leaves the tables to the start.
    """
    folder = ground.data.path / "postgres"
    made = (folder / "PG_VERSION").exists()
    if ground.holder:
        return Cluster.at(folder).url
    own = Embedded(folder, _leave) if made else Embedded(ground.scratch("database") / "postgres", migrate)
    ground.parts.push_async_callback(own.stop)
    await own.start()
    if not await own.until_up(UP_S):
        raise Offline(f"the embedded PostgreSQL does not start ({own.view.reason or 'no reason is known'})")
    return own.url


async def _leave(_url: str) -> None:
    return None


def _remedy(ground: Ground) -> str:
    if ground.found is None or ground.found.database or ground.found.supabase:
        return _AWAY  # somebody else's
    return _OWN_AWAY.format(Cluster.at(ground.data.path / "postgres").log)


def _trouble(error: StoreError, remedy: str = _AWAY) -> Finding:
    """The database's own sentences say after a colon what to do; where they do not, it has to come back."""
    sentence = f"{str(error)[:1].upper()}{str(error)[1:]}".rstrip(".")
    if ": " in sentence:
        return told(f"{sentence}.")
    return failed(f"{sentence}.", remedy)
