"""Sends that were asked for: each begins once a key, ends once, and can be told again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connector.spool import tables
from connector.spool.clock import wall_us
from connector.spool.database import Database
from connector.spool.rows import Ended, NewSend, OutRow, Send
from connector.spool.tally import Tally

PAGE = 500


@dataclass(frozen=True, slots=True)
class Begun:
    """It is new, and stored with its rows: go on and send."""

    send: Send


@dataclass(frozen=True, slots=True)
class Replay:
    """The same request came before under this key. `send.answer` is what was told then; None while it has not been."""

    send: Send


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another request came before under this key."""

    send: Send


class Sends:
    """The sends of this node. *now_us*: unix microseconds. Methods raise `SpoolError`; then nothing was done."""

    def __init__(self, database: Database, tally: Tally, now_us: Callable[[], int] = wall_us) -> None:
        self._database = database
        self._tally = tally
        self._now_us = now_us

    async def begin(self, new: NewSend, rows: Sequence[OutRow]) -> Begun | Replay | Conflict:
        """Store a send and its *rows* in one transaction, unless its key was used before in its scope: then store nothing.

        Raises `sqlite3.IntegrityError` for a message id that was used before.
        """

        def work(db: sqlite3.Connection) -> Begun | Replay | Conflict:
            if new.key is not None and (before := tables.select_sends(db, "scope = ? AND key = ?", new.scope, new.key)):
                return (Replay if before[0].request_hash == new.request_hash else Conflict)(before[0])
            now_us = self._now_us()
            _insert(db, new, now_us)
            tables.insert_rows(db, rows, now_us)
            return Begun(tables.select_sends(db, "message_id = ?", new.message_id)[0])

        def after(begun: Begun | Replay | Conflict) -> None:
            if isinstance(begun, Begun):
                self._tally.put(rows)

        return await self._database.write(work, after)

    async def finish(self, ended: Ended, rows: Sequence[OutRow] = ()) -> bool:
        """Write how a send ended, with *rows* in the same transaction; answer whether that was news. If not, nothing is stored.

        Only *sending* ends; *unknown* may still become sent or failed; sent and failed stay.
        """

        def work(db: sqlite3.Connection) -> bool:
            news = tables.settle(db, ended)
            if news:
                tables.insert_rows(db, rows, self._now_us())
            return news

        def after(news: bool) -> None:
            if news:
                self._tally.put(rows)

        return await self._database.write(work, after)

    async def told(self, message_id: str, answer: bytes, atendimento_id: str | None = None) -> None:
        """Keep what the caller was told, for whoever asks with the same key again. A power cut may undo it."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE send SET answer = ?, atendimento_id = coalesce(?, atendimento_id) WHERE message_id = ?",
                (answer, atendimento_id, message_id),
            )

        await self._database.tidy(work)

    async def recorded(self, atendimentos: Mapping[str, str]) -> None:
        """Keep which atendimento each send, by its message id, was recorded in. A power cut may undo it."""
        told = [(atendimento, message) for message, atendimento in atendimentos.items()]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("UPDATE send SET atendimento_id = ? WHERE message_id = ? AND atendimento_id IS NULL", told)

        await self._database.tidy(work)

    async def get(self, message_id: str) -> Send | None:
        """Answer one send."""
        found = await self._database.read(lambda db: tables.select_sends(db, "message_id = ?", message_id))
        return found[0] if found else None

    async def of_key(self, scope: str, key: str) -> Send | None:
        """Answer the send that was asked for under *key* in *scope*."""
        found = await self._database.read(lambda db: tables.select_sends(db, "scope = ? AND key = ?", scope, key))
        return found[0] if found else None

    async def open_sends(self, *, before_us: int, limit: int = PAGE) -> list[Send]:
        """Answer up to *limit* sends without an outcome that began before *before_us*, the oldest first.

        What an earlier run left open is over once its inboxes are read: end it as *unknown*.
        """
        return await self._database.read(
            lambda db: tables.select_sends(
                db, "status = 'sending' AND at_us < ? ORDER BY at_us LIMIT ?", before_us, min(limit, PAGE)
            )
        )

    async def forget(self, *, before_us: int, limit: int = PAGE) -> int:
        """Forget up to *limit* ended sends that began before *before_us*, keys included; answer how many there were."""

        def work(db: sqlite3.Connection) -> int:
            return db.execute(
                "DELETE FROM send WHERE message_id IN (SELECT message_id FROM send"
                " WHERE at_us < ? AND status <> 'sending' ORDER BY at_us LIMIT ?)",
                (before_us, limit),
            ).rowcount

        return await self._database.tidy(work)


def _insert(db: sqlite3.Connection, new: NewSend, now_us: int) -> None:
    db.execute(
        "INSERT INTO send (message_id, connection_id, session, scope, key, request_hash, status, at_us)"
        " VALUES (?, ?, ?, ?, ?, ?, 'sending', ?)",
        (new.message_id, new.connection_id, new.session, new.scope, new.key, new.request_hash, now_us),
    )
