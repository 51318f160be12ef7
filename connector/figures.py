"""Everything an operator is shown of the service, gathered from its parts at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from prometheus_client import Histogram

from connector.api import stats
from connector.api.stats import Stats, Summary
from connector.metrics import Metrics, counted, times
from connector.portrait import standing
from connector.pulse import Pulse
from connector.sights import Seen, in_callers_words
from connector.spool import SinkView
from sessions.model import SessionId
from sessions.ports import SessionView
from watchdog.checks import Finding
from watchdog.watchdog import Watchdog

Kind = Literal["embedded", "postgresql", "supabase"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is looked at. `kind`: of the database; `clock`: unix seconds."""

    seen: Seen
    metrics: Metrics
    watchdog: Watchdog
    kind: Kind
    pulse: Pulse
    lab: bool
    started_at: float
    clock: Callable[[], float] = time.time

    def summary(self) -> Summary:
        """Answer the status in a few words."""
        troubles = self.seen.troubles()
        status = "unready" if any(one.blocks for one in troubles) else "degraded" if troubles else "ok"
        reasons = tuple((one.code, one.sentence) for one in troubles)
        return Summary(status, version("vigia"), self.started_at, self.lab, reasons)

    def stats(self) -> Stats:
        """Answer every figure."""
        snapshot, told = self.seen.snapshot(), self.metrics
        database, disk = snapshot.database, snapshot.disk
        return Stats(
            connections=self._connections(),
            reconnects=stats.ReconnectFigures(by_reason=counted(told.drops, "reason"), heal=_times(told.heal_seconds)),
            pairings=self.seen.fleet.pairings,
            pairings_ended=counted(told.pairings, "outcome"),
            inbound=stats.InboundFigures(by_kind=counted(told.received, "kind"), lag=_times(told.inbound_lag)),
            sinks=[_sink(one.view) for one in self.seen.drainers],
            dead_letters=self.seen.dead_letters(),
            dead_letters_expired=counted(told.letters, "sink"),
            workers=list(self._workers()),
            database=stats.DatabaseFigures(
                kind=self.kind, away_seconds=database.away_s if database else None, latency_ms=self.pulse.latency_ms
            ),
            sends=self._sends(),
            findings=[self._finding(one) for one in self.watchdog.findings],
            watchdog=self._watchdog(),
            http=self._http(),
            inbox_bytes=self.seen.figures().inbox_bytes,
            disk_free_bytes=disk.free_bytes if disk else 0,
            disk_low_bytes=disk.low_bytes if disk else 0,
            uptime_seconds=round(self.clock() - self.started_at, 1),
        )

    def _finding(self, one: Finding) -> stats.FindingOf:
        ref = self.seen.connections.refs.get(SessionId(one.about))
        about, detail = in_callers_words(one.about, one.sentence, ref)
        return stats.FindingOf(problem=one.problem, about=about, detail=detail)

    def _connections(self) -> stats.Connections:
        items = [_connection(name, view) for name, view in self.seen.by_connection()]
        return stats.Connections(
            total=len(items),
            by_status=dict(Counter[str](one.status for one in items)),
            by_reason=dict(Counter(one.reason for one in items)),
            items=items,
        )

    def _workers(self) -> Iterator[stats.WorkerFigures]:
        for one in self.seen.fleet.workers():
            yield stats.WorkerFigures(
                name=one.name,
                sessions=one.sessions,
                starts=one.starts,
                restarts=max(0, one.starts - 1),
                gave_up=one.gave_up,
                memory_bytes=one.health.rss_bytes if one.health else None,
                descriptors=one.health.descriptors if one.health else None,
            )

    def _sends(self) -> stats.SendFigures:
        counts = dict.fromkeys(("sent", "failed", "unknown"), 0) | counted(self.metrics.sends, "outcome")
        ended = sum(counts.values())
        rate = counts["sent"] / ended if ended else None
        return stats.SendFigures(**counts, success_rate=rate, took=_times(self.metrics.send_seconds))

    def _watchdog(self) -> stats.WatchdogFigures:
        done, failed = (counted(self.metrics.actions, "action", result=result) for result in ("done", "failed"))
        return stats.WatchdogFigures(found=counted(self.metrics.findings, "problem"), done=done, failed=failed)

    def _http(self) -> stats.HttpFigures:
        classes = Counter[str]()
        for status, requests in counted(self.metrics.requests, "status").items():
            classes[f"{status[0]}xx"] += requests
        return stats.HttpFigures(by_status=dict(classes), took=_times(self.metrics.request_seconds))


def _times(histogram: Histogram) -> stats.Times:
    found = times(histogram)
    return stats.Times(count=found.count, average_seconds=found.average_s, p95_seconds=found.p95_s)


def _connection(name: str, view: SessionView | None) -> stats.ConnectionFigures:
    status, reason = standing(view)
    return stats.ConnectionFigures(
        connection_id=name,
        status=status,
        reason=reason,
        since=datetime.fromtimestamp(view.state.since, UTC) if view else None,
        silent_seconds=view.silent_s if view else None,
        retry_in_seconds=view.retry_in_s if view else None,
    )


def _sink(one: SinkView) -> stats.SinkFigures:
    return stats.SinkFigures(
        name=one.name,
        state=one.state.value,
        reason=one.reason,
        waiting=one.depth,
        oldest_seconds=one.oldest_s,
        delivered=one.delivered,
        dead=one.dead,
    )
