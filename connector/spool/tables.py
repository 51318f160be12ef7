"""Statements that more than one keeper of the spool needs, each for the middle of a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from connector.spool.rows import DeadLetter, Ended, Grave, OutRow, Send, SendState, StoredOut

_SEND = (
    "message_id, connection_id, session, scope, key, request_hash,"
    " status, wa_message_id, error, atendimento_id, at_us, ended_us, answer"
)
_SETTLE = """
UPDATE send SET status = ?, wa_message_id = coalesce(?, wa_message_id), error = ?, ended_us = ?
WHERE message_id = ? AND (status = 'sending' OR status = 'unknown' AND ? <> 'unknown')
"""


def insert_rows(db: sqlite3.Connection, rows: Sequence[OutRow], now_us: int) -> None:
    """Put *rows* at the end of their queues, in their order."""
    db.executemany(
        "INSERT INTO outbox (sink, chain, op, body, at_us) VALUES (?, ?, ?, ?, ?)",
        [(row.sink, row.chain, row.op, row.body, now_us) for row in rows],
    )


def restore_rows(db: sqlite3.Connection, letters: Sequence[DeadLetter], now_us: int) -> None:
    """Put dead letters back where they were in their queues: before all that came later and still waits. No place is used twice."""
    db.executemany(
        "INSERT INTO outbox (seq, sink, chain, op, body, at_us) VALUES (?, ?, ?, ?, ?, ?)",
        [(it.seq, it.sink, it.chain, it.op, it.body, now_us) for it in letters],
    )


def insert_dead(db: sqlite3.Connection, graves: Sequence[Grave], now_us: int) -> None:
    """Put rows among the dead letters."""
    db.executemany(
        "INSERT INTO dead (sink, chain, op, body, reason, at_us, seq) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(it.row.sink, it.row.chain, it.row.op, it.row.body, it.reason, now_us, _place(it.row)) for it in graves],
    )


def _place(row: OutRow) -> int | None:
    return row.seq if isinstance(row, StoredOut) else None


def delete_rows(db: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Take rows out of their queues."""
    db.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])


def settle(db: sqlite3.Connection, ended: Ended) -> bool:
    """Write how a send ended, and answer whether that was news: only *sending* ends, and *unknown* may still turn out either way."""
    status = ended.status.value
    values = (status, ended.wa_message_id, ended.error, ended.at_us, ended.message_id, status)
    return db.execute(_SETTLE, values).rowcount == 1


def select_sends(db: sqlite3.Connection, where: str, *values: str | int) -> list[Send]:
    """Answer the sends that a condition of ours (never a caller's text) picks."""
    rows = db.execute(f"SELECT {_SEND} FROM send WHERE {where}", values).fetchall()  # noqa: S608 - ours, see above
    return [
        Send(
            *row[:6],
            status=SendState(row[6]),
            wa_message_id=row[7],
            error=row[8],
            atendimento_id=row[9],
            at_us=row[10],
            ended_us=row[11],
            answer=row[12],
        )
        for row in rows
    ]
