"""The one file that imports asyncpg: typed for us, with its errors sorted."""

from __future__ import annotations

import errno
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from connector.store.errors import Misconfigured, Offline, Rejected, StoreError, of_sqlstate

CONNECT_S = 5.0
COMMAND_S = 30.0
IDLE_S = 60.0
"""An unused connection is closed after this long: poolers and networks forget it silently."""
_asyncpg = cast(Any, asyncpg)  # it carries no types
_NO_ADDRESS = "the connection string is not an address of a PostgreSQL database"
_TLS = "the database and this machine do not agree on TLS: look at sslmode and certificates in the connection string"
_NO_SUCH_NAME = (
    "the name of the database's host is not known: correct the connection string, or look at this machine's DNS"
)
_NO_WAY = "no network leads to the database's address: where it needs IPv6, as Supabase's direct one does, use the session pooler's"
_NO_TENANT = (
    "the pooler knows no such project or user: correct the connection string, or resume the project if it is paused"
)
_POOLER = (
    ("tenant or user not found", _NO_TENANT),
    ("tenant/user", _NO_TENANT),
    ("not in tenant allow_list", "the project's network restrictions keep this machine out: allow its address"),
    ("ssl connection is required", _TLS),
    ("no such database", "there is no database of that name: create it, or correct the connection string"),
    ("authentication failed", "the database refuses this password or user: correct the connection string"),
)
"""What poolers (Supavisor, PgBouncer) say under codes that mean something else elsewhere: a part of it, in small letters."""


class Connection(Protocol):
    """What we use of a connection."""

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a query, or without arguments a whole script."""
        ...

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Answer the rows."""
        ...

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Answer the first column of the first row."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Commit at its end, or undo at an error."""
        ...

    async def close(self) -> None:
        """Leave in order."""
        ...


class Pool(Protocol):
    """What we use of a pool."""

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Answer the first column of the first row, over any connection."""
        ...

    async def close(self) -> None:
        """Wait for calls under way and leave."""
        ...

    def terminate(self) -> None:
        """Leave at once."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where a database is. `pooled`: between us and it stands a pooler that hands every transaction to another connection."""

    url: str
    pooled: bool

    @staticmethod
    def of(url: str) -> Target:
        """Read a connection string as Supabase and others print it. `?pgbouncer=true` is a mark, and no setting of the server."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Misconfigured(_NO_ADDRESS) from error
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        marked = options.pop("pgbouncer", "").lower() == "true"
        hosted = host.endswith((".supabase.com", ".supabase.co"))
        if hosted:
            options.setdefault("sslmode", "require")
        pooled = marked or port == 6543 or host.endswith(".pooler.supabase.com")
        return Target(urlunsplit(parts._replace(query=urlencode(options))), pooled)

    @property
    def options(self) -> dict[str, Any]:
        """What every connection is opened with. Behind a pooler a prepared statement may be somebody else's."""
        options: dict[str, Any] = {
            "dsn": self.url,
            "timeout": CONNECT_S,
            "command_timeout": COMMAND_S,
            "server_settings": {"application_name": "vigia"},
        }
        return {**options, "statement_cache_size": 0} if self.pooled else options


async def connect(target: Target, *, command_s: float = COMMAND_S) -> Connection:
    """Open one connection. Raises what asyncpg raises: see `classify`."""
    return await _asyncpg.connect(**{**target.options, "command_timeout": command_s})


async def open_pool(target: Target, connections: int) -> Pool:
    """Make a pool that opens nothing yet: the service starts while the database is away."""
    limits = {"min_size": 0, "max_size": connections, "max_inactive_connection_lifetime": IDLE_S}
    return await _asyncpg.create_pool(**limits, **target.options)


def classify(error: Exception) -> StoreError:
    """Answer what an error of asyncpg or of the network means for the caller. Never quotes a row's values."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return _of_pooler(error) or of_sqlstate(getattr(error, "sqlstate", None) or "", type(error).__name__)
    if isinstance(error, ssl.SSLError) or (isinstance(error, ConnectionError) and "rejected SSL" in str(error)):
        return Misconfigured(_TLS)
    if isinstance(error, socket.gaierror):
        return Offline(_NO_SUCH_NAME)
    if isinstance(error, OSError) and error.errno == errno.ENETUNREACH:
        return Offline(_NO_WAY)
    if isinstance(error, OSError):  # refused, and every time-out
        return Offline(f"the database cannot be reached ({type(error).__name__})")
    if isinstance(error, asyncpg.DataError):
        return Rejected("a value is not what the database's function takes")
    if isinstance(error, asyncpg.ClientConfigurationError):
        return Misconfigured(_NO_ADDRESS)
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return Offline(f"the connection to the database ended ({type(error).__name__})")
    raise error


def _of_pooler(error: asyncpg.PostgresError) -> Misconfigured | None:
    code, said = getattr(error, "sqlstate", None) or "", str(error).lower()
    if code not in ("XX000", "08P01"):
        return None
    return next((Misconfigured(told, code) for part, told in _POOLER if part in said), None)
