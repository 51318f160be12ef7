"""The local endpoint as the real Supabase would answer: where `@supabase/lite` 0.10.0 differs, it is put right here, and only here.

It looks at tables and functions once, at its start: after `notify pgrst` it has to be started again. And it takes no legacy keys (JWT):
what is sent with those is looked at in `test_rest.py`, and proven against no endpoint.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import msgspec

from benchmarks.lite import SECRET_KEY, Lite
from connector.settings import SupabaseSettings
from connector.store import migrate, rest
from connector.store.driver import Connection, Target, connect
from connector.store.migrate import migrations
from connector.store.rest import Rest

_CHECK = "violates check constraint"
_RIGHTS = re.compile(r"^(?:grant|revoke)\b[^;]*;", re.MULTILINE)


class Corrected(httpx.AsyncBaseTransport):
    """Passes requests on, and corrects answers."""

    def __init__(self, way: httpx.AsyncBaseTransport) -> None:
        self._way = way

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """A violated CHECK is 500 with a code of its own there, and 400 with PostgreSQL's code from PostgREST."""
        answer = await self._way.handle_async_request(request)
        if answer.status_code != 500:
            return answer
        said = msgspec.json.decode(await answer.aread())
        if said.get("code") != "SUP" or _CHECK not in said.get("message", ""):
            return answer
        return httpx.Response(400, json={**said, "code": "23514"}, request=request)

    async def aclose(self) -> None:
        """Close what is behind it."""
        await self._way.aclose()


async def new_project(url: str) -> None:
    """Give an empty database what every Supabase project has from its first minute: the roles, and who is asking."""
    connection = await connect(Target.of(url))
    try:
        await connection.execute((Path(migrate.__file__).parent / "shim.sql").read_text("utf-8"))
    finally:
        await connection.close()


_KEEP_RIGHTS = """
create schema if not exists tests;
create or replace function tests.keep_rights() returns event_trigger language plpgsql as $keep$
begin
  if current_setting('tests.keeping', true) = 'on' then return; end if;
  perform set_config('tests.keeping', 'on', false);
  execute $rights${rights}$rights$;
  perform set_config('tests.keeping', 'off', false);
end $keep$;
drop event trigger if exists tests_keep_rights;
create event trigger tests_keep_rights on ddl_command_end when tag in ('GRANT') execute function tests.keep_rights();
"""


async def restore_rights(sql: Connection) -> None:
    """Each new connection of it grants everything on every table to everybody, which Supabase does not: the migrations' own rights again,
    now and whenever it does so."""
    rights = "\n".join(right for each in migrations() for right in _RIGHTS.findall(each.sql))
    await sql.execute(rights)
    await sql.execute(_KEEP_RIGHTS.replace("{rights}", rights))


def look_again(lite: Lite) -> None:
    """Have it see the tables that were made since its start."""
    lite.stop()
    lite.start()


def over(lite: Lite, key: str = SECRET_KEY) -> Rest:
    """Answer the product's own way to the endpoint."""
    http = rest._http()
    http._transport = Corrected(http._transport)
    http._mounts = {}  # a proxy of this machine is for others
    return Rest(SupabaseSettings(lite.url, key), http=http)
