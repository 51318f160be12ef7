"""AES-256-CBC with PKCS7 padding, as Signal messages and app state use it."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK_BYTES: Final = 16


def seal(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """The ciphertext: *plaintext* rounded up to whole blocks, by one to sixteen bytes."""
    missing = BLOCK_BYTES - len(plaintext) % BLOCK_BYTES
    cipher = Cipher(AES(key), CBC(iv)).encryptor()
    return cipher.update(plaintext + bytes((missing,)) * missing) + cipher.finalize()


def unseal(key: bytes, iv: bytes, sealed: bytes) -> bytes:
    """The plaintext. Raises ValueError when *sealed* cannot come from `seal`."""
    if not sealed or len(sealed) % BLOCK_BYTES:
        raise ValueError("not a whole number of blocks")
    cipher = Cipher(AES(key), CBC(iv)).decryptor()
    padded = cipher.update(sealed) + cipher.finalize()
    missing = padded[-1]
    if not 1 <= missing <= BLOCK_BYTES or padded[-missing:] != bytes((missing,)) * missing:
        raise ValueError("impossible padding")
    return padded[:-missing]
