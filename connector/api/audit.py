"""The book of actions: what the watchdog, the service's housekeeping and operators did, to what, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field

from connector.api.bootstrap import BASE
from connector.api.fields import Limit, Query, Shown, plain_number
from connector.api.route import route
from connector.audit import Entry


class BookPort(Protocol):
    """The book."""

    async def read(self, limit: int, before: int | None) -> list[Entry]:
        """Answer the newest *limit* entries, newest first; with *before*, the id of one, those older than it."""
        ...


class Asked(Query):
    """Which part of the book is wanted. `before`: the id of the last entry seen."""

    limit: Limit = 50
    before: Annotated[int, Field(ge=0, le=2**62), BeforeValidator(plain_number)] | None = None


class ActionOf(Shown):
    """One action. `actor`: `watchdog`, `housekeeping`, or `operator` for whoever called the API. `done`: it could be done."""

    id: int
    at: datetime
    actor: str
    action: str
    about: str
    why: str
    done: bool


class Actions(Shown):
    """A part of the book, the newest first. Empty: there is nothing older."""

    items: list[ActionOf]


class Book:
    """The resource."""

    def __init__(self, book: BookPort) -> None:
        self._book = book

    @route("GET", BASE + "/audit", tag="operations")
    async def read(self, query: Asked) -> Actions:
        """Answer what was done, by whom, to what and why, the newest first. The last few megabytes are kept."""
        return Actions(items=[_shown(one) for one in await self._book.read(query.limit, query.before)])


def _shown(one: Entry) -> ActionOf:
    at = datetime.fromtimestamp(one.at, UTC)
    return ActionOf(id=one.id, at=at, actor=one.actor, action=one.action, about=one.about, why=one.why, done=one.done)
