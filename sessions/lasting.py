"""What of a session's state outlives the service, and the line that each of its changes is."""

from __future__ import annotations

from loguru import logger

from sessions.model import SessionId
from sessions.register import Record
from sessions.state import UNPAIRED, Reason, State

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
    """For whoever looks closely: who knows whose session it is says aloud what it means, under a name that people know."""
    lasted = now.since - before.since
    logger.debug("Session {}: {} after {:.1f} s {}", session, now.reason.code, lasted, before.reason.code)
