"""The record as Python sees it: each method is one function of the database. How it is reached is the transport's matter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from connector.store.errors import Misconfigured, Rejected
from connector.store.rows import Atendimento, Mensagem, Page, Recorded, SessionRow

SCHEMA = 1
"""The number of the schema that this code speaks to, as `vigia_schema()` says it."""
NEWER = "the database's tables are of a newer Vigia ({0}, this one knows {1}): upgrade Vigia"
OLDER = "the database's tables are of an older Vigia: run `vigia migrate`"
CUT_SHORT = "the database's answers are cut short: set Max rows in the Supabase project's Data API settings to 1000"
_SECOND_OPEN = "23505"
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped U+0000 in JSON: an even number of backslashes, then the escape."""

T = TypeVar("T")


class Conflict(Exception):
    """The customer has another open atendimento already."""


class Transport(Protocol):
    """A way to call the database's functions by name."""

    async def call(self, function: str, **arguments: Any) -> list[Any]:
        """Answer the function's rows as JSON values; a function that answers one value makes one row. Raises `StoreError`."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class Store:
    """Records facts and reads what became of them. Every method raises `StoreError` when the database does not do it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._fits = False

    async def record(self, facts: Sequence[bytes]) -> list[Recorded]:
        """Record a batch of facts (JSON objects in UTF-8) in order and in one transaction: all, or nothing of it.

        A batch that is too large for one request of the transport takes several, and what an error leaves is told again.
        """
        texts = [_without_nul(fact).decode() for fact in facts]
        found = msgspec.convert(await self._call("vigia_record", facts=texts), list[Recorded])
        if len(found) != len(texts):
            raise Misconfigured(CUT_SHORT)
        return found

    async def message(
        self, message_id: str, *, owner: str | None = None, company: str | None = None
    ) -> Mensagem | None:
        """Answer one message, or None."""
        return await self._one(Mensagem, "vigia_message", message=message_id, owner=owner, company=company)

    async def messages(
        self, atendimento_id: str, *, owner: str | None = None, company: str | None = None, limit: int, offset: int
    ) -> Page[Mensagem] | None:
        """Answer an atendimento's messages, oldest first, or None when there is no such atendimento."""
        bounds = {"owner": owner, "company": company, "max_items": limit, "skip": offset}
        return await self._one(Page[Mensagem], "vigia_messages", atendimento=atendimento_id, **bounds)

    async def active_atendimentos(
        self,
        *,
        owner: str | None = None,
        company: str | None = None,
        session: str | None = None,
        limit: int,
        offset: int,
    ) -> Page[Atendimento]:
        """Answer the open atendimentos, the most urgent and then the latest first."""
        bounds = {"owner": owner, "company": company, "session": session, "max_items": limit, "skip": offset}
        return msgspec.convert((await self._call("vigia_active_atendimentos", **bounds))[0], Page[Atendimento])

    async def set_atendimento_status(
        self, atendimento_id: str, status: str, *, owner: str | None = None, company: str | None = None
    ) -> Atendimento | None:
        """Move an atendimento and answer it, or None when there is none. Raises `Conflict` where a second one would be open."""
        given = {"atendimento": atendimento_id, "new_status": status, "owner": owner, "company": company}
        try:
            return await self._one(Atendimento, "vigia_set_atendimento_status", **given)
        except Rejected as error:
            if error.code == _SECOND_OPEN:
                raise Conflict from error
            raise

    async def sessions(
        self, *, owner: str | None = None, company: str | None = None, limit: int, offset: int
    ) -> Page[SessionRow]:
        """Answer what the database was told of connections, oldest first, removed ones included."""
        bounds = {"owner": owner, "company": company, "max_items": limit, "skip": offset}
        return msgspec.convert((await self._call("vigia_sessions", **bounds))[0], Page[SessionRow])

    async def newest_version(self) -> int:
        """Answer the newest version that a session's row carries: a clock below it would not be believed."""
        return int((await self._schema())["newest_version"])

    async def close(self) -> None:
        """Let go of every connection."""
        await self._transport.close()

    async def _one(self, kind: type[T], function: str, **arguments: Any) -> T | None:
        """Answer a function's one value as *kind*, or None where it answered null."""
        found = (await self._call(function, **arguments))[0]
        return None if found is None else msgspec.convert(found, kind)

    async def _call(self, function: str, **arguments: Any) -> list[Any]:
        if not self._fits:
            await self._schema()
        try:
            return await self._transport.call(function, **arguments)
        except Misconfigured:
            self._fits = False  # somebody will mend it: look again then
            raise

    async def _schema(self) -> dict[str, Any]:
        """Answer what the database is, and refuse one that another Vigia made."""
        said = (await self._transport.call("vigia_schema"))[0]
        require_fitting(int(said["number"]))
        self._fits = True
        return said


def require_fitting(number: int) -> None:
    """Raise `Misconfigured` unless *number* is this code's schema."""
    if number > SCHEMA:
        raise Misconfigured(NEWER.format(number, SCHEMA))
    if number < SCHEMA:
        raise Misconfigured(OLDER)


def _without_nul(fact: bytes) -> bytes:
    """PostgreSQL's texts cannot hold U+0000: it becomes U+FFFD, since no content may stop a message."""
    return _NUL.sub(rb"\1\\ufffd", fact) if b"\\u0000" in fact else fact
