"""Key agreement, and the exchange of the vectors with the state after every step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.keys import KeyPair, verify
from lab.ratchet import Agreement, MessageKeys, ReceivingChain, Session, chain_step, root_step
from lab.signal_messages import (
    KEY_TYPE,
    DuplicateError,
    PreKeyBundle,
    PreKeyMessage,
    SignalError,
    SignalMessage,
    pad,
    unpad,
    write_greeting,
)

SIGNAL = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())["signal"]
KEYS = {name: KeyPair.from_seed(bytes.fromhex(entry["seed"])) for name, entry in SIGNAL["keys"].items()}
BUNDLE = PreKeyBundle(
    SIGNAL["bob_registration_id"],
    KEYS["bob_identity"].public,
    SIGNAL["bob_signed_prekey_id"],
    KEYS["bob_signed_prekey"].public,
    bytes.fromhex(SIGNAL["bob_signed_prekey_signature"]),
    SIGNAL["bob_one_time_prekey_id"],
    KEYS["bob_one_time_prekey"].public,
)
X3DH = SIGNAL["x3dh"]
SECRETS = [bytes.fromhex(X3DH[name]) for name in ("dh1_IKa_SPKb", "dh2_EKa_IKb", "dh3_EKa_SPKb", "dh4_EKa_OPKb")]


def drawing(*names):
    """A source of exactly these keys."""
    left = [KEYS[name.replace("-", "_")] for name in names]
    return lambda: left.pop(0), left


def begin(bundle=BUNDLE):
    new_key, left = drawing("alice-base", "alice-ratchet-0")
    session = Session.initiate(KEYS["alice_identity"], SIGNAL["alice_registration_id"], bundle, new_key)
    assert left == []
    return session


def enter(pkmsg, one_time=True):
    return Session.accept(
        KEYS["bob_identity"],
        KEYS["bob_signed_prekey"],
        KEYS["bob_one_time_prekey"] if one_time else None,
        pkmsg.identity_public,
        pkmsg.greeting.base_public,
    )


def state_of(session):
    return {
        "root": session.root.hex(),
        "sending_chain": session.sending_key.hex(),
        "sending_ratchet_public": session.ratchet.public.hex(),
        "next_send_counter": session.sent,
        "previous_counter": session.previous,
        "receiving_chains": [
            {"ratchet_public": chain.ratchet_public.hex(), "chain": chain.key.hex(), "next_counter": chain.counter}
            for chain in session.chains
        ],
    }


def test_the_four_agreements():
    alice, base = KEYS["alice_identity"], KEYS["alice_base"]
    bob, signed, one_time = KEYS["bob_identity"], KEYS["bob_signed_prekey"], KEYS["bob_one_time_prekey"]
    pairs = ((alice, signed), (base, bob), (base, signed), (base, one_time))
    assert [mine.dh(theirs.public) for mine, theirs in pairs] == SECRETS
    assert (b"\xff" * 32 + b"".join(SECRETS)).hex() == X3DH["secret_input"]


def test_the_first_root_and_chains():
    agreement = Agreement.of(*SECRETS)
    assert (agreement.root.hex(), agreement.chain.hex()) == (X3DH["root"], X3DH["chain_of_spk"])
    stepped = root_step(agreement.root, KEYS["alice_ratchet_0"], BUNDLE.signed_prekey)
    assert [key.hex() for key in stepped] == [X3DH["root_after_first_step"], X3DH["alice_first_sending_chain"]]
    session = begin()
    assert (session.root, session.sending_key, session.chains[0].key) == (*stepped, agreement.chain)


def test_without_a_one_time_prekey_there_are_three_agreements():
    agreement, expected = Agreement.of(*SECRETS[:3]), X3DH["without_one_time_prekey"]
    assert (agreement.root.hex(), agreement.chain.hex()) == (expected["root"], expected["chain_of_spk"])
    bundle = PreKeyBundle(*(getattr(BUNDLE, name) for name in list(BUNDLE.__slots__)[:5]))
    alice = begin(bundle)
    assert alice.greeting is not None
    sealed = write_greeting(alice.greeting, KEYS["alice_identity"].public, alice.encrypt(pad(b"oi")))
    pkmsg = PreKeyMessage.read(sealed)
    assert pkmsg.greeting.prekey_id is None
    bob = enter(pkmsg, one_time=False)
    assert unpad(bob.decrypt(SignalMessage.read(pkmsg.inner), KeyPair.generate)) == b"oi"


def test_bobs_signature_is_reproduced():
    signed = KEY_TYPE + BUNDLE.signed_prekey
    assert KEYS["bob_identity"].sign(signed) == BUNDLE.signed_prekey_signature
    assert verify(BUNDLE.identity_public, signed, BUNDLE.signed_prekey_signature)


def test_the_whole_exchange_is_the_same_byte_for_byte():
    sessions = {"alice": begin()}
    wires = {}
    for step in SIGNAL["transcript"]:
        if step["op"] == "encrypt":
            wires[step["id"]] = encrypt_as(sessions[step["by"]], step)
        else:
            decrypt_as(sessions, step, wires[step["of"]])
        assert state_of(sessions[step["by"]]) == step["state_after"]


def encrypt_as(session, step):
    keys = MessageKeys.of(chain_step(session.sending_key)[0])
    assert session.sending_key.hex() == step["chain_before"]
    assert (keys.aes.hex(), keys.mac.hex(), keys.iv.hex()) == (step["aes_key"], step["mac_key"], step["iv"])
    padded = pad(bytes.fromhex(step["message"]), step["padding"])
    assert padded.hex() == step["padded_plaintext"]
    sealed = session.encrypt(padded)
    message = SignalMessage.read(sealed)
    assert sealed.hex() == step["signal_message"]
    assert (message.ratchet_public.hex(), message.counter) == (step["ratchet_public"], step["counter"])
    assert (message.ciphertext.hex(), message.mac.hex()) == (step["ciphertext"], step["mac8"])
    if session.greeting is None:
        assert (step["type"], sealed.hex()) == ("msg", step["wire"])
        return sealed
    wire = write_greeting(session.greeting, session.own_identity, sealed)
    assert (step["type"], wire.hex()) == ("pkmsg", step["wire"])
    return wire


def decrypt_as(sessions, step, wire):
    new_key, left = drawing(*step["new_keys"])
    inner = wire
    if step["of"] in ("m0", "m1"):
        pkmsg = PreKeyMessage.read(wire)
        assert pkmsg.greeting.registration_id == SIGNAL["alice_registration_id"]
        inner = pkmsg.inner
        sessions.setdefault("bob", enter(pkmsg))
    session, message = sessions[step["by"]], SignalMessage.read(inner)
    assert session.decrypt(message, new_key).hex() == step["padded_plaintext"]
    chain = next(one for one in session.chains if one.ratchet_public == message.ratchet_public)
    assert (list(chain.skipped), left) == (step["skipped_counters_kept"], [])


def test_a_signed_prekey_that_its_identity_did_not_sign_is_refused():
    forged = PreKeyBundle(1, KeyPair.generate().public, 1, BUNDLE.signed_prekey, BUNDLE.signed_prekey_signature)
    with pytest.raises(SignalError, match="not signed by the identity"):
        begin(forged)


def test_a_key_of_low_order_is_refused():
    forged = PreKeyBundle(
        1, BUNDLE.identity_public, 1, BUNDLE.signed_prekey, BUNDLE.signed_prekey_signature, 7, bytes(32)
    )
    with pytest.raises(SignalError, match="nothing can be agreed"):
        Session.initiate(KEYS["alice_identity"], 1, forged, KeyPair.generate)


def test_a_chain_keeps_what_it_passed_and_gives_it_once():
    chain = ReceivingChain(b"", bytes(32))
    late = chain.find(2)
    assert chain.counter == 0
    chain.take(2, late)
    assert (chain.counter, list(chain.skipped)) == (3, [0, 1])
    chain.take(0, chain.find(0))
    assert (chain.counter, list(chain.skipped)) == (3, [1])
    with pytest.raises(DuplicateError):
        chain.find(0)
    with pytest.raises(DuplicateError):
        chain.find(2)


def test_a_chain_does_not_run_ahead_without_a_bound():
    chain = ReceivingChain(b"", bytes(32))
    with pytest.raises(SignalError, match="too far ahead"):
        chain.find(2001)
    for counter in range(2000, 5000, 1000):
        chain.take(counter, chain.find(counter))
    assert len(chain.skipped) == 2000
    assert min(chain.skipped) == 1998
