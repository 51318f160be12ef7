"""Dead letters: what a sink refused for good, kept until somebody decides; and a sink told to try again at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from connector.api.fields import Body, Id, Limit, Listed, Query, Shown, plain_number
from connector.api.ports import LettersPort
from connector.api.route import route
from connector.views import LettersWanted

BASE = "/api/whatsapp-bootstrap"
_LETTERS = BASE + "/dead-letters"
_ONE = _LETTERS + "/{letterId}"
_TAG = "operations"
_NONE = "There is no dead letter with this id: it was replayed, discarded, or kept long enough."
_GONE = "The letter's sink is not configured now, or its event still cannot be processed."

LetterId = Annotated[int, Field(ge=0, le=2**63 - 1), BeforeValidator(plain_number)]
SinkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.:-]{1,64}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Wanted(Query):
    """Which letters are listed: `after` is the id of the last one seen."""

    sink: SinkName | None = None
    connection_id: Id | None = None
    reason: Reason | None = None
    after: LetterId = 0
    limit: Limit = 50
    bodies: bool = False


class ReplayAll(Body):
    """Which letters go back: all of a sink, or of those the ones of a connection, or with exactly this reason."""

    sink: SinkName
    connection_id: Id | None = None
    reason: Reason | None = None


class Letter(Shown):
    """A dead letter. `body` is null unless it was asked for; it holds what people wrote."""

    id: int
    sink: str
    connection_id: str | None
    op: str
    reason: str
    at: datetime
    size: int
    body: Any


class PutBack(Shown):
    """How many letters are back in their queues, and how many of those that were asked for are dead letters still."""

    replayed: int
    left: int


class Queue(Shown):
    """A sink as it was just before it was told to try."""

    name: str
    state: Literal["running", "waiting", "parked"]
    reason: str
    waiting: int
    oldest_s: float | None
    dead: int


class DeadLetters:
    """The resource."""

    def __init__(self, letters: LettersPort) -> None:
        self._letters = letters

    @route("GET", _LETTERS, tag=_TAG)
    async def list(self, query: Wanted) -> Listed[Letter]:
        """List dead letters, the oldest first. Bodies only on request: they hold what people wrote."""
        which = LettersWanted(query.sink, query.connection_id, query.reason)
        page = await self._letters.list(which, query.after, query.limit, query.bodies)
        return Listed(items=[Letter.model_validate(one) for one in page.items], total=page.total)

    @route("GET", _ONE, tag=_TAG, refuses={404: _NONE})
    async def get(self, letter_id: LetterId) -> Letter:
        """Show one dead letter with its body."""
        return Letter.model_validate(await self._letters.get(letter_id))

    @route("POST", _ONE + "/replay", tag=_TAG, refuses={404: _NONE, 409: _GONE})
    async def replay(self, letter_id: LetterId) -> Letter:
        """Put a dead letter back into its place in the queue.

        It goes before everything of its connection that came after it and still waits. It carries the id it always had, so
        what a sink has already is not doubled. If the sink refuses it again, it becomes a dead letter again.
        """
        return Letter.model_validate(await self._letters.replay(letter_id))

    @route("POST", _LETTERS + "/replay", tag=_TAG, refuses={409: _GONE})
    async def replay_all(self, body: ReplayAll) -> PutBack:
        """Put all dead letters of a sink back into their places, up to 10,000 at once, in the order they had."""
        wanted = LettersWanted(body.sink, body.connection_id, body.reason)
        return PutBack.model_validate(await self._letters.replay_all(body.sink, wanted))

    @route("DELETE", _ONE, tag=_TAG, refuses={404: _NONE})
    async def discard(self, letter_id: LetterId) -> Letter:
        """Throw a dead letter away for good."""
        return Letter.model_validate(await self._letters.discard(letter_id))

    @route("POST", BASE + "/sinks/{name}/kick", tag=_TAG, status=202, refuses={404: "There is no sink of this name."})
    async def kick(self, name: SinkName) -> Queue:
        """Have a sink try at once, parked or not. Answers how it was just before."""
        return Queue.model_validate(self._letters.kick(name))
