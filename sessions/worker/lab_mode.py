"""Points the loaded engine at the local WhatsApp: its root key takes the place of WhatsApp's own, in memory only."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

# The Curve25519 key that WhatsApp's server certificates are signed with, as the engine carries it.
WHATSAPP_ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


def trust(root_key: bytes, library: Path) -> None:
    """Make the engine of this process check servers against *root_key* (32 bytes). Raises `RuntimeError` unless it finds its place once."""
    if len(root_key) != len(WHATSAPP_ROOT_KEY):
        raise RuntimeError("the lab's root key must be 32 bytes")
    places = [start + at for start, data in _writable_memory(library) for at in _occurrences(data, WHATSAPP_ROOT_KEY)]
    if len(places) != 1:
        raise RuntimeError(
            f"the engine's root key was found {len(places)} times instead of once: another version of neonize?"
        )
    ctypes.memmove(places[0], root_key, len(root_key))


def _writable_memory(library: Path) -> Iterator[tuple[int, bytes]]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        if mode == "rw-p" and name.strip() == str(library.resolve()):
            start, end = (int(part, 16) for part in span.split("-"))
            yield start, ctypes.string_at(start, end - start)


def _occurrences(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)
