"""Taking a device into an account: by QR code, and by eight characters."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import fields
from lab.keys import KeyPair, hkdf
from lab.pairing import (
    PairingError,
    QrPayload,
    link_identity,
    open_key_bundle,
    parse_qr,
    unwrap_companion,
    verify_device_signature,
    wrap_primary,
)

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())
PAIRING = VECTORS["pairing"]
KEYS = st.binary(min_size=32, max_size=32)


def pair(entry):
    return KeyPair.from_seed(bytes.fromhex(entry["seed"]))


def test_the_fixed_identity_is_signed_byte_for_byte():
    entry = PAIRING["qr_fixed"]
    device = pair(entry["device_identity"])
    linked = link_identity(
        pair(entry["account"]),
        device.public,
        bytes.fromhex(entry["adv_secret"]),
        raw_id=entry["raw_id"],
        timestamp=entry["timestamp"],
        key_index=entry["key_index"],
    )
    assert linked.details.hex() == entry["details"]
    assert linked.account_signature.hex() == entry["account_signature"]
    assert linked.signed.hex() == entry["signed_identity"]
    assert linked.hmac.hex() == entry["hmac"]
    assert linked.container.hex() == entry["container"]
    reply = bytes.fromhex(entry["pair_device_sign_body"])
    assert fields.read(reply).bytes(4).hex() == entry["device_signature"]
    assert verify_device_signature(linked, device.public, reply)


@pytest.mark.parametrize("entry", PAIRING["qr_captured"])
def test_a_captured_pairing_is_the_same_byte_for_byte(entry):
    device = bytes.fromhex(entry["device_identity_public"])
    linked = identity_of(entry)
    assert (linked.details.hex(), linked.container.hex()) == (entry["details"], entry["container"])
    reply = bytes.fromhex(entry["pair_device_sign_body"])
    assert fields.read(reply).bytes(4).hex() == entry["device_signature"]
    assert verify_device_signature(linked, device, reply)


def identity_of(entry):
    details = fields.read(bytes.fromhex(entry["details"]))
    return link_identity(
        pair(entry["account"]),
        bytes.fromhex(entry["device_identity_public"]),
        bytes.fromhex(entry["adv_secret"]),
        raw_id=details.number(1),
        timestamp=details.number(2),
        key_index=details.number(3),
    )


@given(st.data())
def test_a_changed_answer_is_not_the_devices(data):
    entry = PAIRING["qr_captured"][0]
    reply = bytearray.fromhex(entry["pair_device_sign_body"])
    reply[data.draw(st.integers(0, len(reply) - 1))] ^= data.draw(st.integers(1, 255))
    assert not verify_device_signature(identity_of(entry), bytes.fromhex(entry["device_identity_public"]), bytes(reply))


@given(st.binary(max_size=200))
def test_any_other_answer_is_not_the_devices(reply):
    entry = PAIRING["qr_captured"][0]
    assert not verify_device_signature(identity_of(entry), bytes.fromhex(entry["device_identity_public"]), reply)


def test_the_captured_qr_text_reads():
    entry = PAIRING["qr_captured"][0]
    payload = parse_qr(entry["qr_text"])
    assert payload.ref == "2@gegPXorglrT0l2kvorKoPI3uvNzrTKHn"
    assert payload.noise_public.hex() == entry["noise_public"]
    assert payload.identity_public.hex() == entry["device_identity_public"]
    assert payload.adv_secret.hex() == entry["adv_secret"]


@given(st.text("abcXYZ012@/+=", min_size=1), KEYS, KEYS, KEYS, st.sampled_from(["", ",1"]))
def test_any_qr_text_reads_with_and_without_its_link(ref, noise, identity, secret, kind):
    text = ",".join([ref, *(base64.b64encode(key).decode() for key in (noise, identity, secret))]) + kind
    for whole in (text, f"https://wa.me/settings/linked_devices#{text}", f" {text}\n"):
        assert parse_qr(whole) == QrPayload(ref, noise, identity, secret)


@pytest.mark.parametrize(
    "text", ["", "hello", "a,b,c", ",AA==,AA==,AA==", "ref,x,y,z", "ref,AA==,AA==,AA==", "é,é,é,é"]
)
def test_what_is_no_qr_text_is_refused_with_a_sentence(text):
    with pytest.raises(PairingError, match=r"\.$"):
        parse_qr(text)


def test_the_fixed_code_pairing_is_the_same_byte_for_byte():
    entry = PAIRING["code_fixed"]
    code = entry["code_text"]
    companion = unwrap_companion(code, bytes.fromhex(entry["wrapped_companion_ephemeral"]))
    assert companion == pair(entry["companion_ephemeral"]).public
    primary = pair(entry["primary_ephemeral"])
    salt, iv = bytes.fromhex(entry["primary_salt"]), bytes.fromhex(entry["primary_iv"])
    assert wrap_primary(code, primary.public, salt, iv).hex() == entry["wrapped_primary_ephemeral"]
    assert primary.dh(companion).hex() == entry["ephemeral_shared_secret"]
    account = pair(entry["account"])
    assert account.dh(pair(entry["companion_identity"]).public).hex() == entry["identity_shared_secret"]
    bundle = open_key_bundle(
        bytes.fromhex(entry["wrapped_key_bundle"]), account=account, ephemeral=primary, companion_ephemeral=companion
    )
    assert bundle.companion_identity == pair(entry["companion_identity"]).public
    assert bundle.adv_secret.hex() == entry["adv_secret"]


def test_the_captured_code_pairing_comes_to_the_same_secret():
    entry = PAIRING["code_captured"]
    code, primary = entry["code_text"], pair(entry["primary_ephemeral"])
    companion = unwrap_companion(code.lower(), bytes.fromhex(entry["wrapped_companion_ephemeral"]))
    wrapped = bytes.fromhex(entry["wrapped_primary_ephemeral"])
    assert wrap_primary(code.replace("-", ""), primary.public, wrapped[:32], wrapped[32:48]) == wrapped
    bundle = open_key_bundle(
        bytes.fromhex(entry["wrapped_key_bundle"]),
        account=pair(entry["account"]),
        ephemeral=primary,
        companion_ephemeral=companion,
    )
    assert bundle.companion_identity.hex() == entry["companion_identity_public"]
    assert bundle.adv_secret.hex() == entry["adv_secret"]
    assert bundle.adv_secret.hex() == PAIRING["qr_captured"][2]["adv_secret"]


def test_the_phones_answer_is_the_fixed_stanza(codec, node_of):
    stanza = node_of(PAIRING["code_fixed"]["primary_hello_notification"])
    part = stanza.child("link_code_companion_reg")
    assert part.bytes_of("link_code_pairing_ref").hex() == PAIRING["code_fixed"]["pairing_ref"]
    wrapped = part.bytes_of("link_code_pairing_wrapped_primary_ephemeral_pub").hex()
    assert wrapped == PAIRING["code_fixed"]["wrapped_primary_ephemeral"]
    assert part.bytes_of("primary_identity_pub").hex() == PAIRING["code_fixed"]["account"]["public"]
    assert codec.decode(codec.encode(stanza)) == stanza


@settings(max_examples=10)  # each derives two keys of 131,072 rounds
@given(st.text("123456789ABCDEFGHJKLMNPQRSTVWXYZ", min_size=8, max_size=8))
def test_any_code_wraps_and_unwraps(code):
    public = KeyPair.generate().public
    assert unwrap_companion(f"{code[:4]}-{code[4:]}", wrap_primary(code, public)) == public


def sealed_bundle(shared, plain):
    salt, nonce = os.urandom(32), os.urandom(12)
    key = hkdf(shared, salt=salt, info=b"link_code_pairing_key_bundle_encryption_key", length=32)
    return salt + nonce + AESGCM(key).encrypt(nonce, plain, None)


def test_another_code_than_the_one_shown_is_said_plainly():
    entry = PAIRING["code_captured"]
    companion = unwrap_companion("AAAA-AAAA", bytes.fromhex(entry["wrapped_companion_ephemeral"]))
    with pytest.raises(PairingError, match="not the code"):
        open_key_bundle(
            bytes.fromhex(entry["wrapped_key_bundle"]),
            account=pair(entry["account"]),
            ephemeral=pair(entry["primary_ephemeral"]),
            companion_ephemeral=companion,
        )


def test_a_bundle_for_another_account_is_refused():
    account, ephemeral, companion, identity = (KeyPair.generate() for _ in range(4))
    plain = identity.public + KeyPair.generate().public + bytes(32)
    sealed = sealed_bundle(ephemeral.dh(companion.public), plain)
    with pytest.raises(PairingError, match="another account"):
        open_key_bundle(sealed, account=account, ephemeral=ephemeral, companion_ephemeral=companion.public)


@given(st.binary(max_size=200))
def test_a_damaged_bundle_is_refused(bundle):
    account, ephemeral, companion = (KeyPair.from_seed(bytes([n]) * 32) for n in range(3))
    with pytest.raises(PairingError):
        open_key_bundle(bundle, account=account, ephemeral=ephemeral, companion_ephemeral=companion.public)


@given(st.binary(max_size=96))
def test_a_bundle_with_too_little_in_it_is_refused(plain):
    account, ephemeral, companion = (KeyPair.from_seed(bytes([n]) * 32) for n in range(3))
    sealed = sealed_bundle(ephemeral.dh(companion.public), plain)
    with pytest.raises(PairingError):
        open_key_bundle(sealed, account=account, ephemeral=ephemeral, companion_ephemeral=companion.public)


def test_a_damaged_hello_is_refused():
    with pytest.raises(PairingError, match="damaged"):
        unwrap_companion("AAAAAAAA", b"short")
