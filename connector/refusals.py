"""What the service itself refuses, beside what the sessions refuse. The docstring is the default sentence."""

from __future__ import annotations

from sessions.errors import Choose, NotAnAddress, Wait


class ConnectionConflict(Choose):
    """There is a connection with this connectionId already, with another name, ownerId or companyId."""

    code = "connection_exists"


class UnknownConnection(Choose):
    """There is no connection with this connectionId."""

    code = "unknown_connection"


class UnknownLink(Choose):
    """This link is not valid, or not valid any more: ask whoever sent it for a new one."""

    code = "unknown_link"


class UnknownMessage(Choose):
    """There is no message with this messageId."""

    code = "unknown_message"


class UnknownAtendimento(Choose):
    """There is no atendimento with this id."""

    code = "unknown_atendimento"


class AtendimentoConflict(Choose):
    """This customer has another open atendimento already: finish that one first."""

    code = "atendimento_open"


class KeyReused(Choose):
    """This Idempotency-Key was used before, with another body."""

    code = "idempotency_key_reused"


class CannotStart(Wait):
    """The services could not be started: the log says why."""

    code = "cannot_start"


class InProgress(Wait):
    """A request with this Idempotency-Key is under way still: ask again in a moment."""

    code = "in_progress"


class NotOnWhatsApp(NotAnAddress):
    """This number is not on WhatsApp."""

    code = "not_on_whatsapp"


class RecordAway(Wait):
    """The database does not answer: try again in a moment. What happens meanwhile is kept, and written later."""

    code = "record_away"


class NotInitialized(Wait):
    """The service waits to be initialized: call POST /api/whatsapp-bootstrap/initialize."""

    code = "not_initialized"


class RestartUnderWay(Choose):
    """A restart is under way already: wait until it has ended."""

    code = "restart_under_way"


class UnknownJob(Choose):
    """There is no such job; only the last 50 are kept, and none over a restart of the whole program."""

    code = "unknown_job"


class UnknownLetter(Choose):
    """There is no dead letter with this id: it was replayed, discarded, or kept long enough."""

    code = "unknown_dead_letter"


class UnknownSink(Choose):
    """There is no sink of this name here."""

    code = "unknown_sink"


class NoSink(Choose):
    """The sink of this dead letter is not configured now: configure it again, or discard the letter."""

    code = "sink_not_configured"


class StillUnreadable(Choose):
    """The event of this dead letter still cannot be processed: it stays a dead letter."""

    code = "still_unreadable"
