"""A simulated phone: the first device of an account, which reads, answers, and tells its linked devices what they need.

It is driven from outside (`send`, `read`, `type`) and by what arrives for it (`receive`). It encrypts for each device of
the other side and for each linked device of its own account, as a real phone does.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from lab import content
from lab.accounts import Account, Device
from lab.jid import Jid
from lab.node import Node
from lab.phonelog import PhoneLog
from lab.phonestate import Office, PhoneState
from lab.post import Address
from lab.signal import DuplicateError, SignalError, pad, unpad
from lab.stanzas.prekeys import keys, registration
from lab.stanzas.receipts import RETRY, ids_of

log = logging.getLogger(__name__)

_BATCH: Final = 32  # messages before the rest of the lab has a turn
_SENT_KEPT: Final = 20_000
_MAX_RETRIES: Final = 5
_PLAIN: Final = "plain"  # the lab's own kind, between phones only; no engine ever sees it


@dataclass(frozen=True, slots=True)
class _Sent:
    to: Jid
    plaintext: bytes


@dataclass(slots=True, eq=False)
class Phone:
    """One account's phone. `changed` is called whenever its state must be kept anew."""

    account: Account
    state: PhoneState
    log: PhoneLog
    office: Office
    changed: Callable[[], None]
    clock: Callable[[], float]
    _sent: OrderedDict[str, _Sent] = field(default_factory=OrderedDict[str, _Sent])
    _retries: OrderedDict[str, int] = field(default_factory=OrderedDict[str, int])
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def address(self) -> Address:
        return Address(self.account, 0)

    async def send(self, to: Account, texts: Iterable[str]) -> list[str]:
        """Sends texts in order; returns their ids when all are in the mailboxes. Raises PhoneError."""
        ids: list[str] = []
        async with self._sending:
            for body in texts:
                ids.append(self._send_text(to, body))
                if len(ids) % _BATCH == 0:
                    await asyncio.sleep(0)
        return ids

    def greet(self, device: Device) -> None:
        """Hands a linked device the key of the application state, upon which it asks for the name and the contacts."""
        message = self.state.app_keys.share_message(int(self.clock() * 1000))
        cipher = self._encrypt(Address(device.account, device.number), message)
        if cipher is not None:
            self._route(Node("message", {**self._attrs(device.lid), "category": "peer"}, [cipher]))

    def read(self, ids: list[str], kind: str) -> int:
        """Sends receipts for messages that arrived: one for each sender. Returns how many of the ids are known."""
        by_sender: dict[str, list[str]] = {}
        for message_id in ids:
            if (item := self.log.get(message_id)) is not None and not item.from_me:
                by_sender.setdefault(item.device, []).append(message_id)
        for device, known in by_sender.items():
            self._receipt(Jid.parse(device), known, kind)
        return sum(map(len, by_sender.values()))

    def type(self, to: Account, state: str) -> None:
        """Shows the other side that this phone is "composing", "recording" or has "paused"."""
        composing = Node("composing", {"media": "audio"}) if state == "recording" else Node(state)
        self.office.chatstate(self.address, Node("chatstate", {"to": to.lid}, [composing]))

    def receive(self, node: Node) -> None:
        """Takes whatever the server has for this phone."""
        if node.tag == "message":
            self._receive_message(node)
        elif node.tag == "receipt" and node.text("type") == RETRY:
            self._encrypt_again(node)
        elif node.tag == "receipt":
            facts = {"ids": ids_of(node), "type": node.text("type") or "delivered"}
            self.log.note("receipt", **facts, **{"from": self._number_of(node)})
        elif node.tag == "chatstate":
            state = node.children[0] if node.children else Node("paused")
            name = "recording" if state.text("media") == "audio" else state.tag
            self.log.note("typing", state=name, **{"from": self._number_of(node)})

    def _send_text(self, to: Account, body: str) -> str:
        message_id = _new_id()
        message = content.text(body)
        self._remember(message_id, to.lid, message)
        self.log.add(
            id=message_id,
            sender=self.account.number,
            chat=to.number,
            device=str(self.address.lid),
            text=body,
            kind="text",
            from_me=True,
        )
        copies = [*self._copies(to, message)]
        if to is not self.account:
            copies += self._copies(self.account, content.sent(to.lid, message))
        self._route(Node("message", self._attrs(to.lid, message_id), [Node("participants", {}, [*copies])]))
        return message_id

    def _copies(self, to: Account, message: bytes) -> Iterable[Node]:
        own = to is self.account
        for number in [*([] if own else [0]), *to.devices]:
            address = Address(to, number)
            cipher = self._encrypt(address, message)
            if cipher is not None:
                yield Node("to", {"jid": address.lid}, [cipher])

    def _encrypt(self, to: Address, message: bytes) -> Node | None:
        if to.device == 0:  # from one simulated phone to another: both ends are ours, a cipher would prove nothing
            return Node("enc", {"v": "2", "type": _PLAIN}, message)
        peer, remote = self.state.peer, str(to.lid)
        if peer.needs_bundle(remote):
            bundle = self.office.bundle(to.lid)
            if bundle is None:
                return None
            peer.start(remote, bundle)
        kind, sealed = peer.encrypt(remote, pad(message))
        self.changed()
        return Node("enc", {"v": "2", "type": kind}, sealed)

    def _encrypt_again(self, receipt: Node) -> None:
        """A device could not read a message: the same words in a fresh session, for that device alone."""
        device, message_id = receipt.jid("from"), receipt.text("id")
        address = self._address_of(device)
        sent = self._sent.get(message_id)
        self.log.note("retry", id=message_id, **{"from": self._number_of(receipt)})
        if device is None or address is None or sent is None:
            return
        own = address.account is self.account
        self.state.peer.forget(str(address.lid))
        cipher = self._encrypt(address, content.sent(sent.to, sent.plaintext) if own else sent.plaintext)
        if cipher is None:
            return
        retry = receipt.child("retry")
        cipher.attrs["count"] = retry.text("count", "1") if retry is not None else "1"
        attrs = self._attrs(address.lid, message_id) | {"device_fanout": "false"}
        self._route(Node("message", attrs | ({"recipient": sent.to} if own else {}), [cipher]))

    def _route(self, message: Node) -> None:
        if error := self.office.route(self.address, message):
            raise PhoneError(f"The server refused the message with error {error}.")

    def _remember(self, message_id: str, to: Jid, plaintext: bytes) -> None:
        self._sent[message_id] = _Sent(to, plaintext)
        if len(self._sent) > _SENT_KEPT:
            self._sent.popitem(last=False)

    def _attrs(self, to: Jid, message_id: str = "") -> dict[str, str | Jid]:
        return {"to": to, "id": message_id or _new_id(), "type": "text"}

    def _receive_message(self, node: Node) -> None:
        sender = self._address_of(node.jid("from"))
        if sender is None:
            return
        for cipher in node.children:
            if cipher.tag == "enc":
                self._receive_cipher(node, cipher, sender)

    def _receive_cipher(self, node: Node, cipher: Node, sender: Address) -> None:
        message_id = node.text("id")
        try:
            found = content.read(self._decrypt(sender, cipher))
        except DuplicateError:
            self.log.note("duplicate", id=message_id, **{"from": sender.account.number})
            return
        except (SignalError, content.ContentError) as error:
            log.info("a phone could not read a message from device %d: %s", sender.device, error)
            self._ask_again(node, sender)
            return
        if found.kind != "protocol":
            self._show(node, sender, found)

    def _decrypt(self, sender: Address, cipher: Node) -> bytes:
        if sender.device == 0 and cipher.text("type") == _PLAIN:
            return cipher.raw
        message = unpad(self.state.peer.decrypt(str(sender.lid), cipher.text("type"), cipher.raw))
        self.changed()
        return message

    def _show(self, node: Node, sender: Address, found: content.Content) -> None:
        message_id, own = node.text("id"), sender.account is self.account
        if self.log.get(message_id) is not None:
            self.log.note("duplicate", id=message_id, **{"from": sender.account.number})
            return
        chat = self._address_of(node.jid("recipient")) if own else sender
        self.log.add(
            id=message_id,
            sender=sender.account.number,
            chat=chat.account.number if chat is not None else self.account.number,
            device=str(sender.lid),
            text=found.text,
            kind=found.kind,
            from_me=own,
        )
        if not own and self.state.auto_receipts:
            self._receipt(sender.lid, [message_id], "delivered")

    def _ask_again(self, node: Node, sender: Address) -> None:
        """This phone cannot read a message: it asks for it anew and sends the keys for a fresh session along."""
        message_id = node.text("id")
        count = self._retries[message_id] = self._retries.pop(message_id, 0) + 1
        if len(self._retries) > _SENT_KEPT:
            self._retries.popitem(last=False)
        self.log.note("undecryptable", id=message_id, **{"from": sender.account.number})
        if count > _MAX_RETRIES:
            return
        bundle = self.state.peer.hand_out()
        retry = Node("retry", {"count": str(count), "id": message_id, "t": node.text("t"), "v": "1"})
        parts = [retry, registration(bundle), Node("keys", {}, [Node("type", {}, b"\x05"), *keys(bundle)])]
        attrs: dict[str, str | Jid] = {"to": sender.lid, "id": message_id, "type": RETRY}
        if (recipient := node.jid("recipient")) is not None:
            attrs["recipient"] = recipient
        self.changed()
        self.office.receipt(self.address, Node("receipt", attrs, [*parts]))

    def _receipt(self, to: Jid, ids: list[str], kind: str) -> None:
        attrs: dict[str, str | Jid] = {"to": to, "id": ids[0]} | ({} if kind == "delivered" else {"type": kind})
        more = [Node("item", {"id": message_id}) for message_id in ids[1:]]
        self.office.receipt(self.address, Node("receipt", attrs, [Node("list", {}, [*more])] if more else None))

    def _address_of(self, jid: Jid | None) -> Address | None:
        account = self.office.accounts.of(jid) if jid is not None else None
        return Address(account, jid.device) if account is not None and jid is not None else None

    def _number_of(self, node: Node) -> str:
        address = self._address_of(node.jid("from"))
        return address.account.number if address is not None else ""


class PhoneError(Exception):
    """The phone cannot do that; the message is a sentence."""


def _new_id() -> str:
    return "AC" + secrets.token_hex(15).upper()
