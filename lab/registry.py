"""Accounts and devices as they are kept: made, linked, unlinked, and read back after a restart."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from lab.accounts import MAX_DEVICES, Account, Accounts, Device, SignedPreKey
from lab.codec import Codec
from lab.jid import Jid
from lab.journal import Journal
from lab.keys import KeyPair
from lab.mailbox import Delivery, Mailbox

_ACCOUNT: Final = "account"
_DEVICE: Final = "device"
_DELIVERY: Final = "delivery"


@dataclass(frozen=True, slots=True)
class NewDevice:
    """What a client says of itself when it is linked."""

    noise_public: bytes
    identity: bytes
    registration_id: int
    signed_prekey: SignedPreKey
    platform: str


class _KeptAccount(msgspec.Struct):
    lid_user: str
    name: str
    seed: bytes
    registered: bool
    last_device: int
    watchers: list[str]


class _KeptDevice(msgspec.Struct):
    noise_public: bytes
    identity: bytes
    registration_id: int
    signed_prekey: SignedPreKey
    linked_at: float
    prekeys: dict[int, bytes]
    platform: str
    logins: int
    fights: int
    greeted: bool


class _KeptDelivery(msgspec.Struct):
    id: str
    kind: str
    sender: str
    at: float
    stanza: bytes | None
    handed: int
    settled: str | None
    settled_at: float | None


class TooManyDevices(Exception):
    """An account has used up its device numbers."""


class Registry:
    """The accounts of this lab, kept in its journal."""

    def __init__(self, *, journal: Journal, codec: Codec, clock: Callable[[], float], rng: random.Random) -> None:
        self._journal, self._codec, self._clock, self._rng = journal, codec, clock, rng
        self.accounts = Accounts()

    def load(self) -> None:
        """Reads back what the journal holds."""
        for number, _, body in self._journal.load(_ACCOUNT):
            self.accounts.add(_account(number, msgspec.msgpack.decode(body, type=_KeptAccount)))
        for owner, number, body in self._journal.load(_DEVICE):
            account = self.accounts.numbered(owner)
            if account is not None:
                kept = msgspec.msgpack.decode(body, type=_KeptDevice)
                account.devices[number] = self._device(account, number, kept)
        by_jid = {str(device.jid): device for device in self.accounts.devices()}
        for owner, position, body in self._journal.load(_DELIVERY):
            device = by_jid.get(owner)
            if device is not None:
                device.mailbox.restore(self._delivery(position, msgspec.msgpack.decode(body, type=_KeptDelivery)))

    def open(self, number: str, name: str, *, registered: bool) -> Account:
        """A new account for a number that has none."""
        lid_user = self.accounts.free_lid(self._rng.randint)
        account = Account(number, lid_user, name, KeyPair.generate(), registered)
        self.accounts.add(account)
        self.save(account)
        return account

    def link(self, account: Account, new: NewDevice) -> Device:
        """Adds a linked device with the account's next number. Raises TooManyDevices."""
        if account.last_device >= MAX_DEVICES:
            raise TooManyDevices(f"{MAX_DEVICES} devices were already linked to this number")
        account.last_device += 1
        kept = _KeptDevice(
            noise_public=new.noise_public,
            identity=new.identity,
            registration_id=new.registration_id,
            signed_prekey=new.signed_prekey,
            linked_at=self._clock(),
            prekeys={},
            platform=new.platform,
            logins=0,
            fights=0,
            greeted=False,
        )
        device = self._device(account, account.last_device, kept)
        account.devices[device.number] = device
        self.save(account)
        self.save_device(device)
        return device

    def unlink(self, device: Device) -> None:
        """Takes a device off its account, with all that waited for it."""
        if device.account.devices.pop(device.number, None) is not None:
            device.account.former.append(device)
        self._journal.drop(_DEVICE, device.account.number, device.number)
        for delivery in device.mailbox:
            self._journal.drop(_DELIVERY, str(device.jid), delivery.position)

    def save(self, account: Account) -> None:
        self._journal.put(_ACCOUNT, account.number, 0, lambda: msgspec.msgpack.encode(_keep_account(account)))

    def save_device(self, device: Device) -> None:
        self._journal.put(
            _DEVICE, device.account.number, device.number, lambda: msgspec.msgpack.encode(_keep_device(device))
        )

    def _device(self, account: Account, number: int, kept: _KeptDevice) -> Device:
        owner = str(Jid(account.number, account.pn.server, number))
        mailbox = Mailbox(
            changed=lambda delivery: self._journal.put(
                _DELIVERY, owner, delivery.position, lambda: self._kept_delivery(delivery)
            ),
            dropped=lambda delivery: self._journal.drop(_DELIVERY, owner, delivery.position),
        )
        return Device(
            account=account,
            number=number,
            noise_public=kept.noise_public,
            identity=kept.identity,
            registration_id=kept.registration_id,
            signed_prekey=kept.signed_prekey,
            mailbox=mailbox,
            linked_at=kept.linked_at,
            prekeys=kept.prekeys,
            platform=kept.platform,
            logins=kept.logins,
            fights=kept.fights,
            greeted=kept.greeted,
            asked_count=bool(kept.prekeys),
        )

    def _kept_delivery(self, delivery: Delivery) -> bytes:
        stanza = self._codec.encode(delivery.node) if delivery.node is not None else None
        return msgspec.msgpack.encode(
            _KeptDelivery(
                id=delivery.id,
                kind=delivery.kind,
                sender=delivery.sender,
                at=delivery.at,
                stanza=stanza,
                handed=delivery.handed,
                settled=delivery.settled,
                settled_at=delivery.settled_at,
            )
        )

    def _delivery(self, position: int, kept: _KeptDelivery) -> Delivery:
        return Delivery(
            position=position,
            id=kept.id,
            kind=kept.kind,
            sender=kept.sender,
            at=kept.at,
            node=self._codec.decode(kept.stanza) if kept.stanza is not None else None,
            handed=kept.handed,
            settled=kept.settled,
            settled_at=kept.settled_at,
        )


def _account(number: str, kept: _KeptAccount) -> Account:
    return Account(
        number=number,
        lid_user=kept.lid_user,
        name=kept.name,
        key=KeyPair.from_seed(kept.seed),
        registered=kept.registered,
        last_device=kept.last_device,
        watchers={Jid.parse(text) for text in kept.watchers},
    )


def _keep_account(account: Account) -> _KeptAccount:
    return _KeptAccount(
        lid_user=account.lid_user,
        name=account.name,
        seed=account.key.seed,
        registered=account.registered,
        last_device=account.last_device,
        watchers=sorted(str(jid) for jid in account.watchers),
    )


def _keep_device(device: Device) -> _KeptDevice:
    return _KeptDevice(
        noise_public=device.noise_public,
        identity=device.identity,
        registration_id=device.registration_id,
        signed_prekey=device.signed_prekey,
        linked_at=device.linked_at,
        prekeys=device.prekeys,
        platform=device.platform,
        logins=device.logins,
        fights=device.fights,
        greeted=device.greeted,
    )
