"""The Signal side of one simulated device: its identity, its prekeys, and its sessions with other devices.

Other devices are named by any text the caller likes, best `str(jid)` with the device in it.
"""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lab.keys import KeyPair
from lab.ratchet import NewKey, Session
from lab.signal_messages import (
    KEY_TYPE,
    DuplicateError,
    PreKeyBundle,
    PreKeyMessage,
    SignalError,
    SignalMessage,
    pad,
    unpad,
    write_greeting,
)

__all__ = ["DuplicateError", "Peer", "PeerState", "PreKeyBundle", "Session", "SignalError", "pad", "unpad"]

_MAX_SESSIONS: Final = 8
_MAX_PREKEYS: Final = 10_000
_MAX_REGISTRATION_ID: Final = 2**14 - 1
_SIGNED_PREKEY_ID: Final = 1


@dataclass(slots=True)
class PeerState:
    """All that a device must remember. `sessions`: the newest first; the older ones still open what is on its way."""

    identity: KeyPair
    registration_id: int
    signed_prekey: KeyPair
    signed_prekey_id: int = _SIGNED_PREKEY_ID
    prekeys: dict[int, KeyPair] = field(default_factory=dict[int, KeyPair])
    last_prekey_id: int = 0
    sessions: dict[str, list[Session]] = field(default_factory=dict[str, list[Session]])


class Peer:
    """One simulated device. Not for two threads at once."""

    __slots__ = ("_new_key", "_signed_prekey_signature", "_state")

    def __init__(self, state: PeerState, *, new_key: NewKey = KeyPair.generate) -> None:
        self._state = state
        self._new_key = new_key
        self._signed_prekey_signature = state.identity.sign(KEY_TYPE + state.signed_prekey.public)

    @classmethod
    def generate(cls, *, identity: KeyPair | None = None, new_key: NewKey = KeyPair.generate) -> Peer:
        """A device that has never spoken. *identity*: the account's own key pair, when there is one already."""
        registration_id = random.randint(1, _MAX_REGISTRATION_ID)
        return cls(PeerState(identity or new_key(), registration_id, new_key()), new_key=new_key)

    @property
    def identity(self) -> KeyPair:
        return self._state.identity

    @property
    def registration_id(self) -> int:
        return self._state.registration_id

    def hand_out(self) -> PreKeyBundle:
        """A bundle for one more device that wants to begin a session, with a one-time prekey of its own."""
        state = self._state
        state.last_prekey_id += 1
        prekey = state.prekeys[state.last_prekey_id] = self._new_key()
        while len(state.prekeys) > _MAX_PREKEYS:
            del state.prekeys[next(iter(state.prekeys))]
        return PreKeyBundle(
            state.registration_id,
            state.identity.public,
            state.signed_prekey_id,
            state.signed_prekey.public,
            self._signed_prekey_signature,
            state.last_prekey_id,
            prekey.public,
        )

    def needs_bundle(self, remote: str) -> bool:
        """Whether `start` must come before `encrypt`."""
        return not self._state.sessions.get(remote)

    def start(self, remote: str, bundle: PreKeyBundle) -> None:
        """Begin a session with *remote*; older ones still open what was sent in them. Raises SignalError."""
        self._put_first(remote, Session.initiate(self.identity, self.registration_id, bundle, self._new_key))

    def forget(self, remote: str) -> None:
        """Drop every session with *remote*, as when it was removed, or says that it cannot read us."""
        self._state.sessions.pop(remote, None)

    def encrypt(self, remote: str, plaintext: bytes) -> tuple[str, bytes]:
        """("pkmsg" until *remote* has answered, then "msg"; the bytes). *plaintext* is sealed as it is: `pad` it first.

        Raises SignalError when there is no session: `needs_bundle`.
        """
        sessions = self._state.sessions.get(remote)
        if not sessions:
            raise SignalError("no session with this device: a bundle is needed")
        session = sessions[0]
        message = session.encrypt(plaintext)
        if session.greeting is None:
            return "msg", message
        return "pkmsg", write_greeting(session.greeting, self.identity.public, message)

    def decrypt(self, remote: str, kind: str, data: bytes) -> bytes:
        """The plaintext, still padded, of a "pkmsg" or "msg". Raises SignalError, and nothing is changed then."""
        if kind == "pkmsg":
            return self._decrypt_greeting(remote, PreKeyMessage.read(data))
        if kind == "msg":
            return self._decrypt_message(remote, SignalMessage.read(data))
        raise SignalError(f"messages of the kind {kind[:20]} are not for a session")

    def to_state(self) -> dict[str, Any]:
        """All there is to remember, in JSON's types. Holds private keys."""
        return msgspec.to_builtins(self._state, str_keys=True, enc_hook=_key_to_text)

    @classmethod
    def from_state(cls, state: dict[str, Any], *, new_key: NewKey = KeyPair.generate) -> Peer:
        """The device that `to_state` wrote down. Raises SignalError."""
        try:
            read = msgspec.convert(state, PeerState, strict=False, str_keys=True, dec_hook=_key_from_text)
        except msgspec.ValidationError as error:
            raise SignalError("this is not the state of a device") from error
        return cls(read, new_key=new_key)

    def _decrypt_message(self, remote: str, message: SignalMessage) -> bytes:
        sessions = self._state.sessions.get(remote, [])
        refused: SignalError = SignalError("no session with this device")
        for session in sessions:
            try:
                plaintext = session.decrypt(message, self._new_key)
            except SignalError as error:
                refused = error if session is sessions[0] or isinstance(error, DuplicateError) else refused
            else:
                self._put_first(remote, session)
                return plaintext
        raise refused

    def _decrypt_greeting(self, remote: str, message: PreKeyMessage) -> bytes:
        inner = SignalMessage.read(message.inner)
        base = message.greeting.base_public
        known = next((one for one in self._state.sessions.get(remote, []) if one.base_public == base), None)
        session = known or self._accept(message)
        plaintext = session.decrypt(inner, self._new_key)
        self._put_first(remote, session)
        if known is None and message.greeting.prekey_id is not None:
            del self._state.prekeys[message.greeting.prekey_id]
        return plaintext

    def _accept(self, message: PreKeyMessage) -> Session:
        greeting, state = message.greeting, self._state
        if greeting.signed_prekey_id != state.signed_prekey_id:
            raise SignalError(f"signed prekey {greeting.signed_prekey_id} is not ours")
        one_time = None if greeting.prekey_id is None else state.prekeys.get(greeting.prekey_id)
        if one_time is None and greeting.prekey_id is not None:
            raise SignalError(f"one-time prekey {greeting.prekey_id} is not ours, or was used")
        return Session.accept(
            state.identity, state.signed_prekey, one_time, message.identity_public, greeting.base_public
        )

    def _put_first(self, remote: str, session: Session) -> None:
        sessions = self._state.sessions.setdefault(remote, [])
        if sessions and sessions[0] is session:
            return
        sessions[:] = [session, *(one for one in sessions if one is not session)][:_MAX_SESSIONS]


def _key_to_text(value: Any) -> str:
    if isinstance(value, KeyPair):
        return base64.b64encode(value.seed).decode()
    raise NotImplementedError(type(value).__name__)


def _key_from_text(kind: type[Any], value: Any) -> Any:
    if kind is KeyPair:
        return KeyPair.from_seed(base64.b64decode(value, validate=True))
    raise NotImplementedError(kind.__name__)
