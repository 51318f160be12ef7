"""What runs while the service does: started in order, stopped in reverse, restarted a service at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from loguru import logger

from connector import background, changes, housekeeping, observer
from connector.audit import Audit
from connector.connections import RECORD
from connector.events import Events
from connector.events.registry import Action, FailedRestart, Nothing, Restart
from connector.facts import ConnectionRef
from connector.housekeeping import CatchUp
from connector.lifecycle import Condition, Job, Lifecycle, Service
from connector.metrics import Metrics
from connector.outbound import Outbound
from connector.pulse import Pulse
from connector.refusals import CannotStart
from connector.settings import Settings
from connector.sights import Seen
from connector.spool import SinkState
from connector.store.embedded import Running as Database
from connector.store.errors import StoreError
from connector.store.store import Store
from sessions.model import SessionId
from sessions.state import Next, Reason, State
from watchdog.watchdog import Watchdog

DRAINED_S = 3.0  # how long the inboxes are read still when the service stops; the rest stays there
TOLD_S, TOLD_EVERY_S = 1.5, 0.02  # how long sinks may still take what they are given after that
KNOWN_VERSIONS_S = 2.0  # how long a start waits for a database of others to say which versions it holds
BACK_S = 60.0
TELL_EVERY_S = 300.0
LOOK_EVERY_S = 0.1


def announcer(events: Events) -> Callable[[ConnectionRef, State, State], None]:
    """Answer what makes an event of a session's new state, beside `connected` and `disconnected`, which come before it."""

    def announce(ref: ConnectionRef, before: State, now: State) -> None:
        if name := changes.need(before, now):
            events.publish(changes.state_change(before, now), name, ref)

    return announce


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that run. `parts` stops those that were started."""

    settings: Settings
    store: Store
    outbound: Outbound
    events: Events
    seen: Seen
    watchdog: Watchdog
    metrics: Metrics
    catch_up: CatchUp
    pulse: Pulse
    audit: Audit
    parts: AsyncExitStack = field(default_factory=AsyncExitStack)

    def lifecycle(self) -> Lifecycle:
        """Answer the services by name, in the order in which they start."""
        services = [
            Service("database", self._database, self._restart_database),
            Service("sinks", self._sinks, self._restart_sinks),
            Service("workers", self._workers, self._restart_workers),
            Service("sessions", self._sessions, self._restart_sessions),
            Service("watchdog", lambda: Condition("running"), self._restart_watchdog),
        ]
        return Lifecycle(services, self.start, self._restarted)

    async def start(self) -> None:
        """Start everything, or nothing. The database may be away."""
        try:
            await self._start()
        except BaseException:
            await self.parts.aclose()
            raise

    async def _start(self) -> None:
        seen, parts = self.seen, self.parts
        if seen.embedded:
            await seen.embedded.start()
            parts.push_async_callback(seen.embedded.stop)
        background.run(parts, self.events.run(), "events")
        await seen.connections.load(seen.fleet)
        await self._start_queues()
        await housekeeping.start(parts, seen.spool, self.catch_up, wait_s=0.0 if seen.embedded else KNOWN_VERSIONS_S)
        background.run(parts, self.pulse.run(), "database-pulse")
        kept_s = self.settings.dead_letters_kept_days * 86_400.0
        expire = housekeeping.expire(seen.spool, kept_s, self._expired)
        background.run(parts, expire, "expire-dead-letters")
        stranded = housekeeping.expire_stranded(seen.spool, kept_s, self._stranded_expired)
        background.run(parts, stranded, "expire-stranded-rows")
        background.run(parts, seen.connections.run(), "connections")
        parts.push_async_callback(seen.connections.rest)  # once its sessions have stopped
        background.run(parts, self._tell_now_and_then(), "last-seen")
        parts.push_async_callback(seen.fleet.stop)
        await seen.fleet.start()
        seen.connections.tell_again()  # how they are now: what the record was told last may be of before a crash
        background.run(parts, self._recover(int(time.time() * 1_000_000)), "recover-sends")
        background.run(parts, observer.watch(self.events, seen, time.monotonic), "observer")
        parts.push_async_callback(self.watchdog.stop)
        self.watchdog.start()
        self.events.publish(Nothing(), "serviceStarted")

    async def stop(self) -> None:
        """Stop what was started, last first."""
        await self.parts.aclose()

    # -- how each service is ------------------------------------------------------------------------------------------

    def _database(self) -> Condition:
        if self.seen.embedded:
            view = self.seen.embedded.view
            if view.running is not Database.UP:
                return Condition("degraded", view.reason or "The embedded PostgreSQL starts.")
            return Condition("running")
        record = next(one.view for one in self.seen.drainers if one.view.name == RECORD)
        return Condition("running") if record.state is SinkState.RUNNING else Condition("degraded", record.reason)

    def _sinks(self) -> Condition:
        ill = [one.view for one in self.seen.drainers if one.view.state is not SinkState.RUNNING]
        return (
            Condition("degraded", " ".join(f"{one.name}: {one.reason}" for one in ill)) if ill else Condition("running")
        )

    def _workers(self) -> Condition:
        lost = [one.name for one in self.seen.fleet.workers() if one.gave_up]
        return Condition("degraded", f"Crashed too often: {', '.join(lost)}.") if lost else Condition("running")

    def _sessions(self) -> Condition:
        away = sum(
            one.identity is not None and one.state.reason.status != "connected" for one in self.seen.fleet.snapshot()
        )
        return Condition("degraded", f"{away} are not connected.") if away else Condition("running")

    # -- how each is restarted ----------------------------------------------------------------------------------------

    async def _restart_database(self) -> None:
        if embedded := self.seen.embedded:
            before = embedded.view
            embedded.restart()
            await self._until(lambda: embedded.up and (before.pid is None or embedded.view.restarts > before.restarts))
        else:
            await self.store.close()  # the next call connects anew
        for drainer in self.seen.drainers:
            drainer.kick()
        try:
            await self.store.newest_version()
        except StoreError as error:
            logger.warning("The database does not answer after its restart: {}", error)
            raise CannotStart(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error

    async def _restart_sinks(self) -> None:
        for drainer in self.seen.drainers:
            await drainer.stop()
            drainer.start()

    async def _restart_workers(self) -> None:
        fleet = self.seen.fleet
        connected = self._connected()
        starts = {one.name: one.starts for one in fleet.workers()}
        fleet.revive()  # who asks for this may have seen to what made them crash
        fleet.recycle("an operator restarts the workers")
        await self._until(lambda: all(one.starts > starts.get(one.name, 0) for one in fleet.workers()))
        await self._until(lambda: connected <= self._connected())

    async def _restart_sessions(self) -> None:
        fleet = self.seen.fleet
        before = {one.id: one.state for one in fleet.snapshot() if one.identity is not None}
        asked = [session for session, state in before.items() if state.reason is not Reason.STOPPED]
        for session in asked:
            fleet.connect(session)

        def settled(session: SessionId) -> bool:
            """It is connected, or what keeps it from being so is no matter of waiting: found out anew, or still so, as a ban is."""
            view = fleet.view(session)
            tried = view.state is not before[session] or view.trying_s is None
            return view.state.reason is Reason.CONNECTED or (tried and view.state.reason.value.next is not Next.WAIT)

        await self._until(lambda: all(map(settled, asked)))

    async def _restart_watchdog(self) -> None:
        await self.watchdog.stop()
        self.watchdog.start()

    def _connected(self) -> set[SessionId]:
        return {one.id for one in self.seen.fleet.snapshot() if one.state.reason is Reason.CONNECTED}

    async def _until(
        self, done: Callable[[], bool], within_s: float | None = None, every_s: float = LOOK_EVERY_S
    ) -> None:
        """Wait for what was restarted, for a while: what does not come back by then is the watchdog's."""
        async with asyncio.timeout(within_s or BACK_S):
            while not done():  # noqa: ASYNC110 - whoever does it tells nobody
                await asyncio.sleep(every_s)

    def _restarted(self, job: Job) -> None:
        names: list[str] = list(job.services)
        if job.errors:
            told = FailedRestart(services=names, failed=list(job.errors), errors=job.errors)
            self.events.publish(told, "serviceRestartFailed")
        else:
            self.events.publish(Restart(services=names), "serviceRestarted")
        for name in job.services:
            why = job.errors.get(name, "asked for over the API")
            self.audit.note("operator", "restart", name, why, done=name not in job.errors)

    def _expired(self, sink: str, letters: int) -> None:
        self.metrics.letters_expired(sink, letters)
        self._thrown_away(sink, f"{letters} dead letters were older than {self.settings.dead_letters_kept_days} days")

    def _stranded_expired(self, sink: str, rows: int) -> None:
        days = self.settings.dead_letters_kept_days
        self._thrown_away(
            sink, f"{rows} rows that waited for it, though it is not set any more, were older than {days} days"
        )

    def _thrown_away(self, sink: str, why: str) -> None:
        self.audit.note("housekeeping", "expire", sink, why, done=True)
        self.events.publish(Action(action="expire", about=sink, why=why, done=True), "actionTaken")

    async def _tell_now_and_then(self) -> None:
        """The record says when each session was last seen alive: it may not grow old while nothing changes."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self.seen.connections.tell_again()

    # -- the queues ---------------------------------------------------------------------------------------------------

    async def _start_queues(self) -> None:
        """Started before the sessions, stopped after them: what they still write is moved and, where a sink answers, delivered."""
        housekeeping.tell_stranded(self.seen.spool, self.settings.dead_letters_kept_days)
        for drainer in self.seen.drainers:
            drainer.start()
            self.parts.push_async_callback(drainer.stop)
        await self.seen.mover.start()
        self.parts.push_async_callback(self.seen.mover.stop)
        self.parts.push_async_callback(self._drained)

    async def _drained(self) -> None:
        try:
            await asyncio.wait_for(self.seen.mover.drained(), DRAINED_S)
        except TimeoutError:
            logger.info("Events are left in the inboxes: the next start takes them up.")
        with suppress(TimeoutError):  # what is left waits on disk
            await self._until(self._all_told, TOLD_S, TOLD_EVERY_S)

    def _all_told(self) -> bool:
        views = [one.view for one in self.seen.drainers]
        return not any(one.depth and one.state is SinkState.RUNNING for one in views)

    async def _recover(self, before_us: int) -> None:
        """Once everything an earlier run left is read, what has no ending has none."""
        await self.seen.mover.drained()
        ended = await self.outbound.recover(before_us)
        if ended:
            logger.warning("{} sends of the last run ended unknown: they may or may not have been delivered.", ended)
