"""Receipts and acknowledgements: what was handed over is settled, and the sender hears of it."""

from collections.abc import Callable
from typing import Final

from lab.accounts import Accounts
from lab.bell import Bell
from lab.jid import Jid
from lab.lines import Line
from lab.node import Node
from lab.post import Address, Post
from lab.stanzas.words import acknowledgement

RETRY: Final = "retry"
_READ: Final = frozenset({"read", "played"})
_QUIET: Final = frozenset({"sender", "peer_msg", "hist_sync", "server-error", "read-self", "played-self"})
_SILENT_TICK: Final = "inactive"  # how a device that is not looking says "delivered"; the sender sees a plain tick


class Receipts:
    """Takes `<receipt>` and `<ack>` from devices, and receipts from phones."""

    def __init__(self, *, accounts: Accounts, post: Post, bell: Bell, clock: Callable[[], float]) -> None:
        self._accounts, self._post, self._bell, self._clock = accounts, post, bell, clock

    async def take(self, line: Line, receipt: Node) -> None:
        """From an engine. A retry settles nothing: the engine acknowledges the damaged copy by itself."""
        if receipt.text("type") != RETRY:
            for stanza_id in ids_of(receipt):
                line.device.mailbox.settle("message", stanza_id, "receipt", self._clock())
        self._bell.ring()
        await line.send(acknowledgement(receipt))
        self.route(Address(line.device.account, line.device.number), receipt)

    async def take_ack(self, line: Line, ack: Node) -> None:
        """From an engine: it has the stanza."""
        line.device.mailbox.settle(ack.text("class"), ack.text("id"), "ack", self._clock())
        self._bell.ring()

    def route(self, sender: Address, receipt: Node) -> None:
        """Tells those whose message it was; a read also tells the reader's own other devices."""
        to, kind = receipt.jid("to"), receipt.text("type")
        account = self._accounts.of(to) if to is not None else None
        if to is None or account is None or kind in _QUIET:
            return
        news = Node("receipt", self._attrs(sender, receipt, to, kind), receipt.content)
        if kind == RETRY:
            self._post.deliver(Address(account, to.device), news, sender)
            return
        self._post.deliver_all(account, news, sender)
        if kind in _READ:
            attrs = {**news.attrs, "type": f"{kind}-self", "recipient": to.without_device}
            self._post.deliver_all(sender.account, Node("receipt", attrs, receipt.content), sender)

    def _attrs(self, sender: Address, receipt: Node, to: Jid, kind: str) -> dict[str, str | Jid]:
        attrs: dict[str, str | Jid] = {"from": sender.like(to), "id": receipt.text("id")}
        attrs["t"] = str(int(self._clock()))
        if kind and kind != _SILENT_TICK:
            attrs["type"] = kind
        if (recipient := receipt.jid("recipient")) is not None:
            attrs["recipient"] = recipient
        return attrs


def ids_of(receipt: Node) -> list[str]:
    """The message ids a receipt is about."""
    more = receipt.child("list")
    return [receipt.text("id"), *(item.text("id") for item in (more.children if more is not None else []))]
