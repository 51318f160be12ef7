"""What is wrong, judged from snapshots alone. Pure: every check takes two looks and answers findings, each with its remedy.

Parts heal themselves first: a session plans its next try, a worker is restarted by its keeper, a sink tries again. A check
finds what should have healed by itself and did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sessions.model import SessionId
from sessions.ports import SessionView
from sessions.state import Reason
from watchdog.remedies import (
    EndPairing,
    KickSink,
    Nothing,
    Reconnect,
    Remedy,
    RemoveConnection,
    RemoveSession,
    RestartPostgres,
    RestartWorker,
)
from watchdog.sights import SinkSight, SinkState, Snapshot, Stray, WorkerSight

STUCK_S = 180.0
"""How long a session may be on its way with no next try planned."""
SILENT_S = 90.0
"""How long a connected session may be silent: it is asked after 15 s, and is deaf 8 s later."""
BEHIND_S = 5.0
"""How old a row may be that waits for a database which answers: the next try may be half a minute away."""
PAIRING_STUCK_S = 300.0
"""How long a pairing may show codes or link: WhatsApp gives 160 s for the codes, we 60 s for the rest."""
PHONE_UNSEEN = "phone_unseen"
UNSEEN_DAYS, UNSEEN_DAILY, UNLINKED_DAYS = 10, 12, 14
"""From when on an absent phone is told once, and daily, and when WhatsApp unlinks its devices."""
SLOW_MS = 2_000.0
BIG_SPOOL_BYTES = 1 << 30
OLD_ROW_S = 3_600.0
HEAVY_BYTES = 768 << 20
"""A worker above it is replaced by its keeper: one that stays above it was not."""
CLOCK_S = 5.0
"""How far the wall clock may move beside the steady one between two looks."""
AWAY_S = 30.0
"""How long the embedded database may be away: its own supervision restarts it within seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the stable code of the problem, what it is about, a sentence for the log, the remedy.

    `turn`: what goes on is told once; with another turn, once more. `told`: somebody was told already, before a restart say.
    """

    problem: str
    about: str
    sentence: str
    remedy: Remedy = Nothing()  # noqa: RUF009 - frozen, and always the same
    turn: int = 0
    told: bool = False


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
    """Find paired sessions on their way to nowhere: their try hangs, or none is planned and nothing has changed for long."""
    for one in now.sessions:
        lasted = now.at - one.state.since
        if one.identity is None:
            continue
        if one.hangs:
            sentence = f"Session {one.id} has been {one.state.reason.code} for {lasted:.0f} s, and its try hangs."
        elif one.state.reason in _ON_ITS_WAY and lasted > STUCK_S and not _heals_itself(one):
            sentence = f"Session {one.id} has been {one.state.reason.code} for {lasted:.0f} s with no next try planned."
        else:
            continue
        yield Finding("session_stuck", one.id, sentence, Reconnect(one.id))


def silent_sessions(now: Snapshot, before: Snapshot | None) -> Iterator[Finding]:
    """Find sessions that count as connected and have shown no life for longer than a probe takes, or that no worker tells of."""
    earlier = {one.id: one for one in before.sessions} if before else {}
    for one in now.sessions:
        if one.state.reason is not Reason.CONNECTED:
            continue
        was, lasted = earlier.get(one.id), now.at - one.state.since
        if one.silent_s is not None and one.silent_s > SILENT_S:
            sentence = f"Session {one.id} counts as connected and has been silent for {one.silent_s:.0f} s."
        elif was and lasted > SILENT_S and (was.state, was.silent_s, one.silent_s) == (one.state, None, None):
            sentence = f"Session {one.id} has counted as connected for {lasted:.0f} s, and no worker tells of it."
        else:
            continue
        yield Finding("session_silent", one.id, sentence, Reconnect(one.id))


def stuck_pairings(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find pairings that neither end nor lead to a connection."""
    for one in now.sessions:
        lasted = now.at - one.state.since
        if (
            one.identity is None
            and one.state.reason in (Reason.WAITING_SCAN, Reason.LINKING)
            and lasted > PAIRING_STUCK_S
        ):
            sentence = f"The pairing of session {one.id} has been {one.state.reason.code} for {lasted:.0f} s."
            yield Finding("pairing_stuck", one.id, sentence, EndPairing(one.id))


def isolated_sessions(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find sessions that end every worker they are open in. They plan their next try themselves."""
    for one in now.sessions:
        if one.state.reason is Reason.ISOLATED:
            sentence = f"Session {one.id} ends every worker it is open in, and was isolated."
            yield Finding("session_isolated", one.id, sentence)


def outdated_engine(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find that WhatsApp accepts this version of the engine no more: nothing but an update helps, and it will be every session."""
    outdated = sum(one.state.reason is Reason.OUTDATED for one in now.sessions)
    if outdated:
        sentence = f"WhatsApp no longer accepts this version of the engine ({outdated} sessions so far): update Vigia."
        yield Finding("engine_outdated", "engine", sentence)


def unseen_phones(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find accounts whose own phone has not been seen for long: after 14 days WhatsApp unlinks their devices."""
    for one in now.sessions:
        if one.identity is None or one.phone_seen_at is None or one.state.reason is Reason.STOPPED:
            continue  # nobody hears of the phone of one that somebody stopped
        days = int((now.at - one.phone_seen_at) // 86_400)
        if days >= UNSEEN_DAYS:
            sentence = f"The phone of session {one.id} has not been seen for {days} days: open WhatsApp on it, or it is unlinked at 14."
            if days >= UNLINKED_DAYS:
                sentence = f"The phone of session {one.id} has not been seen for {days} days: open WhatsApp on it now, it may be unlinked."
            turn = days if days >= UNSEEN_DAILY else UNSEEN_DAYS
            yield Finding(PHONE_UNSEEN, one.id, sentence, turn=turn, told=one.phone_told_days >= turn)


def workers(now: Snapshot, before: Snapshot | None) -> Iterator[Finding]:
    """Find workers that stay too large or keep too many files open: their keeper should have replaced them."""
    earlier = {one.name: one for one in before.workers} if before else {}
    for one in now.workers:
        was = earlier.get(one.name)
        if was and (what := _too_much(one)) and _too_much(was):
            yield Finding("worker_heavy", one.name, f"Worker {one.name} has {what} for a minute, and was not replaced.")


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
    if found and found.away_s is None and (found.latency_ms or 0.0) > SLOW_MS:
        yield Finding(
            "database_slow", "database", f"The database took {(found.latency_ms or 0.0) / 1000:.1f} s to answer."
        )
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


def spool(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find what waits for too long, and too much of it."""
    for one in now.sinks:
        if (one.oldest_s or 0.0) > OLD_ROW_S:
            hours = (one.oldest_s or 0.0) / 3600
            yield Finding(
                "sink_old", one.name, f"The oldest of {one.depth} rows for {one.name} has waited for {hours:.0f} h."
            )
    if now.spool and now.spool.bytes > BIG_SPOOL_BYTES:
        yield Finding("spool_big", "spool", f"{now.spool.bytes >> 20} MB wait on disk for what is away.")


def clock(now: Snapshot, before: Snapshot | None) -> Iterator[Finding]:
    """Find that somebody set the clock: ages and bans were counted by it."""
    if before is None or before.steady_at is None or now.steady_at is None:
        return
    stepped = (now.at - before.at) - (now.steady_at - before.steady_at)
    if abs(stepped) > CLOCK_S:
        yield Finding("clock_stepped", "clock", f"The system's clock was moved by {stepped:+.0f} s.")


_STRAYS = {
    "never_paired": "Connection {0} was never paired in {1:.0f} days: pair it, or remove it.",
    "without_session": "Connection {0} has no session any more: remove it, and make it anew.",
    "without_connection": "The files of session {0} belong to no connection: see data/sessions, and remove them if nobody misses them.",
}
_REMOVED = {
    "never_paired": "Connection {0} was never paired in {1:.0f} days.",
    "without_connection": "Session {0} belongs to no connection, and nobody paired it in {1:.0f} days.",
}


def strays(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Find what was left over. What may hold anything is told and not removed: whose it is only people know."""
    for one in now.strays:
        kind, sentence = f"stray_{one.kind}", (_REMOVED if one.removable else _STRAYS)[one.kind]
        yield Finding(kind, one.about, sentence.format(one.about, one.age_s / 86_400), _removal(one))


def _removal(one: Stray) -> Remedy:
    if not one.removable:
        return Nothing()
    return RemoveConnection(one.about) if one.kind == "never_paired" else RemoveSession(SessionId(one.about))


def troubles(now: Snapshot, _before: Snapshot | None) -> Iterator[Finding]:
    """Pass on what parts say about themselves."""
    for code, sentence in now.troubles:
        yield Finding(code, code, sentence)


ALL: tuple[Check, ...] = (
    stuck_sessions,
    silent_sessions,
    stuck_pairings,
    isolated_sessions,
    outdated_engine,
    unseen_phones,
    given_up_workers,
    workers,
    sinks,
    spool,
    database,
    disk,
    clock,
    strays,
    troubles,
)


def findings(now: Snapshot, before: Snapshot | None, checks: Iterable[Check] = ALL) -> list[Finding]:
    """Answer everything that is wrong."""
    return [found for check in checks for found in check(now, before)]


def _heals_itself(one: SessionView) -> bool:
    """Whether it tries, or will: two healers must not work on one patient."""
    return one.retry_in_s is not None or one.trying_s is not None


def _too_much(one: WorkerSight) -> str | None:
    if (one.rss_bytes or 0) > HEAVY_BYTES:
        return f"{(one.rss_bytes or 0) >> 20} MB"
    if one.descriptors and one.descriptors[0] > 0.7 * one.descriptors[1]:
        return f"{one.descriptors[0]} open files"
    return None


def _stands_still(now: SinkSight, before: SinkSight | None) -> bool:
    if before is None or now.state is not SinkState.RUNNING or before.state is not SinkState.RUNNING:
        return False
    return now.depth > 0 and before.depth > 0 and now.delivered == before.delivered
