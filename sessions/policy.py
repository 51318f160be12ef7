"""What a sign of life means for a session: the state it leads to, and whether and when to connect again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sessions import frames
from sessions.backoff import Retry
from sessions.errors import Deadline, DiskFull, GivenUp, Isolated, Locked, SessionsError, WorkerGone
from sessions.model import Life, Sign
from sessions.news import News
from sessions.state import Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a session goes. `retry`: connect again after the waits of this kind; `after_s`: or not before so many seconds.

    `look_s`: look after so many seconds whether WhatsApp can be reached at all.
    """

    reason: Reason
    detail: str = ""
    retry: Retry | None = None
    after_s: float | None = None
    look_s: float | None = None


DEAF_PATIENCE_S = 5.0  # between the engine's first missed keep-alive and our own reconnect
RECONNECT_PATIENCE_S = 20.0  # how long the engine may reconnect by itself before we do it
LOOK_S = 3.0  # it dials at once and after 2 s; where WhatsApp is away for everybody, its further dials help nobody

_CONNECT_FAILURES = {
    "6": Reason.OUTDATED,  # ConnectFailureReason.CLIENT_OUTDATED
}


def judge(life: Life) -> Verdict | None:
    """Answer what *life* leads to, or None when it changes nothing."""
    match life.sign:
        case Sign.CONNECTED | Sign.KEEPALIVE_RESTORED:
            return Verdict(Reason.CONNECTED)
        case Sign.DISCONNECTED:
            return Verdict(Reason.RECONNECTING, after_s=RECONNECT_PATIENCE_S, look_s=LOOK_S)
        case Sign.KEEPALIVE_TIMEOUT:
            return Verdict(Reason.DEAF, retry=Retry.REOPEN, after_s=DEAF_PATIENCE_S)
        case Sign.STREAM_ERROR:
            # On a code it does not know the engine clears its login and does nothing more (facts: WAHA's and others' deaf sessions).
            return Verdict(Reason.DEAF, detail=_number(life.code), retry=Retry.REOPEN)
        case Sign.LOGGED_OUT:
            return Verdict(Reason.LOGGED_OUT)
        case Sign.REPLACED:
            return Verdict(Reason.REPLACED, retry=Retry.REPLACED)
        case Sign.OUTDATED:
            return Verdict(Reason.OUTDATED)
        case Sign.BANNED:
            return _banned(life)
        case Sign.CONNECT_FAILURE:
            reason = _CONNECT_FAILURES.get(life.code or "", Reason.REFUSED)
            return Verdict(
                reason, detail=_number(life.code), retry=None if reason is Reason.OUTDATED else Retry.REFUSED
            )
        case Sign.IDENTITY | Sign.PAIRED | Sign.PAIR_FAILED | Sign.OFFLINE_DONE:
            return None


def unlinks(news: News) -> bool:
    """Answer whether *news* of a session with credentials says that its account is linked no more."""
    match news:
        case frames.Qr() | frames.LoginStatus():
            return True  # a resident session is never paired: its credentials are gone, so the engine offers a code
        case frames.Alive():
            return news.life.sign is Sign.LOGGED_OUT
        case _:
            return False


GIVEN_UP = Verdict(Reason.CRASH_LOOP)
ISOLATED = Verdict(Reason.ISOLATED, retry=Retry.ISOLATED)

_REFUSALS: tuple[tuple[type[SessionsError], Verdict], ...] = (
    (Locked, Verdict(Reason.LOCKED, retry=Retry.LOCKED)),
    (DiskFull, Verdict(Reason.DISK_FULL, retry=Retry.DISK_FULL)),
    (WorkerGone, Verdict(Reason.WORKER_RESTARTING, retry=Retry.WORKER)),
    (Isolated, ISOLATED),
    (GivenUp, GIVEN_UP),
    (Deadline, Verdict(Reason.UNREACHABLE, retry=Retry.FIRST_CONNECT)),
)


def refusal(error: SessionsError) -> Verdict:
    """Answer where a session goes that could not be opened."""
    found = (verdict for kind, verdict in _REFUSALS if isinstance(error, kind))
    return next(found, Verdict(Reason.REFUSED, retry=Retry.REFUSED))


def _banned(life: Life) -> Verdict:
    if life.until_s and life.until_s > 0:
        return Verdict(Reason.BANNED, detail=_number(life.code), after_s=float(life.until_s))
    return Verdict(Reason.BANNED, detail=_number(life.code), retry=Retry.BANNED)


def _number(code: str | None) -> str:
    """A code for the sentence: digits only, whatever the server sent."""
    return code if code and code.isascii() and code.isdecimal() and len(code) < 6 else ""
