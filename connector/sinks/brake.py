"""How many rows in a row a database refused for good: past some it is not the rows. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

import msgspec

from connector.spool.rows import StoredOut

REFUSALS_IN_A_ROW = 20
"""So many refused, with none of their kind taken in between, say that it is not the rows."""
TRIES = 3
"""How often a row is offered alone whose refusal another's change of that moment may have caused."""
_KEPT = 1_000


class _Kind(msgspec.Struct):
    kind: str = ""


class Brake:
    """Counts refusals kind by kind: what a constraint of somebody's own refuses are messages, while receipts are taken."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._tried: OrderedDict[int, int] = OrderedDict()

    def taken(self, rows: Iterable[StoredOut]) -> None:
        """Note that *rows* went in."""
        if self._refused:
            for row in rows:
                self._refused.pop(_kind(row), None)

    def refused(self, row: StoredOut) -> int:
        """Note that *row* was refused alone, and for good; answer how many of its kind were since one was taken."""
        kind = _kind(row)
        self._refused[kind] += 1
        return self._refused[kind]

    def again(self, row: StoredOut) -> bool:
        """Whether *row*, refused for what may have been that moment's, should be offered once more."""
        tries = self._tried[row.seq] = self._tried.pop(row.seq, 0) + 1
        if tries >= TRIES:
            del self._tried[row.seq]
        if len(self._tried) > _KEPT:
            self._tried.popitem(last=False)
        return tries < TRIES


def _kind(row: StoredOut) -> str:
    try:
        return msgspec.json.decode(row.body, type=_Kind).kind
    except msgspec.DecodeError:
        return ""
