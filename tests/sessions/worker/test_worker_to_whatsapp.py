"""Our words as the engine's, and the engine's answers to a send as outcomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neonize.proto import Neonize_pb2
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message as Content

from sessions.errors import NotAnAddress, SendError
from sessions.model import Outcome, SendStatus
from sessions.worker.to_whatsapp import classify, jid_bytes, outcome, text_message

proto: Any = Neonize_pb2
TO = "5511999990000@s.whatsapp.net"
FAILED, UNKNOWN = SendStatus.FAILED, SendStatus.UNKNOWN


@given(text=st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_text_goes_out_as_it_is_without_mentions_or_previews(text: str):
    content = Content.FromString(text_message(text))
    assert content == Content(conversation=text)


def test_digits_after_an_at_sign_are_no_mention():
    content = Content.FromString(text_message("@5511999990000 olá"))
    assert [field.name for field, _value in content.ListFields()] == ["conversation"]


@pytest.mark.parametrize(("user", "server"), [("5511999990000", "s.whatsapp.net"), ("99", "lid"), ("1203-1", "g.us")])
def test_an_address_becomes_the_engines(user: str, server: str):
    jid = proto.JID.FromString(jid_bytes(f"{user}@{server}"))
    assert (jid.User, jid.Server, jid.Device, jid.RawAgent, jid.IsEmpty) == (user, server, 0, 0, False)


@pytest.mark.parametrize("nonsense", ["", "5511", "@s.whatsapp.net", "5511@", "@"])
def test_what_is_no_address_is_refused(nonsense: str):
    with pytest.raises(NotAnAddress):
        jid_bytes(nonsense)


def answer(error: str = "", **response: Any) -> bytes:
    sent: dict[str, Any] = {"Timestamp": 1_700_000_000, "ID": "3EB0AA", "ServerID": 0}
    full = proto.SendMessageReturnFunction(Error=error)
    if not error:
        for name, value in (sent | response).items():
            setattr(full.SendResponse, name, value)
    return full.SerializePartialToString()


def test_a_send_that_went_out_has_its_id_and_time():
    assert outcome("r", TO, answer()) == Outcome("r", SendStatus.SENT, TO, "3EB0AA", 1_700_000_000_000)


@pytest.mark.parametrize("empty", [b"", answer(ID=""), b"\xff\xff"], ids=["nothing", "no id", "garbage"])
def test_an_answer_that_names_no_message_is_no_success(empty: bytes):
    assert outcome("r", TO, empty) == Outcome("r", UNKNOWN, TO, error=SendError.ENGINE)


TABLE = [
    ("websocket not connected", FAILED, SendError.NOT_CONNECTED),
    ("failed to send message node: websocket not connected", FAILED, SendError.NOT_CONNECTED),
    ("the store doesn't contain a device JID", FAILED, SendError.NOT_CONNECTED),
    ("client is nil: ensure client is connected", FAILED, SendError.NOT_CONNECTED),
    ("no LID found for 5511999990000@s.whatsapp.net from server", FAILED, SendError.NOT_ON_WHATSAPP),
    ("failed to get device list: failed to send usync query: info query timed out", FAILED, SendError.ENGINE),
    ("failed to get user info for 5511999990000@s.whatsapp.net to fill LID cache", FAILED, SendError.ENGINE),
    ("failed to encrypt 5511999990000.0:3: no session", FAILED, SendError.ENGINE),
    ("server returned error 463", FAILED, f"{SendError.REJECTED}_463"),
    ("server returned error 5511999990000", FAILED, SendError.REJECTED),
    ("server returned error for 5511999990000@s.whatsapp.net", FAILED, SendError.REJECTED),
    ("timed out waiting for message send response", UNKNOWN, SendError.TIMED_OUT),
    ("info query timed out", UNKNOWN, SendError.TIMED_OUT),
    ("websocket disconnected before info query returned response", UNKNOWN, SendError.ENGINE),
    ("a sentence of a later version about 5511999990000", UNKNOWN, SendError.ENGINE),
]


@pytest.mark.parametrize(("sentence", "status", "code"), TABLE)
def test_each_sentence_is_sorted(sentence: str, status: SendStatus, code: str):
    assert classify(sentence) == (status, code)
    assert outcome("r", TO, answer(sentence)) == Outcome("r", status, TO, error=code)


@given(st.text(max_size=60))
def test_whatever_is_not_recognised_may_have_gone_out(sentence: str):
    status, code = classify(sentence)
    assert status in (FAILED, UNKNOWN)
    assert code.isascii()
    assert len(code) < 30
    if status is FAILED:
        assert any(part in sentence for part in ("connect", "device JID", "nil", "LID", "failed to", "returned error"))


def test_no_code_carries_what_the_sentence_says_of_people():
    for sentence, _status, _code in TABLE:
        assert "999990000" not in classify(sentence)[1]
