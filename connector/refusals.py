"""What the service itself refuses, beside what the sessions refuse. The docstring is the default sentence."""

from __future__ import annotations

from sessions.errors import Choose, NotAnAddress, Wait


class ConnectionConflict(Choose):
    """There is a connection with this connectionId already, with another name, ownerId or companyId."""

    code = "connection_exists"


class UnknownConnection(Choose):
    """There is no connection with this connectionId."""

    code = "unknown_connection"


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


class InProgress(Wait):
    """A request with this Idempotency-Key is under way still: ask again in a moment."""

    code = "in_progress"


class NotOnWhatsApp(NotAnAddress):
    """This number is not on WhatsApp."""

    code = "not_on_whatsapp"


class RecordAway(Wait):
    """The database does not answer: try again in a moment. What happens meanwhile is kept, and written later."""

    code = "record_away"
