"""The parts of a running service and how they hang together: built in one place, started in order, stopped in reverse. No logic."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import aiohttp
from loguru import logger

from connector.audit import Audit
from connector.connections import Connections
from connector.datadir import DataDir
from connector.events import Events
from connector.events.stream import ALERT, WEBHOOK
from connector.figures import Figures, Kind
from connector.guard import outgoing
from connector.housekeeping import CatchUp
from connector.inbound import Inbound
from connector.keyfile import new_webhook_secret, read_or_make
from connector.letters import Letters
from connector.lifecycle import Lifecycle
from connector.metrics import Metrics
from connector.outbound import Outbound, Parts
from connector.pairlinks import PairLinks
from connector.pairwatch import PairWatch, Stirs
from connector.pulse import Pulse
from connector.records import Records
from connector.running import Running, announcer
from connector.selftest import SelfTest
from connector.settings import Settings
from connector.sights import Eyes, Hands, Seen, Tally
from connector.sinks.board import Board
from connector.sinks.record import RecordSink
from connector.sinks.webhook import Target as WebhookTarget
from connector.sinks.webhook import WebhookSink
from connector.spool import Drainer, Sink, Spool
from connector.store.driver import Target
from connector.store.embedded import Embedded
from connector.store.migrate import migrate
from connector.store.postgres import Postgres
from connector.store.rest import Rest
from connector.store.store import Store
from connector.strays import Strays
from sessions.engine import Lab, Launch
from sessions.fleet import Fleet, Options
from sessions.model import SessionId
from sessions.pairing import Code
from sessions.ports import Changed
from sessions.redaction import Redactor
from sessions.state import UNPAIRED, Reason, State
from watchdog.watchdog import Watchdog

WEBHOOK_S = 15.0
WEBHOOK_CONNECTIONS = 32
DAY_S = 86_400.0
SETTING_OF = {WEBHOOK: "WEBHOOK_URL", ALERT: "ALERT_WEBHOOK_URL"}


@dataclass(frozen=True, slots=True)
class Assembly:
    """A service that is built; `lifecycle` starts it. What the HTTP side needs is here by name."""

    fleet: Fleet
    spool: Spool
    connections: Connections
    outbound: Outbound
    records: Records
    letters: Letters
    metrics: Metrics
    events: Events
    figures: Figures
    lifecycle: Lifecycle
    test: SelfTest
    seen: Seen
    pair_links: PairLinks
    pair_watch: PairWatch
    audit: Audit

    @classmethod
    async def build(cls, settings: Settings, data: DataDir, redact: Redactor, parts: AsyncExitStack) -> Assembly:
        """Build everything; *parts* stops, in reverse, what was started. Nothing but the disk has to be there."""
        spool = await Spool.opened(data.path / "spool")
        parts.push_async_callback(spool.close)
        transport, embedded = _database(settings, data, redact)
        store = Store(transport)
        parts.push_async_callback(store.close)
        board = Board()
        sinks: list[Sink] = [
            RecordSink(store, board, spool.sends.recorded, away=lambda: embedded.away if embedded else None),
            *await _webhooks(settings, data, redact, parts),
        ]
        names = frozenset(sink.name for sink in sinks)
        spool.tally.expect(names)
        metrics = Metrics()
        events = Events(spool.journal, spool.outbox, names)
        audit = Audit(data.path / "audit")
        connections = Connections(
            spool.connections,
            spool.outbox,
            names,
            time.time,
            metrics.forget,
            told=events.pass_on,
            turned=announcer(events),
            noted=audit.by_operator,
        )
        fleet = _fleet(settings, data, _changes(connections, metrics, stirs := Stirs()), connections.coded)
        ask = Parts(connections, fleet, spool.sends, board, names, spool.outbox.next_version, ended=metrics.send_ended)
        outbound = Outbound(ask)
        drainers = [Drainer(sink, spool.outbox) for sink in sinks]
        if embedded:
            embedded.listen(drainers[0].kick)  # the record's, which need not wait for its next try
        mover = spool.mover(Inbound(connections.refs, names, metrics.event_received, events), fleet.rung)
        catch_up = CatchUp(spool, store, aloud=embedded is None, behind=connections.tell_again)
        pulse = Pulse(store)
        seen = Seen(
            fleet,
            spool,
            mover,
            drainers,
            embedded,
            data.path,
            connections,
            lambda: catch_up.reason,
            lambda: pulse.latency_ms,
            lambda: pulse.silent_s,
            lambda: lifecycle.initialized,
        )
        metrics.watch(lambda: replace(seen.figures(), database_up=pulse.answers, database_ms=pulse.latency_ms))
        strays = Strays(fleet, spool, kept_s=settings.orphans_kept_days * DAY_S or None)
        watchdog = Watchdog(
            Eyes(seen, strays),
            Hands(seen, strays),
            Tally(metrics, events, audit, connections, fleet),
        )
        running = Running(settings, store, outbound, events, seen, watchdog, metrics, catch_up, pulse, audit)
        lifecycle = running.lifecycle()
        parts.push_async_callback(running.stop)
        parts.push_async_callback(lifecycle.stop)
        return cls(
            fleet,
            spool,
            connections,
            outbound,
            Records(store, connections),
            Letters(spool.dead, mover, drainers, connections.refs, audit.by_operator, outbound.endings),
            metrics,
            events,
            Figures(
                seen, metrics, watchdog, _kind(settings), pulse, lab=settings.lab is not None, started_at=time.time()
            ),
            lifecycle,
            SelfTest(settings, lambda: transport, seen),
            seen,
            PairLinks(spool.pair_links, connections, time.time),
            PairWatch(connections, stirs, time.time),
            audit,
        )


def _kind(settings: Settings) -> Kind:
    if settings.database:
        return "postgresql"
    return "supabase" if settings.supabase else "embedded"


def _database(settings: Settings, data: DataDir, redact: Redactor) -> tuple[Postgres | Rest, Embedded | None]:
    """The database that is configured, or one of our own, which is not started yet."""
    url, project = settings.database, settings.supabase
    if project and url is None:
        redact.register(project.key)
        return Rest(project), None
    if project:
        logger.info("The connection string is used, and SUPABASE_URL is not.")
    if url is not None:
        return Postgres(Target.of(url)), None
    embedded = Embedded(data.path / "postgres", migrate)
    return Postgres(Target.of(embedded.url)), embedded


async def _webhooks(settings: Settings, data: DataDir, redact: Redactor, parts: AsyncExitStack) -> list[Sink]:
    """A sink for each webhook that is configured: the one of all events, and the one of those that need a person."""
    urls = {WEBHOOK: settings.webhook_url, ALERT: settings.alert_webhook_url}
    if not any(urls.values()):
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
    sinks = [
        WebhookSink(WebhookTarget(url.get_secret_value(), secret, SETTING_OF[name]), http, name=name)
        for name, url in urls.items()
        if url
    ]
    for sink in sinks:
        parts.push_async_callback(sink.close)
    return list(sinks)


def _changes(connections: Connections, metrics: Metrics, stirs: Stirs) -> Changed:
    """Tell the connections of a session's change, and those who look at its pairing; count what that means."""
    lost: dict[SessionId, float] = {}  # since when, unix seconds

    def changed(session: SessionId, before: State, now: State) -> None:
        connections.changed(session, before, now)
        stirs.ring(session)
        if before.reason is Reason.CONNECTED and now.reason is not Reason.CONNECTED:
            metrics.connection_lost(now.reason.code)
            lost[session] = now.since
        if now.reason in UNPAIRED:  # what comes back then is another link: nothing has healed
            lost.pop(session, None)
        elif now.reason is Reason.CONNECTED and (since := lost.pop(session, None)) is not None:
            metrics.connection_back(now.since - since)
        if before.reason is Reason.LINKING and now.reason is Reason.STARTING:
            metrics.pairings.labels("paired").inc()
        elif before.reason in (Reason.WAITING_SCAN, Reason.LINKING) and now.reason in UNPAIRED:
            metrics.pairings.labels(now.reason.code).inc()

    return changed


def _fleet(settings: Settings, data: DataDir, changed: Changed, coded: Callable[[SessionId, Code], None]) -> Fleet:
    lab = settings.lab and Lab(proxy=settings.lab.proxy, ca=settings.lab.ca, root_key=settings.lab.root_key)
    options = Options(
        per_worker=settings.sessions_per_worker, max_pairings=settings.max_pairings, changed=changed, coded=coded
    )
    return Fleet(data.path, Launch(spool=data.path / "spool", lab=lab), options)
