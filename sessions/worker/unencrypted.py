"""For whom the engine could not encrypt a message: its log is the only place that says so.

Where it has no keys of a device and cannot fetch them, for want of a connection say, it leaves that device out, sends the rest, and
calls the message sent, even where nobody is left that could read it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, Final

KEPT: Final = 100  # messages; each is asked about once, as soon as its send is answered

FORMAT: Final = "Failed to encrypt %s for %s: %v"
"""What the engine says: the message's id, the device, why. The contract test finds it in the library."""
_LINE: Final = re.compile(
    r"Failed to encrypt (\S+) for (?P<user>[^\s.:@]+)(\.\d+)?(:(?P<device>\d+))?@(?P<server>[^\s:]+): ", re.ASCII
)


class Unencrypted:
    """Heard on the engine's threads, each line before the send that it is about is answered."""

    def __init__(self) -> None:
        self._devices: OrderedDict[str, frozenset[str]] = OrderedDict()

    def hear(self, line: str) -> None:
        """Take a line of the engine's log; most are about something else."""
        if found := _LINE.match(line):
            message_id = found[1]
            device = device_jid(found["user"], int(found["device"] or 0), found["server"])
            self._devices[message_id] = self._devices.get(message_id, frozenset()) | {device}
            if len(self._devices) > KEPT:
                self._devices.popitem(last=False)

    def take(self, message_id: str | None) -> frozenset[str]:
        """Answer the devices that were left out of a message, and forget it."""
        return self._devices.pop(message_id, frozenset()) if message_id else frozenset()


def device_jid(user: str, device: int, server: str) -> str:
    """A device by name: "5511...@s.whatsapp.net" is the phone itself, "5511...:3@s.whatsapp.net" its third linked device."""
    return f"{user}:{device}@{server}" if device else f"{user}@{server}"


def devices(jids: Any) -> frozenset[str]:
    """The same for the engine's own JIDs."""
    return frozenset(device_jid(one.User, one.Device, one.Server) for one in jids)
