"""A phone's name and contacts, as they reach its devices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import fields
from lab.appstate import (
    CRITICAL_BLOCK,
    CRITICAL_UNBLOCK_LOW,
    AppStateError,
    AppStateKeys,
    Collection,
    Mutation,
    contact,
    lthash,
    push_name,
)
from lab.jid import PN, Jid
from lab.keys import hkdf
from lab.protos import MESSAGE, Protos

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())
FIXED, CAPTURED = VECTORS["app_state"], VECTORS["app_state_captured"]
NOW_MS = FIXED["timestamp_ms"]
FIXED_MUTATIONS = [
    push_name("Minha Loja", NOW_MS),
    contact(Jid("5521988887777", PN), "Maria Silva", "Maria", NOW_MS),
    contact(Jid("5511900000002", PN), "João Lima", "João", NOW_MS),
]
KEYS = AppStateKeys.derive(b"\0\0\0\0\0\1", bytes(range(32)))
MUTATIONS = st.builds(
    Mutation,
    st.tuples(st.sampled_from(["contact", "mute"]), st.sampled_from("abc")),
    st.binary(max_size=40),
    st.integers(1, 9),
)
PATCHES = st.lists(st.tuples(st.lists(MUTATIONS, min_size=1, max_size=4), st.booleans()), max_size=6)


def keys_of(entry):
    return AppStateKeys.derive(bytes.fromhex(entry["key_id"]), bytes.fromhex(entry["key_data"]))


def test_the_five_keys():
    keys = keys_of(FIXED)
    assert {name: getattr(keys, name).hex() for name in FIXED["derived"]} == FIXED["derived"]


@pytest.mark.parametrize("entry", [FIXED, CAPTURED], ids=["fixed", "captured"])
def test_the_key_share_is_the_same_byte_for_byte(dictionary, entry):
    expected = bytes.fromhex(entry["key_share_message"])
    share = Protos(dictionary.descriptors).read(MESSAGE, expected).protocolMessage.appStateSyncKeyShare
    (key,) = share.keys
    assert key.keyData.keyData.hex() == entry["key_data"]
    assert keys_of(entry).share_message(key.keyData.timestamp) == expected


def test_the_fixed_patches_are_the_same_byte_for_byte():
    collections = {name: Collection(name, keys_of(FIXED)) for name in (CRITICAL_BLOCK, CRITICAL_UNBLOCK_LOW)}
    for entry, mutation in zip(FIXED["patches"], FIXED_MUTATIONS, strict=True):
        assert mutation.value.hex() == entry["sync_action_value"]
        assert (json.loads(entry["index_json_text"]), entry["action_version"]) == ([*mutation.index], mutation.version)
        collection = collections[entry["collection_text"]]
        assert collection.hash.hex() == entry["lthash_before"]
        patch = collection.patch(mutation, new_iv=lambda entry=entry: bytes.fromhex(entry["iv"]))
        assert patch.hex() == entry["syncd_patch"]
        assert (collection.version, collection.hash.hex()) == (entry["version"], entry["lthash_after"])
        assert_parts(patch, entry)


def assert_parts(patch, entry):
    read = fields.read(patch)
    record = read.message(2).message(2)
    blob = record.message(2).bytes(1)
    assert record.message(1).bytes(1).hex() == entry["index_mac"]
    assert (blob.hex(), blob[-32:].hex()) == (entry["value_blob"], entry["value_mac"])
    assert blob[16:-32].hex() == entry["ciphertext"]
    assert (read.bytes(4).hex(), read.bytes(5).hex()) == (entry["snapshot_mac"], entry["patch_mac"])
    assert lthash(bytes(128), add=[blob[-32:]]).hex() == entry["lthash_addend"]
    addend = hkdf(blob[-32:], salt=b"", info=b"WhatsApp Patch Integrity", length=128)
    assert addend.hex() == entry["lthash_addend"]


@pytest.mark.parametrize("entry", CAPTURED["patches"], ids=lambda entry: entry["collection_text"])
def test_a_patch_that_the_engine_took_leads_to_the_engines_own_sum(entry):
    collection = Collection(entry["collection_text"], keys_of(CAPTURED))
    (mutation,) = collection.apply(bytes.fromhex(entry["syncd_patch"]))
    assert (collection.version, collection.hash.hex()) == (entry["engine_version"], entry["engine_lthash"])
    if mutation.index == ("setting_pushName",):
        assert fields.read(mutation.value).message(7).bytes(1).decode() == CAPTURED["engine_push_name_text"]


@pytest.mark.parametrize("entry", FIXED["patches"][:2], ids=lambda entry: entry["collection_text"])
def test_the_fixed_patches_read_back(entry):
    collection = Collection(entry["collection_text"], keys_of(FIXED))
    (mutation,) = collection.apply(bytes.fromhex(entry["syncd_patch"]))
    assert mutation in FIXED_MUTATIONS


@given(PATCHES)
def test_two_sides_stay_in_step_whatever_is_set_and_removed(patches):
    here, there = Collection("regular", KEYS), Collection("regular", KEYS)
    for mutations, remove in patches:
        changed = [Mutation(one.index, one.value, one.version, remove) for one in mutations]
        assert there.apply(here.patch(*changed)) == changed
        assert there == here
        here = Collection.from_state(json.loads(json.dumps(here.to_state())))
    assert here.hash == lthash(bytes(128), add=here.value_macs.values())
    assert here.since(0) == here.patches
    assert here.since(len(patches)) == []


@given(st.data())
def test_a_damaged_patch_is_refused_or_means_the_same(data):
    """The same: damage to what says "set" may leave it unsaid, which is also "set"."""
    here, there = Collection("regular", KEYS), Collection("regular", KEYS)
    there.apply(here.patch(*FIXED_MUTATIONS))
    patch = here.patch(push_name("Outra Loja", NOW_MS), Mutation(("mute", "x"), b"", 1, remove=True))
    damaged = bytearray(patch)
    damaged[data.draw(st.integers(0, len(patch) - 1))] ^= data.draw(st.integers(1, 255))
    before = there.to_state()
    try:
        there.apply(bytes(damaged))
    except AppStateError:
        assert there.to_state() == before
        there.apply(patch)
    assert (there.version, there.hash, there.value_macs) == (here.version, here.hash, here.value_macs)


@given(st.binary(max_size=200))
def test_anything_else_is_refused_with_its_own_error(data):
    with pytest.raises(AppStateError):
        Collection("regular", KEYS).apply(data)


def test_a_patch_is_taken_once_in_order_and_under_its_key():
    here, there = Collection("regular", KEYS), Collection("regular", KEYS)
    first, second = here.patch(FIXED_MUTATIONS[0]), here.patch(FIXED_MUTATIONS[1])
    with pytest.raises(AppStateError, match="patch 2 does not follow version 0"):
        there.apply(second)
    there.apply(first)
    with pytest.raises(AppStateError, match="patch 1 does not follow version 1"):
        there.apply(first)
    with pytest.raises(AppStateError, match="another key"):
        Collection("regular", AppStateKeys.generate()).apply(first)
    with pytest.raises(AppStateError, match="another state"):
        Collection("regular_low", KEYS).apply(first)
    assert there.since(1) == []
    assert here.since(1) == [second]


def test_a_version_that_no_number_holds_is_refused():
    huge = fields.write((1, fields.write((1, 2**64))))
    with pytest.raises(AppStateError, match="does not follow"):
        Collection("regular", KEYS).apply(huge)


def test_an_operation_that_is_not_known_is_refused():
    record = fields.write((3, fields.write((1, KEYS.key_id))))
    patch = fields.write((1, fields.write((1, 1))), (2, fields.write((1, 7), (2, record))))
    with pytest.raises(AppStateError, match="unknown kind 7"):
        Collection("regular", KEYS).apply(patch)


@pytest.mark.parametrize("state", [{}, {"name": "regular"}, {"name": 1, "keys": {}}])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(AppStateError, match="not the state"):
        Collection.from_state(state)
