"""What a webhook receiver's answer means for the rows that wait for it. Pure, and without the address: it may hold a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from connector.guard import InternalAddress
from connector.spool.sink import Park, Poison, Wait

LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an event did not arrive. `everywhere`: no other event would do better just now."""

    verdict: Wait | Park | Poison
    everywhere: bool


_PARKED = {
    401: "does not let us in: check WEBHOOK_SECRET on both sides, and the address in WEBHOOK_URL",
    403: "refuses us: check WEBHOOK_SECRET on both sides, and what stands between it and this service",
    404: "knows nothing at this path: correct WEBHOOK_URL",
    405: "takes no POST at this path: correct WEBHOOK_URL",
    407: "stands behind a proxy that wants a login: correct WEBHOOK_URL",
    410: "is gone: correct WEBHOOK_URL, or unset it",
}
_PASSING = frozenset({408, 425, 429, 503})
"""The receiver itself says that it has no time now; the event has nothing to do with it."""


def of_status(status: int, retry_after: str | None, now: datetime) -> Trouble | None:
    """Answer what an HTTP *status* means; None when the event arrived. *retry_after*: the header of that name."""
    if 200 <= status < 300:
        return None
    if status in _PASSING:
        return Trouble(
            Wait(f"The webhook's receiver has no time ({status}).", seconds(retry_after, now)), everywhere=True
        )
    if status in _PARKED:
        return Trouble(Park(f"The webhook's receiver {_PARKED[status]} ({status})."), everywhere=True)
    if 300 <= status < 400:
        what = "answers with a redirect, which is not followed: set WEBHOOK_URL to the final address"
        return Trouble(Park(f"The webhook's receiver {what} ({status})."), everywhere=True)
    if 400 <= status < 500:
        return Trouble(Poison(f"The webhook's receiver refuses this event ({status})."), everywhere=False)
    return Trouble(Wait(f"The webhook's receiver failed ({status})."), everywhere=False)


def of_failure(error: BaseException) -> Trouble:
    """Answer what it means that there was no answer."""
    if _cause(error, InternalAddress):
        what = "use a public one, or set WEBHOOK_ALLOW_INTERNAL=true if the receiver is your own"
        return Trouble(Park(f"WEBHOOK_URL leads to an internal address: {what}."), everywhere=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Trouble(Park("The webhook receiver's certificate is not trusted: have it mended."), everywhere=True)
    if isinstance(error, aiohttp.InvalidURL):
        return Trouble(Park("WEBHOOK_URL cannot be asked: correct it."), everywhere=True)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Trouble(Wait("The webhook's receiver cannot be reached."), everywhere=True)
    if isinstance(error, TimeoutError):
        return Trouble(Wait("The webhook's receiver did not answer in time."), everywhere=False)
    return Trouble(Wait(f"The webhook's receiver broke off ({type(error).__name__})."), everywhere=False)


def seconds(retry_after: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or a date, as seconds from 0 to an hour; None when there is none that can be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT_S)


def _cause(error: BaseException, kind: type[BaseException]) -> bool:
    return isinstance(error, kind) or (
        isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, kind)
    )
