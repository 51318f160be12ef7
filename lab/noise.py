"""The encrypted tunnel under every session: frames, the server's half of the Noise XX handshake, and the transport.

Pattern `Noise_XX_25519_AESGCM_SHA256` with one departure: the empty payload of the first message is not hashed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab import fields
from lab.keys import KeyPair, hkdf

PATTERN: Final = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
HEADER: Final = b"WA\x06\x03"
"""What a client says first, once: the protocol's version, and that of the token dictionary."""

MAX_FRAME_BYTES: Final = 2**24 - 1
_LENGTH_BYTES: Final = 3
_INTERMEDIATE_SERIAL: Final = 1
_LEAF_SERIAL: Final = 2
_VALID_BEFORE_S: Final = 24 * 3600
_VALID_AFTER_S: Final = 3650 * 24 * 3600


class NoiseError(Exception):
    """The other side does not speak this protocol, or its bytes were damaged."""


def frame(payload: bytes) -> bytes:
    """*payload* behind its length in three bytes. Raises NoiseError when it is longer than a frame can be."""
    if len(payload) > MAX_FRAME_BYTES:
        raise NoiseError("a payload does not fit into a frame")
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


class FrameBuffer:
    """Cuts a stream into payloads, wherever the stream itself was cut. *header* is expected once, before all frames."""

    __slots__ = ("_buffer", "_header")

    def __init__(self, header: bytes = HEADER) -> None:
        self._buffer = bytearray()
        self._header = header

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that *data* completed, in order. Raises NoiseError when the stream does not begin with the header."""
        self._buffer += data
        if self._header and not self._strip_header():
            return []
        payloads: list[bytes] = []
        start = 0
        while (body := start + _LENGTH_BYTES) <= len(self._buffer):
            end = body + int.from_bytes(self._buffer[start:body], "big")
            if end > len(self._buffer):
                break
            payloads.append(bytes(self._buffer[body:end]))
            start = end
        del self._buffer[:start]
        return payloads

    def _strip_header(self) -> bool:
        seen = bytes(self._buffer[: len(self._header)])
        if not self._header.startswith(seen):
            raise NoiseError(f"the stream begins with {seen.hex()}, not with {self._header.hex()}")
        if len(seen) < len(self._header):
            return False
        del self._buffer[: len(seen)]
        self._header = b""
        return True


class Cipherstate:
    """The running state of a handshake: hash, chaining key, cipher key, and one counter for both directions."""

    __slots__ = ("chaining_key", "counter", "hash", "key")

    def __init__(self) -> None:
        self.hash = self.chaining_key = self.key = PATTERN
        self.counter = 0

    def auth(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix(self, secret: bytes) -> None:
        self.chaining_key, self.key = self.split(secret)
        self.counter = 0

    def encrypt(self, plain: bytes) -> bytes:
        sealed = AESGCM(self.key).encrypt(_iv(self.counter), plain, self.hash)
        self.counter += 1
        self.auth(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        plain = _open(AESGCM(self.key), self.counter, sealed, self.hash)
        self.counter += 1
        self.auth(sealed)
        return plain

    def split(self, secret: bytes = b"") -> tuple[bytes, bytes]:
        """The two keys that follow from *secret*; of the empty one at the end: client to server, server to client."""
        both = hkdf(secret, salt=self.chaining_key, info=b"", length=64)
        return both[:32], both[32:]


class Transport:
    """A finished tunnel, seen from one end. Each direction has its key and counts its frames."""

    __slots__ = ("_received", "_receiving", "_sending", "_sent")

    def __init__(self, *, sending_key: bytes, receiving_key: bytes) -> None:
        self._sending = AESGCM(sending_key)
        self._receiving = AESGCM(receiving_key)
        self._sent = 0
        self._received = 0

    def encrypt(self, plain: bytes) -> bytes:
        """The payload of the next frame to send."""
        sealed = self._sending.encrypt(_iv(self._sent), plain, None)
        self._sent += 1
        return sealed

    def decrypt(self, data: bytes) -> bytes:
        """What the next received frame holds. Raises NoiseError; the counter then stays, and so does the error."""
        plain = _open(self._receiving, self._received, data, None)
        self._received += 1
        return plain


@dataclass(frozen=True, slots=True)
class ClientFinish:
    """The client's last handshake message: who it is (its noise key) and its ClientPayload, serialized."""

    static_public: bytes
    payload: bytes


class ServerHandshake:
    """One handshake, in order: `read_client_hello`, `read_client_finish`, `transport`."""

    __slots__ = ("_cert_chain", "_ephemeral", "_static", "state")

    def __init__(self, static: KeyPair, cert_chain: bytes, ephemeral: KeyPair | None = None) -> None:
        self._static = static
        self._cert_chain = cert_chain
        self._ephemeral = ephemeral or KeyPair.generate()
        self.state = Cipherstate()

    def read_client_hello(self, data: bytes) -> bytes:
        """Take the first payload (header already stripped) and give the ServerHello to send. Raises NoiseError."""
        client = _handshake_field(data, 2).bytes(1)
        state = self.state
        state.auth(HEADER)
        state.auth(client)
        state.auth(self._ephemeral.public)
        state.mix(_dh(self._ephemeral, client))
        static = state.encrypt(self._static.public)
        state.mix(_dh(self._static, client))
        certificate = state.encrypt(self._cert_chain)
        hello = fields.write((1, self._ephemeral.public), (2, static), (3, certificate))
        return fields.write((3, hello))

    def read_client_finish(self, data: bytes) -> ClientFinish:
        """Take the second payload. Raises NoiseError when the client read our hello otherwise than we wrote it."""
        finish = _handshake_field(data, 4)
        static, payload = finish.bytes(1), finish.bytes(2)
        client = self.state.decrypt(static)
        self.state.mix(_dh(self._ephemeral, client))
        return ClientFinish(client, self.state.decrypt(payload))

    def transport(self) -> Transport:
        to_server, to_client = self.state.split()
        return Transport(sending_key=to_client, receiving_key=to_server)


class CertAuthority:
    """Signs the server's noise key, as the engine wants it: root, one intermediate, leaf."""

    __slots__ = ("_intermediate", "_root")

    def __init__(self, root: KeyPair, intermediate: KeyPair | None = None) -> None:
        self._root = root
        self._intermediate = intermediate or KeyPair.generate()

    @property
    def root_public(self) -> bytes:
        """The 32 bytes that an engine must trust."""
        return self._root.public

    def issue(self, server_static_public: bytes, now: int) -> bytes:
        """A CertChain for *server_static_public*, valid from a day before *now* (unix seconds) for about ten years."""
        window = (now - _VALID_BEFORE_S, now + _VALID_AFTER_S)
        middle = _certificate(self._root, _INTERMEDIATE_SERIAL, 0, self._intermediate.public, window)
        leaf = _certificate(self._intermediate, _LEAF_SERIAL, _INTERMEDIATE_SERIAL, server_static_public, window)
        return fields.write((1, leaf), (2, middle))


def _certificate(issuer: KeyPair, serial: int, issuer_serial: int, public: bytes, window: tuple[int, int]) -> bytes:
    details = fields.write((1, serial), (2, issuer_serial), (3, public), (4, window[0]), (5, window[1]))
    return fields.write((1, details), (2, issuer.sign(details)))


def _handshake_field(data: bytes, number: int) -> fields.Fields:
    try:
        message = fields.read(data)
        if number not in message:
            raise NoiseError(f"a handshake message without its part {number}")
        return message.message(number)
    except fields.FieldsError as error:
        raise NoiseError("a handshake message that cannot be read") from error


def _dh(own: KeyPair, public: bytes) -> bytes:
    try:
        return own.dh(public)
    except ValueError as error:
        raise NoiseError("the client's key is not a usable one") from error


def _open(cipher: AESGCM, counter: int, sealed: bytes, bound: bytes | None) -> bytes:
    try:
        return cipher.decrypt(_iv(counter), sealed, bound)
    except (InvalidTag, ValueError) as error:
        raise NoiseError(f"frame {counter} does not open: another key, another order, or damaged") from error


def _iv(counter: int) -> bytes:
    return counter.to_bytes(12, "big")
