"""Protobuf's wire format, by hand, for the few small messages that are hot or must come out byte for byte.

Writing keeps the order given and writes zeros too; reading keeps the last value of a field. Larger messages go through
`lab.protos`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_VARINT_LIMIT: Final = 70


class FieldsError(ValueError):
    """These bytes are no protobuf message, or a field is missing or of another kind."""


def varint(number: int) -> bytes:
    """*number* (0 or more) in groups of seven bits, lowest first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def write(*pairs: tuple[int, int | bytes]) -> bytes:
    """A message of (field number, value) pairs: an int as a varint, bytes with their length."""
    out = bytearray()
    for number, value in pairs:
        if isinstance(value, int):
            out += varint(number << 3 | _VARINT)
            out += varint(value)
        else:
            out += varint(number << 3 | _BYTES)
            out += varint(len(value))
            out += value
    return bytes(out)


class Fields:
    """What stood in a message. A missing number reads as 0, missing bytes as empty, as protobuf has it."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[int, int | bytes]) -> None:
        self._values = values

    def __contains__(self, number: int) -> bool:
        return number in self._values

    def number(self, number: int) -> int:
        value = self._values.get(number, 0)
        if not isinstance(value, int):
            raise FieldsError(f"field {number} is not a number")
        return value

    def bytes(self, number: int) -> bytes:
        value = self._values.get(number, b"")
        if isinstance(value, int):
            raise FieldsError(f"field {number} is not bytes")
        return value

    def message(self, number: int) -> Fields:
        return read(self.bytes(number))


def read(data: bytes) -> Fields:
    """Split *data* into its fields. Raises FieldsError."""
    return Fields(dict(_pairs(data)))


def every(data: bytes, number: int) -> list[bytes]:
    """The bytes of each field *number* of *data*, in order: a repeated field. Raises FieldsError."""
    return [Fields({key: value}).bytes(key) for key, value in _pairs(data) if key == number]


def _pairs(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position, end = 0, len(data)
    while position < end:
        key, position = _varint_at(data, position)
        kind = key & 7
        if key < 8:
            raise FieldsError("a field with the number 0")
        if kind == _VARINT:
            value, position = _varint_at(data, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, position = _varint_at(data, position)
        else:
            size = _FIXED_BYTES.get(kind, -1)
        if size < 0 or position + size > end:
            raise FieldsError("cut short, or a kind of field that is not known")
        yield key >> 3, data[position : position + size]
        position += size


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < _VARINT_LIMIT:
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise FieldsError("a number that does not end")
