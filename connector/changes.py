"""What a session's change tells the sinks: the record how the connection is now, the webhook that it came or went."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connector import facts
from connector.facts import ConnectionRef, Stamp
from connector.portrait import Known
from sessions.model import Identity, SessionId
from sessions.pairing import Code
from sessions.state import Reason, State, Status


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
    now, before = change.now.reason.status, change.before.reason.status
    if (now is Status.CONNECTED) == (before is Status.CONNECTED):
        return None
    kind = "connected" if now is Status.CONNECTED else "disconnected"
    data = {"reason": told["reason"], "message": change.now.sentence("pt"), "messageEn": change.now.sentence("en")}
    data |= {"phone": told["phone"], "jid": told["jid"]}
    return facts.event(stamp, kind, ref, change.at_ms, data)


def _scanned(code: Code | None, now: float) -> facts.Fact:
    """What the record shows to be scanned: nothing that is of no use any more."""
    if code is None or code.expires_at <= now:
        return {"qr_code": None, "qr_expires_at_ms": None}
    return {"qr_code": code.text, "qr_expires_at_ms": int(code.expires_at * 1000)}
