"""Every cause a sink can meet, row by row: what PostgreSQL says, what Supabase says, what a webhook's receiver says."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp.client_reqrep import ConnectionKey

from connector.guard import InternalAddress
from connector.sinks.answers import of_failure, of_status
from connector.sinks.causes import of_store
from connector.spool.sink import Park, Poison, Wait
from connector.store.causes import Answer, meaning
from connector.store.driver import classify
from connector.store.errors import Misconfigured, of_sqlstate

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# Every class of https://www.postgresql.org/docs/current/errcodes-appendix.html, and codes that differ from their class.
CLASSES = {
    "01": Park, "02": Park, "03": Park, "08": Wait, "09": Park, "0A": Park, "0B": Park, "0F": Park, "0L": Park, "0P": Park,
    "0Z": Park, "10": Park, "20": Poison, "21": Poison, "22": Poison, "23": Poison, "24": Park, "25": Wait, "26": Park,
    "27": Park, "28": Park, "2B": Park, "2D": Park, "2F": Poison, "34": Park, "38": Poison, "39": Poison, "3B": Park,
    "3D": Park, "3F": Park, "40": Wait, "42": Park, "44": Park, "53": Wait, "54": Poison, "55": Wait, "57": Wait, "58": Wait,
    "72": Park, "F0": Park, "HV": Park, "P0": Poison, "XX": Wait,
}  # fmt: skip


@pytest.mark.parametrize(("group", "verdict"), CLASSES.items(), ids=CLASSES)
def test_each_class_of_postgresqls_codes_has_its_verdict(group: str, verdict: type) -> None:
    assert isinstance(of_store(of_sqlstate(f"{group}000", "condition")), verdict)
    assert isinstance(of_store(meaning(Answer(400, f"{group}000"))), verdict), "over REST the same code means the same"


def test_every_error_that_the_driver_knows_is_in_the_table() -> None:
    """A class that a new version brings has to be thought about here first."""
    known = {str(code)[:2] for one in vars(asyncpg.exceptions).values() if (code := getattr(one, "sqlstate", None))}
    assert len(known) > 30
    assert known - set(CLASSES) == set()


@pytest.mark.parametrize("code", ["", "99999", "ZZ000", "abcde"])
def test_a_code_that_nobody_thought_of_parks(code: str) -> None:
    """Loud, and nothing is lost."""
    assert isinstance(of_store(of_sqlstate(code, "condition")), Park)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ConnectionRefusedError(), Wait),
        (ConnectionResetError(), Wait),
        (OSError(101, "Network is unreachable"), Wait),
        (TimeoutError(), Wait),
        (asyncpg.ConnectionDoesNotExistError("closed"), Wait),
        (asyncpg.InterfaceError("connection is closed"), Wait),
        (asyncpg.CannotConnectNowError("starting"), Wait),
        (asyncpg.TooManyConnectionsError("too many"), Wait),
        (asyncpg.DiskFullError("full"), Wait),
        (asyncpg.ReadOnlySQLTransactionError("read-only"), Park),
        (asyncpg.DeadlockDetectedError("deadlock"), Wait),
        (asyncpg.QueryCanceledError("time"), Wait),
        (asyncpg.InvalidPasswordError("no"), Park),
        (asyncpg.InvalidCatalogNameError("no"), Park),
        (asyncpg.InsufficientPrivilegeError("no"), Park),
        (asyncpg.UndefinedFunctionError("no"), Park),
        (asyncpg.UndefinedTableError("no"), Park),
        (asyncpg.InvalidSQLStatementNameError("a pooler"), Park),
        (ssl.SSLError("handshake"), Park),
        (ConnectionError("PostgreSQL server rejected SSL upgrade"), Park),
        (ConnectionError("PostgreSQL server sent an error response during SSL"), Wait),
        (socket.gaierror(-2, "Name or service not known"), Wait),
        (asyncpg.InternalServerError("Tenant or user not found"), Park),
        (asyncpg.InternalServerError("(ENOTFOUND) tenant/user postgres.abc not found"), Park),
        (asyncpg.InternalServerError("Address not in tenant allow_list: {1,2,3,4}"), Park),
        (asyncpg.InternalServerError("SSL connection is required"), Park),
        (asyncpg.InternalServerError("MaxClientsInSessionMode: max clients reached"), Wait),
        (asyncpg.InternalServerError("DbHandler exited"), Wait),
        (asyncpg.ProtocolViolationError("no such database: shop"), Park),
        (asyncpg.ProtocolViolationError("SASL authentication failed"), Park),
        (asyncpg.ProtocolViolationError("server conn crashed?"), Wait),
        (asyncpg.DuplicatePreparedStatementError("a pooler"), Park),
        (asyncpg.ClientConfigurationError("no address"), Park),
        (asyncpg.CheckViolationError("no"), Poison),
        (asyncpg.NotNullViolationError("no"), Poison),
        (asyncpg.CharacterNotInRepertoireError("no"), Poison),
        (asyncpg.DataError("a text where a number goes"), Poison),
        (asyncpg.RaiseError("somebody's own trigger"), Poison),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_the_driver_raises(error: Exception, verdict: type) -> None:
    assert isinstance(of_store(classify(error)), verdict)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (asyncpg.InternalServerError("Tenant or user not found"), "resume the project if it is paused"),
        (asyncpg.InternalServerError("Address not in tenant allow_list: {planted}"), "allow its address"),
        (asyncpg.ProtocolViolationError("password authentication failed for planted"), "refuses this password"),
        (asyncpg.InvalidSQLStatementNameError("planted"), "?pgbouncer=true"),
        (asyncpg.DiskFullError("could not extend file planted"), "disk is full"),
        (socket.gaierror(-2, "planted"), "host is not known"),
        (OSError(101, "Network is unreachable"), "IPv6"),
    ],
)
def test_what_can_be_mended_is_told_with_its_remedy_and_nothing_is_quoted(error: Exception, says: str) -> None:
    told = str(classify(error))
    assert says in told
    assert "planted" not in told


REST = {
    (200, None): Wait, (204, None): Wait, (301, None): Park, (308, None): Park, (400, None): Wait, (401, None): Park,
    (402, None): Park, (403, None): Park, (404, None): Wait, (407, None): Park, (408, None): Wait, (413, None): Poison,
    (418, None): Wait, (425, None): Wait, (429, None): Wait, (500, None): Wait, (502, None): Wait, (503, None): Wait,
    (504, None): Wait, (520, None): Wait, (521, None): Wait, (522, None): Wait, (540, None): Park,
    (503, "PGRST000"): Wait, (503, "PGRST001"): Wait, (503, "PGRST002"): Wait, (504, "PGRST003"): Wait,
    (400, "PGRST102"): Poison, (406, "PGRST106"): Park, (404, "PGRST202"): Park, (404, "PGRST205"): Park,
    (401, "PGRST301"): Park, (401, "PGRST302"): Park, (401, "PGRST303"): Park, (400, "PGRST999"): Park,
    (405, "25006"): Park, (403, "42501"): Park, (404, "42883"): Park, (409, "23505"): Poison, (409, "23503"): Poison,
    (400, "23514"): Poison, (400, "22P02"): Poison, (500, "57014"): Wait, (500, "53100"): Wait, (500, "40001"): Wait,
    (500, "XX000"): Wait, (429, "429"): Wait, (502, "502"): Wait,
}  # fmt: skip


@pytest.mark.parametrize(("answer", "verdict"), REST.items(), ids=map(str, REST))
def test_what_supabase_answers(answer: tuple[int, str | None], verdict: type) -> None:
    """Its own code decides, the status where there is none; a success that is not its own is none."""
    assert isinstance(of_store(meaning(Answer(*answer))), verdict)


def test_how_long_supabase_asks_to_be_left_alone() -> None:
    assert of_store(meaning(Answer(429, None, "7"))) == Wait("Supabase is busy (HTTP 429).", 7.0)


RECEIVER = {
    **dict.fromkeys((200, 201, 202, 204, 299), None),
    **dict.fromkeys((300, 301, 302, 303, 307, 308), Park),
    **dict.fromkeys((401, 403, 404, 405, 407, 410), Park),
    **dict.fromkeys((408, 425, 429, 503), Wait),
    **dict.fromkeys((400, 402, 406, 409, 411, 412, 413, 414, 415, 422, 431, 451), Poison),
    **dict.fromkeys((500, 501, 502, 504, 520, 599), Wait),
    **dict.fromkeys((100, 199, 600, 999), Wait),
}


@pytest.mark.parametrize(("status", "verdict"), RECEIVER.items(), ids=map(str, RECEIVER))
def test_what_a_receiver_answers(status: int, verdict: type | None) -> None:
    found = of_status(status, None, NOW)
    assert (found and type(found.verdict)) is verdict


def test_every_status_there_is_has_a_verdict() -> None:
    """And a sentence with its number in it."""
    for status in {*(int(one) for one in HTTPStatus), *range(100, 1000)}:
        found = of_status(status, None, NOW)
        assert (found is None) is (200 <= status < 300)
        assert found is None or str(status) in found.verdict.reason


def key(port: int = 443) -> Any:
    return ConnectionKey("crm.example", port, True, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "verdict", "everywhere"),
    [
        (aiohttp.ClientConnectorError(key(), ConnectionRefusedError()), Wait, True),
        (aiohttp.ClientConnectorDNSError(key(), OSError()), Wait, True),
        (aiohttp.ConnectionTimeoutError(), Wait, True),
        (aiohttp.ClientConnectorCertificateError(key(), ssl.SSLCertVerificationError()), Park, True),
        (aiohttp.InvalidURL("x"), Park, True),
        (aiohttp.ClientConnectorError(key(), InternalAddress()), Park, True),
        (InternalAddress(), Park, True),
        (aiohttp.ServerTimeoutError(), Wait, False),
        (TimeoutError(), Wait, False),
        (aiohttp.ServerDisconnectedError(), Wait, False),
        (aiohttp.ClientOSError(), Wait, False),
        (aiohttp.ClientPayloadError(), Wait, False),
        (OSError(), Wait, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_receiver_that_gives_no_answer(error: Exception, verdict: type, everywhere: bool) -> None:
    found = of_failure(error)
    assert (type(found.verdict), found.everywhere) == (verdict, everywhere)
    assert "crm.example" not in found.verdict.reason


def test_an_error_without_a_verdict_of_its_own_parks() -> None:
    assert of_store(Misconfigured("look at it")) == Park("Look at it.")
