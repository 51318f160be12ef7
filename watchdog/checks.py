"""What is wrong, judged from snapshots alone. Pure: every check takes two looks and answers findings, each with its remedy.

Parts heal themselves first: a session plans its next try, a worker is restarted by its keeper, a sink tries again. A check
finds what should have healed by itself and did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sessions.ports import SessionView
from sessions.state import Reason
from watchdog.remedies import KickSink, Nothing, Reconnect, Remedy, RestartPostgres, RestartWorker
from watchdog.sights import SinkSight, SinkState, Snapshot

STUCK_S = 180.0
"""How long a session may be on its way with no next try planned."""
SILENT_S = 90.0
"""How long a connected session may be silent: it is asked after 15 s, and is deaf 8 s later."""
BEHIND_S = 5.0
"""How old a row may be that waits for a database which answers: the next try may be half a minute away."""
AWAY_S = 30.0
"""How long the embedded database may be away: its own supervision restarts it within seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the stable code of the problem, what it is about, a sentence for the log, the remedy."""

    problem: str
    about: str
    sentence: str
    remedy: Remedy = Nothing()  # noqa: RUF009 - frozen, and always the same


Check = Callable[[Snapshot, Snapshot | None], Iterable[Finding]]
"""Judges the snapshot of now and one from a minute before, if there is one."""

_ON_ITS_WAY = frozenset(
    {
        Reason.LINKING,
        Reason.STARTING,
        Reason.RECONNECTING,
        Reason.UNREACHABLE,
        Reason.WORKER_RESTARTING,
        Reason.LOCKED,
        Reason.DEAF,
    }
)


def stuck_sessions(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find paired sessions on their way to nowhere: no next try is planned, and nothing has changed for long."""
    for one in now.sessions:
        lasted = now.at - one.state.since
        if _on_its_way(one) and one.retry_in_s is None and lasted > STUCK_S:
            sentence = f"Session {one.id} has been {one.state.reason.code} for {lasted:.0f} s with no next try planned."
            yield Finding("session_stuck", one.id, sentence, Reconnect(one.id))


def silent_sessions(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find sessions that count as connected and have shown no life for longer than a probe takes."""
    for one in now.sessions:
        silent = one.silent_s
        if one.state.reason is Reason.CONNECTED and silent is not None and silent > SILENT_S:
            sentence = f"Session {one.id} counts as connected and has been silent for {silent:.0f} s."
            yield Finding("session_silent", one.id, sentence, Reconnect(one.id))


def given_up_workers(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find workers that crashed too often; what made them crash may have passed."""
    for one in now.workers:
        if one.gave_up:
            sentence = f"Worker {one.name} crashed too often and was stopped, with {one.sessions} sessions."
            yield Finding("worker_given_up", one.name, sentence, RestartWorker(one.name))


def sinks(now: Snapshot, before: Snapshot | None) -> Iterator[Finding]:
    """Find sinks that somebody must look at, that stand still, and one that waits for a database which is back."""
    earlier = {one.name: one for one in before.sinks} if before else {}
    writes_to_it = now.database.sink if now.database and now.database.away_s is None else None
    for one in now.sinks:
        if one.state is SinkState.PARKED:
            yield Finding(
                "sink_parked", one.name, f"The sink {one.name} is parked, {one.depth} rows wait: {one.reason}"
            )
        elif one.state is SinkState.WAITING and one.name == writes_to_it and (one.oldest_s or 0.0) > BEHIND_S:
            sentence = f"The sink {one.name} waits, and the database answers."
            yield Finding("sink_behind", one.name, sentence, KickSink(one.name))
        elif _stands_still(one, earlier.get(one.name)):
            sentence = f"The sink {one.name} runs, and has delivered none of its {one.depth} rows for a minute."
            yield Finding("sink_still", one.name, sentence, KickSink(one.name))


def database(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find a database that is away; the embedded one is ours to restart."""
    found = now.database
    if found is None or found.away_s is None or found.away_s <= AWAY_S:
        return
    whose = "embedded database" if found.embedded else "database"
    remedy = RestartPostgres() if found.embedded else Nothing()
    yield Finding("database_away", "database", f"The {whose} has not answered for {found.away_s:.0f} s.", remedy)


def disk(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find a disk that is nearly full, somewhat before sessions disconnect because of it."""
    if now.disk and now.disk.free_bytes < 2 * now.disk.low_bytes:
        sentence = f"The disk has {now.disk.free_bytes >> 20} MB left: under {now.disk.low_bytes >> 20} MB sessions disconnect."
        yield Finding("disk_low", "disk", sentence)


def troubles(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Pass on what parts say about themselves."""
    for code, sentence in now.troubles:
        yield Finding(code, code, sentence)


ALL: tuple[Check, ...] = (stuck_sessions, silent_sessions, given_up_workers, sinks, database, disk, troubles)


def findings(now: Snapshot, before: Snapshot | None, checks: Iterable[Check] = ALL) -> list[Finding]:
    """Answer everything that is wrong."""
    return [found for check in checks for found in check(now, before)]


def _on_its_way(one: SessionView) -> bool:
    return one.identity is not None and one.state.reason in _ON_ITS_WAY


def _stands_still(now: SinkSight, before: SinkSight | None) -> bool:
    if before is None or now.state is not SinkState.RUNNING or before.state is not SinkState.RUNNING:
        return False
    return now.depth > 0 and before.depth > 0 and now.delivered == before.delivered
