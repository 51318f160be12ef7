"""How a phone takes a device into its account: by the QR code that the device shows, or by the eight characters it shows.

Both end in the same: the phone signs the device's identity (`link_identity`), proves with the shared `adv_secret` that it
was the one who scanned, and the device signs back. By QR the secret stands in the code; by characters both derive it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from lab import fields
from lab.keys import KEY_BYTES, KeyPair, hkdf, verify

_ACCOUNT_PREFIX: Final = b"\x06\x00"
_DEVICE_PREFIX: Final = b"\x06\x01"
_CODE_ROUNDS: Final = 131072
_SALT_BYTES: Final = 32
_IV_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_WRAPPED_BYTES: Final = _SALT_BYTES + _IV_BYTES + KEY_BYTES
_BUNDLE_INFO: Final = b"link_code_pairing_key_bundle_encryption_key"
_QR_PARTS: Final = 4


class PairingError(Exception):
    """This QR text, code or key bundle does not pair. The message is a sentence for the person who tried."""


@dataclass(frozen=True, slots=True)
class QrPayload:
    """What a QR code says: which pairing attempt (`ref`), and the device's three keys, 32 bytes each."""

    ref: str
    noise_public: bytes
    identity_public: bytes
    adv_secret: bytes


@dataclass(frozen=True, slots=True)
class SignedIdentity:
    """A device's identity as its account signed it. `container` is what pair-success carries."""

    details: bytes
    account_public: bytes
    account_signature: bytes
    signed: bytes
    hmac: bytes
    container: bytes


@dataclass(frozen=True, slots=True)
class KeyBundle:
    """What a device sends when its code was typed: its identity, and the secret that both sides now hold."""

    companion_identity: bytes
    adv_secret: bytes


def parse_qr(text: str) -> QrPayload:
    """Read a QR code's text, with or without its link in front. Raises PairingError."""
    parts = text.strip().rpartition("#")[2].split(",")
    if len(parts) < _QR_PARTS or not parts[0]:
        raise PairingError("This is not the text of a WhatsApp QR code.")
    noise, identity, secret = (_key(part) for part in parts[1:_QR_PARTS])
    return QrPayload(parts[0], noise, identity, secret)


def link_identity(
    account: KeyPair, device_identity: bytes, adv_secret: bytes, *, raw_id: int, timestamp: int, key_index: int
) -> SignedIdentity:
    """Sign *device_identity* (a public key) into *account*. *timestamp* in unix seconds; *key_index* counts its devices."""
    details = fields.write((1, raw_id), (2, timestamp), (3, key_index))
    signature = account.sign(_ACCOUNT_PREFIX + details + device_identity)
    signed = fields.write((1, details), (2, account.public), (3, signature))
    proof = hmac.digest(adv_secret, signed, "sha256")
    return SignedIdentity(details, account.public, signature, signed, proof, fields.write((1, signed), (2, proof)))


def verify_device_signature(identity: SignedIdentity, device_identity: bytes, reply: bytes) -> bool:
    """Whether *reply*, the body of pair-device-sign, is *identity* signed by the device. Never raises."""
    try:
        answer = fields.read(reply)
        same = answer.bytes(1) == identity.details and answer.bytes(3) == identity.account_signature
        message = _DEVICE_PREFIX + identity.details + device_identity + identity.account_public
        return same and verify(device_identity, message, answer.bytes(4))
    except fields.FieldsError:
        return False


def unwrap_companion(code: str, wrapped: bytes) -> bytes:
    """The device's ephemeral public key, out of its companion_hello. Wrong code: a wrong key, found out by `open_key_bundle`.

    Takes about 50 ms of CPU, as `wrap_primary` does. Raises PairingError when *wrapped* is not 80 bytes.
    """
    if len(wrapped) != _WRAPPED_BYTES:
        raise PairingError("The device's half of the code pairing is damaged.")
    salt, iv, sealed = wrapped[:_SALT_BYTES], wrapped[_SALT_BYTES:-KEY_BYTES], wrapped[-KEY_BYTES:]
    return _ctr(_code_key(code, salt), iv, sealed)


def wrap_primary(code: str, public: bytes, salt: bytes | None = None, iv: bytes | None = None) -> bytes:
    """The phone's ephemeral *public* key for primary_hello: salt, IV, ciphertext; 80 bytes."""
    salt = salt or os.urandom(_SALT_BYTES)
    iv = iv or os.urandom(_IV_BYTES)
    return salt + iv + _ctr(_code_key(code, salt), iv, public)


def open_key_bundle(bundle: bytes, *, account: KeyPair, ephemeral: KeyPair, companion_ephemeral: bytes) -> KeyBundle:
    """Open companion_finish's key bundle. Raises PairingError: above all when the code typed is not the code shown."""
    salt, nonce = bundle[:_SALT_BYTES], bundle[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
    try:
        shared = ephemeral.dh(companion_ephemeral)
        key = hkdf(shared, salt=salt, info=_BUNDLE_INFO, length=32)
        plain = AESGCM(key).decrypt(nonce, bundle[_SALT_BYTES + _NONCE_BYTES :], None)
        companion, primary, random = (plain[start : start + KEY_BYTES] for start in (0, KEY_BYTES, 2 * KEY_BYTES))
        secret = shared + account.dh(companion) + random
    except (InvalidTag, ValueError) as error:
        raise PairingError("This is not the code that the device shows.") from error
    if primary != account.public or len(random) != KEY_BYTES:
        raise PairingError("The device answered to another account than this one.")
    return KeyBundle(companion, hkdf(secret, salt=b"", info=b"adv_secret", length=32))


def _code_key(code: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", code.replace("-", "").upper().encode(), salt, _CODE_ROUNDS, 32)


def _ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    cipher = Cipher(AES(key), CTR(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PairingError("This QR code's text is damaged.") from error
    if len(key) != KEY_BYTES:
        raise PairingError("This QR code's text is cut short.")
    return key
