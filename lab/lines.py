"""Who is logged in. A line is one device on one connection; a second login of the same device ends the first."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from lab.accounts import Device
from lab.background import Background
from lab.bell import Bell
from lab.connection import Connection, Gone
from lab.faults import Faults
from lab.jid import SERVER, Jid
from lab.mailbox import Delivery
from lab.node import Node
from lab.signal_messages import PreKeyMessage
from lab.stanzas.words import stream_error

_FAIRNESS: Final = 32  # stanzas handed to one device before the others have a turn


class Line:
    """One device, logged in. Deliveries flow once the engine has said that it is active."""

    def __init__(self, device: Device, connection: Connection, *, since: float, faults: Faults, bell: Bell) -> None:
        self.device, self.connection, self.since = device, connection, since
        self._faults, self._bell = faults, bell
        self._pump: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        return self._pump is not None

    async def send(self, node: Node) -> None:
        """Writes a stanza that needs no acknowledgement. Raises Gone."""
        await self.connection.send(node)

    def activate(self, background: Background) -> None:
        """Begins to hand over what waits, then what comes. Only the first call counts."""
        if self._pump is None:
            self._pump = background.start(self._deliver(), f"lab-pump-{self.device.account.lid_user}")
            self._bell.ring()

    def halt(self) -> None:
        """Nothing more is handed over on this line."""
        if self._pump is not None:
            self._pump.cancel()

    async def _deliver(self) -> None:
        awake = asyncio.Event()
        feed = self.device.mailbox.attach(awake.set)
        backlog = len(feed)
        try:
            for turn in range(backlog):
                await self._hand(feed.popleft(), offline=True, turn=turn)
            await self.send(Node("ib", {"from": SERVER}, [Node("offline", {"count": str(backlog)})]))
            turn = 0
            while True:
                while feed:
                    turn += 1
                    await self._hand(feed.popleft(), offline=False, turn=turn)
                awake.clear()
                await awake.wait()
        except Gone:
            return
        finally:
            self.device.mailbox.detach(feed)

    async def _hand(self, delivery: Delivery, *, offline: bool, turn: int) -> None:
        await self.connection.flowing()
        if delivery.node is None:
            return
        node = delivery.node
        if offline:
            node = Node(node.tag, {**node.attrs, "offline": "1"}, node.content)
        if node.tag == "message" and self._faults.corrupting(self.device.jid):
            node = damaged(node)
        await self.send(node)
        self.device.mailbox.handed(delivery)
        self._bell.ring()
        if turn % _FAIRNESS == 0:
            await asyncio.sleep(0)


class Lines:
    """Every line, by device. `clock` gives unix seconds."""

    def __init__(self, *, background: Background, faults: Faults, bell: Bell, clock: Callable[[], float]) -> None:
        self._background, self._faults, self._bell, self._clock = background, faults, bell, clock
        self._lines: dict[Jid, Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(list(self._lines.values()))

    def of(self, device: Device) -> Line | None:
        return self._lines.get(device.jid)

    def enter(self, device: Device, connection: Connection) -> Line:
        """Logs a device in. An older line of it is told that it was replaced, and ends: that is one fight."""
        older = self._lines.get(device.jid)
        line = Line(device, connection, since=self._clock(), faults=self._faults, bell=self._bell)
        self._lines[device.jid] = line
        device.logins += 1
        if older is not None:
            device.fights += 1
            self.end(older, stream_error(conflict="replaced"))
        self._bell.ring()
        return line

    def leave(self, line: Line) -> None:
        """The connection of a line is over."""
        line.halt()
        if self._lines.get(line.device.jid) is line:
            del self._lines[line.device.jid]
        self._bell.ring()

    def end(self, line: Line, last: Node | None) -> None:
        """Ends a line from our side, in the background: its last word, then a clean close.

        It counts as gone at once: an engine may be back before the old connection is closed.
        """
        self.leave(line)
        self._background.start(line.connection.close(last), f"lab-goodbye-{line.device.account.lid_user}")


def damaged(message: Node) -> Node:
    """The same message with one bit of each ciphertext's seal turned: it can be parsed, and does not open."""
    children = [
        Node(child.tag, child.attrs, _unsealed(child.text("type"), child.raw)) if child.tag == "enc" else child
        for child in message.children
    ]
    return Node(message.tag, message.attrs, [*children])


def _unsealed(kind: str, cipher: bytes) -> bytes:
    end = len(cipher)
    if kind == "pkmsg":  # the sealed message stands inside it
        inner = PreKeyMessage.read(cipher).inner
        end = cipher.index(inner) + len(inner)
    return cipher[: end - 1] + bytes([cipher[end - 1] ^ 1]) + cipher[end:]
