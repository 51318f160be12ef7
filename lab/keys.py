"""One kind of key pair for everything: X25519 for agreement, and signatures that the same X25519 key verifies.

The signature is XEdDSA in libsignal's flavour, made without curve arithmetic of our own: the pair is kept as an Ed25519
seed, whose clamped hash is the X25519 private key of the same point. The point's sign bit travels in the signature's
last byte, where Ed25519 has three bits that are always 0.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_FIELD: Final = 2**255 - 19
_SIGN_BIT: Final = 0x80


class KeyPair:
    """A key pair. `public` and `private` are X25519, 32 bytes, without a type byte; `seed` is what to store."""

    __slots__ = ("_exchange", "private", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise ValueError("a seed has 32 bytes")
        self.seed = seed
        self.private = _clamped(hashlib.sha512(seed).digest()[:KEY_BYTES])
        self._exchange = X25519PrivateKey.from_private_bytes(self.private)
        self.public = self._exchange.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> KeyPair:
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> KeyPair:
        """Raises ValueError when *seed* has not 32 bytes."""
        return cls(seed)

    def dh(self, public: bytes) -> bytes:
        """The 32 bytes shared with the owner of *public*. Raises ValueError for a key of another size or of low order."""
        return self._exchange.exchange(X25519PublicKey.from_public_bytes(public))

    def sign(self, message: bytes) -> bytes:
        """64 bytes that `verify` accepts together with this pair's `public`."""
        signer = Ed25519PrivateKey.from_private_bytes(self.seed)
        signature = bytearray(signer.sign(message))
        signature[-1] |= signer.public_key().public_bytes_raw()[-1] & _SIGN_BIT
        return bytes(signature)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyPair) and self.seed == other.seed

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public.hex()})"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of the X25519 key *public* signed *message*. Never raises: what is malformed is not valid."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    edwards = _edwards(public, signature[-1] & _SIGN_BIT)
    if edwards is None:
        return False
    try:
        stripped = signature[:-1] + bytes([signature[-1] & ~_SIGN_BIT])
        Ed25519PublicKey.from_public_bytes(edwards).verify(stripped, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def hkdf(ikm: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256, by the one-shot HMAC: this runs for every message, and a context object costs more than the work."""
    key = hmac.digest(salt, ikm, "sha256")
    block = output = hmac.digest(key, info + b"\x01", "sha256")
    counter = 1
    while len(output) < length:
        counter += 1
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def _clamped(half: bytes) -> bytes:
    raw = bytearray(half)
    raw[0] &= 248
    raw[31] = (raw[31] & 127) | 64
    return bytes(raw)


def _edwards(public: bytes, sign: int) -> bytes | None:
    """The Ed25519 form of an X25519 key: y = (u - 1) / (u + 1)."""
    u = (int.from_bytes(public, "little") & (2**255 - 1)) % _FIELD
    if (u + 1) % _FIELD == 0:
        return None
    y = bytearray(((u - 1) * pow(u + 1, -1, _FIELD) % _FIELD).to_bytes(KEY_BYTES, "little"))
    y[-1] |= sign
    return bytes(y)
