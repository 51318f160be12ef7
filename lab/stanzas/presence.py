"""Who is there and who is typing. Nothing of it is kept for those who are away."""

from collections import defaultdict

from lab.accounts import Account, Accounts
from lab.jid import Jid
from lab.lines import Line, Lines
from lab.node import Node
from lab.post import Address, Post


class Presence:
    """Takes `<presence>` and `<chatstate>` from devices and phones."""

    def __init__(self, *, accounts: Accounts, post: Post, lines: Lines) -> None:
        self._accounts, self._post, self._lines = accounts, post, lines
        self._looking: defaultdict[str, set[Jid]] = defaultdict(set)
        self._there: set[str] = set()

    async def take(self, line: Line, presence: Node) -> None:
        """From an engine: its own state, or the wish to hear of another's."""
        to, kind = presence.jid("to"), presence.text("type", "available")
        if kind in ("available", "unavailable"):
            line.device.presence = kind
            self._tell(line.device.account)
        elif kind == "subscribe" and to is not None and (account := self._accounts.of(to)) is not None:
            self._looking[account.number].add(line.device.jid)
            await line.send(self._state(account, to))

    async def take_chatstate(self, line: Line, chatstate: Node) -> None:
        """From an engine: it types, or stopped typing."""
        self.route_chatstate(Address(line.device.account, line.device.number), chatstate)

    def route_chatstate(self, sender: Address, chatstate: Node) -> None:
        to = chatstate.jid("to")
        account = self._accounts.of(to) if to is not None else None
        if to is not None and account is not None:
            whisper = Node("chatstate", {"from": sender.like(to).without_device}, chatstate.content)
            self._post.whisper(account, whisper)

    def phone_is(self, account: Account, *, available: bool) -> None:
        """The phone itself is opened or put away."""
        (self._there.add if available else self._there.discard)(account.number)
        self._tell(account)

    def _tell(self, account: Account) -> None:
        for jid in self._looking[account.number]:
            device = self._accounts.device(jid)
            line = self._lines.of(device) if device is not None else None
            if line is not None:
                self._post.whisper_to(line, self._state(account, account.lid))

    def _state(self, account: Account, like: Jid) -> Node:
        connected = (device for device in account.devices.values() if self._lines.of(device) is not None)
        there = account.number in self._there or any(device.presence == "available" for device in connected)
        attrs: dict[str, str | Jid] = {"from": Address(account, 0).like(like)}
        return Node("presence", attrs | ({} if there else {"type": "unavailable", "last": "deny"}))
