"""How many rows wait for each sink, known without asking the file, and who is told when there are more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from connector.spool.rows import OutRow


class Tally:
    """Counted by the database's thread only, after each commit; read from anywhere."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()
        self._listeners: dict[str, Callable[[], None]] = {}
        self._sinks: frozenset[str] | None = None

    def expect(self, sinks: frozenset[str]) -> None:
        """Say which sinks there are in this run. Before: whichever has rows."""
        self._sinks = sinks

    def load(self, waiting: dict[str, int], dead: dict[str, int]) -> None:
        """Begin with what an earlier run left."""
        self._waiting.update(waiting)
        self._dead.update(dead)

    def waiting(self, sink: str) -> int:
        """Answer how many rows wait for *sink*."""
        return self._waiting[sink]

    def deepest(self) -> int:
        """Answer how many rows wait for the sink that lags most, of those there are."""
        return max((rows for sink, rows in tuple(self._waiting.items()) if self._is_there(sink)), default=0)

    def stranded(self) -> dict[str, int]:
        """Answer how many rows wait for sinks that an earlier run had, and this one has not."""
        return {sink: rows for sink, rows in tuple(self._waiting.items()) if rows and not self._is_there(sink)}

    def dead(self, sink: str) -> int:
        """Answer how many dead letters *sink* has."""
        return self._dead[sink]

    def dead_by_sink(self) -> dict[str, int]:
        """Answer how many dead letters there are of every name that ever had one, sinks that are configured no more among them."""
        return dict(self._dead)

    def listen(self, sink: str, wake: Callable[[], None]) -> None:
        """Have *wake* called, on the database's thread, each time rows for *sink* were stored. It may neither block nor raise."""
        self._listeners[sink] = wake

    def put(self, rows: Iterable[OutRow]) -> None:
        """Count rows that are in the queues now, and wake their sinks."""
        new = Counter(row.sink for row in rows)
        self._waiting.update(new)
        for sink in new:
            if wake := self._listeners.get(sink):
                wake()

    def taken(self, rows: Iterable[OutRow]) -> None:
        """Count rows that left the queues."""
        self._waiting.subtract(row.sink for row in rows)

    def gone(self, sink: str, rows: int) -> None:
        """Count rows of *sink* that were thrown away."""
        self._waiting[sink] -= rows

    def buried(self, rows: Iterable[OutRow]) -> None:
        """Count rows that are dead letters now."""
        self._dead.update(row.sink for row in rows)

    def exhumed(self, rows: Iterable[OutRow]) -> None:
        """Count rows that are dead letters no more."""
        self._dead.subtract(row.sink for row in rows)

    def _is_there(self, sink: str) -> bool:
        return self._sinks is None or sink in self._sinks
