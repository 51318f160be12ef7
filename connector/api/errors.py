"""Which HTTP status each error of the service has: one table, read from the exact error up to its kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector import refusals
from connector.spool.errors import SpoolError, SpoolFull, is_full
from sessions import errors
from sessions.errors import FixUs, SendError, SessionsError


class Refusal(Exception):
    """A request is refused: HTTP *status*, a stable *code* for programs, a sentence for people, further *members*."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.members = dict(members or {})


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is told. `retry_s`: when asking again makes sense. `field`: what of the request it is about."""

    status: int
    retry_s: int | None = None
    field: str | None = None


_TABLE: dict[type[SessionsError], Answer] = {
    errors.UnknownSession: Answer(404),
    refusals.UnknownConnection: Answer(404),
    refusals.UnknownMessage: Answer(404),
    refusals.UnknownLink: Answer(404),
    refusals.UnknownAtendimento: Answer(404),
    refusals.UnknownLetter: Answer(404),
    refusals.UnknownSink: Answer(404),
    refusals.UnknownJob: Answer(404),
    errors.NotConnected: Answer(409),
    errors.AlreadyConnected: Answer(409),
    refusals.ConnectionConflict: Answer(409, field="body.connectionId"),
    refusals.RestartUnderWay: Answer(409, retry_s=5),
    refusals.AtendimentoConflict: Answer(409, field="body.status"),
    refusals.InProgress: Answer(409, retry_s=1, field="header.Idempotency-Key"),
    errors.PairingEnded: Answer(410),
    errors.NotAnAddress: Answer(422, field="body.to"),
    refusals.KeyReused: Answer(422, field="header.Idempotency-Key"),
    errors.Busy: Answer(429, retry_s=5),
    errors.EngineRefused: Answer(502),
    errors.Locked: Answer(503, retry_s=5),
    errors.WorkerGone: Answer(503, retry_s=2),
    refusals.RecordAway: Answer(503, retry_s=5),
    refusals.NotInitialized: Answer(503, retry_s=5),
    refusals.CannotStart: Answer(503),
    errors.Deadline: Answer(504),
    errors.DiskFull: Answer(507),
    errors.Wait: Answer(503, retry_s=5),
    errors.Choose: Answer(409),
    SessionsError: Answer(500),
}

_SENDS: dict[str, tuple[int, str]] = {
    SendError.NOT_CONNECTED: (409, "The session was not connected: nothing was sent."),
    SendError.NOT_ON_WHATSAPP: (422, "This number is not on WhatsApp: nothing was sent."),
    SendError.REJECTED: (502, "WhatsApp rejected the message."),
    SendError.TIMED_OUT: (504, "WhatsApp did not take the message in time: it was not sent."),
    SendError.NOT_BEGUN: (504, "The message waited too long for its turn: it was not sent."),
    SendError.NO_KEYS: (
        503,
        "The keys to encrypt for this number could not be had just now: nothing was sent, try again.",
    ),
    SendError.WORKER_GONE: (503, "The engine ended before the message left: it was not sent."),
}


def known(error: Exception) -> Refusal | None:
    """Answer how *error* is told to a caller; None when it is a fault of ours that nobody foresaw."""
    told = _in_words(error)
    if told is None:
        return None
    if isinstance(told, FixUs):
        return Refusal(500, told.code, str(FixUs()))  # its own sentence is for the log
    found = next(_TABLE[kind] for kind in type(told).__mro__ if kind in _TABLE)
    headers = {"Retry-After": str(found.retry_s)} if found.retry_s else {}
    return Refusal(found.status, told.code, str(told), headers, field_error(found.field, str(told)))


def _in_words(error: Exception) -> SessionsError | None:
    if isinstance(error, SessionsError):
        return error
    if isinstance(error, TimeoutError):
        return errors.Deadline()
    if isinstance(error, SpoolFull) or is_full(error):
        return errors.DiskFull()
    if isinstance(error, SpoolError):
        return errors.Wait("The queue on disk cannot be used just now, and nothing was done: try again in a moment.")
    return None


def of_send(error: str | None) -> Refusal:
    """Answer how a send that certainly failed is told; *error* is a code of `SendError`."""
    status, sentence = _SENDS.get(error or "", (502, "The engine could not send the message."))
    field = "body.to" if error == SendError.NOT_ON_WHATSAPP else None
    return Refusal(status, error or SendError.ENGINE, sentence, members=field_error(field, sentence))


def field_error(field: str | None, detail: str) -> dict[str, object]:
    """Answer the member that names the *field* a problem is about, when there is one."""
    return {"errors": [{"field": field, "detail": detail}]} if field else {}
