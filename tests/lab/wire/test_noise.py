"""The tunnel: frames, handshake, transport."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import fields
from lab.keys import KeyPair, verify
from lab.noise import (
    HEADER,
    MAX_FRAME_BYTES,
    CertAuthority,
    Cipherstate,
    FrameBuffer,
    NoiseError,
    ServerHandshake,
    Transport,
    frame,
)

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())["noise"]
FIXED = VECTORS["fixed"]
CAPTURED = [VECTORS["captured_registration"], VECTORS["captured_login"]]
NOW = 1795300000


def pair(entry):
    return KeyPair.from_seed(bytes.fromhex(entry["seed"]))


def payload(wire):
    """The one payload of a captured wire message."""
    data = bytes.fromhex(wire)
    (only,) = FrameBuffer(HEADER if data.startswith(HEADER) else b"").feed(data)
    return only


class Client:
    """The client's half, written from the pattern, to hold against the server's."""

    def __init__(self):
        self.static, self.ephemeral = KeyPair.generate(), KeyPair.generate()
        self.state = Cipherstate()
        self.state.auth(HEADER)
        self.state.auth(self.ephemeral.public)

    def hello(self):
        return fields.write((2, fields.write((1, self.ephemeral.public))))

    def read_server_hello(self, data):
        hello = fields.read(data).message(3)
        self.server_ephemeral = hello.bytes(1)
        self.state.auth(self.server_ephemeral)
        self.state.mix(self.ephemeral.dh(self.server_ephemeral))
        server_static = self.state.decrypt(hello.bytes(2))
        self.state.mix(self.ephemeral.dh(server_static))
        return server_static, self.state.decrypt(hello.bytes(3))

    def finish(self, plain):
        static = self.state.encrypt(self.static.public)
        self.state.mix(self.static.dh(self.server_ephemeral))
        return fields.write((4, fields.write((1, static), (2, self.state.encrypt(plain)))))

    def transport(self):
        to_server, to_client = self.state.split()
        return Transport(sending_key=to_server, receiving_key=to_client)


def test_every_step_of_the_server_leaves_the_right_state():
    state = Cipherstate()
    assert len(FIXED["server_steps"]) == 10
    for step in FIXED["server_steps"]:
        if "aad" in step:
            assert (state.hash.hex(), state.counter.to_bytes(12, "big").hex()) == (step["aad"], step["iv"])
        match step["op"]:
            case "auth":
                state.auth(bytes.fromhex(step["data"]))
            case "mix":
                state.mix(bytes.fromhex(step["shared_secret"]))
            case "encrypt":
                assert state.encrypt(bytes.fromhex(step["plaintext"])).hex() == step["ciphertext"]
            case "decrypt":
                assert state.decrypt(bytes.fromhex(step["ciphertext"])).hex() == step["plaintext"]
            case unknown:
                pytest.fail(f"a step called {unknown}")
        after = (state.hash.hex(), state.chaining_key.hex(), state.key.hex(), state.counter)
        assert after == (step["h"], step["ck"], step["k"], step["n"])
    keys = tuple(key.hex() for key in state.split())
    assert keys == (FIXED["transport_client_to_server_key"], FIXED["transport_server_to_client_key"])


def test_the_agreements_of_the_fixed_handshake():
    keys = {name: pair(entry) for name, entry in FIXED["keys"].items()}
    client = keys["client_ephemeral"].public
    assert keys["server_ephemeral"].dh(client).hex() == FIXED["dh"]["ee"]
    assert keys["server_static"].dh(client).hex() == FIXED["dh"]["es"]
    assert keys["server_ephemeral"].dh(keys["client_static"].public).hex() == FIXED["dh"]["se"]


def test_the_certificates_are_issued_byte_for_byte():
    keys, chain = FIXED["keys"], FIXED["cert_chain"]
    issued = CertAuthority(pair(keys["root"]), pair(keys["intermediate"])).issue(
        pair(keys["server_static"]).public, NOW
    )
    assert issued.hex() == chain["bytes"]
    leaf, middle = fields.read(issued).message(1), fields.read(issued).message(2)
    assert (leaf.bytes(1).hex(), leaf.bytes(2).hex()) == (
        chain["leaf_details"],
        chain["leaf_signature_by_intermediate"],
    )
    assert middle.bytes(1).hex() == chain["intermediate_details"]
    assert middle.bytes(2).hex() == chain["intermediate_signature_by_root"]
    assert fields.read(leaf.bytes(1)).number(4) == chain["not_before"]
    assert fields.read(leaf.bytes(1)).number(5) == chain["not_after"]


def test_the_fixed_handshake_is_the_same_byte_for_byte():
    keys = FIXED["keys"]
    server = ServerHandshake(
        pair(keys["server_static"]), bytes.fromhex(FIXED["cert_chain"]["bytes"]), pair(keys["server_ephemeral"])
    )
    assert frame(server.read_client_hello(payload(FIXED["wire"]["client_1"]))).hex() == FIXED["wire"]["server_2"]
    finish = server.read_client_finish(payload(FIXED["wire"]["client_3"]))
    assert (finish.static_public, finish.payload.hex()) == (pair(keys["client_static"]).public, FIXED["client_payload"])
    assert server.state.hash.hex() == FIXED["handshake_hash_final"]
    assert_frames(server.transport(), FIXED)


@pytest.mark.parametrize("captured", CAPTURED, ids=["registration", "login"])
def test_a_captured_handshake_is_the_same_byte_for_byte(captured):
    server = ServerHandshake(
        pair(captured["server_static"]), bytes.fromhex(captured["cert_chain"]), pair(captured["server_ephemeral"])
    )
    assert frame(server.read_client_hello(payload(captured["wire"]["client_1"]))).hex() == captured["wire"]["server_2"]
    finish = server.read_client_finish(payload(captured["wire"]["client_3"]))
    assert finish.static_public.hex() == captured["client_static_public"]
    assert finish.payload.hex() == captured["client_payload"]
    assert server.state.hash.hex() == captured["handshake_hash_final"]
    keys = tuple(key.hex() for key in server.state.split())
    assert keys == (captured["transport_client_to_server_key"], captured["transport_server_to_client_key"])
    assert_frames(server.transport(), captured)


@pytest.mark.parametrize("captured", CAPTURED, ids=["registration", "login"])
def test_a_captured_certificate_was_signed_as_ours_are(captured):
    chain = fields.read(bytes.fromhex(captured["cert_chain"]))
    root, middle = pair(captured["root"]), pair(captured["intermediate"])
    assert verify(root.public, chain.message(2).bytes(1), chain.message(2).bytes(2))
    assert verify(middle.public, chain.message(1).bytes(1), chain.message(1).bytes(2))


def assert_frames(transport, entry):
    for sent in entry["frames_client_to_server"]:
        assert transport.decrypt(payload(sent["wire"])).hex() == sent["plaintext"]
    for received in entry["frames_server_to_client"]:
        assert frame(transport.encrypt(bytes.fromhex(received["plaintext"]))).hex() == received["wire"]


@given(st.binary(max_size=500), st.lists(st.binary(max_size=100), max_size=5))
def test_any_two_sides_find_each_other(plain, messages):
    authority, static = CertAuthority(KeyPair.generate()), KeyPair.generate()
    chain = authority.issue(static.public, NOW)
    client, server = Client(), ServerHandshake(static, chain)
    assert client.read_server_hello(server.read_client_hello(client.hello())) == (static.public, chain)
    finish = server.read_client_finish(client.finish(plain))
    assert (finish.static_public, finish.payload) == (client.static.public, plain)
    here, there = client.transport(), server.transport()
    for message in messages:
        assert there.decrypt(here.encrypt(message)) == message
        assert here.decrypt(there.encrypt(message)) == message


def test_each_direction_counts_by_itself_and_a_repeated_frame_does_not_open():
    here = Transport(sending_key=b"a" * 32, receiving_key=b"b" * 32)
    there = Transport(sending_key=b"b" * 32, receiving_key=b"a" * 32)
    first, second = here.encrypt(b"one"), here.encrypt(b"two")
    with pytest.raises(NoiseError, match="frame 0"):
        there.decrypt(second)
    assert there.decrypt(first) == b"one"
    with pytest.raises(NoiseError, match="frame 1"):
        there.decrypt(first)
    assert there.decrypt(second) == b"two"


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_come_out_whole_wherever_the_stream_is_cut(payloads, data):
    stream = HEADER + b"".join(frame(one) for one in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    buffer, found = FrameBuffer(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += buffer.feed(stream[start:end])
    assert found == payloads


def test_the_header_is_expected_once_and_first():
    buffer = FrameBuffer()
    assert buffer.feed(HEADER[:2]) == []
    assert buffer.feed(HEADER[2:] + frame(b"a")) == [b"a"]
    assert buffer.feed(frame(HEADER)) == [HEADER]
    with pytest.raises(NoiseError, match="begins with 474554"):
        FrameBuffer().feed(b"GET / HTTP/1.1")


def test_a_payload_that_no_frame_can_hold_is_refused():
    assert frame(bytes(MAX_FRAME_BYTES))[:3] == b"\xff\xff\xff"
    with pytest.raises(NoiseError, match="does not fit"):
        frame(bytes(MAX_FRAME_BYTES + 1))


@given(st.binary(max_size=120))
def test_a_hello_that_is_none_is_refused(data):
    with pytest.raises(NoiseError):
        ServerHandshake(KeyPair.generate(), b"chain").read_client_hello(data)


@pytest.mark.parametrize("key", [b"", b"short", bytes(32)])
def test_a_hello_with_an_unusable_key_is_refused(key):
    with pytest.raises(NoiseError, match="not a usable one"):
        ServerHandshake(KeyPair.generate(), b"chain").read_client_hello(fields.write((2, fields.write((1, key)))))


@given(st.data())
def test_a_damaged_finish_is_refused(data):
    static = KeyPair.generate()
    client, server = Client(), ServerHandshake(static, b"chain")
    client.read_server_hello(server.read_client_hello(client.hello()))
    finish = bytearray(client.finish(b"payload"))
    finish[data.draw(st.integers(0, len(finish) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NoiseError):
        server.read_client_finish(bytes(finish))
