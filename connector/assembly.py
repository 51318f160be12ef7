"""The parts of a running service and how they hang together: built in one place, started in order, stopped in reverse. No logic."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import aiohttp
from loguru import logger

from connector import background, housekeeping
from connector.connections import Connections
from connector.datadir import DataDir
from connector.guard import outgoing
from connector.inbound import Inbound
from connector.keyfile import new_webhook_secret, read_or_make
from connector.letters import Letters
from connector.metrics import Metrics
from connector.outbound import Outbound, Parts
from connector.pairlinks import PairLinks
from connector.pairwatch import PairWatch, Stirs
from connector.records import Records
from connector.settings import Settings
from connector.sights import Eyes, Hands, Seen, Tally
from connector.sinks.board import Board
from connector.sinks.record import RecordSink
from connector.sinks.webhook import Target as WebhookTarget
from connector.sinks.webhook import WebhookSink
from connector.spool import Drainer, Mover, Sink, Spool
from connector.store.driver import Target
from connector.store.embedded import Embedded
from connector.store.migrate import migrate
from connector.store.postgres import Postgres
from connector.store.rest import Rest
from connector.store.store import Store
from sessions.engine import Lab, Launch
from sessions.fleet import Fleet, Options
from sessions.model import SessionId
from sessions.ports import Changed
from sessions.redaction import Redactor
from sessions.state import UNPAIRED, Reason, State
from watchdog.watchdog import Watchdog

DRAINED_S = 3.0  # what sinks may still take when the service stops; the rest stays on disk
KNOWN_VERSIONS_S = 2.0  # how long a start waits for a database of others to say which versions it holds
WEBHOOK_S = 15.0
WEBHOOK_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Assembly:
    """A service that runs. What the HTTP side needs is here by name."""

    fleet: Fleet
    spool: Spool
    connections: Connections
    outbound: Outbound
    records: Records
    letters: Letters
    metrics: Metrics
    watchdog: Watchdog
    seen: Seen
    pair_links: PairLinks
    pair_watch: PairWatch

    @classmethod
    async def start(cls, settings: Settings, data: DataDir, redact: Redactor, parts: AsyncExitStack) -> Assembly:
        """Build and start everything; *parts* stops it in reverse. The database may be away."""
        spool = await Spool.opened(data.path / "spool")
        parts.push_async_callback(spool.close)
        store, embedded = await _database(settings, data, redact, parts)
        board = Board()
        sinks: list[Sink] = [
            RecordSink(store, board, spool.sends.recorded, up=lambda: embedded is None or embedded.up),
            *await _webhook(settings, data, redact, parts),
        ]
        names = frozenset(sink.name for sink in sinks)
        metrics = Metrics()
        connections = Connections(spool.connections, spool.outbox, names, time.time, metrics.forget)
        fleet = _fleet(settings, data, _changes(connections, metrics, stirs := Stirs()))
        outbound = Outbound(
            Parts(
                connections,
                fleet,
                spool.sends,
                board,
                names,
                spool.outbox.next_version,
                ended=metrics.send_ended,
            )
        )
        drainers = [Drainer(sink, spool.outbox) for sink in sinks]
        if embedded:
            embedded.listen(drainers[0].kick)  # the record's, which need not wait for its next try
        mover = spool.mover(Inbound(connections.refs, names, metrics.event_received), fleet.rung)
        letters = Letters(spool.dead, mover, drainers, connections.refs)
        await connections.load(fleet)
        await _start_spool(parts, mover, drainers)
        catch_up = await housekeeping.start(parts, spool, store, wait_s=0.0 if embedded else KNOWN_VERSIONS_S)
        expire = housekeeping.expire(spool, settings.dead_letters_kept_days * 86_400.0, metrics.letters_expired)
        background.run(parts, expire, "expire-dead-letters")
        background.run(parts, connections.run(), "connections")
        parts.push_async_callback(fleet.stop)
        await fleet.start()
        background.run(parts, _recover(mover, outbound, int(time.time() * 1_000_000)), "recover-sends")
        seen = Seen(fleet, spool, mover, drainers, embedded, data.path, connections, lambda: catch_up.reason)
        metrics.watch(seen.figures)
        watchdog = Watchdog(Eyes(seen), Hands(seen), Tally(metrics))
        parts.push_async_callback(watchdog.stop)
        watchdog.start()
        return cls(
            fleet,
            spool,
            connections,
            outbound,
            Records(store, connections),
            letters,
            metrics,
            watchdog,
            seen,
            PairLinks(spool.pair_links, connections, time.time),
            PairWatch(connections, stirs, time.time),
        )


async def _database(
    settings: Settings, data: DataDir, redact: Redactor, parts: AsyncExitStack
) -> tuple[Store, Embedded | None]:
    """The database that is configured, or one of our own. Neither has to be up."""
    embedded = None
    url, project = settings.database, settings.supabase
    if project and url is None:
        redact.register(project.key)
        store = Store(Rest(project))
        parts.push_async_callback(store.close)
        return store, None
    if project:
        logger.info("The connection string is used, and SUPABASE_URL is not.")
    if url is None:
        embedded = Embedded(data.path / "postgres", migrate)
        parts.push_async_callback(embedded.stop)
        await embedded.start()
        url = embedded.url
    store = Store(Postgres(Target.of(url)))
    parts.push_async_callback(store.close)
    return store, embedded


async def _webhook(settings: Settings, data: DataDir, redact: Redactor, parts: AsyncExitStack) -> list[Sink]:
    """The webhook's sink, where one is configured."""
    if settings.webhook_url is None:
        return []
    given = settings.webhook_secret
    secret = given.get_secret_value() if given else read_or_make(data.webhook_secret, new_webhook_secret).value
    redact.register(secret)
    http = outgoing(
        allow_internal=settings.webhook_allow_internal,
        connections=WEBHOOK_CONNECTIONS,
        timeout=aiohttp.ClientTimeout(total=WEBHOOK_S),
    )
    parts.push_async_callback(http.close)
    sink = WebhookSink(WebhookTarget(settings.webhook_url.get_secret_value(), secret), http)
    parts.push_async_callback(sink.close)
    return [sink]


def _changes(connections: Connections, metrics: Metrics, stirs: Stirs) -> Changed:
    """Tell the connections of a session's change, and those who look at its pairing; count the pairings that it ends."""

    def changed(session: SessionId, before: State, now: State) -> None:
        connections.changed(session, before, now)
        stirs.ring(session)
        if before.reason is Reason.LINKING and now.reason is Reason.STARTING:
            metrics.pairings.labels("paired").inc()
        elif before.reason in (Reason.WAITING_SCAN, Reason.LINKING) and now.reason in UNPAIRED:
            metrics.pairings.labels(now.reason.code).inc()

    return changed


def _fleet(settings: Settings, data: DataDir, changed: Changed) -> Fleet:
    lab = settings.lab and Lab(proxy=settings.lab.proxy, ca=settings.lab.ca, root_key=settings.lab.root_key)
    options = Options(per_worker=settings.sessions_per_worker, max_pairings=settings.max_pairings, changed=changed)
    return Fleet(data.path, Launch(spool=data.path / "spool", lab=lab), options)


async def _start_spool(parts: AsyncExitStack, mover: Mover, drainers: list[Drainer]) -> None:
    """Started before the sessions, stopped after them: what they still write is moved and, where a sink answers, delivered."""
    for drainer in drainers:
        drainer.start()
        parts.push_async_callback(drainer.stop)
    await mover.start()
    parts.push_async_callback(mover.stop)
    parts.push_async_callback(partial(_drained, mover))


async def _drained(mover: Mover) -> None:
    try:
        await asyncio.wait_for(mover.drained(), DRAINED_S)
    except TimeoutError:
        logger.info("Events are left in the inboxes: the next start takes them up.")


async def _recover(mover: Mover, outbound: Outbound, before_us: int) -> None:
    """Once everything an earlier run left is read, what has no ending has none."""
    await mover.drained()
    ended = await outbound.recover(before_us)
    if ended:
        logger.warning("{} sends of the last run ended unknown: they may or may not have been delivered.", ended)
