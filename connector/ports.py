"""What the service needs of the WhatsApp sessions to start, to stop and to say how it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sessions.ports import SessionView


class FleetPort(Protocol):
    """All the sessions of this process."""

    async def start(self) -> None:
        """Begin to bring every paired session back. Answers as soon as the work is under way."""
        ...

    async def stop(self) -> None:
        """Disconnect every session and end every worker; may be called after a `start` that failed."""
        ...

    def snapshot(self) -> Sequence[SessionView]:
        """Answer one view a session, without waiting for anything."""
        ...
