"""All simulated phones of the lab, kept with their accounts."""

from collections.abc import Callable, Iterator
from typing import Final

from lab.accounts import Account, Device
from lab.appstate import Collection
from lab.bell import Bell
from lab.jid import SERVER, Jid
from lab.journal import Journal
from lab.node import Node
from lab.phone import Phone
from lab.phonelog import PhoneLog
from lab.phonestate import Office, PhoneState
from lab.post import Address, Post
from lab.registry import Registry
from lab.signal import PreKeyBundle

_PHONE: Final = "phone"
_ITEM: Final = "item"


class PhoneExists(Exception):
    """There is a phone with this number already."""


class Phones:
    """Phones by their account's number. `clock` gives unix seconds."""

    def __init__(
        self, *, registry: Registry, journal: Journal, post: Post, bell: Bell, clock: Callable[[], float]
    ) -> None:
        self._registry, self._journal, self._post, self._bell, self._clock = registry, journal, post, bell, clock
        self._phones: dict[str, Phone] = {}
        self._office: Office | None = None

    def open(self, office: Office) -> None:
        """Reads the phones back. Called once, when the lab is put together; `office` is the server they talk to."""
        self._office = office
        for number, _, body in self._journal.load(_PHONE):
            account = self._registry.accounts.numbered(number)
            if account is not None:
                self._put(account, PhoneState.from_bytes(body), office)
        for number, _, body in self._journal.load(_ITEM):
            if number in self._phones:
                self._phones[number].log.restore(body)

    def __iter__(self) -> Iterator[Phone]:
        return iter(self._phones.values())

    def numbered(self, number: str) -> Phone | None:
        return self._phones.get(number)

    def add(self, number: str, name: str, *, registered: bool) -> Account:
        """A new number, with a phone if it is on WhatsApp. Raises PhoneExists."""
        if self._registry.accounts.numbered(number) is not None:
            raise PhoneExists(f"There is a phone with the number {number} already.")
        account = self._registry.open(number, name, registered=registered)
        if registered and self._office is not None:
            self._put(account, PhoneState.new(account, self._clock()), self._office).changed()
        return account

    def receive(self, account: Account, node: Node) -> None:
        """A stanza for a phone."""
        phone = self._phones.get(account.number)
        if phone is not None:
            phone.receive(node)

    def bundle(self, account: Account) -> PreKeyBundle | None:
        """Keys to begin a session with an account's phone."""
        phone = self._phones.get(account.number)
        if phone is None:
            return None
        phone.changed()
        return phone.state.peer.hand_out()

    def greet(self, device: Device) -> None:
        """The first time a linked device is ready, its phone hands it the key of the application state."""
        phone = self._phones.get(device.account.number)
        if phone is not None and not device.greeted:
            device.greeted = True
            self._registry.save_device(device)
            phone.greet(device)

    def forget(self, device: Device) -> None:
        """No phone keeps a session with a device: it was unlinked, or somebody wants to see messages that nobody can read."""
        for phone in self._phones.values():
            phone.state.peer.forget(str(device.lid))
            phone.changed()

    def collection(self, account: Account, name: str) -> Collection | None:
        phone = self._phones.get(account.number)
        return phone.state.collections.get(name) if phone is not None else None

    def collection_changed(self, account: Account, collection: Collection, by_device: int) -> None:
        """Tells the other devices of an account that there is a new patch to fetch."""
        self._phones[account.number].changed()
        news = Node("collection", {"name": collection.name, "version": str(collection.version)})
        attrs: dict[str, str | Jid] = {"from": SERVER, "type": "server_sync", "t": str(int(self._clock()))}
        attrs["id"] = f"sync-{collection.name}-{collection.version}"
        self._post.deliver_all(account, Node("notification", attrs, [news]), Address(account, by_device))

    def _put(self, account: Account, state: PhoneState, office: Office) -> Phone:
        number = account.number
        phone = Phone(
            account=account,
            state=state,
            log=PhoneLog(number=number, journal=self._journal, bell=self._bell, clock=self._clock),
            office=office,
            changed=lambda: self._journal.put(_PHONE, number, 0, state.to_bytes),
            clock=self._clock,
        )
        self._phones[number] = phone
        return phone
