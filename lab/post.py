"""The post office: puts a stanza where its addressee reads it. Knows addresses and mailboxes, not what a stanza says."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from lab.accounts import Account
from lab.background import Background
from lab.connection import Gone
from lab.jid import LID, Jid
from lab.lines import Line, Lines
from lab.node import Node


@dataclass(frozen=True, slots=True)
class Address:
    """One device of an account; number 0 is the phone itself."""

    account: Account
    device: int

    @property
    def lid(self) -> Jid:
        return Jid(self.account.lid_user, LID, self.device)

    @property
    def pn(self) -> Jid:
        return Jid(self.account.number, self.account.pn.server, self.device)

    def like(self, other: Jid) -> Jid:
        """The form of this address that belongs with another: private id with private id, number with number."""
        return self.lid if other.server == LID else self.pn


class Post:
    """Delivers to linked devices through their mailboxes, and to phones by a call."""

    def __init__(self, *, lines: Lines, background: Background, clock: Callable[[], float]) -> None:
        self._lines, self._background, self._clock = lines, background, clock
        self._phone: Callable[[Account, Node], None] = _no_phone

    def attach_phones(self, receive: Callable[[Account, Node], None]) -> None:
        """Where stanzas for phones go. Called once, when the lab is put together."""
        self._phone = receive

    def deliver(self, to: Address, node: Node, sender: Address) -> None:
        """One stanza for one device, kept until it is acknowledged. Raises MailboxFull. A device that is gone: nothing."""
        if to.device == 0:
            self._phone(to.account, node)
        elif (device := to.account.devices.get(to.device)) is not None:
            device.mailbox.add(node, sender=str(sender.pn), at=self._clock())

    def deliver_all(self, account: Account, node: Node, sender: Address) -> None:
        """One stanza for every device of an account but the sender."""
        for number in (0, *account.devices):
            if not (account is sender.account and number == sender.device):
                self.deliver(Address(account, number), node, sender)

    def whisper(self, account: Account, node: Node, *, phone: bool = True) -> None:
        """A stanza that nobody keeps: for the phone and for the devices that are connected now."""
        if phone:
            self._phone(account, node)
        for device in account.devices.values():
            line = self._lines.of(device)
            if line is not None and line.active:
                self.whisper_to(line, node)

    def whisper_to(self, line: Line, node: Node) -> None:
        """A stanza that nobody keeps, for one device."""
        self._background.start(_send(line, node), "lab-whisper")


async def _send(line: Line, node: Node) -> None:
    with contextlib.suppress(Gone):
        await line.send(node)


def _no_phone(account: Account, node: Node) -> None:
    """No phones yet."""
