"""A linked device comes online: who it is, what it asks, until it goes."""

from collections.abc import Callable
from typing import Any

from lab.accounts import Device
from lab.background import Background
from lab.connection import Connection
from lab.faults import Faults
from lab.jid import PN, SERVER, Jid
from lab.lines import Line, Lines
from lab.node import Node
from lab.registry import Registry
from lab.router import Router
from lab.stanzas.words import failure, result

_UNKNOWN_DEVICE = "401"


class Logins:
    """Takes the connections of linked devices. `greet` is called when one is ready to receive."""

    def __init__(
        self,
        *,
        registry: Registry,
        lines: Lines,
        router: Router,
        faults: Faults,
        background: Background,
        clock: Callable[[], float],
        greet: Callable[[Device], None],
    ) -> None:
        self._registry, self._lines, self._router, self._faults = registry, lines, router, faults
        self._background, self._clock, self._greet = background, clock, greet
        router.add("iq", "passive", self._passive)

    async def serve(self, connection: Connection, noise_public: bytes, payload: Any) -> None:
        """One login, until its connection ends. `payload` is the ClientPayload."""
        jid = Jid(str(payload.username), PN, int(payload.device))
        if (fault := self._faults.failing_login()) is not None:
            await connection.close(failure(fault.reason, fault.code, fault.expire))
            return
        device = self._registry.accounts.device(jid)
        if device is None or device.noise_public != noise_public:
            await connection.close(failure(_UNKNOWN_DEVICE))
            return
        if self._faults.muting(jid):
            connection.mode = "stall"
        await self._serve(device, connection)

    async def _serve(self, device: Device, connection: Connection) -> None:
        line = self._lines.enter(device, connection)
        self._registry.save_device(device)
        try:
            await self._welcome(line)
            async for node in connection.stanzas():
                await self._router.take(line, node)
        finally:
            self._lines.leave(line)

    async def _welcome(self, line: Line) -> None:
        attrs: dict[str, str | Jid] = {"t": str(int(self._clock())), "lid": line.device.lid}
        await line.send(Node("success", attrs | {"props": "27", "location": "lab", "abprops": "0"}))
        mailbox = line.device.mailbox
        counts: dict[str, str | Jid] = {
            kind: str(mailbox.waiting(kind)) for kind in ("message", "notification", "receipt")
        }
        preview = Node("offline_preview", counts | {"count": str(len(mailbox)), "appdata": "0"})
        await line.send(Node("ib", {"from": SERVER}, [preview]))

    async def _passive(self, line: Line, question: Node) -> None:
        await line.send(result(question))
        if question.child("active") is not None:
            self._greet(line.device)
            line.activate(self._background)
