"""What of a session outlives the service, and the line that each change of its state is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loguru import logger

from sessions.model import Identity, SessionId
from sessions.register import Record, without_credentials
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


class Lasting:
    """A session's record, handed to *keep* whenever it changes. Times are unix seconds; *clock* answers that of now."""

    def __init__(self, record: Record, keep: Callable[[Record], None], clock: Callable[[], float]) -> None:
        self.record = record
        self._keep = keep
        self._clock = clock

    def want(self, wanted: bool) -> None:
        """Note whether it is to be connected."""
        self._save(wanted=wanted)

    def adopt(self, identity: Identity) -> None:
        """Take the credentials that a pairing brought: the phone that scanned the code was there."""
        self._save(identity=identity, wanted=True, retry_at=None, phone_seen_at=self._clock(), phone_told_days=0)

    def unlink(self, reason: Reason) -> None:
        """Note that there are no credentials any more."""
        self._put(without_credentials(self.record, reason, self._clock()))

    def identified(self, identity: Identity) -> None:
        """Note what the account says of itself."""
        self._save(identity=identity)

    def connected(self) -> None:
        """Note that no verdict holds it back; of a phone that never showed it counts from now on."""
        self._save(retry_at=None, phone_seen_at=self.record.phone_seen_at or self._clock())

    def phone_seen(self, at: float) -> None:
        """Note that the account's own phone did something."""
        at = min(at, self._clock())
        if at > (self.record.phone_seen_at or 0.0):
            self._save(phone_seen_at=at, phone_told_days=0)

    def phone_told(self, days: int) -> None:
        """Note that somebody was told that the phone was not seen for so many days."""
        self._save(phone_told_days=days)

    def not_before(self, wait_s: float) -> None:
        """Note that a verdict holds it back for so long."""
        self._save(retry_at=self._clock() + wait_s)

    def stands(self, state: State) -> None:
        """Note where it is, if that still counts after a restart."""
        if state.reason in DURABLE:
            self._save(reason=state.reason.code, detail=state.detail, since=state.since)

    def held_for_s(self, reason: Reason) -> float:
        """Answer for how long a verdict still holds it back, where it is in *reason*."""
        if reason in KEPT_AT_START and self.record.retry_at:
            return max(0.0, self.record.retry_at - self._clock())
        return 0.0

    def _save(self, **changes: Any) -> None:
        self._put(replace(self.record, **changes))

    def _put(self, record: Record) -> None:
        if record != self.record:
            self.record = record
            self._keep(record)


def log_change(session: SessionId, before: State, now: State) -> None:
    """For whoever looks closely: who knows whose session it is says aloud what it means, under a name that people know."""
    lasted = now.since - before.since
    logger.debug("Session {}: {} after {:.1f} s {}", session, now.reason.code, lasted, before.reason.code)
