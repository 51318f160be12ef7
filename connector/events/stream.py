"""Where events come together: kept in the journal, streamed to whoever listens, queued for webhooks.

`publish` returns at once and never fails for its caller: what happens to the service must not depend on telling of it. One task,
`run`, writes what was published, in order. Events about messages are the record's to keep: here they are streamed, and only while
somebody listens or lately did.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from loguru import logger

from connector.events import bodies, lines
from connector.events.registry import BY_NAME, Data, Scope, Severity
from connector.facts import ConnectionRef, Fact, whose
from connector.spool import Entry, OutRow, SpoolError

WEBHOOK, ALERT = "webhook", "alert"
SERVICE_CHAIN = "service"
MAX_UNWRITTEN = 10_000
MAX_BEHIND = 1_000
"""Events a listener may be behind, before it is cut off: it comes back with the number of its last one."""
RECENT = 2_000
"""Events about messages that are kept in memory, for listeners that come back."""
LATELY_S = 300.0
AGAIN_S = 1.0
KEPT = 50_000
KEPT_S = 30 * 86_400.0
FORGET_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is streamed. `number` grows; `body` is its JSON: id, type, timestamp, data."""

    number: int
    name: str
    body: bytes


class Keeper(Protocol):
    """Where events are kept."""

    async def append(self, entries: Sequence[Entry]) -> None: ...
    async def after(self, number: int, *, limit: int = ...) -> list[Entry]: ...
    async def forget(self, *, before: int, keep: int) -> int: ...


class Outbox(Protocol):
    """Where events wait for webhooks."""

    def next_version(self) -> int: ...
    async def put(self, rows: list[OutRow]) -> None: ...


@dataclass(slots=True, eq=False)
class Listener:
    """One who listens. `cut`: it was too far behind, and gets no more."""

    queue: asyncio.Queue[Event]
    cut: bool = False

    def offer(self, event: Event) -> None:
        """Take an event, or none any more."""
        if self.queue.full():
            self.cut = True
        elif not self.cut:
            self.queue.put_nowait(event)


class Events:
    """All events of one service. *sinks*: the names of those there are; *clock*: unix seconds."""

    def __init__(
        self, journal: Keeper, outbox: Outbox, sinks: frozenset[str], clock: Callable[[], float] = time.time
    ) -> None:
        self._journal = journal
        self._outbox = outbox
        self._sinks = sinks
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._unwritten: deque[tuple[Entry, list[OutRow]]] = deque()
        self._more = asyncio.Event()
        self._recent: deque[Event] = deque(maxlen=RECENT)
        self._untold = outbox.next_version()  # events about messages up to this number may be missing
        self._heard_at = float("-inf")
        self._forgot_at = float("-inf")
        self.ended = asyncio.Event()
        """Set by the one who stops the service: streams end then."""

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def listening(self) -> bool:
        """Whether events about messages are worth making: somebody listens, or lately did."""
        return bool(self._listeners) or time.monotonic() - self._heard_at < LATELY_S

    def publish(self, data: Data, name: str, connection: ConnectionRef | None = None) -> None:
        """Tell of something. *name* stands in the registry with the type of *data*."""
        kind = BY_NAME[name]
        number = self._outbox.next_version()
        told = {**(whose(connection) if connection else {}), **bodies.worded(kind, data)}
        lines.of_event(kind, told)
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {
            "id": f"evt_event:{number}",
            "type": name,
            "timestamp": moment,
            "severity": kind.severity,
            "data": told,
        }
        body = msgspec.json.encode(whole)
        sinks = [WEBHOOK, *([ALERT] if kind.severity is Severity.CRITICAL else [])]
        chain = connection.session if connection else SERVICE_CHAIN
        rows = [OutRow(sink=one, chain=chain, op=f"event:{number}", body=body) for one in sinks if one in self._sinks]
        self._keep(Entry(number, name, connection.id if connection else None, body), rows)

    def pass_on(self, fact: Fact) -> None:
        """Stream an event that is queued for webhooks elsewhere; one about a connection is kept and logged too. Those about
        messages need be told only while somebody is `listening`."""
        kind = BY_NAME[fact["type"]]
        number = self._outbox.next_version()
        body = msgspec.json.encode(fact)
        if kind.scope is Scope.MESSAGE:
            event = Event(number, kind.name, body)
            if len(self._recent) == RECENT:
                self._untold = self._recent[0].number
            self._recent.append(event)
            self._offer(event)
        else:
            lines.of_event(kind, fact["data"])
            self._keep(Entry(number, kind.name, fact["data"].get("connectionId"), body), [])

    async def listen(self, after: int | None) -> AsyncGenerator[Event | None]:
        """Answer what happened after the number *after*, if there is one, and then what happens, until the listener is too far
        behind. None first means that events about messages may be missing in between."""
        if not self.listening:
            self._untold = self._outbox.next_version()  # nobody made events about messages until now
        listener = Listener(asyncio.Queue(MAX_BEHIND))
        self._listeners.add(listener)
        try:
            last = 0
            if after is not None:
                if after < self._untold:
                    yield None
                async for event in self._since(after):
                    yield event
                    last = event.number
            while not (listener.cut and listener.queue.empty()):
                event = await listener.queue.get()
                if event.number > last:
                    yield event
        finally:
            self._listeners.discard(listener)
            self._heard_at = time.monotonic()

    async def run(self) -> None:
        """Write what is published, until cancelled; then what is left."""
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._unwritten:
                    await self._write()
                await self._forget()
        finally:
            with suppress(SpoolError):
                while self._unwritten:
                    await self._write_once()

    async def _since(self, after: int) -> AsyncIterator[Event]:
        """What is kept after a number, in order: pages of the journal, what is not written yet, what is in memory."""
        unwritten = [entry for entry, _rows in self._unwritten]
        recent = list(self._recent)
        until = max([after, *(it.id for it in unwritten), *(it.number for it in recent)])
        kept: dict[int, Event] = {it.number: it for it in recent if it.number > after}
        kept |= {it.id: _event(it) for it in unwritten if it.id > after}
        number = after
        while page := await self._journal.after(number):
            number = page[-1].id
            kept |= {it.id: _event(it) for it in page}
            for known in sorted(one for one in kept if one <= number):
                yield kept.pop(known)
        for known in sorted(one for one in kept if one <= max(until, number)):
            yield kept.pop(known)

    def _keep(self, entry: Entry, rows: list[OutRow]) -> None:
        self._offer(_event(entry))
        if len(self._unwritten) >= MAX_UNWRITTEN:
            logger.error("The event {} is lost: the journal does not keep up.", entry.name)
            return
        self._unwritten.append((entry, rows))
        self._more.set()

    def _offer(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener.offer(event)

    async def _write(self) -> None:
        try:
            await self._write_once()
        except SpoolError as error:
            logger.warning("Events wait to be kept: {}", error)
            await asyncio.sleep(AGAIN_S)

    async def _write_once(self) -> None:
        batch = list(self._unwritten)
        rows = [row for _entry, rows in batch for row in rows]
        if rows:
            await self._outbox.put(rows)
        await self._journal.append([entry for entry, _rows in batch])
        for _ in batch:
            self._unwritten.popleft()

    async def _forget(self) -> None:
        if time.monotonic() - self._forgot_at > FORGET_EVERY_S:
            self._forgot_at = time.monotonic()
            try:
                await self._journal.forget(before=int((self._clock() - KEPT_S) * 1e6), keep=KEPT)
            except SpoolError as error:
                logger.debug("Old events are not forgotten: {}", error)


def _event(entry: Entry) -> Event:
    return Event(entry.id, entry.name, entry.body)
