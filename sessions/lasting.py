"""What of a session's state outlives the service, and how loudly its changes are said."""

from __future__ import annotations

from loguru import logger

from sessions.model import SessionId
from sessions.register import Record
from sessions.state import UNPAIRED, Reason, State, Status

KEPT_AT_START = frozenset({Reason.BANNED})
"""Reasons that a restart of the service does not make worth another try before their time."""

DURABLE = UNPAIRED | KEPT_AT_START | {Reason.STOPPED, Reason.ISOLATED}
"""Reasons that still count when the service starts again. Whatever else a session was, it then connects anew."""


def first_state(record: Record, now: float) -> State:
    """Answer where a session stands when the service starts (*now*: unix seconds): what it was, for those that do not run."""
    reason = next((one for one in Reason if one.code == record.reason), Reason.NEVER_PAIRED)
    if not record.paired:
        fitting = reason if reason in UNPAIRED else Reason.NEVER_PAIRED
        return State(fitting, record.detail, record.since or now)
    if not record.wanted:
        return State(Reason.STOPPED, "", record.since or now)
    if reason in KEPT_AT_START and (record.retry_at or 0) > now:
        return State(reason, record.detail, record.since)
    return State(Reason.STARTING, "", now)


def log_change(session: SessionId, before: State, now: State) -> None:
    """First failures are warnings, recoveries say how long it took, the steps between are for whoever looks closely."""
    lasted = now.since - before.since
    if now.reason is Reason.CONNECTED:
        logger.info("Session {} is connected, after {:.1f} s {}", session, lasted, before.reason.code)
    elif now.reason.status is Status.ERROR or before.reason is Reason.CONNECTED:
        logger.warning("Session {}: {} after {:.1f} s {}", session, now.reason.code, lasted, before.reason.code)
    else:
        logger.debug("Session {}: {} -> {}", session, before.reason.code, now.reason.code)
