"""Agreement and signatures with one kind of key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from lab.keys import KeyPair, hkdf, verify

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())
SEEDS = st.binary(min_size=32, max_size=32)


def key_objects(value):
    """Every object with a seed and its X25519 pair, wherever it stands."""
    if isinstance(value, dict):
        if {"seed", "x25519_private", "public"} <= value.keys():
            yield value
        for inner in value.values():
            yield from key_objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from key_objects(inner)


@pytest.mark.parametrize("entry", VECTORS["xeddsa"], ids=lambda entry: entry["name"])
def test_the_verifier_gives_the_right_answer(entry):
    public, message, signature = (bytes.fromhex(entry[name]) for name in ("public", "message", "signature"))
    assert verify(public, message, signature) is entry["valid"]


@pytest.mark.parametrize("entry", [one for one in VECTORS["xeddsa"] if "seed" in one], ids=lambda entry: entry["name"])
def test_the_signer_gives_the_same_signature(entry):
    assert (
        KeyPair.from_seed(bytes.fromhex(entry["seed"])).sign(bytes.fromhex(entry["message"])).hex()
        == entry["signature"]
    )


def test_every_pair_of_the_vectors_follows_from_its_seed():
    pairs = list(key_objects(VECTORS))
    assert len(pairs) > 30
    for pair in pairs:
        made = KeyPair.from_seed(bytes.fromhex(pair["seed"]))
        assert (made.private.hex(), made.public.hex()) == (pair["x25519_private"], pair["public"])


@given(SEEDS, st.binary(max_size=200), st.integers(0, 511))
def test_a_signature_holds_and_one_turned_bit_breaks_it(seed, message, bit):
    pair = KeyPair.from_seed(seed)
    signature = bytearray(pair.sign(message))
    assert verify(pair.public, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(pair.public, message, bytes(signature))


@given(st.binary(max_size=40), st.binary(max_size=10), st.binary(max_size=70))
def test_the_verifier_refuses_anything_else_and_never_raises(public, message, signature):
    assert verify(public, message, signature) is False


@given(SEEDS, SEEDS)
def test_both_sides_agree(one, other):
    left, right = KeyPair.from_seed(one), KeyPair.from_seed(other)
    assert left.dh(right.public) == right.dh(left.public)


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31), b"short", bytes(33)])
def test_nothing_is_agreed_with_a_bad_key(public):
    with pytest.raises(ValueError, match=r"."):
        KeyPair.generate().dh(public)


def test_a_key_that_has_no_point_on_the_other_curve_signs_nothing():
    minus_one = (2**255 - 20).to_bytes(32, "little")
    assert verify(minus_one, b"", bytes(64)) is False


@given(st.binary(max_size=80), st.binary(max_size=40), st.binary(max_size=20), st.integers(1, 200))
def test_hkdf_is_the_standard_one(ikm, salt, info, length):
    assert hkdf(ikm, salt=salt, info=info, length=length) == HKDF(SHA256(), length, salt, info).derive(ikm)


def test_a_pair_does_not_show_its_secret():
    pair = KeyPair.generate()
    assert pair.seed.hex() not in repr(pair)
    assert pair.private.hex() not in repr(pair)


def test_pairs_are_equal_when_their_seeds_are():
    pair = KeyPair.generate()
    assert pair == KeyPair.from_seed(pair.seed)
    assert pair != KeyPair.generate()
    assert len({pair, KeyPair.from_seed(pair.seed)}) == 1


def test_a_seed_has_32_bytes():
    with pytest.raises(ValueError, match="32 bytes"):
        KeyPair.from_seed(b"short")
