"""A device came or went: everybody who knows the account's devices is told, as engines keep device lists for ever."""

import secrets
from collections.abc import Callable

from lab.accounts import Account, Accounts, Device
from lab.faults import Faults
from lab.jid import Jid
from lab.lines import Line, Lines
from lab.node import Node
from lab.phones import Phones
from lab.post import Address, Post
from lab.registry import Registry
from lab.stanzas.words import refusal, result, stream_error

_REMOVED = "401"


class DeviceChanges:
    """Tells of new devices and takes old ones off their account."""

    def __init__(
        self,
        *,
        registry: Registry,
        post: Post,
        lines: Lines,
        phones: Phones,
        faults: Faults,
        clock: Callable[[], float],
    ) -> None:
        self._registry, self._post, self._lines, self._phones = registry, post, lines, phones
        self._faults, self._clock = faults, clock

    @property
    def _accounts(self) -> Accounts:
        return self._registry.accounts

    def linked(self, device: Device) -> None:
        """A device was taken in."""
        self._tell(device.account, device)

    def remove(self, device: Device) -> None:
        """The phone takes a device off its account; the device is told if it is there, and finds out if not."""
        line = self._lines.of(device)
        if line is not None:
            self._lines.end(line, stream_error(_REMOVED, conflict="device_removed"))
        self._forget(device)

    async def answer(self, line: Line, question: Node) -> None:
        """`md`: a device logs itself out."""
        if question.child("remove-companion-device") is None:
            await line.send(refusal(question, 400, "bad-request"))
            return
        self._lines.end(line, result(question))
        self._forget(line.device)

    def _forget(self, device: Device) -> None:
        self._registry.unlink(device)
        self._phones.forget(device)
        self._faults.clear_device(device.jid)
        self._tell(device.account, device)

    def _tell(self, account: Account, changed: Device) -> None:
        gone = {jid for jid in account.watchers if self._accounts.device(jid) is None}
        account.watchers -= gone
        own = {device.jid for device in account.devices.values()}
        for jid in sorted((account.watchers | own) - {changed.jid}):
            self._notify(account, jid)
        if gone:
            self._registry.save(account)

    def _notify(self, account: Account, watcher: Jid) -> None:
        device = self._accounts.device(watcher)
        if device is None:
            return
        for jid in (account.lid, account.pn):  # an engine keeps a list under either name
            attrs: dict[str, str | Jid] = {"from": jid, "type": "devices", "id": secrets.token_hex(5)}
            attrs["t"] = str(int(self._clock()))
            update = Node("update", {"hash": secrets.token_hex(4)})
            address = Address(device.account, device.number)
            self._post.deliver(address, Node("notification", attrs, [update]), Address(account, 0))
