"""Stanzas and their bytes."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.codec import Codec, CodecError, Node
from lab.dictionary import Dictionary
from lab.jid import GROUP, HOSTED, HOSTED_LID, LID, PN, SERVER, Jid

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())
STANZAS = VECTORS["codec"] + VECTORS["codec_captured"]
FRAMES = [
    frame
    for handshake in ("fixed", "captured_registration", "captured_login")
    for direction in ("frames_client_to_server", "frames_server_to_client")
    for frame in VECTORS["noise"][handshake][direction]
]


def named(*directions):
    entries = [entry for entry in STANZAS if entry["compare"] in directions]
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry["name"])


WORDS = st.sampled_from(["iq", "message", "type", "result", "s.whatsapp.net", "xmlns", "w:g2", "active"])
DIGITS = st.text("0123456789-.", min_size=1, max_size=130)
HEX = st.text("0123456789ABCDEF", min_size=1, max_size=130)
TEXTS = WORDS | DIGITS | HEX | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
JIDS = (
    st.builds(Jid, DIGITS | TEXTS, st.sampled_from([PN, LID, HOSTED, HOSTED_LID]), st.integers(0, 255))
    | st.builds(Jid, TEXTS, st.sampled_from([GROUP, "newsletter", "broadcast"]))
    | st.just(SERVER)
)
ATTRS = st.dictionaries(TEXTS, TEXTS | JIDS, max_size=6)
LEAVES = st.builds(Node, TEXTS, ATTRS, st.none() | st.binary(max_size=400))
NODES = st.recursive(LEAVES, lambda parts: st.builds(Node, TEXTS, ATTRS, st.lists(parts, max_size=4)), max_leaves=8)


def test_the_vectors_are_all_there():
    assert len(STANZAS) == 65
    assert {entry["compare"] for entry in STANZAS} == {"both", "decode", "encode"}


@named("both", "encode")
def test_a_stanza_has_these_bytes(codec, node_of, entry):
    assert codec.encode(node_of(entry["structure"])).hex() == entry["encoded"]


@named("both", "decode")
def test_these_bytes_are_this_stanza(codec, node_of, entry):
    assert codec.decode(bytes.fromhex(entry["encoded"])) == node_of(entry["structure"])


@pytest.mark.parametrize("frame", FRAMES)
def test_what_travelled_in_the_captured_sessions_reads(codec, node_of, frame):
    node = codec.decode(bytes.fromhex(frame["plaintext"]))
    assert codec.encode(node).hex() == frame["plaintext"]
    if "node" in frame:
        assert node == node_of(frame["node"])


@given(NODES, st.booleans())
def test_any_stanza_reads_back(codec, node, compress):
    assert codec.decode(codec.encode(node, compress=compress)) == node


@given(TEXTS)
def test_a_text_as_content_reads_back_as_text_or_as_its_bytes(codec, text):
    assert codec.decode(codec.encode(Node("t", {}, text))).raw == text.encode()


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_with_the_codecs_own_error(codec, data):
    try:
        codec.decode(data)
    except CodecError:
        return


@given(NODES, st.data())
def test_a_damaged_stanza_is_refused_with_the_codecs_own_error(codec, node, data):
    encoded = bytearray(codec.encode(node))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        codec.decode(bytes(encoded))
    except CodecError:
        return


@given(NODES, st.data())
def test_a_stanza_that_is_cut_short_is_refused(codec, node, data):
    encoded = codec.encode(node)
    with pytest.raises(CodecError):
        codec.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "no bytes"),
        ("00", "cut short"),
        ("0000", "empty list"),
        ("00f800", "empty list"),
        ("00f80155ff", "1 bytes behind"),
        ("0001", "where a list should begin"),
        ("00f80100", "nothing where a text"),
        ("00f801fa0003", "where a text should begin"),
        ("00f80255fa0003", "where a text should begin"),
        ("00f8035555f702015555", "unknown kind"),
        ("00f801fc02c328", "UTF-8"),
        ("00f801ff01cc", "impossible digit"),
        ("00f801f500", "no table"),
        ("00f8035555f500000000", "no table"),
        ("00f803fc0161fafafafa", "where a text should begin"),
        ("00f802" + "55f801f802" * 200, "cut short|too deep"),
        ("00" + "f80255f801" * 100 + "f80155", "too deep"),
        ("00f80255fc05aa", "cut short"),
        ("02ffff", "not readable"),
        ("02" + zlib.compress(b"\xf8\x01\x55")[:-1].hex(), "cut short"),
        ("02" + zlib.compress(bytes(2**24 + 1)).hex(), "too large"),
    ],
)
def test_why_bytes_are_refused(codec, data, reason):
    with pytest.raises(CodecError, match=reason):
        codec.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (Node("iq", {"to": Jid("1", GROUP, 3)}), "cannot name device 3"),
        (Node("iq", {"to": Jid("1", LID, 256)}), "cannot name device 256"),
        (Node("iq", {"id": "\ud800"}), "not Unicode"),
        (Node("list", {}, [Node("item")] * 70_000), "a list of 70000 parts"),
    ],
)
def test_what_cannot_be_written_is_refused(codec, node, reason):
    with pytest.raises(CodecError, match=reason):
        codec.encode(node)


@pytest.mark.parametrize("size", [255, 256, 2**20 - 1, 2**20, 2**20 + 1])
def test_bytes_of_every_length_class_read_back(codec, size):
    node = Node("enc", {}, bytes(size))
    assert codec.decode(codec.encode(node)) == node


@pytest.mark.parametrize(
    ("parts", "header"), [(0, "00"), (1, "f801"), (255, "f8ff"), (256, "f90100"), (65535, "f9ffff")]
)
def test_a_list_is_headed_by_its_length(codec, parts, header):
    encoded = codec.encode(Node("list", {}, [Node("item")] * parts))
    assert encoded.hex().startswith("00f80271" + header)
    assert len(codec.decode(encoded).children) == parts


def test_a_length_of_twenty_bits_ignores_the_four_above(codec):
    assert codec.decode(bytes.fromhex("00f80255fdf00001aa")).content == b"\xaa"


def test_a_table_that_is_shorter_than_the_word_is_no_crash():
    with pytest.raises(CodecError, match="no table"):
        Codec(Dictionary(("", "one"), (), ())).decode(b"\x00\xf8\x01\x55")


def test_a_node_answers_questions_about_its_parts():
    node = Node("iq", {"from": SERVER, "id": "7"}, [Node("ref", {}, b"a"), Node("ref", {}, "b"), Node("list", {}, [])])
    assert [child.tag for child in node.children] == ["ref", "ref", "list"]
    assert node.child("ref") == Node("ref", {}, b"a")
    assert node.child("nothing") is None
    assert (node.jid("from"), node.jid("id"), node.jid("nothing")) == (SERVER, None, None)
    assert (node.text("id"), node.text("from"), node.text("nothing", "-")) == ("7", "s.whatsapp.net", "-")
    assert (node.bytes_of("ref"), node.bytes_of("list"), node.bytes_of("nothing")) == (b"a", b"", b"")
    assert Node("ref", {}, b"a").children == []
