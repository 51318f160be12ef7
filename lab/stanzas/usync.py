"""Who is on WhatsApp, under which private id, and with which devices."""

from collections.abc import Callable
from typing import Final

from lab.accounts import Account, Accounts
from lab.jid import PN, Jid
from lab.lines import Line
from lab.node import Node
from lab.stanzas.words import result

_STATUS: Final = "Hey there! I am using the lab."


class Usync:
    """Answers `usync`. Who asks for an account's devices is remembered: it must be told when they change."""

    def __init__(self, *, accounts: Accounts, save: Callable[[Account], None]) -> None:
        self._accounts, self._save = accounts, save

    async def answer(self, line: Line, question: Node) -> None:
        usync = question.child("usync")
        asked = (usync.child("query"), usync.child("list")) if usync is not None else (None, None)
        wanted = {node.tag for node in asked[0].children} if asked[0] is not None else set[str]()
        users = asked[1].children if asked[1] is not None else []
        answers = [user for node in users if (user := self._user(node, wanted, line)) is not None]
        attrs = {**usync.attrs} if usync is not None else {}
        await line.send(result(question, Node("usync", attrs, [Node("result"), Node("list", {}, [*answers])])))

    def _user(self, node: Node, wanted: set[str], line: Line) -> Node | None:
        contact = node.child("contact")
        jid = node.jid("jid")
        if contact is not None and jid is None:
            return self._contact(contact.raw.decode(errors="replace"))
        if jid is None:
            return None
        account = self._accounts.of(jid)
        if account is None:
            return Node("user", {"jid": jid}, [])
        if "devices" in wanted:
            self._watch(account, line)
        return Node("user", {"jid": jid}, [part for name in sorted(wanted) if (part := _part(name, account))])

    def _contact(self, asked: str) -> Node:
        number = "".join(digit for digit in asked.partition("@")[0] if digit.isdigit())
        account = self._accounts.of(Jid(number, PN))
        content = asked.encode()
        if account is None:
            return Node("user", {"jid": Jid(number, PN)}, [Node("contact", {"type": "out"}, content)])
        attrs: dict[str, str | Jid] = {"jid": account.lid, "pn_jid": account.pn}
        return Node("user", attrs, [Node("contact", {"type": "in"}, content)])

    def _watch(self, account: Account, line: Line) -> None:
        if line.device.jid not in account.watchers:
            account.watchers.add(line.device.jid)
            self._save(account)


def _part(name: str, account: Account) -> Node | None:
    if name == "devices":
        numbers = [0, *account.devices]
        devices = [Node("device", {"id": str(number), "key-index": str(number)}) for number in numbers]
        return Node("devices", {}, [Node("device-list", {}, [*devices])])
    if name == "lid":
        return Node("lid", {"val": account.lid})
    if name == "status":
        return Node("status", {"t": "0"}, _STATUS.encode())
    return None
