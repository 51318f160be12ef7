"""Protobuf by hand, held against protobuf itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import fields
from lab.protos import SIGNED_IDENTITY, Protos

NUMBERS = st.integers(1, 1000)
VALUES = st.integers(0, 2**64 - 1) | st.binary(max_size=300)


@given(st.dictionaries(NUMBERS, VALUES, max_size=10))
def test_what_is_written_reads_back(message):
    read = fields.read(fields.write(*message.items()))
    for number, value in message.items():
        assert number in read
        assert (read.number(number) if isinstance(value, int) else read.bytes(number)) == value


@given(st.binary(max_size=200))
def test_anything_else_is_refused_with_its_own_error(data):
    try:
        fields.read(data)
    except fields.FieldsError:
        return


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_a_repeated_field_keeps_its_order(parts):
    written = fields.write((1, 7), *((2, part) for part in parts), (3, b"end"))
    assert fields.every(written, 2) == parts


@given(st.binary(max_size=200), st.binary(max_size=64), st.binary(max_size=64))
def test_protobuf_reads_the_same(dictionary, details, key, signature):
    message = Protos(dictionary.descriptors).read(SIGNED_IDENTITY, fields.write((1, details), (2, key), (3, signature)))
    assert (message.details, message.accountSignatureKey, message.accountSignature) == (details, key, signature)


def test_missing_fields_read_as_nothing():
    read = fields.read(b"")
    assert (read.number(1), read.bytes(2), 1 in read, read.message(3).number(1)) == (0, b"", False, 0)


def test_a_field_of_another_kind_is_refused():
    read = fields.read(fields.write((1, 5), (2, b"five")))
    with pytest.raises(fields.FieldsError):
        read.bytes(1)
    with pytest.raises(fields.FieldsError):
        read.number(2)


@pytest.mark.parametrize("data", ["0000", "08", "0aff01", "0880808080808080808080808001", "0b", "0f", "09000000"])
def test_what_protobuf_does_not_allow_is_refused(data):
    with pytest.raises(fields.FieldsError):
        fields.read(bytes.fromhex(data))


def test_numbers_of_a_fixed_size_are_passed_over():
    read = fields.read(bytes.fromhex("09 0102030405060708 15 01020304 18 05"))
    assert (read.bytes(1), read.bytes(2), read.number(3)) == (bytes(range(1, 9)), bytes(range(1, 5)), 5)
