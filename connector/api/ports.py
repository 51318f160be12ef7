"""What the API needs of the service. One Protocol a resource; errors are those of `sessions.errors` and `connector.refusals`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from connector.pairlinks import NewLink, Opened
from connector.pairwatch import News
from connector.views import (
    AtendimentoRow,
    AtendimentoStatus,
    ConnectionIn,
    ConnectionView,
    DeadLetterRow,
    LettersWanted,
    MensagemRow,
    Page,
    Replayed,
    SendIn,
    SentView,
    SinkRow,
    Status,
    TruthView,
)
from sessions.pairing import Code


class ConnectionsPort(Protocol):
    """The connections of every tenant. Each method with an id raises `UnknownConnection`."""

    async def create(self, wanted: ConnectionIn) -> tuple[ConnectionView, bool]:
        """Make a connection, or answer the same one again (False). Raises `ConnectionConflict` when it is another's."""
        ...

    async def list(
        self, owner_id: str | None, company_id: str | None, status: Status | None, limit: int, offset: int
    ) -> Page[ConnectionView]:
        """Answer one page, oldest first."""
        ...

    async def get(self, connection_id: str) -> ConnectionView:
        """Answer one connection."""
        ...

    async def truth(self, connection_id: str) -> TruthView:
        """Answer what is known of a connection's session from facts alone."""
        ...

    async def delete(self, connection_id: str) -> bool:
        """Log out at WhatsApp and remove its files; answers whether the phone still lists it as a linked device."""
        ...

    async def restart(self, connection_id: str) -> ConnectionView:
        """Connect again. Raises `NotConnected` when no phone is linked."""
        ...

    async def logout(self, connection_id: str) -> bool:
        """Unlink the phone and keep the connection; answers as `delete`."""
        ...

    async def qr(self, connection_id: str, wait_s: float) -> Code:
        """Answer a code to scan, beginning a pairing if none is under way. Raises `AlreadyConnected`, `PairingEnded`,
        `Busy`, `TimeoutError`."""
        ...

    async def pairing_code(self, connection_id: str, phone: str) -> Code:
        """Answer a code to type on *phone* (digits only). Raises as `qr`, and `EngineRefused`."""
        ...


class LinksPort(Protocol):
    """Links to the tenant's page."""

    async def make(self, connection_id: str, expires_in_s: int) -> NewLink:
        """Make a link; the connection's one before ends. Raises `UnknownConnection`."""
        ...

    async def open(self, token: str) -> Opened:
        """Answer what a token leads to. Raises `UnknownLink`."""
        ...


class WatchPort(Protocol):
    """Pairings, as those who look at them are shown."""

    def news(self, connection_id: str) -> AsyncGenerator[News | None]:
        """Give what is new, and None now and then when nothing is, until the pairing is decided."""
        ...


class OutboundPort(Protocol):
    """The only door out."""

    async def send(self, wanted: SendIn) -> SentView:
        """Send a text. Raises `UnknownConnection`, `NotConnected`, `NotAnAddress`, `NotOnWhatsApp`, `KeyReused`, `InProgress`,
        `Busy`, `DiskFull`."""
        ...

    async def by_id(self, message_id: str) -> SentView:
        """Answer what became of a send. Raises `UnknownMessage`."""
        ...


class RecordPort(Protocol):
    """What the database holds. Each method raises `RecordAway` while it is away."""

    async def messages(self, atendimento_id: str, limit: int, offset: int) -> Page[MensagemRow]:
        """Answer one page of an atendimento, oldest first. Raises `UnknownAtendimento`."""
        ...

    async def active(
        self, owner_id: str | None, company_id: str | None, connection_id: str | None, limit: int, offset: int
    ) -> Page[AtendimentoRow]:
        """Answer one page of the open ones, newest message first."""
        ...

    async def set_status(self, atendimento_id: str, status: AtendimentoStatus) -> AtendimentoRow:
        """Change the status and answer the row. Raises `UnknownAtendimento`, `AtendimentoConflict`."""
        ...


class LettersPort(Protocol):
    """What sinks refused for good. Each method with an id raises `UnknownLetter`."""

    async def list(self, wanted: LettersWanted, after: int, limit: int, bodies: bool) -> Page[DeadLetterRow]:
        """Answer up to *limit* letters whose id follows *after*, oldest first."""
        ...

    async def get(self, letter_id: int) -> DeadLetterRow:
        """Answer one letter with its body."""
        ...

    async def replay(self, letter_id: int) -> DeadLetterRow:
        """Put a letter back into its place. Raises `NoSink`, `StillUnreadable`."""
        ...

    async def replay_all(self, sink: str, wanted: LettersWanted) -> Replayed:
        """Put letters of one sink back. Raises `NoSink`."""
        ...

    async def discard(self, letter_id: int) -> DeadLetterRow:
        """Throw a letter away for good."""
        ...

    def kick(self, sink: str) -> SinkRow:
        """Have a sink try at once. Raises `UnknownSink`."""
        ...
