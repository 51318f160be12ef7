"""What a session's change tells the sinks: the record how the connection is now, the webhook that it came or went."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connector import facts
from connector.events import bodies, lines
from connector.events.registry import StateChange
from connector.facts import ConnectionRef, Stamp
from connector.portrait import Known
from sessions.model import Identity, SessionId
from sessions.pairing import Code
from sessions.state import Next, Reason, State, Status


@dataclass(frozen=True, slots=True)
class Change:
    """A session went from one state to another."""

    session: SessionId
    before: State
    now: State
    at_ms: int
    code: Code | None = None  # to scan, in this state


def after(change: Change, known: Known) -> Known:
    """Answer what is kept of a connection once it changed so."""
    if change.now.reason is Reason.CONNECTED:
        return replace(known, connected_at_ms=change.at_ms)
    if change.before.reason is Reason.CONNECTED:
        return replace(known, disconnected_at_ms=change.at_ms)
    if change.now.reason is Reason.WAITING_SCAN and change.before.reason is not Reason.WAITING_SCAN:
        return replace(known, tried_at_ms=change.at_ms)
    return known


def told(change: Change, identity: Identity | None, seen_ms: int | None, now: float) -> facts.Fact:
    """Answer how the connection is after *change*. `seen_ms`: its last sign of life; *now*: unix seconds."""
    begun = change.at_ms if change.now.reason is Reason.CONNECTED else None  # that it connected is a sign of life
    return {
        "status": change.now.reason.status.value,
        "reason": change.now.reason.code,
        **_whose(identity),
        "at_ms": change.at_ms,
        **_scanned(change.code, now),
        "seen_at_ms": seen_ms or begun,
    }


def over(reason: str, identity: Identity | None, at_ms: int) -> facts.Fact:
    """Answer how a connection is that nobody looks after any more: `removed`, or `service_stopped`."""
    return {
        "status": Status.DISCONNECTED.value,
        "reason": reason,
        **_whose(identity),
        "at_ms": at_ms,
        **_scanned(None, 0.0),
        "seen_at_ms": None,
    }


def _whose(identity: Identity | None) -> facts.Fact:
    return {
        "phone": identity.phone if identity else None,
        "jid": identity.jid if identity else None,
        "lid": identity.lid if identity else None,
    }


def event(stamp: Stamp, ref: ConnectionRef, change: Change, told: facts.Fact) -> facts.Fact | None:
    """Answer `connected` when it is, `disconnected` when it was; the steps between are nobody's news."""
    name = _comes_or_goes(change)
    if name is None:
        return None
    data = state_change(change.before, change.now, told["phone"], told["jid"])
    return bodies.of_connection(stamp, name, ref, change.at_ms, data)


def need(before: State, now: State) -> str | None:
    """Answer the event that a session's new state is beside `connected` and `disconnected`, which come before it."""
    if before.reason is now.reason:
        return None
    if now.reason is Reason.DEAF:
        return "sessionDeaf"
    needs = now.reason is Reason.LOGGED_OUT or now.reason.value.next in (Next.CHOOSE, Next.STOP, Next.FIX_US)
    return "sessionNeedsYou" if needs and now.reason is not Reason.STOPPED else None


def state_change(before: State, now: State, phone: str | None = None, jid: str | None = None) -> StateChange:
    """Answer what events say of a change."""
    return StateChange(
        reason=now.reason.code,
        message=now.sentence("pt"),
        message_en=now.sentence("en"),
        before=before.reason.code,
        after_s=_lasted(before, now),
        phone=phone,
        jid=jid,
    )


def log_step(ref: ConnectionRef, change: Change) -> None:
    """Log a change that is no event. A first failure is a warning, the steps between are for whoever looks closely."""
    before, now = change.before, change.now
    if before.reason is now.reason or _comes_or_goes(change) or need(before, now):
        return
    level = "WARNING" if now.reason.status is Status.ERROR else "DEBUG"
    lines.log(level, now.sentence("en"), None, ref.id, now.reason.code, before.reason.code, _lasted(before, now))


def _comes_or_goes(change: Change) -> str | None:
    now, before = change.now.reason.status, change.before.reason.status
    if (now is Status.CONNECTED) == (before is Status.CONNECTED):
        return None
    return "connected" if now is Status.CONNECTED else "disconnected"


def _lasted(before: State, now: State) -> float:
    return round(max(0.0, now.since - before.since), 1)


def _scanned(code: Code | None, now: float) -> facts.Fact:
    """What the record shows to be scanned: nothing that is of no use any more."""
    if code is None or code.expires_at <= now:
        return {"qr_code": None, "qr_expires_at_ms": None}
    return {"qr_code": code.text, "qr_expires_at_ms": int(code.expires_at * 1000)}
