"""Who exists: accounts (one telephone number each) and the devices linked to them."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lab.jid import LID, PN, Jid
from lab.keys import KeyPair
from lab.mailbox import Mailbox

MAX_DEVICES: Final = 250  # numbers are not used twice, and an address has one byte for them

FORMER_KEPT: Final = 20  # unlinked devices whose deliveries are still told of


@dataclass(frozen=True, slots=True)
class SignedPreKey:
    """The medium-term key of a device and its owner's signature."""

    id: int
    public: bytes
    signature: bytes


@dataclass(slots=True, eq=False)
class Device:
    """A linked device (a session). The phone itself is device 0 and is not one of these."""

    account: "Account"
    number: int
    noise_public: bytes
    identity: bytes
    registration_id: int
    signed_prekey: SignedPreKey
    mailbox: Mailbox
    linked_at: float
    prekeys: dict[int, bytes] = field(default_factory=dict[int, bytes])
    platform: str = ""
    logins: int = 0
    fights: int = 0
    greeted: bool = False
    asked_count: bool = False
    presence: str = "unavailable"

    @property
    def jid(self) -> Jid:
        return Jid(self.account.number, PN, self.number)

    @property
    def lid(self) -> Jid:
        return Jid(self.account.lid_user, LID, self.number)


@dataclass(slots=True, eq=False)
class Account:
    """A telephone number. `registered=False`: it exists, but not on WhatsApp. `former`: devices that were unlinked."""

    number: str
    lid_user: str
    name: str
    key: KeyPair
    registered: bool = True
    last_device: int = 0
    devices: dict[int, Device] = field(default_factory=dict[int, Device])
    watchers: set[Jid] = field(default_factory=set[Jid])
    former: "deque[Device]" = field(default_factory=lambda: deque[Device](maxlen=FORMER_KEPT))

    @property
    def pn(self) -> Jid:
        return Jid(self.number, PN)

    @property
    def lid(self) -> Jid:
        return Jid(self.lid_user, LID)


class Accounts:
    """All accounts, found by number or by any address of theirs."""

    def __init__(self) -> None:
        self._by_number: dict[str, Account] = {}
        self._by_lid: dict[str, Account] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_number.values())

    def add(self, account: Account) -> None:
        self._by_number[account.number] = account
        self._by_lid[account.lid_user] = account

    def numbered(self, number: str) -> Account | None:
        return self._by_number.get(number)

    def of(self, jid: Jid) -> Account | None:
        """The account of an address, with or without a device; None when it is nobody's, or not on WhatsApp."""
        found = self._by_lid.get(jid.user) if jid.server == LID else self._by_number.get(jid.user)
        return found if found is not None and found.registered else None

    def device(self, jid: Jid) -> Device | None:
        account = self.of(jid)
        return account.devices.get(jid.device) if account is not None else None

    def devices(self) -> Iterator[Device]:
        for account in self:
            yield from account.devices.values()

    def free_lid(self, draw: Callable[[int, int], int]) -> str:
        """A fresh private id: 15 digits, as WhatsApp's, and nobody's yet."""
        while (user := str(draw(10**14, 10**15 - 1))) in self._by_lid:
            continue
        return user
