"""One simulated device among others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import fields
from lab.keys import KeyPair
from lab.signal import DuplicateError, Peer, PeerState, PreKeyBundle, SignalError, pad, unpad
from lab.signal_messages import PreKeyMessage, SignalMessage, write_greeting

CAPTURED = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())["signal_captured"]
ALICE, BOB = "alice", "bob"
KEPT_CHAINS = 5


def two_devices():
    """Alice, who has begun a session with Bob, and Bob, who has not heard of it."""
    alice, bob = Peer.generate(), Peer.generate()
    alice.start(BOB, bob.hand_out())
    return alice, bob


def two_acquainted():
    """Two devices that have each heard from the other."""
    alice, bob = two_devices()
    bob.decrypt(ALICE, *alice.encrypt(BOB, b"oi"))
    alice.decrypt(BOB, *bob.encrypt(ALICE, b"oi"))
    return alice, bob


def restarted(peer):
    return Peer.from_state(json.loads(json.dumps(peer.to_state())))


ACQUAINTED = two_acquainted()


class Wire:
    """Messages under way between two devices, and what Signal promises about each."""

    def __init__(self):
        self.peers = dict(zip((ALICE, BOB), two_devices(), strict=True))
        self.away = []
        self.count = 0
        # Alice began: the chain of Bob's signed prekey is the first of those she keeps.
        self.chains = {ALICE: [b"signed prekey"], BOB: []}

    def send(self, sender):
        remote = BOB if sender == ALICE else ALICE
        if self.peers[sender].needs_bundle(remote):
            return
        self.count += 1
        text = f"text {self.count}".encode()
        self.away.append((remote, sender, text, self.peers[sender].encrypt(remote, pad(text))))

    def deliver(self, index):
        receiver, sender, text, (kind, data) = self.away.pop(index % len(self.away))
        chains = self.chains[receiver]
        ratchet = SignalMessage.read(PreKeyMessage.read(data).inner if kind == "pkmsg" else data).ratchet_public
        if ratchet in chains[:-KEPT_CHAINS]:
            with pytest.raises(SignalError):
                self.peers[receiver].decrypt(sender, kind, data)
            return
        assert unpad(self.peers[receiver].decrypt(sender, kind, data)) == text
        if ratchet not in chains:
            chains.append(ratchet)
        with pytest.raises(DuplicateError):
            self.peers[receiver].decrypt(sender, kind, data)

    def restart(self, name):
        self.peers[name] = restarted(self.peers[name])


STEPS = st.lists(
    st.tuples(st.just("send"), st.sampled_from([ALICE, BOB]))
    | st.tuples(st.just("deliver"), st.integers(0, 1000))
    | st.tuples(st.just("restart"), st.sampled_from([ALICE, BOB])),
    max_size=60,
)


@given(STEPS)
def test_messages_open_in_any_order_and_survive_restarts(steps):
    wire = Wire()
    for action, argument in steps:
        if action != "deliver" or wire.away:
            getattr(wire, action)(argument)
    while wire.away:
        wire.deliver(-1)


@given(st.permutations(range(8)), st.booleans())
def test_a_burst_opens_in_any_order(order, greeting):
    alice, bob = two_devices() if greeting else two_acquainted()
    sealed = [alice.encrypt(BOB, pad(f"text {n}".encode())) for n in range(8)]
    assert {kind for kind, _ in sealed} == {"pkmsg" if greeting else "msg"}
    for n in order:
        assert unpad(bob.decrypt(ALICE, *sealed[n])) == f"text {n}".encode()


@given(st.data(), st.booleans())
def test_a_damaged_message_is_refused_and_the_true_one_still_opens(data, greeting):
    alice, bob = two_devices() if greeting else two_acquainted()
    kind, sealed = alice.encrypt(BOB, pad(b"the text"))
    damaged = bytearray(sealed)
    damaged[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    before = bob.to_state()
    try:
        opened = bob.decrypt(ALICE, kind, bytes(damaged))
    except SignalError:
        assert bob.to_state() == before
        opened = bob.decrypt(ALICE, kind, sealed)
    assert unpad(opened) == b"the text"  # the greeting's registration id is not sealed: damage there does no harm


@given(st.sampled_from(["pkmsg", "msg", "skmsg", ""]), st.binary(max_size=200))
def test_anything_else_is_refused_with_its_own_error(kind, data):
    _, bob = ACQUAINTED
    with pytest.raises(SignalError):
        bob.decrypt(ALICE, kind, data)


@given(st.integers(0, 2**64), st.binary(max_size=40), st.binary(max_size=40))
def test_a_well_formed_message_with_odd_contents_is_refused(counter, ratchet, ciphertext):
    _, bob = ACQUAINTED
    signed = b"\x33" + fields.write((1, b"\x05" + ratchet), (2, counter), (3, 0), (4, ciphertext))
    with pytest.raises(SignalError):
        bob.decrypt(ALICE, "msg", signed + bytes(8))


def test_a_greeting_is_sent_until_the_other_side_answers():
    alice, bob = two_devices()
    first, second = alice.encrypt(BOB, pad(b"1")), alice.encrypt(BOB, pad(b"2"))
    assert (first[0], second[0]) == ("pkmsg", "pkmsg")
    assert bob.needs_bundle(ALICE)
    assert [unpad(bob.decrypt(ALICE, *one)) for one in (first, second)] == [b"1", b"2"]
    assert not bob.needs_bundle(ALICE)
    kind, sealed = bob.encrypt(ALICE, pad(b"3"))
    assert kind == "msg"
    assert unpad(alice.decrypt(BOB, kind, sealed)) == b"3"
    assert alice.encrypt(BOB, pad(b"4"))[0] == "msg"


@pytest.mark.parametrize("alice_first", [True, False])
def test_two_that_begin_at_once_come_together(alice_first):
    alice, bob = two_devices()
    bob.start(ALICE, alice.hand_out())
    hers, his = alice.encrypt(BOB, pad(b"hers")), bob.encrypt(ALICE, pad(b"his"))
    late = alice.encrypt(BOB, pad(b"late"))
    opened = {}
    opened["hers"] = lambda: bob.decrypt(ALICE, *hers)
    opened["his"] = lambda: alice.decrypt(BOB, *his)
    for name in ("hers", "his") if alice_first else ("his", "hers"):
        assert unpad(opened[name]()) == name.encode()
    for n in range(6):
        text = f"text {n}".encode()
        assert unpad(bob.decrypt(ALICE, *alice.encrypt(BOB, pad(text)))) == text
        assert unpad(alice.decrypt(BOB, *bob.encrypt(ALICE, pad(text)))) == text
    assert alice.encrypt(BOB, b"")[0] == bob.encrypt(ALICE, b"")[0] == "msg"
    assert unpad(bob.decrypt(ALICE, *late)) == b"late"


def test_a_session_is_begun_anew_after_forgetting():
    alice, bob = two_acquainted()
    alice.forget(BOB)
    assert alice.needs_bundle(BOB)
    with pytest.raises(SignalError, match="a bundle is needed"):
        alice.encrypt(BOB, b"")
    late = bob.encrypt(ALICE, pad(b"under way"))
    with pytest.raises(SignalError, match="no session"):
        alice.decrypt(BOB, *late)
    alice.start(BOB, bob.hand_out())
    kind, sealed = alice.encrypt(BOB, pad(b"again"))
    assert (kind, unpad(bob.decrypt(ALICE, kind, sealed))) == ("pkmsg", b"again")
    assert unpad(alice.decrypt(BOB, *bob.encrypt(ALICE, pad(b"yes")))) == b"yes"


def test_what_was_sent_in_the_session_before_still_opens():
    alice, bob = two_acquainted()
    late = bob.encrypt(ALICE, pad(b"late"))
    alice.start(BOB, bob.hand_out())
    assert unpad(alice.decrypt(BOB, *late)) == b"late"


def test_only_so_many_sessions_are_kept():
    alice, bob = two_acquainted()
    late = bob.encrypt(ALICE, pad(b"too late"))
    for _ in range(8):
        alice.start(BOB, bob.hand_out())
    with pytest.raises(SignalError):
        alice.decrypt(BOB, *late)


def test_every_bundle_has_a_prekey_of_its_own_that_opens_one_session():
    alice, bob = Peer.generate(), Peer.generate()
    bundle, other = bob.hand_out(), bob.hand_out()
    assert (bundle.prekey_id, other.prekey_id) == (1, 2)
    assert bundle.prekey != other.prekey
    alice.start(BOB, bundle)
    bob.decrypt(ALICE, *alice.encrypt(BOB, b"oi"))
    carol = Peer.generate()
    carol.start(BOB, bundle)
    with pytest.raises(SignalError, match="prekey 1 is not ours, or was used"):
        bob.decrypt("carol", *carol.encrypt(BOB, b"oi"))


def test_a_signed_prekey_of_another_time_is_refused():
    alice, bob = Peer.generate(), Peer.generate()
    alice.start(BOB, dataclasses.replace(bob.hand_out(), signed_prekey_id=9))
    with pytest.raises(SignalError, match="signed prekey 9"):
        bob.decrypt(ALICE, *alice.encrypt(BOB, b"oi"))


def test_without_one_time_prekeys_a_session_begins_too():
    alice, bob = Peer.generate(), Peer.generate()
    alice.start(BOB, dataclasses.replace(bob.hand_out(), prekey_id=None, prekey=None))
    assert unpad(bob.decrypt(ALICE, *alice.encrypt(BOB, pad(b"oi")))) == b"oi"


def test_a_greeting_repeated_under_another_identity_does_not_open():
    alice, bob = two_devices()
    pkmsg = PreKeyMessage.read(alice.encrypt(BOB, pad(b"oi"))[1])
    forged = write_greeting(pkmsg.greeting, KeyPair.generate().public, pkmsg.inner)
    with pytest.raises(SignalError):
        bob.decrypt(ALICE, "pkmsg", forged)


def test_the_captured_exchange_is_the_same_byte_for_byte():
    seeds = []
    contact = Peer(
        PeerState(
            pair(CAPTURED["contact_identity"]),
            1,
            pair(CAPTURED["contact_signed_prekey"]),
            prekeys={CAPTURED["one_time_prekey_id"]: pair(CAPTURED["contact_one_time_prekey"])},
        ),
        new_key=lambda: KeyPair.from_seed(bytes.fromhex(seeds.pop())),
    )
    for step in CAPTURED["transcript"]:
        seeds[:] = [step["new_ratchet_seed"]] if step["new_ratchet_seed"] else []
        if step["op"] == "decrypt":
            assert (
                contact.decrypt("neonize", step["type"], bytes.fromhex(step["wire"])).hex() == step["padded_plaintext"]
            )
        else:
            kind, sealed = contact.encrypt("neonize", bytes.fromhex(step["padded_plaintext"]))
            assert (kind, sealed.hex()) == (step["type"], step["wire"])
        assert seeds == []


def pair(entry):
    return KeyPair.from_seed(bytes.fromhex(entry["seed"]))


@given(st.binary(max_size=100), st.none() | st.integers(1, 15))
def test_padding_comes_off_again(plaintext, n):
    padded = pad(plaintext, n)
    assert 1 <= len(padded) - len(plaintext) <= 15
    assert unpad(padded) == plaintext


@pytest.mark.parametrize("padded", [b"", b"\x00", b"\x02", b"a\x01\x02"])
def test_impossible_padding_is_refused(padded):
    with pytest.raises(SignalError, match="padding"):
        unpad(padded)


@pytest.mark.parametrize(
    "state", [{}, {"identity": "AA=="}, {"identity": 5, "registration_id": 1, "signed_prekey": "?"}]
)
def test_what_is_no_state_is_refused(state):
    with pytest.raises(SignalError, match="not the state"):
        Peer.from_state(state)


def test_a_bundle_names_its_device():
    peer = Peer.generate(identity=KeyPair.from_seed(bytes(32)))
    bundle = peer.hand_out()
    assert isinstance(bundle, PreKeyBundle)
    assert (bundle.identity_public, bundle.registration_id) == (peer.identity.public, peer.registration_id)
    assert peer.identity == KeyPair.from_seed(bytes(32))


def test_unused_prekeys_do_not_pile_up_for_ever():
    keys = [KeyPair.generate()] * 10_010
    peer = Peer.generate(new_key=lambda: keys[0])
    for _ in keys:
        peer.hand_out()
    assert len(peer.to_state()["prekeys"]) == 10_000
