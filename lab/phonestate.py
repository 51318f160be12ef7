"""What a simulated phone remembers, and what it may ask the server for."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from lab.accounts import Account, Accounts
from lab.appstate import COLLECTIONS, CRITICAL_BLOCK, AppStateKeys, Collection, push_name
from lab.jid import Jid
from lab.node import Node
from lab.post import Address
from lab.signal import Peer, PreKeyBundle


@dataclass(frozen=True, slots=True)
class Office:
    """What a phone may ask the server for. `route` returns an error number, or nothing."""

    accounts: Accounts
    route: Callable[[Address, Node], str]
    receipt: Callable[[Address, Node], None]
    chatstate: Callable[[Address, Node], None]
    bundle: Callable[[Jid], PreKeyBundle | None]


@dataclass(slots=True, eq=False)
class PhoneState:
    """What a phone must remember: its sessions, its application state, and whether it answers by itself."""

    peer: Peer
    app_keys: AppStateKeys
    collections: dict[str, Collection]
    auto_receipts: bool = True

    @classmethod
    def new(cls, account: Account, now: float) -> "PhoneState":
        app_keys = AppStateKeys.generate()
        collections = {name: Collection(name, app_keys) for name in COLLECTIONS}
        collections[CRITICAL_BLOCK].patch(push_name(account.name, int(now * 1000)))
        return cls(Peer.generate(identity=account.key), app_keys, collections)

    def to_bytes(self) -> bytes:
        kept = (
            self.peer.to_state(),
            self.app_keys.key_id,
            self.app_keys.key_data,
            [collection.to_state() for collection in self.collections.values()],
            self.auto_receipts,
        )
        return msgspec.msgpack.encode(kept)

    @classmethod
    def from_bytes(cls, body: bytes) -> "PhoneState":
        peer, key_id, key_data, collections, auto_receipts = msgspec.msgpack.decode(body)
        read = [Collection.from_state(one) for one in collections]
        by_name = {collection.name: collection for collection in read}
        return cls(Peer.from_state(peer), AppStateKeys.derive(key_id, key_data), by_name, auto_receipts)
