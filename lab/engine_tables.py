"""The child program of `lab.dictionary`: reads the engine's tables and writes them to a file.

`python -m lab.engine_tables PACKAGE OUTPUT`. The package's shared library is loaded by itself and its Python side is not
imported, so nothing that the engine's Python side needs (libmagic) has to be there. Linux only, 64 bits.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

_FIRST_WORD: Final = b"xmlstreamstart"
_SINGLE_COUNT: Final = 236
_DOUBLE_COUNT: Final = 4
_DOUBLE_SIZE: Final = 256
_LONGEST_WORD: Final = 256
_Table = TypeVar("_Table")
_WORD: Final = 8
_HEADER: Final = 2 * _WORD
"""A Go string header: pointer, length."""


class TablesError(Exception):
    """The engine's library is not as expected: a table was not found, or was found twice."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapped part of the library: its first address and its bytes."""

    start: int
    data: bytes


class Memory:
    """The readable data of one loaded library. Reading goes through the kernel, so a wrong pointer is no crash."""

    def __init__(self, library: Path) -> None:
        self._memory = Path("/proc/self/mem").open("rb", buffering=0)  # noqa: SIM115  # closed with the process
        self._mappings = [Mapping(start, self.at(start, end - start)) for start, end in _data_mappings(library)]

    def at(self, address: int, size: int) -> bytes:
        """*size* bytes at *address*; empty when nothing is mapped there."""
        try:
            return os.pread(self._memory.fileno(), size, address)
        except (OSError, OverflowError):
            return b""

    def find(self, pattern: bytes) -> Iterator[int]:
        """Every aligned address whose bytes equal *pattern*."""
        for mapping in self._mappings:
            offset = mapping.data.find(pattern)
            while offset >= 0:
                if offset % _WORD == 0:
                    yield mapping.start + offset
                offset = mapping.data.find(pattern, offset + 1)

    def words(self, address: int, count: int) -> tuple[str, ...] | None:
        """The *count* strings whose headers stand at *address*; None when these are no string headers."""
        headers = self.at(address, count * _HEADER)
        if len(headers) != count * _HEADER:
            return None
        pairs = struct.iter_unpack("<QQ", headers)
        texts = [self._text(pointer, size) for pointer, size in pairs]
        found = tuple(text for text in texts if text is not None)
        return found if len(found) == count else None

    def _text(self, pointer: int, size: int) -> str | None:
        if size > _LONGEST_WORD:
            return None
        raw = self.at(pointer, size) if size else b""
        return raw.decode("ascii", "replace") if len(raw) == size and raw.isascii() else None


def single_words(memory: Memory) -> tuple[str, ...]:
    """The one-byte table: found by its entry 1, which nothing else but its own table may precede with an empty entry 0."""
    tables: set[tuple[str, ...]] = set()
    for length_at in memory.find(struct.pack("<Q", len(_FIRST_WORD))):
        start = length_at - _WORD - _HEADER
        (pointer,) = struct.unpack("<Q", memory.at(length_at - _WORD, _WORD) or bytes(_WORD))
        if memory.at(pointer, len(_FIRST_WORD)) == _FIRST_WORD:
            words = memory.words(start, _SINGLE_COUNT)
            if words and words[0] == "" and all(words[1:]):
                tables.add(words)
    return _only("one-byte", tables)


def double_words(memory: Memory) -> tuple[tuple[str, ...], ...]:
    """The two-byte tables: four slices of 256 words side by side, each a (pointer, length, capacity)."""
    tables: set[tuple[tuple[str, ...], ...]] = set()
    for size_at in memory.find(struct.pack("<QQ", _DOUBLE_SIZE, _DOUBLE_SIZE)):
        slices = memory.at(size_at - _WORD, _DOUBLE_COUNT * 3 * _WORD)
        if len(slices) != _DOUBLE_COUNT * 3 * _WORD:
            continue
        rows = list(struct.iter_unpack("<QQQ", slices))
        if all(row[1:] == (_DOUBLE_SIZE, _DOUBLE_SIZE) for row in rows):
            words = [memory.words(row[0], _DOUBLE_SIZE) for row in rows]
            found = tuple(table for table in words if table and all(table))
            if len(found) == _DOUBLE_COUNT:
                tables.add(found)
    return _only("two-byte", tables)


def descriptors(protos: Path) -> tuple[bytes, ...]:
    """The serialized descriptors of every generated module below *protos*, each after those it imports."""
    sys.path.insert(0, os.fspath(protos))  # the generated modules import one another from there
    ordered: dict[str, bytes] = {}
    for module in sorted(protos.glob("*/*_pb2.py")):
        with contextlib.suppress(NameError):  # four left-overs under former names use what they do not import
            _collect(importlib.import_module(f"{module.parent.name}.{module.stem}").DESCRIPTOR, ordered)
    return tuple(ordered.values())


def _collect(file: Any, ordered: dict[str, bytes]) -> None:
    for dependency in file.dependencies:
        _collect(dependency, ordered)
    ordered.setdefault(file.name, file.serialized_pb)


def _only(name: str, found: set[_Table]) -> _Table:
    if len(found) != 1:
        raise TablesError(f"{len(found)} {name} word tables in the engine, not one")
    return next(iter(found))


def _data_mappings(library: Path) -> Iterator[tuple[int, int]]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, permissions, _, _, _, *name = line.split(maxsplit=5)
        if name == [os.fspath(library)] and permissions.startswith("r") and "x" not in permissions:
            start, _, end = span.partition("-")
            yield int(start, 16), int(end, 16)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise TablesError(f"no package {name}")
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def main(package: str, output: str) -> None:
    home = _package(package)
    library = next(iter(sorted(home.glob(f"{package}-*.so"))), None)
    if library is None:
        raise TablesError(f"no shared library in {package}")
    library = library.resolve()  # the kernel lists what a link leads to
    ctypes.CDLL(os.fspath(library))
    memory = Memory(library)
    tables = {
        "single": single_words(memory),
        "double": double_words(memory),
        "descriptors": descriptors(home / "proto"),
    }
    Path(output).write_bytes(msgspec.msgpack.encode(tables))


if __name__ == "__main__":
    main(*sys.argv[1:])
