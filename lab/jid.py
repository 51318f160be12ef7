"""Addresses: who a stanza is from and to. Knows nothing of how an address is written on the wire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

PN: Final = "s.whatsapp.net"
LID: Final = "lid"
GROUP: Final = "g.us"
HOSTED: Final = "hosted"
HOSTED_LID: Final = "hosted.lid"


@dataclass(frozen=True, slots=True, order=True)
class Jid:
    """`user@server`, or `user:device@server` when *device* is not 0. An empty *user* is the server itself."""

    user: str
    server: str
    device: int = 0

    def __str__(self) -> str:
        if not self.user:
            return self.server
        return f"{self.user}:{self.device}@{self.server}" if self.device else f"{self.user}@{self.server}"

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Read what `str()` writes. Raises ValueError."""
        name, at, server = text.rpartition("@")
        user, colon, device = name.partition(":")
        if not server or (at and not user) or (colon and not (device.isascii() and device.isdigit())):
            raise ValueError(f"not an address: {len(text)} characters, no user@server in them")
        return cls(user, server, int(device or 0))

    @property
    def without_device(self) -> Jid:
        """The account that this device belongs to."""
        return replace(self, device=0) if self.device else self


SERVER: Final = Jid("", PN)
