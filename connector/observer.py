"""Tells what changed: looks at the service every second, and makes an event of each difference. Judging is pure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from connector.connections import RECORD
from connector.events import Events
from connector.events.registry import Back, Data, DeadLetters, HealthData, Offline, Queue, Worker
from connector.sights import Seen
from connector.spool import SinkState, SinkView
from sessions.engine import WorkerView

EVERY_S = 1.0
LASTS_S = 5.0
"""How long the database has to be away before that is an outage."""
Told = tuple[str, Data]


@dataclass(frozen=True, slots=True)
class Look:
    """What is compared. `at`: monotonic seconds; `dead`: letters by sink; `wrong`: codes of troubles; `blocked`: whether one blocks."""

    at: float
    sinks: tuple[SinkView, ...] = ()
    dead: Mapping[str, int] = field(default_factory=dict[str, int])
    workers: tuple[WorkerView, ...] = ()
    wrong: tuple[str, ...] = ()
    blocked: bool = False


@dataclass(slots=True)
class Observer:
    """Compares each look with the one before. `away_since`: when the database was first seen away, monotonic; `told`: whether so;
    `parked`: when each queue was first seen parked."""

    before: Look
    away_since: float | None = field(default=None)
    told: bool = False
    parked: dict[str, float] = field(default_factory=dict[str, float])

    def changes(self, now: Look) -> list[Told]:
        """Answer the events that *now* brings."""
        told = [*self._dead(now), *self._sinks(now), *self._workers(now), *self._health(now)]
        self.before = now
        return told

    def _dead(self, now: Look) -> Iterator[Told]:
        for sink, kept in now.dead.items():
            if kept > self.before.dead.get(sink, kept):
                yield "deadLetter", DeadLetters(sink=sink, kept=kept)

    def _sinks(self, now: Look) -> Iterator[Told]:
        before = {one.name: one for one in self.before.sinks}
        for one in now.sinks:
            was = before.get(one.name)
            was_state = was.state if was else SinkState.RUNNING
            if one.state is not was_state and one.state is SinkState.PARKED:
                self.parked[one.name] = now.at
                yield "queueParked", Queue(sink=one.name, waiting=one.depth, reason=one.reason)
            elif one.state is not was_state and was_state is SinkState.PARKED:
                after_s = round(now.at - self.parked.pop(one.name, now.at), 1)
                yield "queueResumed", Queue(sink=one.name, waiting=one.depth, after_s=after_s)
            if one.name == RECORD:
                yield from self._database(one, now.at)

    def _database(self, record: SinkView, at: float) -> Iterator[Told]:
        """An outage is told once it has lasted: a database that starts beside the service is none."""
        if record.state is SinkState.RUNNING:
            if self.told and self.away_since is not None:
                yield "supabaseOnline", Back(after_s=round(at - self.away_since, 1), waiting=record.depth)
            self.away_since, self.told = None, False
        elif record.state is SinkState.WAITING:
            self.away_since = at if self.away_since is None else self.away_since
            if not self.told and at - self.away_since >= LASTS_S:
                self.told = True
                yield "supabaseOffline", Offline(reason=record.reason, waiting=record.depth)

    def _workers(self, now: Look) -> Iterator[Told]:
        before = {one.name: one for one in self.before.workers}
        for one in now.workers:
            was = before.get(one.name)
            if one.gave_up and not (was and was.gave_up):
                yield "workerGivenUp", Worker(worker=one.name, sessions=one.sessions)
            elif was and one.starts > max(was.starts, 1):
                yield "workerRestarted", Worker(worker=one.name, sessions=one.sessions)

    def _health(self, now: Look) -> Iterator[Told]:
        if (now.wrong, now.blocked) != (self.before.wrong, self.before.blocked):
            status = "unready" if now.blocked else "degraded" if now.wrong else "ok"
            yield "healthCheck", HealthData(status=status, reasons=list(now.wrong))


def look(seen: Seen, at: float) -> Look:
    """Look at a service that runs."""
    troubles = seen.troubles()
    return Look(
        at=at,
        sinks=tuple(one.view for one in seen.drainers),
        dead=seen.dead_letters(),
        workers=tuple(seen.fleet.workers()),
        wrong=tuple(sorted({one.code for one in troubles})),
        blocked=any(one.blocks for one in troubles),
    )


async def watch(events: Events, seen: Seen, clock: Callable[[], float]) -> None:
    """Tell *events* of every change, until cancelled."""
    observer = Observer(Look(clock()))
    while True:
        for name, data in observer.changes(look(seen, clock())):
            events.publish(data, name)
        await asyncio.sleep(EVERY_S)
