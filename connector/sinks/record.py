"""The sink that the service exists for: facts become rows of the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from connector.sinks.board import Board
from connector.sinks.brake import REFUSALS_IN_A_ROW, Brake
from connector.sinks.causes import of_store
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Park, Poison, Verdict, Wait
from connector.store.errors import Barred, Rejected, StoreError
from connector.store.rows import Recorded
from connector.store.store import Store

NAME = "record"
SEND = "send:"
"""How the op of a send's own facts begins."""

_OF_THE_MOMENT = frozenset({"23503", "23505"})
"""A row that it refers to went away, or came, while it was recorded: told again it finds the database as it is by then."""

Keep = Callable[[Mapping[str, str]], Awaitable[None]]
"""Keeps which atendimento each send was recorded in, by message id."""


async def _keep_nothing(_recorded: Mapping[str, str]) -> None: ...


def _not_away() -> None: ...


class RecordSink:
    """Hands batches to the store, tells the board what became of messages, and has it kept for sends whose caller waits no more."""

    def __init__(
        self, store: Store, board: Board, keep: Keep = _keep_nothing, *, away: Callable[[], str | None] = _not_away
    ) -> None:
        """*away*: why the database must not be asked just now. One that only just answers may lack its tables still."""
        self._store = store
        self._board = board
        self._keep = keep
        self._away = away
        self._brake = Brake()

    @property
    def name(self) -> str:
        """The name that rows carry."""
        return NAME

    async def deliver(self, rows: list[StoredOut]) -> Verdict:
        """Record *rows* in one transaction. Told again what it already knows, the database changes nothing."""
        if why := self._away():
            return Wait(why, usual=True)  # its own keeper warns of it
        try:
            recorded = await self._store.record([row.body for row in rows])
        except StoreError as error:
            return await self._refused(rows, error)
        self._brake.taken(rows)
        await self._keep_sends(recorded)  # first: who is told by the board may ask for it at once
        for one in recorded:
            self._board.post(one)
        return Delivered()

    async def _refused(self, rows: list[StoredOut], error: StoreError) -> Verdict:
        """A row alone that is refused for good is poison, as long as it is not the database that refuses every one."""
        verdict = of_store(error)
        if isinstance(error, Barred) and await self._lets_us_in():
            verdict = Poison(verdict.reason)  # so it is about what these rows hold
        if not isinstance(verdict, Poison) or len(rows) > 1:
            return verdict
        if isinstance(error, Rejected) and error.code in _OF_THE_MOMENT and self._brake.again(rows[0]):
            return Wait(verdict.reason, usual=True)
        if (count := self._brake.refused(rows[0])) > REFUSALS_IN_A_ROW:
            return Park(
                f"{verdict.reason} So it did to the last {count}: look for triggers, constraints or columns of your own on Vigia's tables."
            )
        return verdict

    async def _lets_us_in(self) -> bool:
        try:
            await self._store.newest_version()
        except StoreError:
            return False
        return True

    async def _keep_sends(self, recorded: list[Recorded]) -> None:
        sends = {
            one.message_id: one.atendimento_id
            for one in recorded
            if one.op.startswith(SEND) and one.message_id and one.atendimento_id
        }
        if sends:
            await self._keep(sends)
