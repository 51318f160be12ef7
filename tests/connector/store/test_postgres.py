"""The way to the database: poolers, refusals, and what an error means."""

from __future__ import annotations

import contextlib
import socket
import ssl

import asyncpg
import pytest

from connector.store.driver import Target, classify
from connector.store.errors import Misconfigured, Offline, Rejected, StoreError
from connector.store.postgres import Postgres
from connector.store.store import Store

HOSTED = "postgresql://postgres.ref:p%40ss@aws-0-sa-east-1.pooler.supabase.com"


@pytest.mark.parametrize(
    ("url", "pooled", "asks"),
    [
        ("postgresql://u:p@db.example.com:5432/x", False, ""),
        ("postgresql://u:p@db.example.com:6543/x", True, ""),
        ("postgresql://u:p@db.example.com/x?pgbouncer=true&connect_timeout=3", True, "connect_timeout=3"),
        ("postgresql://u:p@db.example.com/x?pgbouncer=false", False, ""),
        (f"{HOSTED}:5432/postgres", True, "sslmode=require"),
        (f"{HOSTED}:6543/postgres?sslmode=verify-full", True, "sslmode=verify-full"),
        ("postgresql://postgres:p@db.ref.supabase.co:5432/postgres", False, "sslmode=require"),
        ("postgresql://postgres@/postgres?host=%2Ftmp%2Fsome%20where", False, "host=%2Ftmp%2Fsome+where"),
    ],
)
def test_what_stands_between_is_read_from_the_address(url: str, pooled: bool, asks: str) -> None:
    target = Target.of(url)
    assert (target.pooled, target.url.partition("?")[2]) == (pooled, asks)
    assert target.options.get("statement_cache_size", 100) == (0 if pooled else 100)
    assert target.url.partition("?")[0] == url.partition("?")[0]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), Offline),
        (socket.gaierror(), Offline),
        (TimeoutError(), Offline),
        (FileNotFoundError(), Offline),
        (ssl.SSLError(), Misconfigured),
        (ConnectionError("PostgreSQL server at x rejected SSL upgrade"), Misconfigured),
        (asyncpg.ConnectionDoesNotExistError("x"), Offline),
        (asyncpg.InterfaceError("connection is closed"), Offline),
        (asyncpg.TooManyConnectionsError("x"), Offline),
        (asyncpg.CannotConnectNowError("x"), Offline),
        (asyncpg.AdminShutdownError("x"), Offline),
        (asyncpg.QueryCanceledError("x"), Offline),
        (asyncpg.SerializationError("x"), Offline),
        (asyncpg.DeadlockDetectedError("x"), Offline),
        (asyncpg.DiskFullError("x"), Offline),
        (asyncpg.ReadOnlySQLTransactionError("x"), Misconfigured),
        (asyncpg.InternalServerError("x"), Offline),
        (asyncpg.InvalidCatalogNameError("x"), Misconfigured),
        (asyncpg.InvalidPasswordError("x"), Misconfigured),
        (asyncpg.UndefinedTableError("x"), Misconfigured),
        (asyncpg.UndefinedFunctionError("x"), Misconfigured),
        (asyncpg.InsufficientPrivilegeError("x"), Misconfigured),
        (asyncpg.FeatureNotSupportedError("x"), Misconfigured),
        (asyncpg.DataError("x"), Rejected),
        (asyncpg.CharacterNotInRepertoireError("x"), Rejected),
        (asyncpg.CheckViolationError("x"), Rejected),
        (asyncpg.NotNullViolationError("x"), Rejected),
        (asyncpg.ProgramLimitExceededError("x"), Rejected),
        (asyncpg.RaiseError("x"), Rejected),
    ],
)
def test_an_error_says_what_to_do_next_and_quotes_nothing(error: Exception, kind: type[StoreError]) -> None:
    told = classify(error)
    assert type(told) is kind
    assert "x" not in str(told).split()


def test_our_own_mistakes_stay_what_they_are() -> None:
    with pytest.raises(KeyError):
        classify(KeyError())


async def test_a_database_that_is_away_is_offline_and_costs_nothing_at_the_start() -> None:
    store = Store(Postgres(Target.of("postgresql://u:p@127.0.0.1:1/x")))
    with pytest.raises(Offline):
        await store.record([])
    await store.close()
    await store.close()


async def test_a_wrong_password_or_name_is_for_a_person_to_mend(cluster) -> None:
    store = Store(Postgres(Target.of(cluster.url.replace("/postgres?", "/nowhere?"))))
    with pytest.raises(Misconfigured, match="no database of that name"):
        await store.record([])
    await store.close()


async def test_the_same_calls_without_prepared_statements(url: str, teller) -> None:
    store = Store(Postgres(Target.of(f"{url}&pgbouncer=true"), connections=1))
    teller.store = store
    (recorded,) = await teller.tell(teller.came("A"))
    for _ in range(3):
        assert await store.message(recorded.message_id)
    await store.close()


async def test_broken_connections_are_replaced(store: Store, sql, teller) -> None:
    await teller.tell(teller.came("A"))
    await sql.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
    )
    fact = teller.came("B")
    with contextlib.suppress(Offline):  # the call that finds its connection ended
        await teller.tell(fact)
    (recorded,) = await teller.tell(fact)
    assert await store.message(recorded.message_id)
