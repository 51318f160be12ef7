"""Every event there is: its name, how serious it is, its data, and its sentence in Portuguese and English. Data, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import msgspec

from connector.portuguese import in_portuguese


class Severity(StrEnum):
    """How soon a person should know."""

    INFO = "info"
    WARNING = "warning"  # heals by itself, or can wait until tomorrow
    CRITICAL = "critical"  # somebody has to do something: also sent to ALERT_WEBHOOK_URL


class Scope(StrEnum):
    """What an event is about, and so whether it is kept: messages are in the record, everything else in the journal."""

    MESSAGE = "message"
    CONNECTION = "connection"
    SERVICE = "service"


class Data(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """The data of an event, beside whose connection it is about."""


class Nothing(Data, frozen=True):
    """No data of its own."""


class Received(Data, frozen=True):
    """A text that came in. `chat` and `from` are JIDs; `phone`: the customer's digits, where they are known."""

    message_id: str
    wa_message_id: str
    chat: str
    sender: str = msgspec.field(name="from")
    phone: str | None = None
    from_me: bool = False
    is_group: bool = False
    push_name: str | None = None
    type: str = "text"
    content: str | None = None


class Sent(Data, frozen=True):
    """A text that went out: over the API (`to`, `status`), or from the account's own phone (the fields of one that came in)."""

    message_id: str
    wa_message_id: str | None = None
    to: str | None = None
    status: str | None = None
    error: str | None = None
    chat: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    phone: str | None = None
    from_me: bool | None = None
    is_group: bool | None = None
    push_name: str | None = None
    type: str | None = None
    content: str | None = None


class Statuses(Data, frozen=True):
    """What became of messages: of a send that failed or is unknown (`messageId`), or a receipt (`waMessageIds`)."""

    status: str
    message_id: str | None = None
    wa_message_id: str | None = None
    to: str | None = None
    error: str | None = None
    wa_message_ids: list[str] | None = None
    chat: str | None = None


class StateChange(Data, frozen=True):
    """Where a connection is now: the exact reason, and its sentence in Portuguese and English; `before`, `after_s`: the reason
    until then, and for how many seconds."""

    reason: str
    message: str
    message_en: str = ""
    before: str | None = None
    after_s: float | None = None
    phone: str | None = None
    jid: str | None = None


class Offline(Data, frozen=True):
    """Why the database does not answer, as far as it is known."""

    reason: str
    waiting: int


class Back(Data, frozen=True):
    """The database answers again, after so many seconds, with so many rows to write."""

    after_s: float
    waiting: int


class Queue(Data, frozen=True):
    """A queue: its sink, the rows that wait, and why they do, or after how many seconds they do no more."""

    sink: str
    waiting: int
    reason: str = ""
    after_s: float | None = None


class DeadLetters(Data, frozen=True):
    """A sink refused rows for good, or, where it is `inbound`, events could not be processed: so many are kept now."""

    sink: str
    kept: int


class Worker(Data, frozen=True):
    """An engine worker and how many sessions it has."""

    worker: str
    sessions: int


class HealthData(Data, frozen=True):
    """How the service is: `ok`, `degraded` or `unready`, with the codes of what is wrong."""

    status: str
    reasons: list[str]


class Problem(Data, frozen=True):
    """What the watchdog found, or what is over: a stable code, what it is about, a sentence; after how many seconds it is over."""

    problem: str
    about: str
    detail: str
    after_s: float | None = None


class Action(Data, frozen=True):
    """What the watchdog, an operator or the service's own housekeeping did, to what, why, and whether it could be done."""

    action: str
    about: str
    why: str
    done: bool


class Restart(Data, frozen=True):
    """The services an operator had restarted."""

    services: list[str]


class FailedRestart(Data, frozen=True):
    """The services an operator had restarted, and why some of them are not back, by service."""

    services: list[str]
    failed: list[str]
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class EventType:
    """One event. In the sentences `{field}` stands for a field of its data; `pt_words`: what words of the data are in Portuguese."""

    name: str
    scope: Scope
    severity: Severity
    data: type[Data]
    pt: str
    en: str
    pt_words: Mapping[str, str] = field(default_factory=dict[str, str])


_I, _W, _C = Severity.INFO, Severity.WARNING, Severity.CRITICAL
_M, _CONN, _S = Scope.MESSAGE, Scope.CONNECTION, Scope.SERVICE

ALL = (
    EventType("messageReceived", _M, _I, Received, "Um cliente escreveu.", "A customer wrote."),
    EventType("messageSent", _M, _I, Sent, "Uma mensagem foi enviada.", "A message was sent."),
    EventType(
        "messageStatus",
        _M,
        _I,
        Statuses,
        "A situação de uma mensagem mudou: {status}.",
        "What became of a message: {status}.",
    ),
    EventType("connected", _CONN, _I, StateChange, "A conexão está conectada.", "The connection is connected."),
    EventType(
        "disconnected",
        _CONN,
        _W,
        StateChange,
        "A conexão não está mais conectada: {message}",
        "The connection is connected no more: {message_en}",
    ),
    EventType(
        "sessionDeaf",
        _CONN,
        _W,
        StateChange,
        "O WhatsApp deixou de responder: reconectando.",
        "WhatsApp stopped answering: connecting again.",
    ),
    EventType(
        "sessionNeedsYou",
        _CONN,
        _C,
        StateChange,
        "A conexão não volta sozinha: {message}",
        "The connection does not come back by itself: {message_en}",
    ),
    EventType("phoneUnseen", _CONN, _W, Problem, "{detail}", "{detail}"),
    EventType(
        "supabaseOffline",
        _S,
        _C,
        Offline,
        "O banco de dados não responde: {reason} Nada se perde; {waiting} linhas aguardam.",
        "The database does not answer: {reason} Nothing is lost; {waiting} rows wait.",
    ),
    EventType(
        "supabaseOnline",
        _S,
        _I,
        Back,
        "O banco de dados voltou depois de {after_s:.0f} s; {waiting} linhas a gravar.",
        "The database is back after {after_s:.0f} s; {waiting} rows to write.",
    ),
    EventType(
        "queueParked",
        _S,
        _C,
        Queue,
        "A fila {sink} parou até que alguém corrija: {reason}",
        "The queue {sink} is parked until somebody mends it: {reason}",
    ),
    EventType("queueResumed", _S, _I, Queue, "A fila {sink} anda de novo.", "The queue {sink} runs again."),
    EventType(
        "deadLetter",
        _S,
        _W,
        DeadLetters,
        "A fila {sink} não pôde aceitar algumas linhas: {kept} guardadas.",
        "The queue {sink} could not take some rows: {kept} are kept.",
    ),
    EventType(
        "workerRestarted",
        _S,
        _W,
        Worker,
        "O motor {worker} reiniciou com {sessions} sessões.",
        "Engine worker {worker} restarted with {sessions} sessions.",
    ),
    EventType(
        "workerGivenUp",
        _S,
        _C,
        Worker,
        "O motor {worker} caiu vezes demais e parou, com {sessions} sessões.",
        "Engine worker {worker} crashed too often and was stopped, with {sessions} sessions.",
    ),
    EventType(
        "healthCheck",
        _S,
        _I,
        HealthData,
        "Saúde do serviço: {status}.",
        "The service's health: {status}.",
        {"ok": "tudo em ordem", "degraded": "funciona com problemas", "unready": "parado por um problema"},
    ),
    EventType(
        "problemFound",
        _S,
        _W,
        Problem,
        "O vigia encontrou um problema: {detail}",
        "The watchdog found a problem: {detail}",
    ),
    EventType(
        "problemOver",
        _S,
        _I,
        Problem,
        "Um problema acabou: {problem} ({about}).",
        "A problem is over: {problem} ({about}).",
    ),
    EventType("actionTaken", _S, _I, Action, "Ação {action} em {about}: {why}", "Action {action} on {about}: {why}"),
    EventType("serviceStarted", _S, _I, Nothing, "O serviço começou.", "The service started."),
    EventType(
        "serviceRestartFailed",
        _S,
        _C,
        FailedRestart,
        "Um operador reiniciou: {services}. Não voltou: {failed}.",
        "An operator restarted: {services}. Not back: {failed}.",
    ),
    EventType(
        "serviceRestarted", _S, _I, Restart, "Um operador reiniciou: {services}.", "An operator restarted: {services}."
    ),
)

BY_NAME = {one.name: one for one in ALL}


def sentence(kind: EventType, data: Data, language: str) -> str:
    """Answer what *data* says in *language* (`pt` or `en`). What is known in English alone stays so in the Portuguese sentence."""
    shown = {name: _listed(value) for name, value in msgspec.structs.asdict(data).items()}
    if language != "pt":
        return kind.en.format(**shown)
    return kind.pt.format(**{name: _portuguese(kind, value) for name, value in shown.items()})


def _portuguese(kind: EventType, value: Any) -> Any:
    return (kind.pt_words.get(value) or in_portuguese(value) or value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value
