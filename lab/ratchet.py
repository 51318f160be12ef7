"""One end of a Signal session: the agreement that begins it (X3DH) and the double ratchet that goes on with it.

Knows no addresses and draws no keys: whoever owns the session passes a source of new key pairs. A message that does not
open leaves the session as it was.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lab import aes
from lab.keys import KeyPair, hkdf, verify
from lab.signal_messages import (
    KEY_TYPE,
    DuplicateError,
    Greeting,
    PreKeyBundle,
    SignalError,
    SignalMessage,
    write_signed,
)

_MAC_BYTES: Final = 8
_NO_SALT: Final = bytes(32)
_MAX_CHAINS: Final = 5
_MAX_AHEAD: Final = 2000
_MAX_SKIPPED: Final = 2000

NewKey = Callable[[], KeyPair]


@dataclass(frozen=True, slots=True)
class MessageKeys:
    """What one message is sealed with."""

    aes: bytes
    mac: bytes
    iv: bytes

    @classmethod
    def of(cls, seed: bytes) -> MessageKeys:
        derived = hkdf(seed, salt=_NO_SALT, info=b"WhisperMessageKeys", length=80)
        return cls(derived[:32], derived[32:64], derived[64:])


@dataclass(frozen=True, slots=True)
class Agreement:
    """What X3DH yields: the first root key, and the chain of the receiver's signed prekey."""

    root: bytes
    chain: bytes

    @classmethod
    def of(cls, *secrets: bytes) -> Agreement:
        """From the four shared secrets in the protocol's order, or three without a one-time prekey."""
        both = hkdf(b"\xff" * 32 + b"".join(secrets), salt=_NO_SALT, info=b"WhisperText", length=64)
        return cls(both[:32], both[32:])


@dataclass(frozen=True, slots=True)
class _Found:
    """A message's seed, and what its chain becomes once the message has opened."""

    seed: bytes
    key: bytes
    counter: int
    skipped: dict[int, bytes]


@dataclass(slots=True)
class ReceivingChain:
    """Messages sealed under one of the other side's ratchet keys. `skipped`: counter -> seed, of those still out."""

    ratchet_public: bytes
    key: bytes
    counter: int = 0
    skipped: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def find(self, counter: int) -> _Found:
        """The seed of message *counter*. Changes nothing. Raises SignalError."""
        if counter < self.counter:
            if counter not in self.skipped:
                raise DuplicateError(f"message {counter} of this chain was opened before")
            return _Found(self.skipped[counter], self.key, self.counter, {})
        if counter - self.counter > _MAX_AHEAD:
            raise SignalError(f"message {counter} is too far ahead of {self.counter}")
        key, skipped = self.key, dict[int, bytes]()
        for missing in range(self.counter, counter):
            skipped[missing], key = chain_step(key)
        seed, key = chain_step(key)
        return _Found(seed, key, counter + 1, skipped)

    def take(self, counter: int, found: _Found) -> None:
        """Go on from *found*, which was message *counter*."""
        self.skipped.pop(counter, None)
        self.skipped.update(found.skipped)
        while len(self.skipped) > _MAX_SKIPPED:
            del self.skipped[next(iter(self.skipped))]
        self.key, self.counter = found.key, found.counter


@dataclass(slots=True)
class Session:
    """One end of a session. `base_public` names it: both ends know the key it began with."""

    own_identity: bytes
    remote_identity: bytes
    base_public: bytes
    root: bytes
    ratchet: KeyPair
    sending_key: bytes
    sent: int = 0
    previous: int = 0
    chains: list[ReceivingChain] = field(default_factory=list[ReceivingChain])
    greeting: Greeting | None = None

    @classmethod
    def initiate(cls, own: KeyPair, registration_id: int, bundle: PreKeyBundle, new_key: NewKey) -> Session:
        """Begin a session with the owner of *bundle*. Raises SignalError when its signature or a key is bad."""
        if not verify(bundle.identity_public, KEY_TYPE + bundle.signed_prekey, bundle.signed_prekey_signature):
            raise SignalError("the signed prekey is not signed by the identity that offers it")
        base = new_key()
        secrets = [dh(own, bundle.signed_prekey), dh(base, bundle.identity_public), dh(base, bundle.signed_prekey)]
        if bundle.prekey is not None:
            secrets.append(dh(base, bundle.prekey))
        agreement = Agreement.of(*secrets)
        ratchet = new_key()
        root, sending = root_step(agreement.root, ratchet, bundle.signed_prekey)
        return cls(
            own.public,
            bundle.identity_public,
            base.public,
            root,
            ratchet,
            sending,
            chains=[ReceivingChain(bundle.signed_prekey, agreement.chain)],
            greeting=Greeting(registration_id, base.public, bundle.signed_prekey_id, bundle.prekey_id),
        )

    @classmethod
    def accept(cls, own: KeyPair, signed: KeyPair, one_time: KeyPair | None, remote: bytes, base: bytes) -> Session:
        """Enter the session that the owner of the identity *remote* began with the key *base*. Raises SignalError."""
        secrets = [dh(signed, remote), dh(own, base), dh(signed, base)]
        if one_time is not None:
            secrets.append(dh(one_time, base))
        agreement = Agreement.of(*secrets)
        return cls(own.public, remote, base, agreement.root, signed, agreement.chain)

    def encrypt(self, plaintext: bytes) -> bytes:
        """The next `msg`. As long as there is a greeting, the caller wraps it in that."""
        seed, self.sending_key = chain_step(self.sending_key)
        keys = MessageKeys.of(seed)
        signed = write_signed(self.ratchet.public, self.sent, self.previous, aes.seal(keys.aes, keys.iv, plaintext))
        self.sent += 1
        return signed + _mac(keys, self.own_identity, self.remote_identity, signed)

    def decrypt(self, message: SignalMessage, new_key: NewKey) -> bytes:
        """Open a message of the other side, in whatever order it comes. Raises SignalError and then changes nothing."""
        root, chain = self._chain_of(message.ratchet_public)
        found = chain.find(message.counter)
        keys = MessageKeys.of(found.seed)
        mac = _mac(keys, self.remote_identity, self.own_identity, message.signed)
        if not hmac.compare_digest(mac, message.mac):
            raise SignalError("the message was not sealed for this session")
        plaintext = _unseal(keys, message.ciphertext)
        chain.take(message.counter, found)
        if root is not None:
            self._turn(root, chain, new_key())
        self.greeting = None
        return plaintext

    def _chain_of(self, ratchet_public: bytes) -> tuple[bytes | None, ReceivingChain]:
        """The chain of a ratchet key; with a new root when the chain is new and the session not yet turned to it."""
        for chain in reversed(self.chains):
            if chain.ratchet_public == ratchet_public:
                return None, chain
        root, key = root_step(self.root, self.ratchet, ratchet_public)
        return root, ReceivingChain(ratchet_public, key)

    def _turn(self, root: bytes, chain: ReceivingChain, ratchet: KeyPair) -> None:
        """The other side has turned its ratchet: keep its chain, and turn ours."""
        self.chains = [*self.chains, chain][-_MAX_CHAINS:]
        self.previous = max(self.sent - 1, 0)
        self.sent = 0
        self.ratchet = ratchet
        self.root, self.sending_key = root_step(root, ratchet, chain.ratchet_public)


def chain_step(key: bytes) -> tuple[bytes, bytes]:
    """A chain's next message seed, and the chain after it."""
    return hmac.digest(key, b"\x01", "sha256"), hmac.digest(key, b"\x02", "sha256")


def root_step(root: bytes, own: KeyPair, remote: bytes) -> tuple[bytes, bytes]:
    """The next root, and the chain that begins there. Raises SignalError."""
    both = hkdf(dh(own, remote), salt=root, info=b"WhisperRatchet", length=64)
    return both[:32], both[32:]


def dh(own: KeyPair, remote: bytes) -> bytes:
    """A shared secret. Raises SignalError."""
    try:
        return own.dh(remote)
    except ValueError as error:
        raise SignalError("a key that nothing can be agreed with") from error


def _mac(keys: MessageKeys, sender: bytes, receiver: bytes, body: bytes) -> bytes:
    return hmac.digest(keys.mac, KEY_TYPE + sender + KEY_TYPE + receiver + body, "sha256")[:_MAC_BYTES]


def _unseal(keys: MessageKeys, sealed: bytes) -> bytes:
    try:
        return aes.unseal(keys.aes, keys.iv, sealed)
    except ValueError as error:
        raise SignalError("a ciphertext that nobody sealed so") from error
