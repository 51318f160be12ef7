"""What can go wrong, sorted by what the person in charge does next. The docstring is the default sentence."""

from __future__ import annotations


class SessionsError(Exception):
    """Something in the WhatsApp sessions failed."""

    code = "error"

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or type(self).__doc__)


class Wait(SessionsError):
    """It passes by itself: try again later."""

    code = "wait"


class NotConnected(Wait):
    """This session is not connected."""

    code = "not_connected"


class Busy(Wait):
    """Too much is under way for this already: try again in a moment."""

    code = "busy"


class Deadline(Wait):
    """The answer did not come in time."""

    code = "deadline"


class WorkerGone(Wait):
    """The engine worker of this session ended; it is being started again."""

    code = "worker_gone"


class NotAsked(WorkerGone):
    """The engine worker of this session ended before it was asked anything."""


class Locked(Wait):
    """Another process still holds this session's file."""

    code = "locked"


class DiskFull(Wait):
    """The disk is nearly full: free some space."""

    code = "disk_full"


class Choose(SessionsError):
    """This cannot be done in the session's present state."""

    code = "choose"


class UnknownSession(Choose):
    """There is no session with this id."""

    code = "unknown_session"


class AlreadyConnected(Choose):
    """This session is connected already: nothing has to be scanned."""

    code = "already_connected"


class PairingEnded(Choose):
    """The pairing ended before a phone confirmed it: ask for a new code."""

    code = "pairing_ended"


class NotAnAddress(Choose):
    """This is no WhatsApp address."""

    code = "not_an_address"


class TooLong(Choose):
    """This is too long to be sent."""

    code = "too_long"


class EngineRefused(SessionsError):
    """WhatsApp or the engine refused this."""

    code = "refused"


class FixUs(SessionsError):
    """This is a fault of the service itself: its log says more."""

    code = "bug"


class Isolated(FixUs):
    """The engine fails whenever this session is open: it was isolated from the others."""

    code = "isolated"


class GivenUp(FixUs):
    """The engine worker of this session crashed too often and was stopped: see the log, then connect again."""

    code = "given_up"


class SendError:
    """Why a send did not reach WhatsApp, or is not known to have: codes of `Outcome.error`."""

    NOT_CONNECTED = "not_connected"
    NOT_ON_WHATSAPP = "not_on_whatsapp"
    REJECTED = "rejected"  # WhatsApp answered with an error of its own
    TIMED_OUT = "timed_out"
    NOT_BEGUN = "not_begun"  # the deadline passed while it still waited its turn: certainly not sent
    WORKER_GONE = "worker_gone"
    NO_KEYS = "no_keys"  # the keys to encrypt with could not be had: nobody was sent anything
    ENGINE = "engine"


def by_code(code: str, sentence: str | None = None) -> SessionsError:
    """Answer the error that a worker named by *code*."""
    for kind in _all(SessionsError):
        if kind.code == code:
            return kind(sentence)
    return FixUs(sentence)


def _all(root: type[SessionsError]) -> list[type[SessionsError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _all(child))]
