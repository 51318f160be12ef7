"""Messages: one copy for each device that the sender encrypted for."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from lab.accounts import Accounts
from lab.background import Background
from lab.connection import Gone
from lab.faults import AckFault, Faults
from lab.jid import LID, PN, Jid
from lab.lines import Line
from lab.mailbox import MailboxFull
from lab.node import Node
from lab.post import Address, Post
from lab.stanzas.words import acknowledgement

_NOBODY: Final = "404"
_NOT_HERE: Final = "406"  # groups, status, channels: not in this lab
_FULL: Final = "500"
_CARRIED: Final = ("category", "edit")


class Messages:
    """Takes a `<message>` from a device or a phone, and posts its copies."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        post: Post,
        faults: Faults,
        background: Background,
        clock: Callable[[], float],
    ) -> None:
        self._accounts, self._post, self._faults = accounts, post, faults
        self._background, self._clock = background, clock

    async def take(self, line: Line, message: Node) -> None:
        """From an engine: route, then answer, as far as no fault was ordered."""
        fault = self._faults.acking(line.device.jid) or AckFault()
        sender = Address(line.device.account, line.device.number)
        error = fault.error
        if fault.deliver and not fault.error:
            error = self.route(sender, message)
        answer = acknowledgement(message, t=str(int(self._clock())), error=error)
        if fault.delay_s:
            self._background.start(_later(line, answer, fault.delay_s), "lab-late-ack")
        elif not fault.drop:
            await line.send(answer)

    def route(self, sender: Address, message: Node) -> str:
        """Posts every copy. Returns an error number as WhatsApp's ack has it, or nothing."""
        to = message.jid("to")
        if to is None or to.server not in (PN, LID):
            return _NOT_HERE
        if self._accounts.of(to) is None:
            return _NOBODY
        try:
            self._post_copies(sender, message, to)
        except MailboxFull:
            return _FULL
        return ""

    def _post_copies(self, sender: Address, message: Node, to: Jid) -> None:
        identity = message.child("device-identity")
        participants = message.child("participants")
        if participants is None:  # for one device alone: a message encrypted again, or one for the own phone
            self._post_copy(sender, message, to, message.children, identity)
            return
        for node in participants.children:
            jid = node.jid("jid")
            if jid is not None:
                self._post_copy(sender, message, jid, node.children, identity)

    def _post_copy(self, sender: Address, message: Node, jid: Jid, parts: list[Node], identity: Node | None) -> None:
        account = self._accounts.of(jid)
        ciphers = [part for part in parts if part.tag == "enc"]
        if account is None or not ciphers:
            return
        content = list(ciphers)
        if identity is not None and any(cipher.text("type") == "pkmsg" for cipher in ciphers):
            content.append(identity)
        address = Address(account, jid.device)
        attrs = self._own(sender, message) if account is sender.account else self._others(sender, message, jid)
        self._post.deliver(address, Node("message", attrs, content), sender)

    def _others(self, sender: Address, message: Node, jid: Jid) -> dict[str, str | Jid]:
        attrs = self._common(sender, message, jid) | {"notify": sender.account.name}
        if jid.server == LID:
            return attrs | {"sender_pn": sender.account.pn, "addressing_mode": "lid"}
        return attrs | {"sender_lid": sender.account.lid, "addressing_mode": "pn"}

    def _own(self, sender: Address, message: Node) -> dict[str, str | Jid]:
        to = message.jid("recipient") or message.jid("to") or sender.lid
        attrs = self._common(sender, message, sender.lid)
        if message.text("category") == "peer":
            return attrs
        attrs["recipient"] = to.without_device
        partner = self._accounts.of(to)
        if partner is not None:
            attrs |= {"peer_recipient_pn": partner.pn} if to.server == LID else {"peer_recipient_lid": partner.lid}
        return attrs

    def _common(self, sender: Address, message: Node, like: Jid) -> dict[str, str | Jid]:
        attrs: dict[str, str | Jid] = {
            "from": sender.like(like),
            "id": message.text("id"),
            "type": message.text("type", "text"),
            "t": str(int(self._clock())),
        }
        return attrs | {name: message.attrs[name] for name in _CARRIED if name in message.attrs}


async def _later(line: Line, answer: Node, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    with contextlib.suppress(Gone):
        await line.send(answer)
