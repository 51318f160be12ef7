"""The sink that the service exists for: facts become rows of the database."""

from __future__ import annotations

from connector.sinks.board import Board
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Park, Poison, Verdict, Wait
from connector.store.errors import Misconfigured, Offline, Rejected
from connector.store.store import Store

NAME = "record"


class RecordSink:
    """Hands batches to the store, and tells the board what became of messages."""

    def __init__(self, store: Store, board: Board) -> None:
        self._store = store
        self._board = board

    @property
    def name(self) -> str:
        """The name that rows carry."""
        return NAME

    async def deliver(self, rows: list[StoredOut]) -> Verdict:
        """Record *rows* in one transaction. Told again what it already knows, the database changes nothing."""
        try:
            recorded = await self._store.record([row.body for row in rows])
        except Offline as error:
            return Wait(_sentence(error))
        except Misconfigured as error:
            return Park(_sentence(error))
        except Rejected as error:
            return Poison(_sentence(error))
        for one in recorded:
            self._board.post(one)
        return Delivered()


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
