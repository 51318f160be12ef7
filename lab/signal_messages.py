"""The two messages of a Signal session, byte for byte, and the padding inside them. Opens and seals nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from lab import fields
from lab.keys import KEY_BYTES

KEY_TYPE: Final = b"\x05"
_VERSION: Final = b"\x33"
_MAC_BYTES: Final = 8
_MAX_PADDING: Final = 15


class SignalError(Exception):
    """This message does not open, or there is no session to write one with."""


class DuplicateError(SignalError):
    """This message's key was used: it was opened before."""


@dataclass(frozen=True, slots=True)
class PreKeyBundle:
    """What a device publishes so that others may begin a session with it. Keys are 32 bytes, without a type byte."""

    registration_id: int
    identity_public: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """What travels with every message until the other side has answered: how it can enter the session."""

    registration_id: int
    base_public: bytes
    signed_prekey_id: int
    prekey_id: int | None


@dataclass(frozen=True, slots=True)
class SignalMessage:
    """A `msg`. `signed` is all but the MAC; *ciphertext* stands within it."""

    ratchet_public: bytes
    counter: int
    ciphertext: bytes
    signed: bytes
    mac: bytes

    @classmethod
    def read(cls, data: bytes) -> SignalMessage:
        """Raises SignalError."""
        signed, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        try:
            message = _fields(signed)
            return cls(_key(message, 1), message.number(2), message.bytes(4), signed, mac)
        except fields.FieldsError as error:
            raise SignalError("a message that cannot be read") from error


@dataclass(frozen=True, slots=True)
class PreKeyMessage:
    """A `pkmsg`: a greeting, the sender's identity, and a `msg` inside."""

    greeting: Greeting
    identity_public: bytes
    inner: bytes

    @classmethod
    def read(cls, data: bytes) -> PreKeyMessage:
        """Raises SignalError."""
        try:
            message = _fields(data)
            prekey_id = message.number(1) if 1 in message else None
            greeting = Greeting(message.number(5), _key(message, 2), message.number(6), prekey_id)
            return cls(greeting, _key(message, 3), message.bytes(4))
        except fields.FieldsError as error:
            raise SignalError("a message that cannot be read") from error


def write_signed(ratchet_public: bytes, counter: int, previous: int, ciphertext: bytes) -> bytes:
    """A `msg` up to its MAC."""
    return _VERSION + fields.write((1, KEY_TYPE + ratchet_public), (2, counter), (3, previous), (4, ciphertext))


def write_greeting(greeting: Greeting, identity_public: bytes, inner: bytes) -> bytes:
    """A `pkmsg` around the `msg` *inner*."""
    prekey = () if greeting.prekey_id is None else ((1, greeting.prekey_id),)
    return _VERSION + fields.write(
        *prekey,
        (2, KEY_TYPE + greeting.base_public),
        (3, KEY_TYPE + identity_public),
        (4, inner),
        (5, greeting.registration_id),
        (6, greeting.signed_prekey_id),
    )


def pad(plaintext: bytes, n: int | None = None) -> bytes:
    """*plaintext* and *n* bytes of the value *n*, 1 to 15; a random *n* when none is given."""
    count = n or random.randint(1, _MAX_PADDING)
    return plaintext + bytes((count,)) * count


def unpad(padded: bytes) -> bytes:
    """Take `pad` back. Raises SignalError."""
    count = padded[-1] if padded else 0
    if not count or padded[-count:] != bytes((count,)) * count:
        raise SignalError("a plaintext with impossible padding")
    return padded[:-count]


def _fields(data: bytes) -> fields.Fields:
    if data[:1] != _VERSION:
        raise SignalError("a message of an unknown version")
    return fields.read(data[1:])


def _key(message: fields.Fields, number: int) -> bytes:
    typed = message.bytes(number)
    if len(typed) != 1 + KEY_BYTES or typed[:1] != KEY_TYPE:
        raise SignalError(f"no key in field {number}")
    return typed[1:]
