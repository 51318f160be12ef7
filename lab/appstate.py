"""What a phone keeps in step with its linked devices: its name, its contacts. The phone's side.

A collection is a chain of encrypted patches. Each proves what the whole collection holds by a sum over its values
(LTHash), so a device notices a patch that is missing, repeated or forged.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from lab import aes, fields
from lab.jid import Jid
from lab.keys import hkdf

CRITICAL_BLOCK: Final = "critical_block"
CRITICAL_UNBLOCK_LOW: Final = "critical_unblock_low"
COLLECTIONS: Final = (CRITICAL_BLOCK, CRITICAL_UNBLOCK_LOW, "regular_high", "regular", "regular_low")

_IV_BYTES: Final = 16
_MAC_BYTES: Final = 32
_KEY_ID_BYTES: Final = 6
_KEY_DATA_BYTES: Final = 32
_PROTOCOL_MESSAGE: Final = 12
_KEY_SHARE: Final = 6
_SET: Final = 0
_REMOVE: Final = 1
_LTHASH: Final = struct.Struct("<64H")


class AppStateError(Exception):
    """A patch that does not belong to this collection, or not to this key, or was damaged."""


@dataclass(frozen=True, slots=True)
class AppStateKeys:
    """A sync key (`key_id`, `key_data`) and the five keys made of it."""

    key_id: bytes
    key_data: bytes
    index: bytes
    value_encryption: bytes
    value_mac: bytes
    snapshot_mac: bytes
    patch_mac: bytes

    @classmethod
    def derive(cls, key_id: bytes, key_data: bytes) -> AppStateKeys:
        derived = hkdf(key_data, salt=b"", info=b"WhatsApp Mutation Keys", length=160)
        return cls(key_id, key_data, *(derived[start : start + 32] for start in range(0, 160, 32)))

    @classmethod
    def generate(cls) -> AppStateKeys:
        return cls.derive(os.urandom(_KEY_ID_BYTES), os.urandom(_KEY_DATA_BYTES))

    def share_message(self, timestamp_ms: int) -> bytes:
        """The Message by which the phone hands this key to a linked device."""
        fingerprint = fields.write((1, 1), (2, 0))
        data = fields.write((1, self.key_data), (2, fingerprint), (3, timestamp_ms))
        key = fields.write((1, fields.write((1, self.key_id))), (2, data))
        protocol = fields.write((2, _KEY_SHARE), (7, fields.write((1, key))))
        return fields.write((_PROTOCOL_MESSAGE, protocol))


@dataclass(frozen=True, slots=True)
class Mutation:
    """One value set or removed. `index` names it; `value` is a SyncActionValue; `version` is that of its kind of action."""

    index: tuple[str, ...]
    value: bytes
    version: int
    remove: bool = False


def push_name(name: str, timestamp_ms: int) -> Mutation:
    """The account's own name, for the collection `critical_block`."""
    value = fields.write((1, timestamp_ms), (7, fields.write((1, name.encode()))))
    return Mutation(("setting_pushName",), value, version=1)


def contact(jid: Jid, full_name: str, first_name: str, timestamp_ms: int) -> Mutation:
    """An address book entry, for `critical_unblock_low`. *jid* is the contact's phone number."""
    names = fields.write((1, full_name.encode()), (2, first_name.encode()))
    return Mutation(("contact", str(jid)), fields.write((1, timestamp_ms), (3, names)), version=2)


class _Sealed(NamedTuple):
    """A mutation as it travels."""

    operation: int
    index_mac: bytes
    blob: bytes

    @property
    def value_mac(self) -> bytes:
        return self.blob[-_MAC_BYTES:]


@dataclass(slots=True)
class Collection:
    """One collection: its version, the sum over its values, and the patches that led there, oldest first."""

    name: str
    keys: AppStateKeys
    version: int = 0
    hash: bytes = bytes(_LTHASH.size)
    value_macs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    patches: list[bytes] = field(default_factory=list[bytes])

    def patch(self, *mutations: Mutation, new_iv: Callable[[], bytes] = lambda: os.urandom(_IV_BYTES)) -> bytes:
        """Apply *mutations* as the next version. Returns the SyncdPatch that tells it to devices."""
        sealed = [_seal(self.keys, mutation, new_iv()) for mutation in mutations]
        version, total = self.version + 1, self._sum_with(sealed)
        snapshot = _snapshot_mac(self, version, total)
        written = fields.write(
            (1, fields.write((1, version))),
            *((2, _write_mutation(self.keys, one)) for one in sealed),
            (4, snapshot),
            (5, _patch_mac(self, version, snapshot, sealed)),
            (6, fields.write((1, self.keys.key_id))),
        )
        self._commit(version, total, sealed, written)
        return written

    def apply(self, patch: bytes) -> list[Mutation]:
        """Take the next patch from elsewhere. Raises AppStateError, and then nothing is changed."""
        try:
            return self._apply(patch)
        except (ValueError, msgspec.DecodeError) as error:
            raise AppStateError("a patch that cannot be read") from error

    def since(self, version: int) -> list[bytes]:
        """The patches that a device at *version* has not seen."""
        return self.patches[max(version, 0) :]

    def to_state(self) -> dict[str, Any]:
        """All there is to remember, in JSON's types; the key too."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Collection:
        """The collection that `to_state` wrote down. Raises AppStateError."""
        try:
            return msgspec.convert(state, cls)
        except msgspec.ValidationError as error:
            raise AppStateError("this is not the state of a collection") from error

    def _apply(self, patch: bytes) -> list[Mutation]:
        read = fields.read(patch)
        sealed = [_read_mutation(self.keys, one) for one in fields.every(patch, 2)]
        version, total = read.message(1).number(1), self._sum_with(sealed)
        if version != self.version + 1:
            raise AppStateError(f"patch {version} does not follow version {self.version}")
        snapshot = _snapshot_mac(self, version, total)
        if not hmac.compare_digest(snapshot, read.bytes(4)):
            raise AppStateError("the patch leads to another state than it says")
        if not hmac.compare_digest(_patch_mac(self, version, snapshot, sealed), read.bytes(5)):
            raise AppStateError("the patch is not sealed with this key")
        mutations = [_unseal(self.keys, one) for one in sealed]
        self._commit(version, total, sealed, patch)
        return mutations

    def _sum_with(self, sealed: list[_Sealed]) -> bytes:
        """The sum after *sealed*: each takes the value it replaces out, and puts its own in."""
        macs = dict(self.value_macs)
        entered: list[bytes] = []
        left: list[bytes] = []
        for one in sealed:
            if (before := macs.pop(one.index_mac.hex(), None)) is not None:
                left.append(before)
            if one.operation == _SET:
                entered.append(one.value_mac)
                macs[one.index_mac.hex()] = one.value_mac
        return lthash(self.hash, add=entered, remove=left)

    def _commit(self, version: int, total: bytes, sealed: list[_Sealed], patch: bytes) -> None:
        for one in sealed:
            self.value_macs.pop(one.index_mac.hex(), None)
            if one.operation == _SET:
                self.value_macs[one.index_mac.hex()] = one.value_mac
        self.version, self.hash = version, total
        self.patches.append(patch)


def lthash(total: bytes, *, add: Iterable[bytes] = (), remove: Iterable[bytes] = ()) -> bytes:
    """*total* with value MACs put in and taken out: 64 little-endian numbers of 16 bits, each summed by itself."""
    numbers = _LTHASH.unpack(total)
    for macs, sign in ((add, 1), (remove, -1)):
        for mac in macs:
            addend = _LTHASH.unpack(hkdf(mac, salt=b"", info=b"WhatsApp Patch Integrity", length=_LTHASH.size))
            numbers = [(one + sign * other) & 0xFFFF for one, other in zip(numbers, addend, strict=True)]
    return _LTHASH.pack(*numbers)


def _seal(keys: AppStateKeys, mutation: Mutation, iv: bytes) -> _Sealed:
    operation = _REMOVE if mutation.remove else _SET
    index = json.dumps(mutation.index, separators=(",", ":"), ensure_ascii=False).encode()
    data = fields.write((1, index), (2, mutation.value), (3, b""), (4, mutation.version))
    sealed = iv + aes.seal(keys.value_encryption, iv, data)
    return _Sealed(operation, _index_mac(keys, index), sealed + _value_mac(keys, operation, sealed))


def _unseal(keys: AppStateKeys, sealed: _Sealed) -> Mutation:
    iv, body = sealed.blob[:_IV_BYTES], sealed.blob[_IV_BYTES:-_MAC_BYTES]
    if not hmac.compare_digest(_value_mac(keys, sealed.operation, iv + body), sealed.value_mac):
        raise AppStateError("a value that is not sealed with this key")
    data = fields.read(aes.unseal(keys.value_encryption, iv, body))
    if not hmac.compare_digest(_index_mac(keys, data.bytes(1)), sealed.index_mac):
        raise AppStateError("a value under another index than its own")
    index = msgspec.json.decode(data.bytes(1), type=tuple[str, ...])
    return Mutation(index, data.bytes(2), data.number(4), remove=sealed.operation == _REMOVE)


def _write_mutation(keys: AppStateKeys, sealed: _Sealed) -> bytes:
    record = fields.write(
        (1, fields.write((1, sealed.index_mac))),
        (2, fields.write((1, sealed.blob))),
        (3, fields.write((1, keys.key_id))),
    )
    return fields.write((1, sealed.operation), (2, record))


def _read_mutation(keys: AppStateKeys, data: bytes) -> _Sealed:
    mutation = fields.read(data)
    record = mutation.message(2)
    if record.message(3).bytes(1) != keys.key_id:
        raise AppStateError("a patch under another key")
    if mutation.number(1) not in (_SET, _REMOVE):
        raise AppStateError(f"a mutation of the unknown kind {mutation.number(1)}")
    return _Sealed(mutation.number(1), record.message(1).bytes(1), record.message(2).bytes(1))


def _index_mac(keys: AppStateKeys, index: bytes) -> bytes:
    return hmac.digest(keys.index, index, "sha256")


def _value_mac(keys: AppStateKeys, operation: int, sealed: bytes) -> bytes:
    bound = bytes((operation + 1,)) + keys.key_id
    return hmac.digest(keys.value_mac, bound + sealed + _number(len(bound)), "sha512")[:_MAC_BYTES]


def _snapshot_mac(collection: Collection, version: int, total: bytes) -> bytes:
    bound = total + _number(version) + collection.name.encode()
    return hmac.digest(collection.keys.snapshot_mac, bound, "sha256")


def _patch_mac(collection: Collection, version: int, snapshot: bytes, sealed: Iterable[_Sealed]) -> bytes:
    values = b"".join(one.value_mac for one in sealed)
    bound = snapshot + values + _number(version) + collection.name.encode()
    return hmac.digest(collection.keys.patch_mac, bound, "sha256")


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")
