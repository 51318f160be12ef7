"""Where outbox rows go, and the five answers a sink may give."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol

from connector.spool.rows import StoredOut

_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Delivered:
    """All of it arrived."""


@dataclass(frozen=True, slots=True)
class Going:
    """The other side takes what it is given, and some of it is under way still: the rest is offered again at once.

    A sink that answers so takes its time to do it: nobody waits in between. `delivered`: the seqs of rows that arrived.
    """

    delivered: Set[int] = _NONE


@dataclass(frozen=True, slots=True)
class Wait:
    """It passes by itself (offline, overloaded): try again, after *retry_after_s* seconds if the other side said so.

    `delivered`: the seqs of rows that did arrive before; only the others are offered again. `usual`: nothing to warn of.
    """

    reason: str
    retry_after_s: float | None = None
    delivered: Set[int] = _NONE
    usual: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """Somebody has to mend something (a key, a grant, a schema): nothing is lost, nothing goes on. The reason says what."""

    reason: str
    delivered: Set[int] = _NONE


@dataclass(frozen=True, slots=True)
class Poison:
    """A row can never go in. Of a batch nothing went in but `delivered`; the rest is offered again in halves until it is found.

    `seq`: the row, where the sink knows which it is: then nothing has to be searched.
    """

    reason: str
    delivered: Set[int] = _NONE
    seq: int | None = None


Verdict = Delivered | Going | Wait | Park | Poison


class Sink(Protocol):
    """Takes rows out of the house. It may be offered a row again that it already took: the op says that it is the same."""

    @property
    def name(self) -> str:
        """The name that rows carry in `OutRow.sink`."""
        ...

    async def deliver(self, rows: list[StoredOut]) -> Verdict:
        """Deliver *rows* (never empty), in order within a chain. An exception counts as a fault of ours, and as `Wait`."""
        ...
